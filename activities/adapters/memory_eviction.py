"""What the API server's eviction says, measured on a real one: budgets, preconditions, and in which order.

The order matters. A real eviction spends the budget first and looks at the precondition afterwards: one that
names another pod's UID fails, and the budget is gone for two minutes all the same. A dry run spends nothing.
"""

from collections.abc import Iterable

from activities.graph.network_policy import matches
from activities.ports import Manifest
from signals.errors import Conflict, Refused
from signals.plans import ObjectRef

UNCOUNTED = frozenset({"Pending", "Succeeded", "Failed"})
"""Phases in which a pod counts for no budget."""


def spent(pod: Manifest, budgets: Iterable[Manifest], *, dry_run: bool) -> Manifest | None:
    """Return the budget that an eviction spends, as it is afterwards; None where none is concerned.

    Raises:
        Refused: a budget does not allow it, or two budgets are about one pod.
    """
    labels = pod["metadata"].get("labels") or {}
    ended = (pod.get("status") or {}).get("phase") in UNCOUNTED or "deletionTimestamp" in pod["metadata"]
    found = [budget for budget in budgets if matches(budget["spec"].get("selector") or {}, labels)]
    if ended or not found:
        return None
    if len(found) > 1:
        raise Refused("this pod has more than one PodDisruptionBudget, which the eviction does not support")
    budget = found[0]
    status = budget.get("status") or {}
    allowed = int(status.get("disruptionsAllowed") or 0)
    if allowed < 1:
        needs, has = status.get("desiredHealthy", "?"), status.get("currentHealthy", "?")
        raise Refused(
            "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget "
            f"{budget['metadata']['name']} needs {needs} healthy pods and has {has} currently"
        )
    after = {**budget, "status": {**status, "disruptionsAllowed": allowed - 1}}
    return None if dry_run else after


def the_very(pod: Manifest, ref: ObjectRef) -> None:
    """Return if this is the pod that was meant.

    Raises:
        Conflict: it is another one, of the same name.
    """
    if ref.uid and pod["metadata"]["uid"] != ref.uid:
        raise Conflict(f"{ref} is another object now: its UID is {pod['metadata']['uid']}")
