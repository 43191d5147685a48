"""What an alert can carry that a store or a server would choke on."""

import json

import pytest

from signals.approvals import Verb
from tests.vertical.scene import REVERSE_SHELL
from tests.vertical.stage import Stage, settled
from workers.cli.drill import alerts

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def test_half_a_character_in_a_command_line_is_an_incident_like_any_other(stage: Stage) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        alert = here.alert(
            REVERSE_SHELL, pod, **{"proc.cmdline": "sh -c \ud800 \x1b[2J \u202e", "proc.name": "\udfff"}
        )
        assert await alerts.post(stage.status, json.dumps(alert).encode()) == 200
        incident = await stage.incident(here, settled)
        told = incident.model_dump_json()
        told.encode("utf-8")
        code, text, _ = await stage.firebreak("describe", incident.summary.id)
        assert (code, "\x1b" in text, "\u202e" in text) == (0, False, False)
        assert (await stage.say(Verb.CLOSE, incident.summary.id, undo=True)).accepted
        assert await here.changed() == []
