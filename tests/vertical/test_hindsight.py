"""After the fact: what an incident was, and what is expected of a workload from now on."""

import json
from typing import Any

import pytest

from activities.owners import WORKLOAD_EVENTS
from signals.approvals import Verb
from signals.errors import Refused
from signals.filters import QUERIES
from signals.incidents import IncidentState
from signals.subjects import MEMO_NOW
from tests.vertical.scene import REVERSE_SHELL
from tests.vertical.stage import Stage, until
from tests.vertical.test_afterwards import AGAIN, contained, next_after, over

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def unjudged(stage: Stage) -> set[str]:
    """Return what the command line lists as closed and not judged."""
    code, out, err = await stage.firebreak("-o", "json", "incidents", "--unjudged")
    assert code == 0, err
    return {one["id"] for one in json.loads(out)}


async def test_a_verdict_is_kept_by_rule_and_one_can_be_given_later(stage: Stage) -> None:
    async with stage.scene() as here:
        name = (await contained(stage, here)).summary.id
        assert (await stage.say(Verb.CLOSE, name, undo=True, verdict="false", reason="a probe")).accepted
        await over(stage, name)
        (closed,) = await stage.summaries(here)
        assert (closed.state, closed.verdict) == (IncidentState.CLOSED, "false")
        assert name not in await unjudged(stage)
        found = stage.temporal.list_workflows(f"WorkflowId = '{name}' AND FirebreakVerdict = 'false'")
        assert [row.id async for row in found] == [name]
        await stage.post(here.alert(REVERSE_SHELL, "web-0", **AGAIN))
        again = (await next_after(stage, here, name)).summary.id
        assert (await stage.say(Verb.CLOSE, again, undo=True)).accepted
        await over(stage, again)

        async def listed() -> bool:
            return again in await unjudged(stage)

        await until(listed, lambda: f"{again} is not among the unjudged")
        code, out, err = await stage.firebreak("judge", again, "--verdict", "benign")
        assert (code, f"{again} was benign" in out) == (0, True), err
        assert again not in await unjudged(stage)
        _, out, _ = await stage.firebreak("-o", "json", "verdicts")
        (row,) = [row for row in json.loads(out) if row["rule"] == REVERSE_SHELL]
        assert (row["false"], row["benign"]) >= (1, 1)


async def test_what_a_lead_expects_is_recorded_and_counted_and_nothing_is_done(stage: Stage) -> None:
    async with stage.scene() as here:
        old = (await contained(stage, here)).summary.id
        with pytest.raises(Refused, match="may not say this"):
            await snooze_as_oncall(stage, old)
        code, out, err = await stage.firebreak("snooze", old, "--for", "1h", "--reason", "the nightly probe")
        assert code == 0, err
        name = out.split(":", 1)[0]
        assert (await stage.say(Verb.CLOSE, old, undo=True)).accepted
        await over(stage, old)

        await stage.post(here.alert(REVERSE_SHELL, "web-0", **AGAIN))
        again = await next_after(stage, here, old)
        assert (again.summary.tier, again.summary.state) == (1, IncidentState.OBSERVED)
        assert again.summary.exceptions == (name,)
        assert [one.exception for one in again.decisions[-1].silenced] == [name]
        assert not again.decisions[-1].page
        assert await here.changed() == []

        _, out, _ = await stage.firebreak("-o", "json", "exceptions")
        (listed,) = [one for one in json.loads(out) if one["exception"]["id"] == name]
        assert (listed["matched"], listed["exception"]["reason"]) == (1, "the nightly probe")
        code, out, err = await stage.firebreak("exceptions", "end", name)
        assert (code, "counts again" in out) == (0, True), err
        _, out, _ = await stage.firebreak("-o", "json", "exceptions")
        assert name not in {one["exception"]["id"] for one in json.loads(out)}
        assert (await stage.say(Verb.CLOSE, again.summary.id)).accepted


async def test_each_touched_workload_gets_an_event_by_the_liaison_that_says_how_to_contest(
    stage: Stage,
) -> None:
    async with stage.scene() as here:
        name = (await contained(stage, here)).summary.id

        async def told(reason: str) -> bool:
            found = await stage.cluster.list(WORKLOAD_EVENTS, here.namespace)
            ours = [one for one in found if one["reason"] == reason]
            return [one["regarding"]["name"] for one in ours] == ["web-0"] and name in ours[0]["note"]

        await until(lambda: told("FirebreakContained"), lambda: "the pod has no Event of its containment")
        assert (await stage.say(Verb.CLOSE, name, undo=True)).accepted
        await until(lambda: told("FirebreakPutBack"), lambda: "the pod has no Event of its release")


async def test_every_list_that_is_linked_is_one_that_temporal_answers(stage: Stage) -> None:
    async with stage.scene() as here:
        name = (await contained(stage, here)).summary.id
        for query in QUERIES.values():
            await anext(stage.temporal.list_workflows(query), None)
        held = stage.temporal.list_workflows(f"{QUERIES['tier 3 and 4, open']} AND WorkflowId = '{name}'")
        rows = [row async for row in held]
        assert [row.id for row in rows] == [name]
        now = await rows[0].memo_value(MEMO_NOW, "")
        assert now.startswith("contained: "), now
        assert f"firebreak undo {name}" in now
        told = await stage.temporal.get_workflow_handle(name).describe()
        assert "Request Cancellation" in (await told.static_details() or "")
        _, out, err = await stage.firebreak("-o", "json", "status")
        assert set(json.loads(out)["filters"]) == set(QUERIES), err
        assert (await stage.say(Verb.CLOSE, name, undo=True)).accepted


async def snooze_as_oncall(stage: Stage, incident: str) -> None:
    """Say what only a lead may say."""
    what: dict[str, Any] = {
        "rule": REVERSE_SHELL,
        "namespace": "shop",
        "workload": "Pod/web-0",
        "seconds": 60,
        "reason": "no",
    }
    await stage.say(Verb.SNOOZE, incident, **what)
