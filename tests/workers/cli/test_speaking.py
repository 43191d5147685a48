"""What a person says to the API server, and how the answer comes back; on the memory cluster."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from activities.adapters.memory import MemoryCluster
from activities.ports import COMMANDS, Manifest
from signals.approvals import Verb
from signals.errors import Refused, Unavailable
from signals.groups import digest, waiting_in
from signals.subjects import NAMESPACE
from tests.workers.cli import sample
from workers.cli import deciding, speaking
from workers.cli.patience import patiently


@asynccontextmanager
async def answering(cluster: MemoryCluster, accepted: bool, message: str) -> AsyncIterator[list[Manifest]]:
    """Answer every command as the liaison would, and keep what was said."""
    heard: list[Manifest] = []

    async def listen() -> None:
        async for change in cluster.watch(COMMANDS, NAMESPACE):
            if change.type != "ADDED":
                continue
            heard.append(change.object)
            name = change.object["metadata"]["name"]
            status = {"accepted": accepted, "message": message}
            await cluster.patch(
                COMMANDS.ref(name, NAMESPACE), [{"op": "add", "path": "/status", "value": status}]
            )

    task = asyncio.create_task(listen())
    yield heard
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def cluster() -> MemoryCluster:
    made = MemoryCluster()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    await made.create(COMMANDS.__class__("", "v1", "namespaces").ref(NAMESPACE), namespace)
    return made


@pytest.mark.parametrize("accepted", [True, False])
async def test_what_is_said_stands_in_the_api_server_and_the_answer_comes_back(
    cluster: MemoryCluster, accepted: bool
) -> None:
    async with answering(cluster, accepted, "so it is") as heard:
        what = {"incident": sample.ID, "force": True}
        said = await speaking.say(cluster, Verb.UNDO, "jane", "oncall", what)
    assert (said.actor, said.answer.accepted, said.answer.message) == ("jane", accepted, "so it is")
    assert [command["spec"] for command in heard] == [
        {"verb": "undo", "actor": "jane", "role": "oncall", "incident": sample.ID, "force": True}
    ]
    assert heard[0]["metadata"]["name"] == said.name


async def test_two_commands_never_share_a_name(cluster: MemoryCluster) -> None:
    async with answering(cluster, True, "done"):
        names = {
            (await speaking.say(cluster, Verb.EXTEND, "jane", "oncall", {"incident": "x"})).name
            for _ in range(3)
        }
    assert len(names) == 3


def test_an_approval_is_bound_to_the_plan_and_the_targets_that_wait() -> None:
    what = deciding.answer(sample.summary(waits=sample.waiting()), None, "looks right")
    assert what == {
        "incident": sample.ID,
        "planHash": "f" * 64,
        "targetUIDs": ["u-1"],
        "reason": "looks right",
    }


def test_an_approval_of_another_plan_is_refused_before_anything_is_said() -> None:
    with pytest.raises(Refused, match="another one now"):
        deciding.answer(sample.summary(waits=sample.waiting()), "0" * 64, "")


def test_an_answer_to_a_group_is_bound_to_everything_that_waits_in_it() -> None:
    waits = sample.waiting().model_copy(update={"group": "breaker/shop/2026-01-01T00"})
    one = waiting_in(waits.group, [sample.summary(waits=waits)])
    both = (*one, one[0].model_copy(update={"incident": "another"}))
    what = deciding.group_answer(waits.group, both, None, "seen")
    assert what == {"group": waits.group, "planHash": digest(reversed(both)), "reason": "seen"}
    assert digest(one) != digest(both)
    with pytest.raises(Refused, match="something else now"):
        deciding.group_answer(waits.group, both, digest(one), "")
    with pytest.raises(Refused, match="Nothing waits in"):
        deciding.group_answer(waits.group, (), None, "")


def test_where_nothing_waits_there_is_nothing_to_approve() -> None:
    with pytest.raises(Refused, match="Nothing waits for a decision"):
        deciding.answer(sample.summary(), None, "")


async def test_a_command_outlives_a_short_restart() -> None:
    attempts: list[int] = []

    async def ask() -> str:
        attempts.append(1)
        if len(attempts) < 3:
            raise Unavailable("restarting")
        return "there"

    assert await patiently(ask, seconds=5) == "there"


async def test_a_command_gives_up_on_a_server_that_stays_away() -> None:
    async def ask() -> Any:
        raise Unavailable("gone")

    with pytest.raises(Unavailable, match="gone"):
        await patiently(ask, seconds=0.3)
