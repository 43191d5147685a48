"""What waits for one limit is one decision: who is in a group, and what a person's answer to it is bound to."""

import hashlib
import json
from collections.abc import Iterable

from pydantic import BaseModel

from signals.incidents import IncidentState, Summary


class Member(BaseModel, frozen=True):
    """One incident of a group: its plan and the objects that it would touch."""

    incident: str
    plan_hash: str
    target_uids: tuple[str, ...]


def waiting_in(group: str, summaries: Iterable[Summary]) -> tuple[Member, ...]:
    """Return the incidents that wait in a group, by id."""
    members = [
        Member(
            incident=summary.id,
            plan_hash=summary.waiting_for.plan_hash,
            target_uids=tuple(sorted(summary.waiting_for.target_uids)),
        )
        for summary in summaries
        if summary.waiting_for and summary.waiting_for.group == group
        if summary.state is not IncidentState.CLOSED
    ]
    return tuple(sorted(members, key=lambda member: member.incident))


def digest(members: Iterable[Member]) -> str:
    """Return the hash that an answer to a group is bound to: with one member more it is another."""
    ordered = sorted(members, key=lambda member: member.incident)
    body = [member.model_dump(mode="json") for member in ordered]
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
