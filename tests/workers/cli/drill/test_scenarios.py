"""Laws of the scenarios and of what they are played on."""

import asyncio
import io
import json
import os
import sys
from argparse import Namespace
from datetime import UTC, datetime

import pytest

from activities.adapters.memory import MemoryCluster
from activities.ports import NETWORK_POLICIES, PODS, Manifest
from signals.errors import BadInput, StackError
from signals.redaction import MARK
from signals.telemetry import falco
from signals.threats import Peer
from workers.cli.drill import alerts, app, asking, besides, picture, run
from workers.cli.drill.board import Board
from workers.cli.drill.building import line
from workers.cli.drill.scenario import Scenario
from workers.cli.screen import Screen
from workers.stack.progress import Progress

NOW = datetime(2026, 5, 4, 3, 16, 0, 123456, tzinfo=UTC)
SCENARIOS = run.catalogue()


@pytest.fixture
async def shop() -> MemoryCluster:
    cluster = MemoryCluster()
    await app.put_up(cluster, memory=True)
    return cluster


async def victim(cluster: MemoryCluster, scenario: Scenario) -> Manifest:
    """Return a pod that a scenario attacks, with what it needs besides left standing."""
    standing = besides.standing(cluster, scenario, memory=True)
    await standing.__aenter__()
    return (await app.victims(cluster, scenario.app, namespace=scenario.namespace))[0]


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_recorded_alert_is_one_that_falco_could_have_sent(name: str, shop: MemoryCluster) -> None:
    scenario = SCENARIOS[name]
    pod = await victim(shop, scenario)
    alert = falco.read(alerts.filled(scenario, pod, NOW))
    assert alert.text("k8s.pod.name") == pod["metadata"]["name"]
    assert alert.text("k8s.pod.uid") == pod["metadata"]["uid"]
    assert alert.text("k8s.ns.name") == scenario.namespace
    assert alert.time == int(NOW.timestamp()) * 10**9 + 123456000
    assert "$" not in alerts.filled(scenario, pod, NOW).decode()


@pytest.mark.parametrize("name", [name for name in SCENARIOS if SCENARIOS[name].planted])
async def test_a_planted_password_is_one_that_redaction_must_find(name: str, shop: MemoryCluster) -> None:
    scenario = SCENARIOS[name]
    alert = falco.read(alerts.filled(scenario, await victim(shop, scenario), NOW))
    assert scenario.planted in alert.text("proc.cmdline")
    kept = falco.redacted(alert)
    assert scenario.planted not in repr(kept)
    assert MARK.search(kept.text("proc.cmdline"))


@pytest.mark.parametrize("name", SCENARIOS)
async def test_what_a_scenario_closes_is_open_before(name: str, shop: MemoryCluster) -> None:
    scenario = SCENARIOS[name]
    pod = await victim(shop, scenario)
    for peer in (*scenario.closed, *scenario.kept):
        assert await picture.reaches(shop, pod, peer)
    if scenario.closed and scenario.crowd == 1:
        assert await app.others(shop, scenario.app, [pod], scenario.namespace)


async def test_a_policy_that_closes_is_seen(shop: MemoryCluster) -> None:
    [pod] = await app.victims(shop, "web")
    assert not await picture.reaches(shop, pod, Peer(address="203.0.113.66", port=25))
    assert not await picture.reaches(shop, pod, Peer(address="10.1.2.3", port=443))


async def test_putting_the_application_up_again_makes_new_pods_of_the_same_number(
    shop: MemoryCluster,
) -> None:
    before = {pod["metadata"]["uid"] for pod in await shop.list(PODS, app.NAMESPACE)}
    await app.put_up(shop, memory=True)
    after = {pod["metadata"]["uid"] for pod in await shop.list(PODS, app.NAMESPACE)}
    assert len(after) == len(before) == 8
    assert not before & after


async def test_a_picture_shows_any_change_but_the_servers_own(shop: MemoryCluster) -> None:
    before = await picture.take(shop, app.NAMESPACE)
    ref = NETWORK_POLICIES.ref("web", app.NAMESPACE)
    await shop.patch(ref, [{"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}])
    changed = picture.differences(before, await picture.take(shop, app.NAMESPACE))
    assert changed == ["networkpolicies/web"]
    await shop.patch(ref, [{"op": "remove", "path": "/metadata/annotations"}])
    assert picture.differences(before, await picture.take(shop, app.NAMESPACE)) == []


def test_all_scenarios_come_in_the_order_of_the_story() -> None:
    assert [scenario.name for scenario in run.chosen("all")] == list(run.ORDER)


def test_an_unknown_scenario_is_told_with_those_that_there_are() -> None:
    with pytest.raises(BadInput, match="reverse-shell"):
        run.chosen("earthquake")


async def test_without_a_person_the_script_says_yes_and_says_so() -> None:
    out = io.StringIO()
    assert await asking.script(Board(Screen(out)))("Put everything back?")
    assert "the script says yes" in out.getvalue()


def test_a_board_keeps_what_was_claimed_also_when_it_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    board = Board.of(Namespace(output="json"))
    board.title("x")
    board.claim("it holds", passed=True)
    board.claim("it does not", passed=False, detail="why")
    assert capsys.readouterr().out == ""
    outcome = run.Outcome("x", "i-1", tuple(board.checks))
    assert not outcome.passed
    assert json.loads(json.dumps(outcome.document()))["checks"][1] == {
        "what": "it does not",
        "passed": False,
        "detail": "why",
    }


def test_a_board_tells_a_step_in_three_columns() -> None:
    out = io.StringIO()
    Board(Screen(out, width=120)).tell("a shell", "\x1b[2Jbad", "nothing")
    assert "\x1b" not in out.getvalue()
    assert out.getvalue().split() == ["a", "shell", "␛[2Jbad", "nothing"]


def test_a_command_that_does_not_fit_its_column_stays_whole() -> None:
    out = io.StringIO()
    command = "firebreak undo shop-web-7fcd9867dd-2smf2-e0f240c7"
    Board(Screen(out, width=100)).tell("a shell", "it is bad", command)
    assert command in out.getvalue()


def test_progress_is_told_with_how_long_it_will_take() -> None:
    assert line(Progress(phase="building", elapsed=70, estimate=360)) == "building: 70 s of about 6 min"
    assert line(Progress(phase="starting", elapsed=2)) == "starting: 2 s"


async def test_the_application_says_which_pods_do_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "RUNNING_SECONDS", 0.2)
    with pytest.raises(StackError, match="do not run"):
        await asyncio.wait_for(app.put_up(MemoryCluster(), memory=False), 5)


@pytest.mark.parametrize(("typed", "yes"), [("\n", True), ("Y\n", True), ("n\n", False), ("what\n", False)])
async def test_a_person_says_yes_with_enter_and_no_with_anything_else(
    typed: str, yes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w") as keyboard:
        monkeypatch.setattr(sys, "stdin", stdin)
        asked = asyncio.create_task(asking.person("Put everything back?"))
        await asyncio.sleep(0.05)
        assert not asked.done()
        keyboard.write(typed)
        keyboard.flush()
        assert await asyncio.wait_for(asked, 5) is yes
