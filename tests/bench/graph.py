"""The engines that need no stack, measured on one cluster of the size that they promise, and on larger ones.

Each size runs in a process of its own, so that memory is that of the engine and of its objects alone. Seconds are
those of this processor, not of the clock: what else the machine does is left out.
"""

import gc
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from activities.graph.documents import Document
from activities.graph.manifests import gather
from activities.graph.reach import Reach
from activities.graph.world import World
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

_CLI = "from workers.cli import main; raise SystemExit(main())"

Figures = dict[str, float]


@contextmanager
def _timed(into: Figures, name: str) -> Iterator[None]:
    start = time.process_time()
    yield
    into[name] = time.process_time() - start


def measure(size: float) -> Figures:
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


def main(say: Callable[[str], None]) -> dict[str, Figures]:
    """Measure every size and say what exceeds what is promised."""
    rows: dict[str, Figures] = {"can, 10,000 questions": batch()}
    for size in SIZES:
        command = [sys.executable, "-m", "tests.bench.graph", str(size)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows[f"graph, {size:g}×"] = json.loads(told)
    for name, row in rows.items():
        say(f"{name:24} " + "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    promised = {**rows["graph, 1×"], **rows["can, 10,000 questions"]}
    for key, limit in LIMITS.items():
        if promised[key] > limit:
            say(f"{key} is {promised[key]:.2f}, and {limit:g} is promised")
    return rows


if __name__ == "__main__":
    json.dump(measure(float(sys.argv[1])), sys.stdout)
