"""What isolating a pod and blocking a flow share: our policy, the mark that it selects by, the exclusions.

The mark is a label of its own for each action. It stands on the pod, in our policy's selector and, as `NotIn`,
in every policy that the pod leaves; so several actions on one pod stack without touching each other's.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from activities.action import CaseRef
from activities.ports import NETWORK_POLICIES, PODS, Manifest
from activities.standing import digest, moment
from signals.decisions import Inverse, PlannedAction
from signals.plans import ActionPlan, ObjectRef, Write, WriteKind
from signals.subjects import (
    ACTION,
    CASE,
    EXPIRES_AT,
    INVERSE,
    MANAGED_BY,
    MANAGER,
    MARK_PREFIX,
    ON_EXPIRY,
    PEER_PREFIX,
    WORKFLOW,
)

PERMISSIONS = (
    "pods: get, list, patch",
    "networking.k8s.io/networkpolicies: get, list, create, patch, delete",
    "apps/daemonsets: list",
)

RESIDUAL = (
    "connections that are open already may go on: whether the network cuts them is its own matter",
    "traffic of a pod with itself and with its own node is outside of every policy",
)


def mark_key(seed: str) -> str:
    """Return the label key of one action: `seed` begins with eight hex digits of its own."""
    return f"{MARK_PREFIX}{seed[:8]}"


def peer_key(action_id: str) -> str:
    """Return the label key that tells the other end of a blocked flow from all other pods."""
    return f"{PEER_PREFIX}{action_id[:8]}"


def other_case(policies: Iterable[Mapping[str, Any]], case: CaseRef) -> str:
    """Return why these policies of ours keep a block out: undone out of order, it would not be exact."""
    for policy in policies:
        labels = policy["metadata"].get("labels") or {}
        if labels.get(MANAGED_BY) == MANAGER and labels.get(CASE) != case.label:
            return f"the pod is contained by incident {labels.get(CASE)} already: close or undo that first"
    return ""


def stack_index(policy: Mapping[str, Any]) -> int:
    """Return where on its incident's stack the action stands that made this policy; -1 for policies of others."""
    metadata = policy["metadata"]
    if (metadata.get("labels") or {}).get(MANAGED_BY) != MANAGER:
        return -1
    try:
        return int(json.loads(metadata["annotations"][INVERSE])["index"])
    except (KeyError, TypeError, ValueError):
        return -1


def later_keys(policies: Iterable[Mapping[str, Any]], index: int) -> frozenset[str]:
    """Return the marks of actions that stand higher on a stack."""
    return frozenset(
        key
        for policy in policies
        if stack_index(policy) > index
        for key in policy["spec"]["podSelector"].get("matchLabels") or {}
    )


def policy_ref(case: CaseRef, namespace: str, kind: str, suffix: str = "") -> ObjectRef:
    """Return the name of our policy: the same for every attempt, so that none is made twice."""
    slug = re.sub(r"[^a-z0-9.-]+", "-", case.label.lower()).strip(".-")
    name = "-".join(part for part in ("firebreak", slug, kind.replace("_", "-"), suffix) if part)
    return NETWORK_POLICIES.ref(name, namespace)


def create(
    ref: ObjectRef, spec: dict[str, Any], case: CaseRef, action: PlannedAction, rest: Sequence[Write]
) -> Write:
    """Return the creation of our policy, which says on itself how all of the action is undone."""
    marks = [
        {"namespace": write.ref.namespace, "name": write.ref.name, "uid": write.ref.uid, "key": key}
        for write in rest
        if write.kind is WriteKind.MARK
        for key in write.labels
    ]
    exclusions = [
        {"name": write.ref.name, "uid": write.ref.uid, "key": write.key, "before": write.before}
        for write in rest
        if write.kind is WriteKind.EXCLUDE
    ]
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(ref, case, action, marks=marks, exclusions=exclusions),
        "spec": spec,
    }
    return Write(kind=WriteKind.CREATE, ref=ref, manifest=manifest)


def metadata(ref: ObjectRef, case: CaseRef, action: PlannedAction, **rest: Any) -> Manifest:
    """Return the metadata of an object of ours, which says whose it is, until when, and how it is undone."""
    inverse = {"action": action.id, "type": action.type, "index": action.index, **rest}
    return {
        "name": ref.name,
        **({"namespace": ref.namespace} if ref.namespace else {}),
        "labels": {MANAGED_BY: MANAGER, CASE: case.label, ACTION: action.type},
        "annotations": {
            EXPIRES_AT: moment(case.expires_at),
            ON_EXPIRY: str(action.on_expiry),
            WORKFLOW: case.incident,
            INVERSE: json.dumps(inverse, separators=(",", ":"), sort_keys=True),
        },
    }


def mark(pod: Manifest, key: str, value: str) -> Write:
    """Return the label on one pod."""
    metadata = pod["metadata"]
    ref = PODS.ref(metadata["name"], metadata["namespace"], metadata["uid"])
    return Write(kind=WriteKind.MARK, ref=ref, labels={key: value})


def exclude(policy: Mapping[str, Any], key: str, value: str) -> Write:
    """Return the exclusion of marked pods from one policy."""
    metadata = policy["metadata"]
    ref = NETWORK_POLICIES.ref(metadata["name"], metadata["namespace"], metadata.get("uid"))
    return Write(kind=WriteKind.EXCLUDE, ref=ref, key=key, value=value, before=digest(policy))


def blocked(action: PlannedAction, why: str) -> ActionPlan:
    """Return a plan that writes nothing, and says why."""
    return ActionPlan(action=action, writes=(), inverse=Inverse.EXACT, summary=action.summary, blocked=why)
