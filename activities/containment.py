"""What isolating a pod and blocking a flow share: our policy, the mark that it selects by, the exclusions.

The mark is a label of its own for each action. It stands on the pod, in our policy's selector and, as `NotIn`,
in every policy that the pod leaves; so several actions on one pod stack without touching each other's.
"""

import json
import re
from collections.abc import Mapping, Sequence
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


def policy_ref(case: CaseRef, namespace: str, kind: str, suffix: str = "") -> ObjectRef:
    """Return the name of our policy: the same for every attempt, so that none is made twice."""
    slug = re.sub(r"[^a-z0-9.-]+", "-", case.label.lower()).strip(".-")
    name = "-".join(part for part in ("firebreak", slug, kind.replace("_", "-"), suffix) if part)
    return NETWORK_POLICIES.ref(name, namespace)


def create(
    ref: ObjectRef, spec: dict[str, Any], case: CaseRef, action: PlannedAction, rest: Sequence[Write]
) -> Write:
    """Return the creation of our policy, which says on itself how all of the action is undone."""
    inverse = {
        "action": action.id,
        "type": action.type,
        "index": action.index,
        "marks": [
            {"namespace": write.ref.namespace, "name": write.ref.name, "uid": write.ref.uid, "key": key}
            for write in rest
            if write.kind is WriteKind.MARK
            for key in write.labels
        ],
        "exclusions": [
            {"name": write.ref.name, "uid": write.ref.uid, "key": write.key, "before": write.before}
            for write in rest
            if write.kind is WriteKind.EXCLUDE
        ],
    }
    metadata = {
        "name": ref.name,
        "namespace": ref.namespace,
        "labels": {MANAGED_BY: MANAGER, CASE: case.label, ACTION: action.type},
        "annotations": {
            EXPIRES_AT: moment(case.expires_at),
            ON_EXPIRY: str(action.on_expiry),
            WORKFLOW: case.incident,
            INVERSE: json.dumps(inverse, separators=(",", ":"), sort_keys=True),
        },
    }
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": spec,
    }
    return Write(kind=WriteKind.CREATE, ref=ref, manifest=manifest)


def mark(pod: Manifest, key: str, case: CaseRef) -> Write:
    """Return the label on one pod."""
    metadata = pod["metadata"]
    ref = PODS.ref(metadata["name"], metadata["namespace"], metadata["uid"])
    return Write(kind=WriteKind.MARK, ref=ref, labels={key: case.label})


def exclude(policy: Mapping[str, Any], key: str, value: str) -> Write:
    """Return the exclusion of marked pods from one policy."""
    metadata = policy["metadata"]
    ref = NETWORK_POLICIES.ref(metadata["name"], metadata["namespace"], metadata.get("uid"))
    return Write(kind=WriteKind.EXCLUDE, ref=ref, key=key, value=value, before=digest(policy))


def blocked(action: PlannedAction, why: str) -> ActionPlan:
    """Return a plan that writes nothing, and says why."""
    return ActionPlan(action=action, writes=(), inverse=Inverse.EXACT, summary=action.summary, blocked=why)
