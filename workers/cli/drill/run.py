"""Drills on a stack that runs, or on one that lives as long as the drill."""

import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from signals.catalog import load
from signals.errors import BadInput, FirebreakError, Refused
from workers import settings
from workers.cli.clusters import connected
from workers.cli.drill import scenarios
from workers.cli.drill.app import NAMESPACE
from workers.cli.drill.asking import Ask
from workers.cli.drill.board import Board, Check
from workers.cli.drill.player import Player
from workers.cli.drill.scenario import Scenario
from workers.cli.ledger import Ledger
from workers.cli.target import Target
from workers.cli.verb import program_at, state_dir
from workers.cli.words import count
from workers.stack.options import Options
from workers.stack.progress import OnProgress
from workers.stack.run import Stack
from workers.stack.state import Status, read, supervisor

ORDER = (
    "reverse_shell",
    "suspicious_egress",
    "debug_shell",
    "token_theft",
    "edited_meanwhile",
    "killed_in_the_middle",
    "storm",
)
"""The order in which all are played; others come after."""


NODE_CROWD = 20
"""Most pods that a scenario may attack at once where they really run."""


@dataclass(frozen=True)
class Outcome:
    """How one scenario ended."""

    scenario: str
    incident: str
    checks: tuple[Check, ...]
    failure: str = ""

    @property
    def passed(self) -> bool:
        """Whether it ended as it says."""
        return not self.failure and all(check.passed for check in self.checks)

    def document(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        checks = [vars(check) for check in self.checks]
        return {
            "scenario": self.scenario,
            "incident": self.incident,
            "passed": self.passed,
            "failure": self.failure,
            "checks": checks,
        }


def catalogue() -> Mapping[str, Scenario]:
    """Return all scenarios by the name that people type, in the order of `all`."""
    found = load(scenarios, Scenario)
    names = sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return {name.replace("_", "-"): found[name] for name in names}


def chosen(name: str) -> list[Scenario]:
    """Return the scenarios that a name means.

    Raises:
        BadInput: there is no such scenario; the text lists those that there are.
    """
    known = catalogue()
    if name == "all":
        return list(known.values())
    if name not in known:
        raise BadInput(f"There is no scenario “{name}”. There are {', '.join(known)}, and all.")
    return [known[name]]


def attended(options: Namespace) -> bool:
    """Whether a person sits at a terminal and decides."""
    return bool(sys.stdin.isatty() and sys.stdout.isatty() and not options.yes and options.output == "table")


def target_of(status: Status) -> Target:
    """Return the servers of one stack."""
    return Target(
        state=Path(status.state_dir),
        status=status,
        temporal=status.endpoints.temporal or "",
        temporal_namespace=status.endpoints.temporal_namespace or "default",
        kubeconfig=None,
        context=None,
    )


@contextmanager
def folder(state: Path | None) -> Iterator[Path]:
    """Yield the folder that is named, or one that vanishes afterwards.

    It is for outside of the event loop: a thread that is cut short still writes until the loop has ended.
    """
    if state is not None:
        yield state
        return
    with tempfile.TemporaryDirectory(prefix="firebreak-") as temporary:
        yield Path(temporary)


@asynccontextmanager
async def own_stack(
    root: Path, cluster: Literal["kubernetes", "memory", "node"], heard: OnProgress
) -> AsyncIterator[Status]:
    """Yield a stack that ends with us."""
    async with Stack(Options(state_dir=root, cluster=cluster), heard) as stack:
        yield stack.status


@asynccontextmanager
async def running_stack(options: Namespace, root: Path, heard: OnProgress) -> AsyncIterator[Status]:
    """Yield the stack that runs in the state folder; where none does, one in `root` that ends with us."""
    state = state_dir(options)
    if supervisor(state) is not None:
        yield read(state)
        return
    async with own_stack(root, options.cluster or "kubernetes", heard) as status:
        yield status


async def perform(status: Status, board: Board, wanted: Sequence[Scenario], ask: Ask) -> list[Outcome]:
    """Play scenarios one after another and return how each ended."""
    target, state = target_of(status), Path(status.state_dir)
    if len(wanted) == 1 and (why := unplayable(wanted[0], target)):
        raise Refused(f"“{wanted[0].title}” cannot be played here: {why}.")
    named = program_at(None if state == settings.state_dir() else state)
    ledger = await Ledger.connect(target.temporal, target.temporal_namespace)
    async with connected(target.administrator()) as cluster:
        player = Player(target, status, cluster, ledger, board, ask, named)
        await player.prepare()
        began = time.monotonic()
        outcomes = [await _one(player, scenario) for scenario in wanted if _told(board, scenario, target)]
    right = sum(outcome.passed for outcome in outcomes)
    seconds = time.monotonic() - began
    board.say()
    board.say(f"{right} of {count(len(outcomes), 'scenario')} ended as said, in {seconds:.0f} s.", "bold")
    return outcomes


def unplayable(scenario: Scenario, target: Target) -> str:
    """Return why a scenario cannot be played on this stack, or nothing if it can."""
    if scenario.killed and target.memory:
        return "on a memory cluster all agents are one process, and the cluster dies with it"
    if scenario.crowd > NODE_CROWD and target.status and target.status.has("kubelet"):
        return f"{scenario.crowd} real pods are more than one node starts in a minute"
    own = target.memory or (target.status is not None and target.status.endpoints.audit_log is not None)
    if scenario.namespace != NAMESPACE and not own:
        return f"a drill puts nothing into {scenario.namespace} of a cluster that is not its own"
    return ""


def _told(board: Board, scenario: Scenario, target: Target) -> bool:
    """Return whether a scenario is played; say why where it is not."""
    why = unplayable(scenario, target)
    if why:
        board.say(f"{scenario.title}: not played here, since {why}.", "dim")
    return not why


async def _one(player: Player, scenario: Scenario) -> Outcome:
    board, incident, failure = player.board, "", ""
    board.checks.clear()
    try:
        incident = (await player.play(scenario)).summary.id
    except FirebreakError as error:
        failure = str(error)
        board.say(f"✘ {failure}", "bold red", indent=2)
    outcome = Outcome(scenario.name, incident, tuple(board.checks), failure)
    right = sum(check.passed for check in outcome.checks)
    verdict = "ended as it says" if outcome.passed else "DID NOT END AS IT SAYS"
    style = "bold green" if outcome.passed else "bold red"
    board.say(f"{scenario.title}: {verdict} ({right} of {len(outcome.checks)} checks hold)", style)
    return outcome
