"""A person speaks while a server restarts: the command waits, is carried out once, and says so."""

import pytest

from tests.vertical.stage import Stage

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


@pytest.mark.parametrize("process", ["kube-apiserver", "liaison", "temporal"])
async def test_a_person_is_heard_while_a_server_restarts(stage: Stage, process: str) -> None:
    async with stage.scene() as here:
        restarts = stage.kill(process)
        code, out, err = await stage.firebreak("enrol", here.namespace, "--mode", "approve")
        assert (code, err) == (0, ""), err
        assert out == f"namespace {here.namespace} is enrolled in mode approve\n"
        assert await stage.firebreak("incidents", "--namespace", here.namespace, "-o", "json") == (
            0,
            "[]\n",
            "",
        )
        await stage.back(process, restarts)
