"""A sample of `make crash`, and one control run: the judge finds nothing wrong, and can find something wrong."""

import asyncio
import random
from pathlib import Path

import pytest

from signals.subjects import AGENTS
from tests.crash.ground import proxied, shaken
from tests.crash.kills import CONTROLS, POINTS, SERVERS, Kill, drawn
from tests.crash.outcome import Outcome
from tests.crash.trial import Trial
from tests.crash.weather import Fault, Weather, forecast

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SAMPLE = 2


async def played(folder: Path, trials: int, unsafe: str) -> list[Outcome]:
    """Run trials of an unsafe stack of their own, from a seed that is told where one fails."""
    seed = f"{random.randrange(2**32):08x}"
    async with shaken(folder, unsafe) as stage:
        return [
            await Trial(
                stage, number, f"{seed}/{number}", drawn(random.Random(f"{seed}/{number}"), unsafe)
            ).run()
            for number in range(1, trials + 1)
        ]


async def sampled(folder: Path) -> list[Outcome]:
    """Run trials of kills, and one in which requests to the API server fail."""
    seed = f"{random.randrange(2**32):08x}"
    names = [f"{seed}/{number}" for number in range(1, SAMPLE + 2)]
    blows: list[Kill | Weather] = [
        *(drawn(random.Random(name)) for name in names[:SAMPLE]),
        forecast(random.Random(names[-1])),
    ]
    async with proxied(folder) as (stage, proxy):
        return [
            await Trial(stage, number, name, blow, proxy=proxy).run()
            for number, (name, blow) in enumerate(zip(names, blows, strict=True), 1)
        ]


def test_nothing_is_lost_doubled_unrecorded_inexact_or_left(tmp_path: Path) -> None:
    outcomes = asyncio.run(sampled(tmp_path))
    assert all(outcome.fine for outcome in outcomes), "\n".join(f"{one.seed}: {one}" for one in outcomes)
    assert all(outcome.alerts and outcome.writes for outcome in outcomes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unsafe", "found"), [("repeating", "doubled"), ("hasty", "lost"), ("forgetful", "inexact")]
)
def test_the_judge_sees_what_an_engine_without_our_care_does(tmp_path: Path, unsafe: str, found: str) -> None:
    (outcome,) = asyncio.run(played(tmp_path, 1, unsafe))
    assert getattr(outcome.findings, found), str(outcome)


def test_a_kill_is_drawn_from_its_seed_alone() -> None:
    kills = [drawn(random.Random(f"s/{number}")) for number in range(200)]
    assert kills == [drawn(random.Random(f"s/{number}")) for number in range(200)]
    assert {kill for kill in kills if kill.point} == set(POINTS)
    assert len({kill.process for kill in kills}) == len((*SERVERS, *AGENTS))
    assert {drawn(random.Random(str(n)), "hasty").process for n in range(9)} == {
        kill.process for kill in CONTROLS["hasty"]
    }


def test_what_fails_is_drawn_from_its_seed_alone() -> None:
    drawn_once = [forecast(random.Random(f"s/{number}")) for number in range(200)]
    assert drawn_once == [forecast(random.Random(f"s/{number}")) for number in range(200)]
    assert {fault for weather in drawn_once for fault in weather.faults} == set(Fault)
