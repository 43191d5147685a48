"""The context store against a real API server: what it says of a moment is what the server showed then."""

import asyncio
import random
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from activities.adapters.version_file import VersionFile
from activities.graph.chronology import SECOND
from activities.graph.past import State, Why
from activities.graph.projection import project
from activities.ports import SERVICE_ACCOUNTS
from signals.errors import FirebreakError
from signals.subjects import CONTEXT_STORE
from tests.activities.clusters import fresh_namespace, kubeconfig, real
from tests.control_plane import ControlPlane
from tests.vertical.stage import until
from tests.workers.past_script import KINDS, Script
from workers.remembering import now
from workers.stack.leash import Leash

AWAY = 12
"""Changes that happen while the store is dead."""
PAUSE = 0.04
SETTLED = 0.15
"""How long before a checkpoint nothing changes: on a busy machine a watch needs a moment."""
Record = Callable[[str, object], None]
SEED = 20261125
ROOT = Path(__file__).parents[2]


@dataclass
class Follower:
    """The process that remembers; it is killed without a word, and started again."""

    plane: ControlPlane
    folder: Path
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "versions.db"

    def start(self) -> None:
        credentials = kubeconfig(self.plane, self.folder, CONTEXT_STORE)
        with (self.folder / "log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    (sys.executable, "-m", "tests.workers.remembering_process", credentials, self.file),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=ROOT,
                    preexec_fn=Leash().in_child,
                )
            )

    async def alive(self, since: int) -> None:
        """Wait until it has written something that it read later than this."""

        async def written() -> bool:
            with VersionFile(self.file) as store:
                return (store.fact("tick_asked") or 0) > since

        await until(written, lambda: f"it does not come back: {(self.folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        self.processes[-1].kill()
        self.processes[-1].wait(10)

    def too_late(self) -> None:
        """Have the watches begin anew, as they must where the server has forgotten where they were."""
        with sqlite3.connect(self.file) as file:
            file.execute("UPDATE kinds SET revision = ''")
        file.close()

    async def knows(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Wait until it has seen an object."""

        async def seen() -> bool:
            try:
                with VersionFile(self.file) as store:
                    found = store.history(kind, namespace, name)
            except FirebreakError:
                return False
            return any(one.named.uid == uid for one in found)

        await until(seen, lambda: f"{name} is not remembered: {(self.folder / 'log').read_text()[-2000:]}")


@asynccontextmanager
async def follower(plane: ControlPlane, folder: Path) -> AsyncIterator[Follower]:
    one = Follower(plane, folder)
    one.start()
    try:
        yield one
    finally:
        one.kill()


@dataclass
class Tally:
    """How many objects were compared, and how many were excused because the store said that it is not sure."""

    compared: int = 0
    excused: int = 0
    excused_alive: int = 0
    """Of these, at moments at which the store was alive."""
    wrong: list[str] = field(default_factory=list)


Shown = dict[str, tuple[str, bytes]]
"""UID → kind, and what is remembered of it."""


def told(
    store: VersionFile, state: State, mark: str
) -> tuple[dict[str, tuple[bool, bytes]], dict[str, set[bytes]]]:
    """Return what the store holds for likeliest, with whether it is certain, and all that it holds for possible."""
    likeliest: dict[str, tuple[bool, bytes]] = {}
    possible: dict[str, set[bytes]] = {}
    for held, manifest in store.manifests([*state.held, *state.unsure]):
        metadata = manifest["metadata"]
        if (metadata.get("labels") or {}).get("past") == mark:
            body = project(manifest["kind"], manifest).body
            possible.setdefault(metadata["uid"], set()).add(body)
            if held[3]:
                likeliest[metadata["uid"]] = bool(held[2]), body
    return likeliest, possible


def compare(store: VersionFile, at: int, shown: Shown, mark: str, tally: Tally) -> None:
    """Compare one checkpoint object by object."""
    state = store.state_at(at)
    gaps = {one.kind for one in state.missing if one.why is Why.GAP}
    likeliest, possible = told(store, state, mark)
    for uid, (kind, body) in shown.items():
        tally.compared += 1
        sure, said = likeliest.get(uid, (False, b""))
        if said == body:
            continue
        if not sure and (body in possible.get(uid, set()) or kind in gaps):
            tally.excused += 1
        else:
            tally.wrong.append(f"{kind} {uid} at {at}: {body!r} was shown, {said!r} is said, sure {sure}")
    for uid in likeliest.keys() - shown.keys():
        tally.compared += 1
        if likeliest[uid][0]:
            tally.wrong.append(f"{uid} at {at} was not there")
        else:
            tally.excused += 1


@dataclass
class Deaths:
    """When the process is killed, by the number of the change; every second time it comes back too late."""

    store: Follower
    numbers: dict[int, int]
    dead: list[tuple[int, int]] = field(default_factory=list)
    _killed: int = 0

    async def after(self, number: int) -> None:
        """Kill it, or start it again and wait for it, if this change is the one."""
        if number in self.numbers:
            self._killed = now() - SECOND
            self.store.kill()
        if number - AWAY in self.numbers:
            if self.numbers[number - AWAY] % 2:
                self.store.too_late()
            self.store.start()
            await self.store.alive(now())
            self.dead.append((self._killed, now()))


async def played(
    plane: ControlPlane, folder: Path, *, changes: int, checkpoints: int, kills: int
) -> tuple[Tally, int, Script]:
    """Play a log of changes with the store killed in between; compare all checkpoints at the end."""
    async with real(plane, folder) as cluster, follower(plane, folder) as store:
        script = Script(cluster, await fresh_namespace(cluster), random.Random(SEED))
        await until(lambda: _has_account(script), lambda: "no ServiceAccount was made")
        first = (await cluster.list(SERVICE_ACCOUNTS, script.namespace))[0]["metadata"]
        await store.knows("ServiceAccount", script.namespace, first["name"], first["uid"])
        shown: list[tuple[int, dict[str, tuple[str, bytes]]]] = []
        deaths = Deaths(store, {changes * (n + 1) // (kills + 1): n for n in range(kills)})
        for number in range(1, changes + 1):
            await script.change()
            await asyncio.sleep(PAUSE)
            await deaths.after(number)
            if number % (changes // checkpoints) == 0:
                await asyncio.sleep(SETTLED)
                shown.append((now(), await script.read()))
                await asyncio.sleep(PAUSE)
        last = await cluster.create(
            SERVICE_ACCOUNTS.ref(f"{script.mark}-last", script.namespace),
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {}},
        )
        await store.knows(
            "ServiceAccount", script.namespace, last["metadata"]["name"], last["metadata"]["uid"]
        )
        await asyncio.sleep(3)  # other kinds' watches are not behind by more
        tally = Tally()
        with VersionFile(store.file) as file:
            for at, found in shown:
                before = tally.excused
                compare(file, at, found, script.mark, tally)
                if not any(killed < at < alive for killed, alive in deaths.dead):
                    tally.excused_alive += tally.excused - before
            gaps = sum(one.lo > 0 for one in file.gaps(1, now()))
        await script.clean()
        return tally, gaps, script


async def _has_account(script: Script) -> bool:
    return bool(await script.cluster.list(SERVICE_ACCOUNTS, script.namespace))


def judged(record: Record, tally: Tally, gaps: int, script: Script, kills: int, share: float) -> None:
    figures = f"{tally}, {gaps} gaps, {script.counts}"
    assert tally.wrong == [], figures
    assert tally.compared > 500, figures
    assert tally.excused <= share * tally.compared, figures
    assert tally.excused_alive <= 0.1 * tally.compared, figures
    record("the past", figures)
    assert gaps >= kills // 2 * len(KINDS), figures
    assert set(script.counts) == {"create", "relabel", "delete"}


async def test_the_past_is_what_the_server_showed_though_the_store_was_killed(
    control_plane: ControlPlane, tmp_path: Path, record_testsuite_property: Record
) -> None:
    tally, gaps, script = await played(control_plane, tmp_path, changes=160, checkpoints=32, kills=2)
    judged(record_testsuite_property, tally, gaps, script, 2, 0.2)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_all_of_a_thousand_changes_are_as_the_server_showed_them_at_two_hundred_checkpoints(
    control_plane: ControlPlane, tmp_path: Path, record_testsuite_property: Record
) -> None:
    tally, gaps, script = await played(control_plane, tmp_path, changes=1000, checkpoints=200, kills=8)
    judged(record_testsuite_property, tally, gaps, script, 8, 0.1)
