"""What could be reached at the first signal, by the context store's word, beside what can be reached now."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities import then
from activities.adapters.memory import MemoryCluster
from activities.blast import radius
from activities.graph.past import micros
from activities.ports import NAMESPACES, PODS
from signals.blast import BlastRadius, When, told
from signals.entities import Entity
from signals.errors import Unavailable
from tests.activities.graph.past_files import remember
from tests.activities.graph.reach_worlds import allowing, pod, rule, thing
from tests.activities.sample import CLUSTER
from workers import past_answers
from workers.cli.blast import lines
from workers.past_answers import PastAnswers

NOW = datetime.now(UTC).replace(microsecond=0)
FIRST = NOW - timedelta(minutes=20)
WEB = Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name="web")
KEYS = pod("db", volumes=[{"name": "v", "secret": {"secretName": "keys"}}])


def ago(minutes: float) -> int:
    return micros(NOW - timedelta(minutes=minutes))


@pytest.fixture
def answers(tmp_path: Path) -> PastAnswers:
    """The past: until 10 minutes ago the account of web could read secrets."""
    reader, binding = allowing("sa/shop/web", rule("get", "secrets"))
    there = [thing("v1", "Namespace", "shop"), pod("web", serviceAccountName="web"), KEYS, reader, binding]
    changes = [*((ago(40), "ADDED", one) for one in there), (ago(10), "DELETED", binding)]
    file = remember(tmp_path / "versions.db", changes, since=ago(60), alive=ago(0))
    return PastAnswers(file, tmp_path, CLUSTER)


@pytest.fixture
async def cluster() -> MemoryCluster:
    """The cluster now: the binding is gone, and a pod has come."""
    found = MemoryCluster(CLUSTER)
    await found.create(NAMESPACES.ref("shop"), thing("v1", "Namespace", "shop"))
    for one in (pod("web", serviceAccountName="web"), KEYS, pod("late")):
        await found.create(PODS.ref(one["metadata"]["name"], "shop"), one)
    return found


def moments(found: BlastRadius) -> dict[str, When | None]:
    return {one.entity: one.when for one in found.reached}


async def test_what_could_be_reached_then_is_listed_though_its_right_is_gone(
    answers: PastAnswers, cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_answers, "PAGE_BYTES", 300)
    found = await radius(cluster, (WEB,), None, answers.state, FIRST)
    assert moments(found) == {
        "sa/shop/web": None,
        "secret/shop/keys": When.THEN,
        "pod/shop/db": None,
        "pod/shop/late": When.NOW,
    }
    assert (found.at, found.gone, found.gained) == (FIRST, 1, 1)
    assert not [line for line in found.missing if "then" in line or "context store" in line]
    assert any("1 came since, 1 went" in line for line in told(found))
    shown = "\n".join(line.text for line in lines(found))
    assert "by RoleBinding/shop/r (then, no more)" in shown
    assert "pod/shop/late  NET_REACH  by no policy (only since)" in shown


async def test_what_is_not_certain_about_then_is_said(answers: PastAnswers, cluster: MemoryCluster) -> None:
    early = await radius(cluster, (WEB,), None, answers.state, NOW - timedelta(minutes=50))
    assert "it is of now alone, not of the first signal: the context store knows nothing of that moment" in (
        early.missing
    )
    late = await radius(cluster, (WEB,), None, answers.state, NOW + timedelta(minutes=5))
    assert late.at == NOW + timedelta(minutes=5)
    assert any("Pod: what changed after" in line for line in late.missing), "the store is behind"


async def silent(question: bytes) -> bytes:
    raise Unavailable("nobody answers there; does the agent run?")


async def slow(question: bytes) -> bytes:
    await asyncio.sleep(3600)
    return question


async def odd(question: bytes) -> bytes:
    return b'{"items": "none"}'


@pytest.mark.parametrize(
    ("ask", "why"),
    [(silent, "does the agent run?"), (slow, "did not answer within 0.05 s"), (odd, "cannot be read")],
)
async def test_without_the_past_only_now_is_known_and_said_to_be(
    cluster: MemoryCluster,
    ask: Callable[[bytes], "asyncio.Future[bytes]"],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(then, "DEADLINE", 0.05)
    found = await radius(cluster, (WEB,), None, ask, FIRST)
    assert {*moments(found)} == {"sa/shop/web", "pod/shop/db", "pod/shop/late"}
    assert (found.at, found.gone, found.gained) == (None, 0, 0)
    assert {one.when for one in found.reached} == {None}
    (line,) = [line for line in found.missing if "of now alone, not of the first signal" in line]
    assert why in line
