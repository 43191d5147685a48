"""`firebreak approve-policy OLD NEW`: a lead lets the installed policy hold although it loosens the one before."""

import re
from argparse import ArgumentParser, Namespace
from pathlib import Path

from workers.cli import person
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add from which policy to which."""
    parser.add_argument("old", metavar="OLD", help="the policy in force: its file, or its digest")
    parser.add_argument("new", metavar="NEW", help="the one that may replace it: its file, or its digest")
    parser.add_argument("--reason", default="", help="told to everybody who is paged")
    person.speaker_arguments(parser, "lead")


def run(options: Namespace) -> int:
    """Approve one change of policy, by its two digests."""
    from signals import approvals

    what = {"fromPolicy": _digest(options.old), "toPolicy": _digest(options.new), "reason": options.reason}
    return person.run(options, approvals.Verb.APPROVE_POLICY, what)


def _digest(given: str) -> str:
    """Return the digest that is meant: itself, or that of a file."""
    from signals.errors import BadInput
    from signals.policy import parse

    if re.fullmatch(r"[0-9a-f]{64}", given):
        return given
    try:
        return parse(Path(given).read_text(encoding="utf-8"), given).digest
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{given} is no digest, and no file that can be read: {error}") from error


VERB = Verb(
    name="approve_policy",
    help="let a policy hold that loosens the one in force",
    arguments=arguments,
    run=run,
)
