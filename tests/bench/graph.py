"""The engines that need no stack, measured on one cluster of the size that they promise, and on larger ones.

Each size runs in a process of its own, so that memory is that of the engine and of its objects alone. Seconds are
those of this processor, not of the clock: what else the machine does is left out.
"""

import asyncio
import gc
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from activities.graph.documents import Document
from activities.graph.manifests import gather
from activities.graph.reach import Reach
from activities.graph.world import World
from tests.bench.frame import Goal, Group, Row, Run
from tests.bench.graph_world import Maker

SIZES = (1.0, 2.0, 10.0)
QUESTIONS = 60
BATCH = 10_000
LIMITS = {
    "compile_s": 1.0,
    "question_p95_ms": 150.0,
    "network_all_pairs_s": 1.0,
    "memory_mb": 400.0,
    "can_10k_s": 3.0,
}
"""What is promised for the first size."""
FIGURES = (
    ("compile a cluster", "compile_s", "s"),
    ("all pairs of the network", "network_all_pairs_s", "s"),
    ("one question of reach, p95", "question_p95_ms", "ms"),
    ("memory of the engines", "memory_mb", "MiB"),
)

_CLI = "from workers.cli import main; raise SystemExit(main())"

Figures = dict[str, float]


@contextmanager
def _timed(into: Figures, name: str) -> Iterator[None]:
    start = time.process_time()
    yield
    into[name] = time.process_time() - start


def engines(size: float) -> Figures:
    """Measure one size in this process."""
    figures: Figures = {}
    objects = Maker(size).objects()
    snapshot = gather(Document(one, "bench", 0) for one in objects)
    gc.collect()
    with _timed(figures, "compile_s"):
        world = World(snapshot)
        ways = world.ways
    with _timed(figures, "network_all_pairs_s"):
        figures["network_products"] = float(sum(1 for _ in ways.network.links()))
    reach, pick = Reach(world), random.Random(7)
    starts = [world.census.names[pick.randrange(len(world.members))] for _ in range(QUESTIONS)]
    seconds, reached = [], []
    for start in starts:
        before = time.process_time()
        rows = reach.ask(start).reached
        reached.append(sum(len(row.path) > 0 for row in rows))
        seconds.append(time.process_time() - before)
    figures["question_p50_ms"] = sorted(seconds)[len(seconds) // 2] * 1000
    figures["question_p95_ms"] = sorted(seconds)[int(len(seconds) * 0.95)] * 1000
    figures["reached_most"] = float(max(reached))
    figures["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def batch() -> Figures:
    """Ask 10,000 questions of `firebreak can`, as a person would: a process, a file, and its loading included."""
    pick, maker = random.Random(3), Maker()
    with tempfile.TemporaryDirectory(prefix="firebreak-bench-") as folder:
        cluster, questions = Path(folder, "cluster.json"), Path(folder, "questions")
        cluster.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": maker.objects()}))
        lines = (json.dumps(_question(pick, maker.namespaces)) for _ in range(BATCH))
        questions.write_text("\n".join(lines) + "\n")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [
            sys.executable,
            "-c",
            _CLI,
            "can",
            "--snapshot",
            str(cluster),
            "--requests",
            str(questions),
        ]
        answered = subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert answered.stdout.count(b"\n") == BATCH
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"can_10k_s": spent}


def _question(pick: random.Random, namespaces: list[str]) -> dict[str, Any]:
    place = pick.choice(namespaces)
    return {
        "user": f"system:serviceaccount:{place}:{pick.choice(('default', 'app', 'ci', 'web', 'db'))}",
        "verb": pick.choice(("get", "list", "create", "delete", "update")),
        "resource": pick.choice(("pods", "secrets", "configmaps")),
        "namespace": place,
    }


async def measure(run: Run) -> AsyncIterator[Row]:
    """Measure every size, and hold what is promised of the first to it."""
    yield _row("10,000 questions of `firebreak can`", batch(), "can_10k_s", "s")
    for size in SIZES if run.share >= 1 else SIZES[:1]:
        run.say(f"{size:g} × the size that is promised")
        command = [sys.executable, "-m", "tests.bench.graph", str(size)]
        asked = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)
        figures = json.loads(asked.stdout)
        for name, key, unit in FIGURES:
            yield _row(f"{name}, {size:g} ×", figures, key, unit, promised=size == SIZES[0])


def _row(name: str, figures: Figures, key: str, unit: str, *, promised: bool = True) -> Row:
    limit = LIMITS.get(key) if promised else None
    return Row(
        name=name,
        value=figures[key],
        unit=unit,
        goal=Goal(limit=limit) if limit else None,
        bound="one core: it is pure Python" if unit != "MiB" else "objects in memory",
    )


GROUP = Group("graph", "who may do what, who may talk to whom, what could be reached", measure)


if __name__ == "__main__":
    json.dump(engines(float(sys.argv[1])), sys.stdout)
