"""The shape of a command: one file, one value. A verb imports heavy things inside `run`, never at its top."""

import shlex
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One command of `firebreak`; `name` is its file's name; people type it with dashes.

    `arguments` adds what it takes to its parser. `run` is given the parsed options, among them `state`
    (`Path | None`) and `output` (`table | json | yaml`), and returns the exit code; it raises
    `FirebreakError` for everything that a person must hear of.
    """

    name: str
    help: str
    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


def no_arguments(parser: ArgumentParser) -> None:
    """Add nothing: for verbs that take no arguments of their own."""


def shared_arguments(parser: ArgumentParser | None = None) -> ArgumentParser:
    """Add the options that may stand before or after the verb; unsaid, neither place undoes the other."""
    parser = parser or ArgumentParser(add_help=False)
    parser.add_argument(
        "--state", metavar="DIR", type=Path, default=SUPPRESS, help="folder of the stack (FIREBREAK_STATE)"
    )
    parser.add_argument(
        "-o", "--output", choices=("table", "json", "yaml"), default=SUPPRESS, help="default: table"
    )
    return parser


def state_dir(options: Namespace) -> Path:
    """Return the folder of the stack that is meant: `--state`, else FIREBREAK_STATE, else the default."""
    from workers import settings

    return Path(options.state) if options.state else settings.state_dir()


def program(options: Namespace | None = None) -> str:
    """Return how the person called us, with `--state` when they said it: commands that we suggest must work."""
    return program_at(options.state if options else None)


def program_at(state: Path | None) -> str:
    """Return how the stack in a folder is meant; None is the one that is meant when nothing is said."""
    name = "kubectl firebreak" if Path(sys.argv[0]).name.startswith("kubectl-") else "firebreak"
    return f"{name} --state {shlex.quote(str(state))}" if state else name
