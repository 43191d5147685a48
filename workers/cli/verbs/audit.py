"""`firebreak audit show | export FILE | verify FILE|live`: the record of what mattered, and its proof."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from workers.cli.operating import nats_arguments
from workers.cli.verb import Verb


def arguments(parser: ArgumentParser) -> None:
    """Add what to do, and with what."""
    parser.add_argument(
        "what",
        choices=("show", "export", "verify"),
        help="show: the latest entries; export: all of it into a file; verify: whether it is as it was written,"
        " exit code 1 if not",
    )
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="export: a new file; verify: an exported file, or `live`"
    )
    parser.add_argument(
        "--anchor",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="verify: anchors or pages that were kept elsewhere, as JSON lines; may be repeated",
    )
    parser.add_argument(
        "--head",
        metavar="DIGEST",
        action="append",
        default=[],
        help="verify: what a page carries as `Audit record`; may be repeated",
    )
    parser.add_argument(
        "--keys", metavar="DIR", type=Path, help="verify: folder with `public` and `retired` keys"
    )
    parser.add_argument("--incident", metavar="ID", help="show: what is about this incident only")
    parser.add_argument(
        "-n", "--last", metavar="N", type=int, default=50, help="show: how many (default: 50)"
    )
    nats_arguments(parser)


def run(options: Namespace) -> int:
    """Show, export or verify."""
    from workers.cli import auditing

    if options.what == "show":
        return auditing.show(options)
    return auditing.export(options) if options.what == "export" else auditing.verify(options)


VERB = Verb(
    name="audit",
    help="the record of everything that mattered: show, export, verify",
    arguments=arguments,
    run=run,
)
