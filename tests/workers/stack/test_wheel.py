"""What runs needs no checkout: the stack starts from a built wheel, outside of the tree."""

import asyncio
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from workers.settings import inherited
from workers.stack.layout import shipped

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[3]
STARTS = """
import asyncio, pathlib, sys
import workers
from workers.stack.layout import shipped
from workers.stack.options import Options
from workers.stack.run import Stack

async def main(root):
    async with Stack(Options(state_dir=root, agents=(), durable=False)) as stack:
        print(pathlib.Path(workers.__file__).parents[1], shipped("controlplane"), stack.status.ready)

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of a wheel that was built from the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_a_wheel_holds_every_file_that_the_servers_are_given(installed: Path) -> None:
    ours = shipped("controlplane")
    files = {file.relative_to(ours) for file in ours.rglob("*") if file.is_file()}
    assert len(files) >= 8
    assert {file for file in files if not (installed / "deploy/controlplane" / file).is_file()} == set()


def test_a_wheel_holds_no_tests(installed: Path) -> None:
    assert {name for name in os.listdir(installed) if name.startswith("test")} == set()


async def test_a_stack_starts_from_a_wheel(installed: Path, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", STARTS, str(tmp_path)),
        cwd=tmp_path,
        env={**inherited(), "PYTHONPATH": str(installed)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    assert said.decode().split() == [str(installed), str(installed / "deploy/controlplane"), "True"]
