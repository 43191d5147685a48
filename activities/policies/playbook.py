"""What is to be done about each suspect?

Tier 2 blocks the one flow that the alert names and marks the pod; Tier 3 isolates it; Tier 4 asks for the
isolation and writes nothing by itself. What stands already is never asked for again, and never withdrawn.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from activities.judgement import Judgement, Suspect, Weighing
from signals.decisions import OnExpiry, PlannedAction, Tier
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


def _wanted(suspect: Suspect, policy: Policy) -> Iterator[tuple[str, Peer | None, int, OnExpiry, str]]:
    """Yield what this suspect's tier asks for: type, peer, seconds, what expiry does, and a sentence."""
    subject = suspect.event.subject
    if suspect.tier >= Tier.ISOLATE:
        yield (
            "isolate_pod",
            None,
            policy.isolate_ttl_seconds,
            OnExpiry.ASK,
            f"cut every connection of {subject}",
        )
        return
    if suspect.tier is not Tier.RESTRICT:
        return
    peers = {event.peer for event in suspect.events if event.peer is not None}
    for peer in sorted(peers, key=lambda peer: peer.model_dump_json()):
        where = peer.address if peer.port is None else f"{peer.address}:{peer.port}"
        summary = f"block the flow between {subject} and {where}"
        yield "block_flow", peer, policy.restrict_ttl_seconds, OnExpiry.RELEASE, summary
    yield (
        "annotate_pod",
        None,
        policy.restrict_ttl_seconds,
        OnExpiry.RELEASE,
        f"mark {subject} as quarantined",
    )


def _new(scales: Weighing, suspect: Suspect, first: int) -> list[PlannedAction]:
    """Return the actions for one suspect that are not planned yet."""
    subject = suspect.event.subject
    planned = {
        (action.type, action.peer, target.key)
        for action in scales.request.planned
        for target in action.targets
    }
    actions: list[PlannedAction] = []
    for kind, peer, seconds, on_expiry, summary in _wanted(suspect, scales.policy):
        if (kind, peer, subject.key) in planned:
            continue
        index = first + len(actions)
        actions.append(
            PlannedAction(
                id=action_id(scales.request.incident, kind, subject.key, index),
                type=kind,
                targets=(subject,),
                index=index,
                peer=peer,
                ttl_seconds=seconds,
                on_expiry=on_expiry,
                summary=summary,
            )
        )
    return actions


def _control_plane(suspect: Suspect, policy: Policy) -> bool:
    """Return whether this suspect lives where the control plane does."""
    namespace = suspect.event.subject.namespace or ""
    return any(fnmatchcase(namespace, pattern) for pattern in policy.control_plane_namespaces)


def weigh(scales: Weighing) -> Weighing:
    """Ask for what is missing."""
    actions: list[PlannedAction] = []
    first = scales.request.next_index
    for suspect in scales.suspects:
        if suspect.tier is Tier.OBSERVE:
            continue
        obstacle = _containable(suspect)
        if obstacle:
            scales = scales.explained("containment", "none", "nothing is planned", obstacle)
            if not suspect.event.enrolled and suspect.tier > Tier.RESTRICT:
                scales = replace(scales, why_not=scales.why_not or obstacle)
            continue
        if _control_plane(suspect, scales.policy):
            scales = replace(scales, tier=Tier.ESCALATE).explained(
                "control plane",
                "4",
                "a person decides",
                f"{suspect.event.subject} is part of the control plane",
            )
        if suspect.tier is Tier.RESTRICT and not any(event.peer for event in suspect.events):
            scales = scales.explained(
                "flow", "none", "marked and paged", "the alert names no peer, so there is no flow to block"
            )
        actions += _new(scales, suspect, first + len(actions))
    return replace(scales, actions=tuple(actions))


JUDGEMENT = Judgement(
    name="playbook", order=40, question="What is to be done about each suspect?", weigh=weigh
)
