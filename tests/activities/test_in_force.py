"""A policy that loosens holds only once a lead has approved that it does."""

from datetime import UTC, datetime

from activities.in_force import in_force
from signals.approvals import Voice
from signals.policy import Policy
from tests.workflows.world import Bucket

FIRST = Policy()
TIGHTER = Policy.model_validate({"caps": {"per_cluster": 1}})
LOOSER = Policy.model_validate({"caps": {"per_cluster": 99}})


def said(*commands: str, actor: str = "lead@example.com") -> dict[str, Voice]:
    """Return who approves, by these Commands."""
    now = datetime(2026, 5, 4, tzinfo=UTC)
    return {uid: Voice(command=uid, actor=actor, role="lead", said_at=now) for uid in commands}


async def test_the_first_policy_is_taken_as_it_is_and_a_tighter_one_at_once() -> None:
    bucket = Bucket()
    assert (await in_force(bucket, FIRST, {})).policy == FIRST
    assert (await in_force(bucket, TIGHTER, {})).policy == TIGHTER
    again = await in_force(bucket, FIRST, {})
    assert (again.policy, again.waiting) == (TIGHTER, FIRST)


async def test_a_looser_one_waits_for_exactly_its_approval_and_stays_in_force_then() -> None:
    bucket = Bucket()
    await in_force(bucket, FIRST, {})
    waits = await in_force(
        bucket, LOOSER, {(LOOSER.digest, FIRST.digest): said("1"), (FIRST.digest, TIGHTER.digest): said("2")}
    )
    assert (waits.policy, waits.waiting) == (FIRST, LOOSER)
    assert "caps.per_cluster: 20 → 99" in str(waits)
    assert f"approve-policy {FIRST.digest} {LOOSER.digest}" in str(waits)
    approved = await in_force(bucket, LOOSER, {(FIRST.digest, LOOSER.digest): said("1")})
    assert (approved.policy, str(approved)) == (LOOSER, "")
    assert (await in_force(bucket, LOOSER, {})).policy == LOOSER


async def test_what_was_approved_once_lets_nothing_else_loosen_later() -> None:
    bucket = Bucket()
    approvals = {(FIRST.digest, LOOSER.digest): said("1")}
    await in_force(bucket, FIRST, approvals)
    await in_force(bucket, LOOSER, approvals)
    await in_force(bucket, TIGHTER, approvals)
    assert (await in_force(bucket, LOOSER, approvals)).policy == TIGHTER


async def test_an_approval_is_good_for_once_also_where_the_old_policy_has_come_back() -> None:
    bucket = Bucket()
    approvals = {(FIRST.digest, LOOSER.digest): said("1", "2")}
    await in_force(bucket, FIRST, approvals)
    assert (await in_force(bucket, LOOSER, approvals)).policy == LOOSER
    assert (await in_force(bucket, FIRST, approvals)).policy == FIRST
    waits = await in_force(bucket, LOOSER, approvals)
    assert (waits.policy, waits.waiting) == (FIRST, LOOSER)
    assert not waits.approved_by(approvals), "else the executor would begin again for ever"
    anew = {(FIRST.digest, LOOSER.digest): said("1", "2", "3")}
    assert waits.approved_by(anew)
    assert (await in_force(bucket, LOOSER, anew)).policy == LOOSER


async def test_whom_the_policy_in_force_does_not_name_loosens_nothing() -> None:
    bucket = Bucket()
    lead = {"name": "lee", "kubernetes": ["lead@example.com"], "roles": ["lead"]}
    named = Policy.model_validate({"people": [lead]})
    stranger = {"name": "mallory", "kubernetes": ["mallory@example.com"], "roles": ["lead"]}
    more = Policy.model_validate({"people": [lead, stranger]})
    await in_force(bucket, named, {})
    change = (named.digest, more.digest)
    waits = await in_force(bucket, more, {change: said("1", actor="mallory@example.com")})
    assert (waits.policy, waits.waiting) == (named, more)
    assert (await in_force(bucket, more, {change: said("2")})).policy == more
