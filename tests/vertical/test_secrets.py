"""A secret that an alert carries is taken out before anything is stored: it is looked for in every store."""

import asyncio
import base64
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from signals.approvals import Verb
from signals.errors import BadInput
from tests.vertical.scene import EGRESS
from tests.vertical.stage import Stage, settled
from workers.cli.drill import alerts

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

STORES = ("data/nats", "data/temporal.db", "data/etcd", "log", "traces.jsonl", "pages.jsonl", "audit")


def files(root: Path) -> Iterator[Path]:
    """Yield every file of the state folder that something could have been written into."""
    yield from (path for path in root.rglob("*") if path.is_file())


def holding(root: Path, text: str) -> set[str]:
    """Return which files hold a text, as paths below the state folder."""
    return {str(path.relative_to(root)) for path in files(root) if text.encode() in path.read_bytes()}


async def test_a_planted_secret_is_in_no_store(stage: Stage) -> None:
    planted = f"Pl4nted{secrets.token_hex(12)}"
    encoded = base64.b64encode(f"password={planted}".encode()).decode()
    async with stage.scene() as here:
        pod = await here.fill()
        commands = (
            f"psql postgres://shop:{planted}@db:5432/shop",
            f"mysql -h db -u shop --password={planted}",
            f"curl -H 'Authorization: Bearer {planted}' https://api.example",
            f"sh -c 'echo {encoded} | base64 -d'",
        )
        for number, command in enumerate(commands):
            alert = here.alert(EGRESS, pod, **{"proc.cmdline": command, "proc.name": f"tool-{number}"})
            alert["output"] = f"a thing happened (command={command} env=DB_PASSWORD={planted})"
            alert["output_fields"]["proc.env[DB_PASSWORD]"] = planted
            assert await stage.post(alert) == 200
        no_alert = b'{"rule": 7, "password": "' + planted.encode() + b'"'
        with pytest.raises(BadInput):
            await alerts.post(stage.status, no_alert)
        incident = await stage.incident(here, lambda one: settled(one) and len(one.events) == len(commands))
        name = incident.summary.id
        assert (await stage.firebreak("describe", name))[1].count("[redacted") > 0
        assert (await stage.say(Verb.CLOSE, name, undo=True)).accepted

        history = await stage.temporal.get_workflow_handle(name).fetch_history()
        raw = b"".join(event.SerializeToString() for event in history.events)
        assert here.namespace.encode() in raw
        assert planted.encode() not in raw
        assert encoded.encode() not in raw
        root = Path(stage.status.state_dir)
        found = await asyncio.to_thread(holding, root, here.namespace)
        assert [store for store in STORES if not any(path.startswith(store) for path in found)] == []
        assert await asyncio.to_thread(holding, root, planted) == set()
        assert await asyncio.to_thread(holding, root, encoded) == set()
