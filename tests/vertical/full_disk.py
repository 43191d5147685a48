"""One server's disk fills up and is freed again, on a stack of its own: `python -m tests.vertical.full_disk`.

Arguments: SERVER DIR. It is run in a mount namespace, where it may put a small file system of its own under what
the server stores: full is really full. What came of it is printed as JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
import urllib.error
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from activities.ports import Manifest
from signals.errors import Unavailable
from tests.crash.ground import shaken, state_dir
from tests.vertical.scene import TERMINAL, Scene
from tests.vertical.stage import Stage, until
from workers.cli.drill import alerts
from workers.stack.layout import Layout

SMALL, LARGE = "64m", "1g"
PODS = 40
PATIENT_SECONDS = 20.0
"""How long our sender waits for an answer: the guardian tries for 8 s before it refuses."""
REFUSED_SECONDS, BACK_SECONDS, TOLD_SECONDS = 90.0, 60.0, 40.0


def mounted(folder: Path, size: str) -> None:
    """Put an empty file system of this size in the place of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)


def small(layout: Layout, server: str) -> Path:
    """Give one server a small file system, and the others a large one; return the small one."""
    layout.make()
    if server == "nats":
        mounted(layout.data / "nats", SMALL)
        return layout.data / "nats"
    mounted(layout.data, SMALL)
    for other in ("nats", "etcd"):
        mounted(layout.data / other, LARGE)
    return layout.data


@asynccontextmanager
async def full(folder: Path) -> AsyncIterator[None]:
    """Keep a file system full: what a server gives back of it is taken too. At the end it has room again."""
    filler = folder / "filler"

    async def fill_up() -> None:
        while True:
            await asyncio.to_thread(fill, filler)
            await asyncio.sleep(0.05)

    await asyncio.to_thread(fill, filler)
    filling = asyncio.create_task(fill_up())
    try:
        yield
    finally:
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
        filler.unlink()


def fill(filler: Path) -> None:
    """Write until nothing can be written any more."""
    for size in (1 << 16, 1 << 9, 1):
        try:
            with filler.open("ab", 0) as file:
                while True:
                    file.write(b"\0" * size)
        except OSError:
            continue


class Play:
    """What is done, and what came of it."""

    def __init__(self, stage: Stage) -> None:
        """Play on this stage."""
        self._stage = stage
        self._scene = Scene(stage.cluster, "crowded")
        self._pods: list[Manifest] = []
        self.accepted: list[str] = []
        self.codes: list[int] = []

    async def begin(self) -> None:
        """Make the pods that alerts are about."""
        await self._scene.make()
        await self._stage.enrol(self._scene.namespace, "auto")
        self._pods = [await self._scene.pod(f"web-{number}") for number in range(PODS)]
        await self._scene.running()

    async def fire(self) -> int:
        """Send one alert about a pod that none was sent about yet; return how it was answered, 0 for not at all."""
        pod = self._pods.pop()
        try:
            code = await self._stage.post(self._scene.alert(TERMINAL, pod))
        except Unavailable as error:
            code = error.__cause__.code if isinstance(error.__cause__, urllib.error.HTTPError) else 0
        self.codes.append(code)
        if code == 200:
            self.accepted.append(pod["metadata"]["name"])
        return code

    async def refused(self) -> bool:
        """Send alerts until one is refused; False if none ever is."""
        deadline = time.monotonic() + REFUSED_SECONDS
        while time.monotonic() < deadline and len(self._pods) > 1:
            if await self.fire() >= 500:
                return True
            await asyncio.sleep(0.2)
        return False

    async def lost(self) -> list[str]:
        """Return the alerts that were accepted and that no incident is about, once it is none or takes too long."""
        missing: list[str] = []

        async def none() -> bool:
            listed = await self._stage.summaries(self._scene)
            stories = [await self._stage.ledger.ask(one.id) for one in listed]
            told = {event.subject.name for story in stories for event in story.events}
            missing[:] = sorted(set(self.accepted) - told)
            return not missing

        try:
            await until(none, lambda: "", BACK_SECONDS)
        except AssertionError:
            return missing
        return []

    async def told(self, what: str) -> str:
        """Return the status as people see it, once it says this."""
        said: list[str] = []

        async def says() -> bool:
            said[:] = [(await self._stage.firebreak("status"))[1]]
            return what in " ".join(said[0].split())

        await until(says, lambda: said[0], TOLD_SECONDS)
        return said[0]


async def paged(layout: Layout, server: str) -> list[str]:
    """Return the titles of the pages about the room of one server."""
    lines = layout.pages.read_text().splitlines() if layout.pages.exists() else []
    pages = [json.loads(line) for line in lines]
    return [page["title"] for page in pages if page["incident"] == f"room/{server}"]


async def played(server: str, root: Path) -> dict[str, Any]:
    """Fill one server's disk, free it, and return what came of it."""
    layout = Layout(state_dir(root).absolute())
    alerts.ANSWER_SECONDS = PATIENT_SECONDS
    place = small(layout, server)
    async with shaken(root) as stage:
        play = Play(stage)
        await play.begin()
        assert await play.fire() == 200
        async with full(place):
            refused = await play.refused() if server == "nats" else await play.fire() == 200
            status = await play.told(f"{server} is out of space")
            await until(lambda: paged(layout, server), lambda: "nobody is paged", TOLD_SECONDS)
        freed = time.monotonic()

        async def goes_on() -> bool:
            return stage.status.ready and await play.fire() == 200

        await until(goes_on, lambda: f"{stage.status.processes}", BACK_SECONDS, pause=1.0)
        back = time.monotonic() - freed
        lost = await play.lost()
        again = (await stage.firebreak("status"))[1]
    return {
        "refused": refused,
        "codes": play.codes,
        "accepted": len(play.accepted),
        "lost": lost,
        "back": back,
        "status": status,
        "still_told": f"{server} is out of space" in " ".join(again.split()),
        "pages": await paged(layout, server),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(played(sys.argv[1], Path(sys.argv[2])))))  # noqa: T201 - its answer
