"""Which namespaces are enrolled, and in which mode: as a watch tells it, read again where that may be behind."""

import asyncio
from collections.abc import Iterable

from activities.ports import ENROLMENTS, Change, Cluster
from signals.errors import FirebreakError
from signals.threats import Mode

LEAST_SECONDS = 0.25
"""Between two readings over and above the watch."""


class Enrolled:
    """Modes by namespace."""

    def __init__(self) -> None:
        """Know of none."""
        self._modes: dict[str, Mode] = {}
        self._read_at = -LEAST_SECONDS

    def mode(self, namespace: str) -> Mode | None:
        """Return the mode of a namespace, None where it is not enrolled."""
        return self._modes.get(namespace)

    def apply(self, change: Change) -> None:
        """Take one change of an Enrolment."""
        name = change.object["metadata"]["name"]
        if change.type == "DELETED":
            self._modes.pop(name, None)
            return
        mode = change.object.get("spec", {}).get("mode")
        self._modes[name] = Mode(mode) if mode in set(Mode) else Mode.SHADOW

    async def settle(self, cluster: Cluster, namespaces: Iterable[str], seconds: float) -> None:
        """Read again where one of these is not enrolled, or not fully: a watch that broke runs behind.

        An API server that does not answer in so many seconds changes nothing.
        """
        now = asyncio.get_running_loop().time()
        known = all(self.mode(namespace) is Mode.AUTO for namespace in namespaces)
        if known or now - self._read_at < LEAST_SECONDS:
            return
        self._read_at = now
        try:
            async with asyncio.timeout(seconds):
                for enrolment in await cluster.list(ENROLMENTS):
                    self.apply(Change("MODIFIED", enrolment))
        except (TimeoutError, FirebreakError):
            return
