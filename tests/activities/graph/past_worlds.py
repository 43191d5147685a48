"""A cluster of one kind that changes at random, and a watch of it that is late, dies and comes back too late."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from activities.adapters import version_schema as schema
from activities.adapters.version_file import VersionFile
from activities.adapters.version_writer import VersionWriter
from activities.graph.chronology import SECOND, Ticks
from activities.graph.collected import BUILT_IN
from activities.graph.recording import Recorder, Step
from activities.ports import Manifest

POD = next(kind for kind in BUILT_IN if kind[0] == "Pod")
NAMES = [f"web-{number}" for number in range(8)]
LABELS = ("a", "b", "c")
BEGAN = 1_800_000_000 * SECOND


@dataclass(frozen=True)
class Event:
    """One change that the server made."""

    at: int
    revision: int
    type: str
    object: Manifest


@dataclass
class World:
    """The server, its whole log, and one who follows it into a file."""

    path: Path
    chance: random.Random
    now: int = BEGAN
    revision: int = 100
    log: list[Event] = field(default_factory=list)
    live: dict[str, Manifest] = field(default_factory=dict)
    gaps: int = 0

    def __post_init__(self) -> None:
        self.open()
        self.relist()

    def open(self) -> None:
        """Start the one who follows, from what its file has."""
        self.writer = VersionWriter(self.path)
        self.recorder: Recorder = self.writer.recorder(POD)
        self.ticks = Ticks()
        self.pending: list[Step] = []
        told = [self.writer.fact(name) for name in (schema.TICK_ASKED, schema.TICK_ANSWERED)]
        if last := self.writer.fact(schema.TICK_REVISION):
            self.ticks.note(told[0] or 0, told[1] or 0, last)
        self.tick()

    def pass_time(self, most: int = 400_000) -> None:
        self.now += self.chance.randrange(50, most)

    def change(self) -> None:
        """Let the server do something."""
        self.pass_time()
        self.revision += self.chance.randrange(1, 4)  # other kinds change, too
        name = self.chance.choice(NAMES)
        there = self.live.get(name)
        if there is None:
            uid = f"{name}-{self.revision}"
            self._put("ADDED", name, {**self._metadata(name, uid), "creationTimestamp": self._stamp()})
        elif self.chance.random() < 0.3:
            del self.live[name]
            gone = {"metadata": {**there["metadata"], "resourceVersion": str(self.revision)}}
            self.log.append(Event(self.now, self.revision, "DELETED", gone))
        else:
            metadata = there["metadata"]
            kept = {
                **self._metadata(name, metadata["uid"]),
                "creationTimestamp": metadata["creationTimestamp"],
            }
            self._put("MODIFIED", name, kept)

    def _metadata(self, name: str, uid: str) -> dict[str, Any]:
        return {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "resourceVersion": str(self.revision),
            "labels": {"app": self.chance.choice(LABELS)},
            "managedFields": [{"time": self._stamp()}],
        }

    def _stamp(self) -> str:
        from activities.graph.past import moment

        return moment(self.now // SECOND * SECOND).isoformat()

    def _put(self, kind: str, name: str, metadata: dict[str, Any]) -> None:
        self.live[name] = {"metadata": metadata}
        self.log.append(Event(self.now, self.revision, kind, self.live[name]))

    def deliver(self) -> None:
        """Let the watch tell what it has not told yet."""
        known = int(self.recorder.revision or 0)
        for event in self.log:
            if event.revision > known:
                self.pass_time(3000)
                self.pending += self.recorder.changed(event.type, event.object, self.now, self.ticks)

    def tick(self) -> None:
        asked = self.now
        self.pass_time(3000)
        self.ticks.note(asked, self.now, self.revision)

    def relist(self) -> None:
        """Let the watch begin anew: the server has forgotten where it was."""
        asked = self.now
        self.recorder.listing()
        self.pass_time(5000)
        self.gaps += self.recorder.heard > 0
        self.pending += self.recorder.page([*self.live.values()], self.now, self.ticks)
        self.pending += self.recorder.listed(str(self.revision), asked, self.now)

    def commit(self) -> None:
        with self.writer.transaction():
            self.writer.write(POD, self.pending, self.recorder.revision, self.recorder.heard)
            asked, answered, revision = self.ticks.last or (0, 0, 0)
            self.writer.note(alive=self.now, tick_asked=asked, tick_answered=answered, tick_revision=revision)
        self.pending = []

    def die(self) -> None:
        """Lose what was not written, stay away for a while, and come back."""
        self.writer.close()
        for _ in range(self.chance.randrange(0, 12)):
            self.change()
        self.open()
        if self.chance.random() < 0.6 or not self.recorder.revision:
            self.relist()

    def live_on(self, steps: int) -> None:
        for _ in range(steps):
            self.change()
            chance = self.chance.random()
            if chance < 0.7:
                self.deliver()
            if chance > 0.5:
                self.tick()
            if self.chance.random() < 0.3:
                self.commit()
            if self.chance.random() < 0.03:
                self.die()
        self.deliver()
        self.tick()
        self.commit()

    def truth(self, at: int) -> dict[str, str]:
        """Return what was at a moment: UID → label."""
        found: dict[str, str] = {}
        for event in self.log:
            if event.at <= at:
                metadata = event.object["metadata"]
                found.pop(metadata["uid"], None)
                if event.type != "DELETED":
                    found[metadata["uid"]] = metadata["labels"]["app"]
        return found


def seen(
    store: VersionFile, at: int
) -> tuple[dict[str, str], set[tuple[str, str]], set[tuple[str, str]], bool]:
    """Return the likeliest of a moment, what is certain of it, all that is possible, and whether it is in a gap."""
    state = store.state_at(at)
    told = {
        held[1]: (manifest["metadata"]["uid"], manifest["metadata"]["labels"]["app"])
        for held, manifest in store.manifests([*state.held, *state.unsure])
    }
    likeliest = dict(told[one[1]] for one in state.held)
    sure = {told[one[1]] for one in state.held if one[2]}
    return likeliest, sure, set(told.values()), any(one.lo > 0 and one.why == "gap" for one in state.missing)
