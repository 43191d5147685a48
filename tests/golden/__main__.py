"""`python -m tests.golden`: play every case whose goldens are not there yet, on a real Temporal server."""

import asyncio
import os
import sys
import time
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path

from signals.authority import Authority
from signals.policy import Policy, Tier4
from tests.golden import fingerprints
from tests.golden.cases import CASES
from tests.golden.shelf import GOLDEN, Shelf
from tests.golden.stage import Faltering, Slow, Stage
from tests.golden.whole import WHOLE
from tests.workflows.running import ISOLATES, running


async def make(shelf: Shelf, names: list[str]) -> int:
    """Play these cases and keep what is new; return how many files were added."""
    isolating = [name for name in names if name not in WHOLE]
    added = await _played(shelf, isolating, ISOLATES) if isolating else 0
    whole = [name for name in names if name in WHOLE]
    return added + (
        await _played(shelf, whole, Policy(tier4=Tier4.HOLD, authority=Authority(rules=()))) if whole else 0
    )


async def _played(shelf: Shelf, names: list[str], policy: Policy) -> int:
    """Play cases in a world of this policy."""
    added = 0
    async with running(Faltering(), Slow(), policy) as world:
        for name in names:
            began = time.monotonic()
            stage = Stage(world, name)
            await CASES[name](stage)
            new = shelf.add(list(stage.kept.values()))
            world.clock.ahead = timedelta()
            added += len(new)
            took = time.monotonic() - began
            sys.stdout.write(f"{name}: {len(new)} of {len(stage.kept)} new, {took:.1f} s\n")
    return added


def main() -> None:
    """Make what is missing."""
    parser = ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument(
        "--only", metavar="CASE", action="append", choices=tuple(CASES), help="only this case"
    )
    parser.add_argument("--into", metavar="DIR", type=Path, default=GOLDEN, help="default: tests/golden")
    parser.add_argument(
        "--again", action="store_true", help="play also what has goldens; none is overwritten"
    )
    parser.add_argument(
        "--fingerprints", action="store_true", help="only write down the order of commands as it is now"
    )
    options = parser.parse_args()
    if options.fingerprints:
        fingerprints.record()
        return
    shelf = Shelf(options.into)
    known = {made.case for made in shelf.manifest().values()}
    names = [
        name
        for name in options.only or CASES
        if options.again or not any(case == name or case.startswith(f"{name}-") for case in known)
    ]
    added = asyncio.run(make(shelf, names)) if names else 0
    sys.stdout.write(f"{added} goldens added in {shelf.folder}\n")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # Temporal's threads may abort a process that ends by itself (temporalio/sdk-python#300)
