"""The command line: `firebreak VERB`, also as `kubectl firebreak VERB`.

A verb is a file in `verbs/`. This module finds them, parses, and holds the one error path and exit codes.
"""

import sys
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path

from signals.catalog import load
from signals.errors import BadInput, FirebreakError, Refused, StackError, Unavailable
from workers.cli import verbs
from workers.cli.verb import Verb


class Exit(IntEnum):
    """What the exit code of a command says. Stable."""

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    REFUSED = 3
    INTERRUPTED = 130


EPILOG = """\
exit codes: 0 done, 1 failed, 2 wrong use, 3 refused, 130 interrupted

`firebreak VERB --help` says more. Start with `firebreak up`, then `firebreak drill`.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. `argv` defaults to the process's own arguments."""
    known = load(verbs, Verb)
    try:
        options = _parser(known).parse_args(argv)
        return known[options.verb].run(options)
    except SystemExit as finished:
        return finished.code if isinstance(finished.code, int) else Exit.WRONG_USE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.FAILED
    except FirebreakError as error:
        print(f"{_program()}: {error}", file=sys.stderr)
        if hint := _hint(error):
            print(hint, file=sys.stderr)
        return _exit_code(error)


def _exit_code(error: FirebreakError) -> Exit:
    if isinstance(error, Refused):
        return Exit.REFUSED
    return Exit.WRONG_USE if isinstance(error, BadInput) else Exit.FAILED


def _hint(error: FirebreakError) -> str:
    if isinstance(error, Unavailable | StackError):
        return f"Next: `{_program()} status` shows what runs, `{_program()} doctor` what is missing."
    return ""


def _program() -> str:
    called = Path(sys.argv[0]).name
    return "kubectl firebreak" if called.startswith("kubectl-") else "firebreak"


def _parser(known: Mapping[str, Verb]) -> ArgumentParser:
    parser = ArgumentParser(
        prog=_program(),
        description="Durable incident response for Kubernetes.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.set_defaults(state=None, output="table")
    shared = _shared()
    _shared(parser)
    commands = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in known.values():
        verb.arguments(
            commands.add_parser(verb.name, help=verb.help, description=verb.help, parents=[shared])
        )
    return parser


def _shared(parser: ArgumentParser | None = None) -> ArgumentParser:
    """Add the options that may stand before or after the verb; unsaid, neither place undoes the other."""
    parser = parser or ArgumentParser(add_help=False)
    parser.add_argument(
        "--state", metavar="DIR", type=Path, default=SUPPRESS, help="folder of the stack (FIREBREAK_STATE)"
    )
    parser.add_argument(
        "-o", "--output", choices=("table", "json", "yaml"), default=SUPPRESS, help="default: table"
    )
    return parser
