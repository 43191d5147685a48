"""Everything comes off by the API server alone, with agents, Temporal and NATS dead and no state folder."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from signals.approvals import Verb
from signals.subjects import AGENTS
from tests.vertical.scene import EGRESS, REVERSE_SHELL
from tests.vertical.stage import Stage, settled

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


@contextmanager
def silent(stage: Stage) -> Iterator[None]:
    """Stop agents, Temporal and NATS where they stand, so that nobody starts them anew."""
    pids = [stage.status.process(name).pid for name in (*AGENTS, "temporal", "nats")]
    for pid in pids:
        os.kill(pid or 0, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid or 0, signal.SIGCONT)


async def test_one_case_and_then_all_are_released_with_everything_else_dead(
    stage: Stage, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    shutil.copy(stage.status.endpoints.kubeconfig or "", kubeconfig)
    plain = Path(stage.status.state_dir) / "kubeconfig" / "kwok.yaml"
    """Of an administrator who is in no group of ours."""
    nowhere = tmp_path / "no-state"
    async with stage.scene() as first, stage.scene() as second:
        await stage.post(first.alert(REVERSE_SHELL, await first.fill()))
        await stage.post(second.alert(EGRESS, await second.fill()))
        cases = [(await stage.incident(here, settled)).summary.id for here in (first, second)]
        with silent(stage):
            code, text, _ = await stage.firebreak(
                "release", cases[0], "--kubeconfig", str(plain), state=nowhere
            )
            assert (code, "firebreak-lock-" in text) == (1, True)
            code, text, _ = await stage.firebreak(
                "release", cases[0], "--break-glass", "--kubeconfig", str(plain), state=nowhere
            )
            assert (code, cases[0][:60] in text) == (0, True)
            assert await first.changed() == []
            assert len(await second.changed()) == 3
            code, _, _ = await stage.firebreak(
                "release", "--all", "--kubeconfig", str(kubeconfig), state=nowhere
            )
            assert code == 0
            assert await second.changed() == []
            assert not nowhere.exists()
        for here, case in zip((first, second), cases, strict=True):
            assert (await stage.say(Verb.CLOSE, case, undo=True)).accepted
            assert await here.changed() == []
