"""`firebreak doctor`: what is missing on this machine, and how to get it."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from workers.cli.verb import Verb, state_dir

if TYPE_CHECKING:
    from workers.stack.doctor import Finding


def arguments(parser: ArgumentParser) -> None:
    """Add whether to get what is missing."""
    parser.add_argument(
        "--build", action="store_true", help="fetch or build the control plane now, if it is missing"
    )


def run(options: Namespace) -> int:
    """Look at everything. Exit code 1 when a person must act before a stack can start."""
    from workers.cli.output import emit
    from workers.stack.doctor import Verdict, examine

    if options.build:
        _build(options)
    findings = examine(state_dir(options))
    emit(options, [finding.model_dump(mode="json") for finding in findings], lambda: _show(findings))
    return 1 if any(finding.verdict is Verdict.BAD for finding in findings) else 0


def _build(options: Namespace) -> None:
    import asyncio

    from workers.cli.drill.board import Board
    from workers.cli.drill.building import Telling
    from workers.stack.controlplane import resolve

    with Telling(Board.of(options)) as heard:
        asyncio.run(resolve(heard))


def _show(findings: "list[Finding]") -> None:
    from workers.cli.screen import Screen, harmless
    from workers.stack.doctor import Verdict

    marks = {
        Verdict.GOOD: harmless("✔", "green"),
        Verdict.LATER: harmless("…", "yellow"),
        Verdict.OPTIONAL: harmless("·", "dim"),
        Verdict.BAD: harmless("✘", "bold red"),
    }
    screen = Screen()
    rows = [(marks[finding.verdict], finding.what, finding.detail) for finding in findings]
    screen.table(("", "what", "found"), rows)
    cures: dict[str, list[str]] = {}
    for finding in findings:
        if finding.cure:
            cures.setdefault(finding.cure, []).append(finding.what)
    if cures:
        screen.say()
        screen.say("To do before the next start:", "bold")
    for cure, cured in cures.items():
        screen.say(f"{', '.join(cured)}: {cure}", indent=2)


VERB = Verb(name="doctor", help="what is missing, and how to get it", arguments=arguments, run=run)
