"""The command line: `firebreak VERB`, also as `kubectl firebreak VERB`.

A verb is a file in `verbs/`. This module finds them, parses, and holds the one error path and exit codes.
"""

import logging
import os
import signal
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import IntEnum
from typing import NoReturn

from signals.catalog import load
from signals.errors import BadInput, FirebreakError, Refused, Unavailable
from workers.cli import verbs
from workers.cli.verb import Verb, program, shared_arguments


class Exit(IntEnum):
    """What the exit code of a command says. Stable."""

    DONE = 0
    """It was done; for `drill` and `demo`: each scenario ended as it says."""
    FAILED = 1
    """It could not be done, or did not end as it should: a server is away, an incident is unknown."""
    WRONG_USE = 2
    """The command itself makes no sense: an unknown option, a file that is not there."""
    REFUSED = 3
    """Who may decide said no: the API server, an admission policy, the incident, Firebreak's own rules."""
    INTERRUPTED = 130
    """Ctrl-C, or SIGTERM."""


EPILOG = """\
exit codes: 0 done, 1 failed, 2 wrong use, 3 refused, 130 interrupted

`firebreak VERB --help` says more. Start with `firebreak up`, then `firebreak drill`.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Without `argv` it is the process's own, and ends with it."""
    if argv is None:
        _clean_up_when_told_to_stop()
    code = _run(argv)
    if argv is None and "temporalio" in sys.modules:
        _leave(code)
    return code


def _clean_up_when_told_to_stop() -> None:
    """Let SIGTERM do what Ctrl-C does, also in the background of a shell, which has Ctrl-C ignored there."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def _leave(code: int) -> NoReturn:
    """End the process without Python's own end, in which Temporal's threads sometimes abort it."""
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _run(argv: Sequence[str] | None) -> int:
    logging.getLogger().addHandler(logging.NullHandler())  # libraries' logs are not for the person's terminal
    known = {name.replace("_", "-"): verb for name, verb in load(verbs, Verb).items()}
    try:
        parser = _parser(known)
        if not (sys.argv[1:] if argv is None else argv):
            parser.print_help(sys.stderr)
            return Exit.WRONG_USE
        options = parser.parse_args(argv)
        return known[options.verb].run(options)
    except SystemExit as finished:
        return finished.code if isinstance(finished.code, int) else Exit.WRONG_USE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.FAILED
    except FirebreakError as error:
        print(f"{program()}: {error}", file=sys.stderr)
        if isinstance(error, Unavailable):
            print(f"Next: `{program()} status` shows what runs.", file=sys.stderr)
        return _exit_code(error)


def entry() -> None:
    """Run as a program of its own, and end without waiting for anybody.

    Temporal's native runtime may abort a Python process that is shutting down (temporalio/sdk-python#300): what
    is said is flushed, and the process ends before that.
    """
    code = main()
    with suppress(BrokenPipeError, ValueError):
        sys.stdout.flush()
    with suppress(BrokenPipeError, ValueError):
        sys.stderr.flush()
    os._exit(code)


def _exit_code(error: FirebreakError) -> Exit:
    if isinstance(error, Refused):
        return Exit.REFUSED
    return Exit.WRONG_USE if isinstance(error, BadInput) else Exit.FAILED


def _parser(known: Mapping[str, Verb]) -> ArgumentParser:
    parser = ArgumentParser(
        prog=program(),
        description="Durable incident response for Kubernetes.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.set_defaults(state=None, output="table")
    shared = shared_arguments()
    shared_arguments(parser)
    commands = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in known.items():
        verb.arguments(commands.add_parser(name, help=verb.help, description=verb.help, parents=[shared]))
    return parser
