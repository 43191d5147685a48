"""A node as others see it: how a command is run in it, and what it says."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workers.stack.node.place import Place
from workers.stack.ports import Ports

ENTER = 'exec nsenter --target "$(cat "$0")" --mount --uts --ipc --net --pid -- "$@"'
SECONDS = 20.0


@dataclass(frozen=True)
class Node:
    """What the servers of one node share."""

    place: Place
    ports: Ports
    binaries: Mapping[str, Path]
    environment: Mapping[str, str]

    @property
    def api(self) -> str:
        """URL of the API server, outside and in the node alike."""
        return f"https://{self.ports.address('kube-apiserver')}"

    def inside(self, *command: str) -> tuple[str, ...]:
        """Return what runs a command in the node."""
        return ("sh", "-c", ENTER, str(self.place.pid), *command)

    def ours(self, module: str, *arguments: str) -> tuple[str, ...]:
        """Return what runs a module of this package."""
        return (sys.executable, "-P", "-m", f"workers.stack.node.{module}", str(self.place.state), *arguments)

    async def run(self, *command: str) -> tuple[int, str]:
        """Run a command in the node to its end; return its exit code and what it said."""
        process = await asyncio.create_subprocess_exec(
            *self.inside(*command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(self.environment),
        )
        try:
            async with asyncio.timeout(SECONDS):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, said.decode(errors="replace")

    def succeeds(self, *command: str) -> Callable[[], Awaitable[bool]]:
        """Return a probe that holds when a command in the node ends well."""

        async def ends_well() -> bool:
            code, _ = await self.run(*command)
            return code == 0

        return ends_well
