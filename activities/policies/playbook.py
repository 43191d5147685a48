"""What is to be done about each suspect?

Tier 2 blocks the one flow that the alert names and marks the pod; Tier 3 isolates it, then does in turn what the
policy names; Tier 4 asks for the same and writes nothing by itself. What stands already is never asked for again,
and never withdrawn; what is due and not written yet waits for a person from Tier 4 on.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from activities.judgement import Judgement, Suspect, Weighing
from signals.correlation import is_storm
from signals.decisions import OnExpiry, PlannedAction, Tier
from signals.entities import Entity
from signals.policy import Policy, Step
from signals.threats import Peer


def action_id(incident: str, kind: str, target: str, index: int) -> str:
    """Return the id of one action: the key of its record, and of its marks in the cluster."""
    return hashlib.sha256(f"{incident}|{kind}|{target}|{index}".encode()).hexdigest()[:16]


def _containable(suspect: Suspect) -> str:
    """Return why nothing can be written about this suspect, or nothing if it can."""
    subject = suspect.event.subject
    if subject.kind != "Pod":
        return f"{subject} is not a pod"
    if not subject.uid:
        return f"{subject} is not known to the API server"
    if not suspect.event.enrolled:
        return f"namespace {subject.namespace} is not enrolled"
    return ""


@dataclass(frozen=True)
class Want:
    """What one suspect's tier asks for, before it has a place on the stack."""

    kind: str
    target: Entity
    seconds: int
    on_expiry: OnExpiry
    what: str
    peer: Peer | None = None
    deferred: bool = False
    tier: Tier | None = None
    asks: str = ""


WORDS = {
    Step.CAPTURE: "capture evidence of",
    Step.FREEZE: "freeze the credentials of",
    Step.EVICT: "evict",
}


def _wanted(suspect: Suspect, policy: Policy) -> Iterator[Want]:
    """Yield what this suspect's tier asks for."""
    subject = suspect.event.subject
    if suspect.tier >= Tier.ISOLATE:
        seconds = policy.isolate_ttl_seconds
        yield Want("isolate_pod", subject, seconds, policy.on_expiry.isolate, "cut every connection of")
        for step in policy.isolate_steps:
            on_expiry = policy.on_expiry.freeze if step is Step.FREEZE else OnExpiry.RELEASE
            yield Want(step.value, subject, seconds, on_expiry, WORDS[step], deferred=True)
        return
    seconds = policy.restrict_ttl_seconds
    peers = {event.peer for event in suspect.events if event.peer is not None}
    for peer in sorted(peers, key=lambda peer: peer.model_dump_json()):
        where = peer.address if peer.port is None else f"{peer.address}:{peer.port}"
        what = f"block the flow to or from {where} of"
        yield Want("block_flow", subject, seconds, policy.on_expiry.restrict, what, peer)
    yield Want("annotate_pod", subject, seconds, policy.on_expiry.restrict, "mark as quarantined")


_OF_ONE_POD = frozenset({"block_flow", "annotate_pod"})


def _turn(group: list[Want]) -> int:
    """Return when a group of wants has its turn: 0 is at once."""
    return 1 + list(Step).index(Step(group[0].kind)) if group[0].deferred else 0


def _stacked(wants: list[Want], incident: str, first: int) -> tuple[PlannedAction, ...]:
    """Give each want a place on the stack: what is written at once first, then step by step what is due.

    What Tier 3 wants of one namespace is one action for all of its pods: one policy serves a whole storm.
    """
    groups: dict[tuple[str, str | None, str], list[Want]] = {}
    for want in wants:
        alone = f"{want.target.key}/{want.peer}" if want.kind in _OF_ONE_POD else f"{want.tier}/{want.asks}"
        groups.setdefault((want.kind, want.target.namespace, alone), []).append(want)
    actions: list[PlannedAction] = []
    for index, group in enumerate(sorted(groups.values(), key=_turn), first):
        want, targets = group[0], tuple(want.target for want in group)
        whom = str(want.target) if len(targets) == 1 else f"{len(targets)} pods of {want.target.namespace}"
        actions.append(
            PlannedAction(
                id=action_id(incident, want.kind, " ".join(target.key for target in targets), index),
                type=want.kind,
                targets=targets,
                index=index,
                peer=want.peer,
                ttl_seconds=want.seconds,
                on_expiry=want.on_expiry,
                summary=f"{want.what} {whom}",
                deferred=want.deferred,
                tier=want.tier,
                asks=want.asks,
            )
        )
    return tuple(actions)


def _control_plane(suspect: Suspect, policy: Policy) -> bool:
    """Return whether this suspect lives where the control plane does."""
    namespace = suspect.event.subject.namespace or ""
    return any(fnmatchcase(namespace, pattern) for pattern in policy.control_plane_namespaces)


def _asked(want: Want, suspect: Suspect, scales: Weighing) -> Want:
    """Add the tier that its target has earned, and why a person decides about this one thing."""
    asks, tier = "", suspect.tier
    if _control_plane(suspect, scales.policy):
        asks, tier = f"{suspect.event.subject} is part of the control plane", Tier.ESCALATE
    elif want.deferred and is_storm(scales.request.incident, suspect.event.detector):
        asks = "a storm: what follows the isolation is one decision for all of its pods"
    return replace(want, asks=asks, tier=tier)


def _stopped(scales: Weighing, escalated: Collection[str]) -> list[PlannedAction]:
    """Return what is due and waits for a person from now on, in its old place; a turn may have been refused."""
    found: list[PlannedAction] = []
    for action in scales.request.due:
        if any(target.key in escalated for target in action.targets):
            found.append(action.model_copy(update={"tier": Tier.ESCALATE}))
        elif action.asks:
            found.append(action)
    return found


def weigh(scales: Weighing) -> Weighing:
    """Ask for what is missing."""
    request = scales.request
    planned = {
        (action.type, action.peer, target.key)
        for action in (*request.planned, *request.due)
        for target in action.targets
    }
    wants: list[Want] = []
    escalated: set[str] = set()
    for suspect in scales.suspects:
        if suspect.tier is Tier.OBSERVE:
            continue
        obstacle = _containable(suspect)
        if obstacle:
            scales = replace(scales, why_not=scales.why_not or obstacle)
            scales = scales.explained("containment", "none", "nothing is planned", obstacle)
            continue
        scales = _noted(scales, suspect)
        asked = [_asked(want, suspect, scales) for want in _wanted(suspect, scales.policy)]
        escalated |= {want.target.key for want in asked if want.tier is Tier.ESCALATE}
        wants += [want for want in asked if (want.kind, want.peer, want.target.key) not in planned]
    actions = (*_stopped(scales, escalated), *_stacked(wants, request.incident, request.next_index))
    return replace(scales, actions=actions)


def _noted(scales: Weighing, suspect: Suspect) -> Weighing:
    """Say what is special about one suspect: it lives in the control plane, or no flow was named."""
    if _control_plane(suspect, scales.policy):
        scales = replace(scales, tier=Tier.ESCALATE).explained(
            "control plane", "4", "a person decides", f"{suspect.event.subject} is part of the control plane"
        )
    if suspect.tier is Tier.RESTRICT and not any(event.peer for event in suspect.events):
        scales = scales.explained(
            "flow", "none", "marked and paged", "the alert names no peer, so there is no flow to block"
        )
    return scales


JUDGEMENT = Judgement(
    name="playbook", order=40, question="What is to be done about each suspect?", weigh=weigh
)
