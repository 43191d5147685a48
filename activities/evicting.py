"""The one write that has no inverse: an eviction, asked for before it is done.

Asked means a dry run: it says what a disruption budget says, and whether this is still the pod that was meant.
The real one spends the budget before it looks at the UID, so it is sent only where the dry run was accepted.
"""

from collections.abc import Sequence

from activities.phases import every
from activities.ports import Cluster
from signals.errors import BadInput, Conflict, NotFound, Refused
from signals.plans import Write

LONGEST_GRACE = 10
"""Seconds that a pod is given to end: what an attacker left in a handler runs in them. Never none, for then the
object goes at once and its processes may live on."""


def grace(write: Write) -> int:
    """Return how many seconds the pod of an eviction is given."""
    options = (write.manifest or {}).get("deleteOptions") or {}
    return int(options.get("gracePeriodSeconds") or LONGEST_GRACE)


async def ask(cluster: Cluster, write: Write) -> None:
    """Return if the API server would evict this pod now; it is no error if it is gone.

    Raises:
        Refused: a disruption budget, or admission, does not allow it.
        Unavailable, BadInput: as the API server says.
    """
    try:
        await cluster.evict(write.ref, grace_seconds=grace(write), dry_run=True)
    except (NotFound, Conflict):
        return


async def evict(cluster: Cluster, writes: Sequence[Write]) -> None:
    """Evict all of these pods, each of which may be refused by itself. May be run again at any time.

    Raises:
        Refused: some stay; the text says which, why, and how many went.
        Unavailable: the API server did not answer.
    """
    refused = [why for why in await every(_one(cluster, write) for write in writes) if why]
    if refused:
        went = f"{len(writes) - len(refused)} of {len(writes)} pods evicted; " if len(writes) > 1 else ""
        raise Refused(went + "; ".join(refused))


async def _one(cluster: Cluster, write: Write) -> str:
    """Evict one pod; return why it stays, or nothing."""
    seconds = grace(write)
    try:
        await cluster.evict(write.ref, grace_seconds=seconds, dry_run=True)
        await cluster.evict(write.ref, grace_seconds=seconds)
    except (NotFound, Conflict):  # it is gone, or another pod has its name
        return ""
    except (Refused, BadInput) as error:
        return f"{write.ref}: {error}"
    return ""
