"""Actions, receipts and cases, as tests need them."""

import hashlib
from datetime import UTC, datetime

from activities.action import CaseRef
from activities.ports import Cluster, Manifest
from signals.decisions import OnExpiry, PlannedAction
from signals.entities import Entity
from signals.plans import ActionPlan
from signals.receipts import ActionState, Receipt
from signals.threats import Peer

CASE = CaseRef(incident="shop-web-0-12345678", expires_at=datetime(2026, 1, 1, tzinfo=UTC))


def entity(cluster: Cluster, pod: Manifest) -> Entity:
    """Return a pod as an incident names it."""
    metadata = pod["metadata"]
    return Entity(
        cluster=cluster.ref,
        kind="Pod",
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
    )


def action(kind: str, *targets: Entity, index: int = 0, peer: Peer | None = None) -> PlannedAction:
    """Return one action, as the judge would ask for it."""
    return PlannedAction(
        id=hashlib.sha256(f"{kind}|{index}|{targets[0].uid}".encode()).hexdigest()[:16],
        type=kind,
        targets=targets,
        index=index,
        peer=peer,
        ttl_seconds=60,
        on_expiry=OnExpiry.RELEASE,
        summary=f"{kind} of {targets[0]}",
    )


def receipt(cluster: Cluster, plan: ActionPlan) -> Receipt:
    """Return the record of an applied plan."""
    return Receipt(
        action=plan.action,
        incident=CASE.incident,
        cluster=cluster.ref,
        plan=plan,
        plan_hash="",
        state=ActionState.APPLIED,
    )
