"""What the context store answers about the past, and slices of it that prove themselves."""

import os
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from activities.adapters.version_file import VersionFile
from activities.graph.past import micros, moment
from activities.graph.slices import lines, verify
from activities.kept import keep
from signals.entities import ClusterRef, Entity
from signals.errors import BadInput, Unavailable
from signals.observations import Observations, ObservationsQuery
from signals.past import SliceAnswer, SliceQuery, StateAnswer, StateQuery
from tests.activities.graph.past_worlds import BEGAN, World
from workers import past_answers
from workers.past_answers import PastAnswers, slice_file

CLUSTER = ClusterRef(name="lab", uid="lab")
POD = Entity(cluster=CLUSTER, kind="Pod", name="web-1", namespace="shop")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "versions.db", random.Random(7))
    made.live_on(200)
    return made


@pytest.fixture
def answers(world: World, tmp_path: Path) -> PastAnswers:
    return PastAnswers(world.path, tmp_path / "incidents", CLUSTER)


async def pages(answers: PastAnswers, query: StateQuery) -> AsyncIterator[StateAnswer]:
    while True:
        page = StateAnswer.model_validate_json(await answers.state(query.model_dump_json().encode()))
        yield page
        if page.next is None:
            return
        query = query.model_copy(update={"after": page.next})


async def test_a_state_comes_page_by_page_and_is_the_whole_of_it(
    world: World, answers: PastAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_answers, "PAGE_BYTES", 300)
    found = [page async for page in pages(answers, StateQuery(at=moment(world.now)))]
    assert len(found) > 1
    assert {item["metadata"]["uid"] for page in found for item in page.items} == set(world.truth(world.now))
    assert {page.objects for page in found} == {len(world.live)}
    elsewhere = [page async for page in pages(answers, StateQuery(at=moment(world.now), namespaces=("x",)))]
    assert [page.items for page in elsewhere] == [()]


async def test_what_changed_around_a_pod_is_observed_and_what_is_not_known_is_said(
    world: World, answers: PastAnswers
) -> None:
    since, until = moment(BEGAN), moment(world.now)
    query = ObservationsQuery(entity=POD, since=since, until=until, limit=20)
    said = Observations.model_validate_json(await answers.observations(query.model_dump_json().encode()))
    assert len(said.observations) == past_answers.MOST_OBSERVED
    assert said.left_out > 0
    told = {one.what.rpartition("-")[0] for one in said.observations}
    assert told == {"somebody wrote Pod shop/web", "somebody deleted Pod shop/web"}
    assert said.complete_since is not None
    assert said.complete_since > since


async def test_a_slice_is_kept_for_an_incident_and_its_head_proves_it(
    world: World, answers: PastAnswers, tmp_path: Path
) -> None:
    until = moment(world.now)
    answer = await keep(answers.slice, "shop-web-1", [POD], until - timedelta(seconds=9), until)
    (finding,) = answer.findings
    head = finding.partition("sha256:")[2][:64]
    rows = slice_file(tmp_path / "incidents", "shop-web-1").read_bytes().splitlines()
    proved = verify(rows, head)
    assert proved.versions == len(rows) - 2 > 5
    assert proved.header["incident"] == "shop-web-1"
    with VersionFile(world.path) as store:
        expected = store.between(micros(until) - 9_000_000, world.now, ["shop"])
    assert proved.versions == len(expected)


async def test_a_past_that_cannot_be_kept_costs_an_incident_a_line(world: World) -> None:
    async def away(question: bytes) -> bytes:
        raise Unavailable("nobody serves it")

    now = moment(world.now)
    assert (await keep(away, "i", [POD], now, now)).missing == ("the past was not kept: nobody serves it",)
    assert (await keep(None, "i", [POD], now, now)).missing == ()
    elsewhere = await keep(away, "../../etc/passwd", [POD], now, now)
    assert "cannot be read" in elsewhere.missing[0]


@pytest.mark.parametrize("attack", ["change", "drop", "swap", "cut off", "end early", "add", "write anew"])
def test_no_change_of_a_slice_goes_unnoticed(attack: str) -> None:
    rows = [*lines({"incident": "i"}, ({"name": f"v{number}"} for number in range(6)))]
    head = verify(rows).head
    match attack:
        case "change":
            rows[3] = rows[3].replace(b"v2", b"v9")
        case "drop":
            del rows[3]
        case "swap":
            rows[2], rows[3] = rows[3], rows[2]
        case "cut off":
            del rows[-1]
        case "end early":
            rows = [*rows[:4], *lines({"incident": "i"}, [])][:5]
        case "add":
            rows.append(rows[-1])
        case _:
            rows = [*lines({"incident": "i"}, ({"name": f"v{number}"} for number in range(5)))]
    with pytest.raises(BadInput):
        verify(rows, head)


@pytest.mark.parametrize("name", ["../x", "", "A", "a/b", "a" * 200, ".."])
def test_no_name_of_an_incident_leads_out_of_the_folder(name: str) -> None:
    with pytest.raises(ValueError, match="incident"):
        SliceQuery(incident=name, since=moment(1), until=moment(2), namespaces=("a",))


@pytest.mark.parametrize("question", [b"", b"{", b'{"at": "yesterday"}', b'{"at": "2026-11-25T10:00:00"}'])
async def test_a_question_that_makes_no_sense_is_refused(answers: PastAnswers, question: bytes) -> None:
    with pytest.raises(BadInput):
        await answers.state(question)


async def test_a_slice_says_how_many_versions_it_has(world: World, answers: PastAnswers) -> None:
    query = SliceQuery(incident="i", since=moment(BEGAN), until=moment(world.now), namespaces=("shop",))
    said = SliceAnswer.model_validate_json(await answers.slice(query.model_dump_json().encode()))
    assert said.versions > 50
    assert any("broken" in line or "known only" in line for line in said.missing) or said.missing == ()


def test_slices_that_take_too_much_room_go_the_oldest_first(tmp_path: Path) -> None:
    for number, name in enumerate(("old", "older", "young")):
        slice_file(tmp_path, name).write_bytes(b"x" * 100)
        moment_ = 1000 - number if name == "older" else 1000 + number
        os.utime(slice_file(tmp_path, name), (moment_, moment_))
    assert past_answers.prune(tmp_path, 250) == 1
    assert {file.stem for file in tmp_path.iterdir()} == {"old", "young"}
    assert past_answers.prune(tmp_path, 250) == 0
    assert past_answers.prune(tmp_path / "nowhere", 1) == 0
