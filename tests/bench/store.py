"""How fast the context store answers for any moment: 30,000 objects, 500,000 versions, in a file.

`state_at` is the index of a moment: which version of which object was in force, and what is not certain. It is what
a caller filters before it reads bodies; `decode all` is what an engine pays that wants every manifest.
"""

import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from activities.adapters.version_file import VersionFile
from activities.adapters.version_writer import VersionWriter
from activities.graph.chronology import SECOND, When
from activities.graph.collected import BUILT_IN, Kind
from activities.graph.projection import Projected
from activities.graph.recording import DIGEST_BYTES, Begun, Ended, Step
from tests.bench.frame import Goal, Group, Row, Run

OBJECTS, VERSIONS = 30_000, 500_000
BODIES = 3_000
"""Distinct bodies per kind: pods of one template on one node are alike, roles often are."""
BEGAN = 1_800_000_000 * SECOND
APART = SECOND // 20
"""Between two changes: 20 a second, for seven hours."""
MOMENTS = (0.02, 0.25, 0.5, 0.75, 0.98)
SHARES = {
    "Pod": 60,
    "ServiceAccount": 10,
    "RoleBinding": 10,
    "NetworkPolicy": 5,
    "Service": 5,
    "EndpointSlice": 10,
}
"""Of a hundred objects."""


def _body(kind: str, number: int) -> bytes:
    labels = {"app": f"app-{number % 300}", "app.kubernetes.io/name": f"app-{number % 300}", "n": str(number)}
    volume = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    container = {
        "name": "main",
        "image": f"registry.example/shop/app-{number % 300}:{number % 17}",
        "env": [{"name": "PORT"}, {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets", "readOnly": True}],
    }
    specs: dict[str, dict[str, object]] = {
        "Pod": {
            "spec": {"nodeName": f"node-{number % 200}", "containers": [container], "volumes": [volume]},
            "status": {"phase": "Running", "podIP": f"10.{number % 250}.1.{number % 99}"},
        },
        "RoleBinding": {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"r-{number}"},
            "subjects": [{"kind": "ServiceAccount", "name": f"sa-{number % 50}", "namespace": "shop"}],
        },
    }
    return msgspec.json.encode({"metadata": {"labels": labels}, **specs.get(kind, {"spec": {"n": number}})})


class _Growing:
    """A file that grows one change at a time."""

    def __init__(self, path: Path) -> None:
        self.writer = VersionWriter(path)
        self._chance = random.Random(1)
        kinds = {kind[0]: kind for kind in BUILT_IN}
        self.kinds = [kinds[name] for name in SHARES]
        for kind in self.kinds:
            self.writer.recorder(kind)
        bodies = {kind[0]: [_body(kind[0], number) for number in range(BODIES)] for kind in self.kinds}
        self._bodies = {
            kind: [(body, sha256(body).digest()[:DIGEST_BYTES]) for body in some]
            for kind, some in bodies.items()
        }
        chosen = [kind for kind in self.kinds for _ in range(OBJECTS * SHARES[kind[0]] // 100)]
        self._objects = [(kind, 0) for kind in chosen]
        self._number = 0

    def _begun(self, which: int, at: int, *, fresh: bool) -> Begun:
        kind, life = self._objects[which]
        body, digest = self._chance.choice(self._bodies[kind[0]])
        self._number += 1
        what = Projected(
            f"{which}-{life}", f"ns-{which % 500}", f"o-{which}", str(self._number), None, None, body
        )
        when = When(at - SECOND // 4, at, at)
        return Begun(what, digest, when, None if fresh else when, at)

    def first(self) -> Iterator[tuple[Kind, Step]]:
        for which, (kind, _) in enumerate(self._objects):
            yield kind, self._begun(which, BEGAN, fresh=True)

    def change(self, at: int) -> Iterator[tuple[Kind, Step]]:
        which = self._chance.randrange(len(self._objects))
        kind, life = self._objects[which]
        reborn = self._chance.random() < 0.15
        if reborn:
            yield kind, Ended(f"{which}-{life}", When(at - SECOND // 4, at, at), "", at)
            self._objects[which] = kind, life + 1
        yield kind, self._begun(which, at, fresh=reborn)


def _build(path: Path, versions: int) -> int:
    """Fill a file, and return its last moment."""
    growing = _Growing(path)
    steps: dict[Kind, list[Step]] = {kind: [] for kind in growing.kinds}

    def flush() -> None:
        with growing.writer.transaction():
            for kind, some in steps.items():
                growing.writer.write(kind, some, "1", at)
                some.clear()

    at = BEGAN
    for kind, step in growing.first():
        steps[kind].append(step)
    flush()
    for number in range(max(0, versions - OBJECTS)):
        at += APART
        for kind, step in growing.change(at):
            steps[kind].append(step)
        if number % 5000 == 0:
            flush()
    flush()
    growing.writer.note(alive=at)
    growing.writer.close()
    return at


def _took(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


async def measure(run: Run) -> AsyncIterator[Row]:
    """Fill a file, then ask it."""
    versions = run.count(VERSIONS)
    with tempfile.TemporaryDirectory(prefix="firebreak-store-") as folder:
        path = Path(folder) / "versions.db"
        filled: list[int] = []
        run.say(f"writing {versions:,} versions")
        build = _took(lambda: filled.append(_build(path, versions)))
        moments = [BEGAN + int((filled[0] - BEGAN) * share) for share in MOMENTS]
        with VersionFile(path) as store:
            counts = store.counts()
            cold = [_took(lambda at=at: store.state_at(at)) * 1000 for at in moments]  # type: ignore[misc]
            warm = [
                _took(lambda at=at: store.state_at(at)) * 1000  # type: ignore[misc]
                for _ in range(5)
                for at in moments
            ]
            state = store.state_at(moments[2])
            every = _took(lambda: sum(1 for _ in store.manifests(state.held)))
            some = _took(lambda: sum(1 for _ in store.manifests(state.held, ["RoleBinding"])))
    yield Row(
        name="state at any instant",
        value=max(warm),
        unit="ms",
        goal=Goal(limit=100),
        bound="one core: rows of an index are read and made objects",
        more={
            "p50_ms": statistics.median(warm),
            "first_max_ms": max(cold),
            "objects": float(counts["objects"]),
            "versions": float(counts["versions"]),
        },
    )
    yield Row(name="all manifests of a state", value=every, unit="s", more={"role_bindings_s": some})
    yield Row(
        name="versions written",
        value=counts["versions"] / build,
        unit="/s",
        more={"file_mib": counts["bytes"] / (1 << 20)},
    )


GROUP = Group("store", "the context store: any moment of 30,000 objects in 500,000 versions", measure)
