"""Voices are kept until they are enough, counted by person, and used once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signals.approvals import Approval, Verb
from signals.entities import ClusterRef
from signals.threats import Mode
from signals.verdicts import Verdict
from tests.workflows.world import Bucket
from workers.gathering import Gathering

NOW = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)
FRESH = timedelta(minutes=15)


def said(command: str, person: str, minutes: float = 0, **given: Any) -> Approval:
    fields: dict[str, Any] = {
        "id": command,
        "cluster": ClusterRef(name="test", uid="u"),
        "verb": Verb.UNDO,
        "incident": "i-1",
        "actor": f"{person}@example.com",
        "person": person,
        "said_at": NOW + timedelta(minutes=minutes),
    }
    return Approval(**fields | given)


async def names(gathering: Gathering, approval: Approval, about: str = "stack") -> tuple[str, ...]:
    """Say it, and return who has said it so far."""
    return tuple(voice.person for voice in (await gathering.join(approval, (about,), 2)).voices)


async def test_a_second_person_completes_what_the_first_began_also_after_a_restart() -> None:
    bucket = Bucket()
    assert await names(Gathering(bucket, FRESH), said("c1", "alice")) == ("alice",)
    assert await names(Gathering(bucket, FRESH), said("c2", "bob")) == ("alice", "bob")


async def test_the_same_person_twice_is_one() -> None:
    gathering = Gathering(Bucket(), FRESH)
    await names(gathering, said("c1", "alice"))
    assert await names(gathering, said("c2", "alice", actor="admin")) == ("alice",)


async def test_a_voice_does_not_count_for_ever() -> None:
    gathering = Gathering(Bucket(), FRESH)
    await names(gathering, said("c1", "alice"))
    assert await names(gathering, said("c2", "bob", minutes=16)) == ("bob",)


async def test_what_was_said_about_something_else_does_not_count() -> None:
    gathering = Gathering(Bucket(), FRESH)
    await names(gathering, said("c1", "alice"))
    assert await names(gathering, said("c2", "bob"), about="another stack") == ("bob",)


@pytest.mark.parametrize(
    "other",
    [
        {"verb": Verb.STAND_DOWN}, {"incident": "i-2"}, {"namespace": "shop"}, {"mode": Mode.AUTO}, {"seconds": 60},
        {"keep": True}, {"undo": True}, {"force": True}, {"verdict": Verdict.FALSE}, {"rule": "Terminal shell"},
        {"workload": "Deployment/web"}, {"image": "shop:1"}, {"exception": "e-1"},
    ],
    ids=lambda other: next(iter(other)),
)  # fmt: skip
async def test_who_says_something_else_seconds_nobody(other: dict[str, Any]) -> None:
    gathering = Gathering(Bucket(), FRESH)
    await names(gathering, said("c1", "alice"))
    assert await names(gathering, said("c2", "bob", **other)) == ("bob",)


async def test_voices_are_used_once_and_the_same_command_again_is_the_same() -> None:
    gathering = Gathering(Bucket(), FRESH)
    await names(gathering, said("c1", "alice"))
    await names(gathering, said("c2", "bob"))

    assert await names(gathering, said("c2", "bob")) == ("alice", "bob"), "told again after a crash"
    assert await names(gathering, said("c3", "bob")) == ("bob",), "a new decision"


async def test_a_click_is_one_command() -> None:
    gathering = Gathering(Bucket(), FRESH)
    answers = [await gathering.used("undo-slack-1", uid) for uid in ("u1", "u1", "u2")]
    assert answers == [False, False, True]
