"""The audit record of a real incident: who decided, wrote, said and put back what, proved with nothing running."""

import json
from pathlib import Path
from typing import Any

import pytest

from signals.approvals import Verb
from tests.vertical.scene import REVERSE_SHELL
from tests.vertical.stage import Stage, settled, until

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def entries(stage: Stage, incident: str) -> list[dict[str, Any]]:
    code, out, err = await stage.firebreak("audit", "show", "--incident", incident, "-n", "100", "-o", "json")
    assert code == 0, err
    found: list[dict[str, Any]] = json.loads(out)
    return found


async def test_an_incident_is_on_record_from_its_decision_to_its_undo_and_the_record_is_proved(
    stage: Stage, tmp_path: Path
) -> None:
    async with stage.scene() as here:
        pod = await here.fill()
        await stage.post(here.alert(REVERSE_SHELL, pod))
        contained = await stage.incident(here, settled)
        name = contained.summary.id
        assert not (await stage.say(Verb.REJECT, name, planHash="0" * 64)).accepted
        assert (await stage.say(Verb.UNDO, name)).accepted

        async def complete() -> bool:
            return "reverted" in {one["kind"] for one in await entries(stage, name)}

        await until(complete, lambda: f"the undo of {name} is on record")
    told = await entries(stage, name)

    by_kind = {(one["agent"], one["kind"]) for one in told}
    assert {
        ("orchestrator", "decision"),
        ("remediation-executor", "applied"),
        ("remediation-executor", "reverted"),
        ("liaison", "command"),
    } <= by_kind
    applied = next(one["body"] for one in told if one["kind"] == "applied")
    assert applied["plan"] == contained.receipts[0].plan_hash
    assert any(
        write["object"].startswith("networkpolicies/")
        for one in applied["actions"]
        for write in one["writes"]
    )
    commands = [(one["body"]["verb"], one["body"]["accepted"]) for one in told if one["kind"] == "command"]
    assert ("reject", False) in commands
    assert ("undo", True) in commands

    async def anchored() -> bool:
        code, out, err = await stage.firebreak("audit", "verify", "live", "-o", "json")
        verdict = json.loads(out or "{}")
        assert (code, verdict.get("findings")) == (0, []), (out, err)
        return bool(verdict["anchors"])

    await until(anchored, lambda: "the record is anchored")

    file, layout = tmp_path / "audit.jsonl", stage.stack.layout
    code, out, err = await stage.firebreak("audit", "export", str(file))
    assert code == 0, err
    proof = ("--anchor", str(layout.anchors), "--keys", str(layout.keys))
    nowhere = tmp_path / "no stack"
    code, out, err = await stage.firebreak("audit", "verify", str(file), *proof, state=nowhere)
    assert (code, "as they were written" in out) == (0, True), (out, err)

    file.write_text(file.read_text().replace(name, "somebody-else"))
    code, out, _ = await stage.firebreak("audit", "verify", str(file), *proof, state=nowhere)
    assert (code, "The record is not as it was written" in out) == (1, True)
