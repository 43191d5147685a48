"""`make crash`: trials drawn from one seed, a line each, and a summary. A failed one can be run again alone."""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from tests.crash.ground import proxied, shaken
from tests.crash.kills import drawn
from tests.crash.outcome import Outcome
from tests.crash.trial import Trial
from tests.crash.unsafe import VARIANTS
from tests.crash.weather import Weather, forecast


def options() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument(
        "--seed", default="", help="of the whole run; drawn and printed where nothing is said"
    )
    parser.add_argument("--only", type=int, help="run this trial of the seed alone")
    parser.add_argument(
        "--unsafe", choices=tuple(VARIANTS), default="", help="a control run, which must fail"
    )
    parser.add_argument(
        "--faults", action="store_true", help="fail requests to the API server, instead of killing processes"
    )
    parser.add_argument("--records", type=Path, help="where records are left (default: a temporary folder)")
    return parser.parse_args()


async def run(asked: argparse.Namespace, root: Path) -> list[Outcome]:
    """Run the trials on one stack, and print a line for each."""
    seed = asked.seed or f"{random.SystemRandom().randrange(2**32):08x}"
    numbers = [asked.only] if asked.only else range(1, asked.trials + 1)
    say(f"seed {seed}" + (f", unsafe: {asked.unsafe}" if asked.unsafe else ""))
    outcomes: list[Outcome] = []
    async with AsyncExitStack() as running:
        if asked.faults:
            stage, proxy = await running.enter_async_context(proxied(root))
        else:
            stage, proxy = await running.enter_async_context(shaken(root, asked.unsafe)), None
        if not asked.unsafe:
            outcomes.append(await Trial(stage, 0, f"{seed}/0", None).run())
            say(str(outcomes[0]))
        for number in numbers:
            own = f"{seed}/{number}"
            draw = random.Random(own)
            blow = forecast(draw) if asked.faults else drawn(draw, asked.unsafe)
            outcomes.append(await Trial(stage, number, own, blow, proxy=proxy, before=outcomes).run())
            say(str(outcomes[-1]))
    return outcomes


def summary(outcomes: list[Outcome], seconds: float) -> str:
    """Return what a run comes to."""
    failed = [outcome for outcome in outcomes if not outcome.fine]
    wrong = Counter(
        {name: sum(len(vars(o.findings)[name]) for o in outcomes) for name in vars(outcomes[0].findings)}
    )
    recovered = sorted(outcome.recovery for outcome in outcomes if outcome.recovery is not None)
    lines = [
        f"{len(outcomes) - len(failed)} of {len(outcomes)} trials are fine, in {seconds / 60:.1f} min:"
        f" {sum(o.alerts for o in outcomes)} alerts, {sum(o.incidents for o in outcomes)} incidents,"
        f" {sum(o.writes for o in outcomes)} writes",
        ", ".join(f"{count} {name}" for name, count in wrong.items()),
    ]
    if recovered:
        lines.append(f"recovery: median {statistics.median(recovered):.1f} s, longest {recovered[-1]:.1f} s")
    late = sum(outcome.late for outcome in outcomes)
    if late:
        lines.append(f"{late} recovered late")
    how = " FAULTS=1" if any(isinstance(o.blow, Weather) for o in outcomes) else ""
    lines += [
        f"again: make crash SEED={o.seed.partition('/')[0]} ONLY={o.number}{how}"
        for o in outcomes
        if o.late or not o.fine
    ]
    return "\n".join(lines)


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run; 0 where every trial is fine, for a control run where the judge saw what is wrong."""
    asked, began = options(), time.monotonic()
    root = asked.records or Path(tempfile.mkdtemp(prefix="firebreak-crash-"))
    root.mkdir(parents=True, exist_ok=True)
    outcomes = asyncio.run(run(asked, root))
    say(summary(outcomes, time.monotonic() - began))
    told = [{**vars(o), "blow": str(o.blow), "findings": vars(o.findings)} for o in outcomes]
    (root / "outcomes.json").write_text(json.dumps(told, indent=2) + "\n")
    fine = all(outcome.fine and not outcome.late for outcome in outcomes)
    if not fine:
        say(f"records: {root}")
    return int(fine == bool(asked.unsafe))


if __name__ == "__main__":
    sys.exit(main())
