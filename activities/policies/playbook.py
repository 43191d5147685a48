"""What is to be done about each suspect?

Tier 2 blocks the one flow that the alert names and marks the pod; Tier 3 isolates it; Tier 4 asks for the
isolation and writes nothing by itself. What stands already is never asked for again, and never withdrawn.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from activities.judgement import Judgement, Suspect, Weighing
from signals.decisions import OnExpiry, PlannedAction, Tier
from signals.entities import Entity
from signals.policy import Policy
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


def _wanted(suspect: Suspect, policy: Policy) -> Iterator[Want]:
    """Yield what this suspect's tier asks for."""
    subject = suspect.event.subject
    if suspect.tier >= Tier.ISOLATE:
        yield Want(
            "isolate_pod", subject, policy.isolate_ttl_seconds, OnExpiry.ASK, "cut every connection of"
        )
        return
    seconds = policy.restrict_ttl_seconds
    peers = {event.peer for event in suspect.events if event.peer is not None}
    for peer in sorted(peers, key=lambda peer: peer.model_dump_json()):
        where = peer.address if peer.port is None else f"{peer.address}:{peer.port}"
        what = f"block the flow to or from {where} of"
        yield Want("block_flow", subject, seconds, OnExpiry.RELEASE, what, peer)
    yield Want("annotate_pod", subject, seconds, OnExpiry.RELEASE, "mark as quarantined")


def _stacked(wants: list[Want], incident: str, first: int) -> tuple[PlannedAction, ...]:
    """Give each want a place on the stack. Isolations of one namespace are one action: one policy serves all."""
    groups: dict[tuple[str, str | None, str], list[Want]] = {}
    for want in wants:
        alone = "" if want.kind == "isolate_pod" else f"{want.target.key}/{want.peer}"
        groups.setdefault((want.kind, want.target.namespace, alone), []).append(want)
    actions: list[PlannedAction] = []
    for index, group in enumerate(groups.values(), first):
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
            )
        )
    return tuple(actions)


def _control_plane(suspect: Suspect, policy: Policy) -> bool:
    """Return whether this suspect lives where the control plane does."""
    namespace = suspect.event.subject.namespace or ""
    return any(fnmatchcase(namespace, pattern) for pattern in policy.control_plane_namespaces)


def weigh(scales: Weighing) -> Weighing:
    """Ask for what is missing."""
    request = scales.request
    planned = {
        (action.type, action.peer, target.key) for action in request.planned for target in action.targets
    }
    wants: list[Want] = []
    for suspect in scales.suspects:
        if suspect.tier is Tier.OBSERVE:
            continue
        obstacle = _containable(suspect)
        if obstacle:
            scales = replace(scales, why_not=scales.why_not or obstacle)
            scales = scales.explained("containment", "none", "nothing is planned", obstacle)
            continue
        scales = _noted(scales, suspect)
        wants += [
            want
            for want in _wanted(suspect, scales.policy)
            if (want.kind, want.peer, want.target.key) not in planned
        ]
    return replace(scales, actions=_stacked(wants, request.incident, request.next_index))


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
