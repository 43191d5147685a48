"""What a decision is about, as everybody who asks can see it: from a plan, from what stands, from an incident."""

import hashlib
from collections.abc import Iterable, Sequence

from signals.approvals import Approval, Verb
from signals.authority import Matter
from signals.decisions import Decision
from signals.incidents import Incident
from signals.plans import Plan
from signals.receipts import ActionState, Receipt
from signals.threats import ThreatEvent

LONGEST_NAME = 256
_TELLS = ("audit.user", "audit.impersonated", "ka.user.name")
"""Where evidence says who asked the API server."""
LOOK_AGAIN = "what stands has changed since you looked: describe the incident, look again, and decide again"
RELEASE = "release the containment"
"""The question whose yes lets go, and whose no holds on."""


def implicated(events: Iterable[ThreatEvent]) -> tuple[str, ...]:
    """Return the accounts that did what is under suspicion, or are themselves under it."""
    found: set[str] = set()
    for event in events:
        for entity in (event.subject, *event.entities):
            if entity.kind == "User" and entity.name != "unknown":
                found.add(entity.name)
            elif entity.kind == "ServiceAccount":
                found.add(f"system:serviceaccount:{entity.namespace}:{entity.name}")
        told = (str(evidence.data.get(name) or "") for evidence in event.evidence for name in _TELLS)
        found |= {name for name in told if name}
    return tuple(sorted({name[:LONGEST_NAME] for name in found}))


def of_plan(decision: Decision, plan: Plan) -> Matter:
    """Return what an approval of a plan is about."""
    return Matter(
        tier=int(decision.tier),
        namespaces=_namespaces(one.action.targets for one in plan.actions),
        actions=tuple(sorted({one.action.type for one in plan.actions})),
        implicated=decision.implicated,
    )


def of_receipts(receipts: Sequence[Receipt]) -> Matter:
    """Return what a decision about these actions is about."""
    return Matter(
        tier=max((int(receipt.tier) for receipt in receipts), default=1),
        namespaces=_namespaces(receipt.action.targets for receipt in receipts),
        actions=tuple(sorted({receipt.action.type for receipt in receipts})),
        implicated=tuple(sorted({account for receipt in receipts for account in receipt.implicated})),
    )


def of_incident(incident: Incident, verb: Verb) -> Matter:
    """Return what a decision in an incident is about: an answer about what waits, all else about what stands."""
    asked = incident.summary.waiting_for
    answers = asked is not None and asked.kind != RELEASE and verb in (Verb.APPROVE, Verb.REJECT)
    waits = [one for one in incident.receipts if one.state is ActionState.STAGED]
    stands = [one for one in incident.receipts if one.state.stands or one.state is ActionState.DUE]
    matter = of_receipts(waits if answers else stands)
    return matter.with_implicated(incident.summary.implicated)


def decides(approval: Approval, kind: str = "") -> Verb:
    """Return what a command amounts to, as an answer to a question of this kind.

    A yes to letting go is an undo, a no to it lets it stand for longer, and to close with `--undo` undoes.
    """
    if approval.verb is Verb.CLOSE and approval.undo:
        return Verb.UNDO
    if kind != RELEASE:
        return approval.verb
    return {Verb.APPROVE: Verb.UNDO, Verb.REJECT: Verb.EXTEND}.get(approval.verb, approval.verb)


def stack_digest(receipts: Iterable[Receipt]) -> str:
    """Return the hash of what stands, without what follows on it in its turn by itself; nothing if nothing does.

    An undo of what was laid on top since, or is put back in part, is said again after another look.
    """
    ids = sorted(one.action.id for one in receipts if one.state.stands and not one.action.deferred)
    return hashlib.sha256("\n".join(ids).encode()).hexdigest() if ids else ""


def _namespaces(targets: Iterable[Sequence[object]]) -> tuple[str, ...]:
    found = {getattr(target, "namespace", None) for group in targets for target in group}
    return tuple(sorted(namespace for namespace in found if namespace))
