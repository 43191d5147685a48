"""`firebreak connections`: who may talk to whom, by all network policies together."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from workers.cli.snapshots import snapshot_arguments
from workers.cli.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from activities.graph.connections import Connection
    from activities.graph.network import Network

SHOWN = 1000
"""Rows that a person is shown."""


def arguments(parser: ArgumentParser) -> None:
    """Add which ends, of which cluster, or which questions."""
    parser.add_argument("--from", dest="source", metavar="X", help="only from this workload, pod or address")
    parser.add_argument("--to", dest="destination", metavar="Y", help="only to this workload, pod or address")
    parser.add_argument(
        "--host-network",
        choices=("pod", "node"),
        default="pod",
        help="what pods in their node's network are taken for (default: pod)",
    )
    parser.add_argument(
        "--probe",
        metavar="FILE",
        help="answer questions instead: JSON lines with from, to, protocol and port; - is standard input",
    )
    snapshot_arguments(parser)


def run(options: Namespace) -> int:
    """List connections, or answer questions about single ones."""
    network = _network(options)
    return _list(options, network) if options.probe is None else _answer(options, network)


def _network(options: Namespace) -> "Network":
    from activities.graph.network import Network
    from activities.graph.universe import HostNetwork
    from workers.cli import listing
    from workers.cli.snapshots import load

    snapshot = load(options, listing.KINDS)
    objects = [found.object for found in snapshot.objects]
    return Network(objects, snapshot.namespaces(), HostNetwork(options.host_network))


def _list(options: Namespace, network: "Network") -> int:
    from itertools import islice

    from activities.graph.connections import Connections
    from workers.cli import listing
    from workers.cli.output import emit_rows, note
    from workers.cli.screen import Screen

    connections = Connections(network)
    source = connections.choose(options.source) if options.source else None
    destination = connections.choose(options.destination) if options.destination else None
    screen = Screen()

    def table(found: "Iterator[Connection]") -> None:
        rows = [listing.row(connection) for connection in islice(found, SHOWN)]
        screen.table(listing.HEADINGS, rows)
        if more := sum(1 for _ in found):
            note(f"… and {more} more: narrow it with --from and --to, or take all with -o json.")

    emit_rows(options, connections.between(source, destination), listing.encode, table)
    return 0


def _answer(options: Namespace, network: "Network") -> int:
    import sys
    from pathlib import Path

    from signals.errors import BadInput

    if options.probe == "-":
        return _tell(network, sys.stdin.buffer, "standard input", flush=True)
    try:
        with Path(options.probe).open("rb") as lines:
            return _tell(network, lines, options.probe, flush=False)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise BadInput(f"The questions in {options.probe} cannot be read: {error.strerror}.") from error


def _tell(network: "Network", lines: "Iterable[bytes]", place: str, *, flush: bool) -> int:
    """Answer line by line; `flush` for somebody who waits for an answer before asking on."""
    from activities.graph.asking import Asking
    from workers.cli.listing import Answers
    from workers.cli.output import note

    answers = Answers(Asking(network))
    for number, line in enumerate(lines, 1):
        if line.strip():
            print(answers.line(line, f"{place}:{number}"), flush=flush)
    if answers.bad:
        note(f"{answers.bad} of the questions could not be answered: their answers have an error.")
    return 0


VERB = Verb(name="connections", help="say who may talk to whom", arguments=arguments, run=run)
