"""The drill, as people run it, on the real control plane: it holds what it says, and says when it does not."""

import dataclasses
import io
import json

import pytest

from tests.vertical.stage import Stage
from workers.cli.drill import asking
from workers.cli.drill import run as drill
from workers.cli.drill.board import Board
from workers.cli.screen import Screen

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


async def test_every_scenario_ends_as_it_says_and_every_command_of_its_story_is_known(stage: Stage) -> None:
    code, out, err = await stage.firebreak("drill", "all", "--yes", "-o", "json")
    outcomes = json.loads(out)
    assert code == 0, ([check for one in outcomes for check in one["checks"] if not check["passed"]], err)
    assert [outcome["scenario"] for outcome in outcomes] == list(drill.ORDER)
    assert all(outcome["passed"] and outcome["checks"] for outcome in outcomes)
    for outcome in outcomes:
        code, told, _ = await stage.firebreak("describe", outcome["incident"])
        assert code == 0
        assert "closed: It is over." in told


async def test_a_scenario_that_ends_otherwise_is_a_failure_that_says_so(stage: Stage) -> None:
    expected = dataclasses.replace(drill.catalogue()["debug-shell"], tier=2, planted="debug")
    out = io.StringIO()
    board = Board(Screen(out, width=120))
    outcomes = await drill.perform(stage.status, board, [expected], asking.script(board))
    assert not outcomes[0].passed
    wrong = [check.what for check in outcomes[0].checks if not check.passed]
    assert wrong == ["the tier is 2", "the password of the command line is nowhere"]
    assert "✘ the tier is 2: it is 1" in out.getvalue()
    assert "0 of 1 scenario ended as said" in out.getvalue()
