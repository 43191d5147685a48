"""Measures, prints a table while it runs, and writes it as JSON: `python -m tests.bench [GROUP…]`."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import containing, crowd, flood, footprint, graph, recovery, store, sustained
from tests.bench.frame import Group, Row, Run
from tests.bench.machine import Others, facts
from tests.bench.publish import Document, publish

GROUPS: tuple[Group, ...] = (
    containing.GROUP,
    crowd.GROUP,
    sustained.GROUP,
    flood.GROUP,
    recovery.GROUP,
    footprint.GROUP,
    graph.GROUP,
    store.GROUP,
)


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = {group.name: group for group in GROUPS}
    told = "; ".join(f"{group.name}: {group.about}" for group in GROUPS)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"what to measure (default: all). {told}")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the figures are written")
    parser.add_argument("--share", type=float, default=1.0, help="of the counts, for a quick look")
    parser.add_argument("--publish", action="store_true", help="put the figures into the documentation")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.groups) - set(names)):
        parser.error(f"there is no group {unknown[0]!r}; there are {', '.join(names)}")
    asked.groups = [names[name] for name in asked.groups] or list(GROUPS)
    return asked


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def line(row: Row, others: float) -> str:
    """Return one row of the table."""
    ratio = f"{row.ratio:.2f} ×" if row.ratio is not None else ""
    goal = row.goal.said(row.unit) if row.goal else ""
    met = {True: "held", False: "MISSED", None: ""}[row.met]
    more = "  ".join(
        f"{name} {value:,.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row.more.items()
    )
    value = f"{row.value:,.2f} {row.unit}"
    return f"{row.name:44} {value:>16} {ratio:>8} {goal:>12} {met:6} others {others:.1f}  {more}".rstrip()


async def measured(groups: Sequence[Group], run: Run) -> list[dict[str, object]]:
    """Measure groups one after the other, and print each row as soon as it is there."""
    rows: list[dict[str, object]] = []
    for group in groups:
        began, others = time.monotonic(), Others()
        say(f"· {group.name}: {group.about}")
        async with aclosing(group.measure(run)) as found:  # type: ignore[type-var]
            async for row in found:
                cores = others.since()
                say(line(row, cores))
                rows.append({"group": group.name, **row.told(), "other_cores": round(cores, 2)})
        say(f"  {time.monotonic() - began:.0f} s")
    return rows


def main(arguments: Sequence[str]) -> int:
    """Measure; 1 where a goal is missed."""
    asked = options(arguments)
    run = Run(say=lambda text: say(f"  … {text}"), share=asked.share)
    began = datetime.now(UTC)
    rows = asyncio.run(measured(asked.groups, run))
    document: Document = {
        "at": f"{began:%Y-%m-%dT%H:%M:%SZ}",
        "share": asked.share,
        "machine": facts(),
        "rows": rows,
    }
    asked.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if asked.publish:
        publish(Path.cwd(), document)
    missed = [str(row["name"]) for row in rows if row["met"] is False]
    say(f"{len(rows)} figures, {len(missed)} goals missed{': ' if missed else ''}{', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
