"""What the activities of an agent do, told to the audit record from beside them: no activity can leave it out."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.ports import Manifest
from signals.approvals import Answer, Verb
from signals.audit import Kind
from signals.decisions import Decision
from signals.errors import Refused
from signals.receipts import Receipt
from signals.requests import ApplyRequest, Disposition, Outcome, Stack
from workers.audit import Audit

Told = tuple[Kind, dict[str, Any]]
BESIDE = frozenset({Kind.DECISION})
"""Told without waiting for the disk: containment waits for it, and the executor tells it again."""


SAID = (
    "actor",
    "role",
    "verb",
    "incident",
    "group",
    "namespace",
    "mode",
    "planHash",
    "stop",
    "verdict",
    "rule",
    "workload",
    "image",
    "exception",
    "fromPolicy",
    "toPolicy",
    "reason",
    "seconds",
    "keep",
    "force",
    "via",
    "nonce",
    "authenticatedAt",
)
"""What is kept of a command."""

KINDS: dict[str, Kind] = {
    Verb.ENROL: Kind.ENROLMENT,
    Verb.UNENROL: Kind.ENROLMENT,
    Verb.STOP: Kind.STOP,
    Verb.RESUME: Kind.STOP,
}
"""What a command is on record as, if not as a command."""


def spoken(command: Manifest, answer: Answer) -> tuple[Kind, dict[str, Any], str]:
    """Return what a person said and what became of it, as `Audit.note` takes it."""
    spec, uid = command["spec"], command["metadata"]["uid"]
    kind = KINDS.get(spec.get("verb", ""), Kind.COMMAND)
    said = {name: spec[name] for name in SAID if spec.get(name)}
    body = {"command": uid, **said, "accepted": answer.accepted, "answer": answer.message}
    return kind, body, f"command:{uid}"


class Audited(Interceptor):
    """Tells one agent's part of the record what its activities did."""

    def __init__(self, audit: Audit) -> None:
        """Tell it to this record."""
        self._audit = audit

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Stand around every activity."""
        return _Inbound(next, self._audit)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, audit: Audit) -> None:
        super().__init__(inner)
        self._audit = audit

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        name = activity.info().activity_type
        tell = TELLING.get(name)
        if tell is None:
            return await super().execute_activity(input)
        try:
            result = await super().execute_activity(input)
        except Refused as error:
            body = {"activity": name, "incident": _incident(input.args), "refused": str(error)}
            await self._note((Kind.RULING, body))
            raise
        for told in tell(input.args, result):
            await self._note(told)
        return result

    async def _note(self, told: Told) -> None:
        kind, body = told
        once = f"{kind}:{hashlib.sha256(repr(sorted(body.items())).encode()).hexdigest()[:32]}"
        if kind in BESIDE:
            self._audit.later(kind, body, once)
        else:
            await self._audit.note(kind, body, once)


def _incident(given: Sequence[Any]) -> str:
    """Return the incident that a request is about."""
    request = given[0] if given else None
    inner = getattr(request, "decision", None) or getattr(request, "stack", None) or request
    return str(getattr(inner, "incident", ""))


def _decision(_: Sequence[Any], decision: Decision) -> list[Told]:
    body = {
        "incident": decision.incident,
        "revision": decision.revision,
        "tier": int(decision.tier),
        "confidence": decision.confidence,
        "execute": decision.execute,
        "why_not": decision.why_not,
        "actions": [{"id": one.id, "type": one.type} for one in decision.actions],
        "policy": decision.policy_digest,
        "events": list(decision.events),
        "silenced": {one.event: one.exception for one in decision.silenced},
    }
    return [(Kind.DECISION, body)]


def _outcome(given: Sequence[Any], outcome: Outcome) -> list[Told]:
    request: ApplyRequest = given[0]
    written = outcome.disposition is Disposition.APPLIED or any(one.applied_at for one in outcome.receipts)
    body = {
        "incident": request.decision.incident,
        "revision": request.decision.revision,
        "tier": int(request.decision.tier),
        "decision": hashlib.sha256(request.decision.signature.encode()).hexdigest(),
        "disposition": str(outcome.disposition),
        "reason": outcome.reason,
        "approved_by": request.approval.by if request.approval else None,
        "plan": outcome.plan.hash,
        "policy": outcome.plan.policy_digest,
        "actions": _actions(outcome.receipts),
    }
    return [(Kind.APPLIED if written else Kind.RULING, body)]


def _stack(kind: Kind, *, only_with_notes: bool = False) -> Callable[[Sequence[Any], Stack], list[Told]]:
    def told(given: Sequence[Any], stack: Stack) -> list[Told]:
        if only_with_notes and not stack.notes:
            return []
        approval = getattr(given[0], "approval", None)
        body = {
            "incident": _incident(given),
            "cause": str(getattr(given[0], "cause", "")),
            "by": approval.by if approval else None,
            "notes": list(stack.notes),
            "actions": _actions(stack.receipts),
        }
        return [(kind, body)]

    return told


def _actions(receipts: Sequence[Receipt]) -> list[dict[str, Any]]:
    """Return what became of each action, with the objects that it wrote."""
    return [
        {
            "id": one.action.id,
            "type": one.action.type,
            "state": str(one.state),
            "reason": one.reason,
            "plan": one.plan_hash,
            "writes": [{"kind": str(write.kind), "object": str(write.ref)} for write in one.plan.writes],
            "expires_at": one.expires_at.isoformat() if one.expires_at else None,
        }
        for one in receipts
    ]


TELLING: dict[str, Callable[[Sequence[Any], Any], list[Told]]] = {
    "judge": _decision,
    "apply_plan": _outcome,
    "stage_plan": _outcome,
    "advance_stack": _stack(Kind.APPLIED),
    "hold_stack": _stack(Kind.APPLIED, only_with_notes=True),
    "revert_stack": _stack(Kind.REVERTED),
    "extend_stack": _stack(Kind.EXTENDED),
}
"""By the name of the activity. What only looks is not told."""
