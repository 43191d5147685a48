"""`firebreak reach --from ENTITY`: what could be reached from there, through rights, hosts and network together."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.cli.snapshots import snapshot_arguments
from workers.cli.verb import Verb

if TYPE_CHECKING:
    from activities.graph.manifests import Snapshot
    from activities.graph.paths import Reached
    from activities.graph.reach import Reach, Result
    from activities.graph.world import World
    from workers.cli.snapshots import Taken

SHOWN = 500
"""Rows that a person is shown."""


def arguments(parser: ArgumentParser) -> None:
    """Add from where and to where, of which cluster, and how it is shown."""
    parser.add_argument(
        "--from",
        dest="source",
        metavar="ENTITY",
        required=True,
        help="what is compromised: pod/NS/NAME, sa/NS/NAME, user/NAME, group/NAME, node/NAME, secret/NS/NAME, ip/A",
    )
    parser.add_argument(
        "--to", dest="target", metavar="ENTITY", help="only the ways to this, and others than the best"
    )
    parser.add_argument(
        "--cut",
        metavar="FILE",
        type=Path,
        help="ask again with these manifests applied ($patch: delete removes one), or with a plan carried out",
    )
    parser.add_argument(
        "--exploit", action="store_true", help="go on through pods that can only be connected to"
    )
    parser.add_argument(
        "--host-network",
        choices=("pod", "node"),
        default="node",
        help="what pods in their node's network are taken for (default: node)",
    )
    parser.add_argument(
        "--api-version", metavar="1.N", help="version of the API server, where the data do not say it"
    )
    parser.add_argument("--tree", action="store_true", help="show a tree instead of a table")
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="draw it as one page, which needs nothing else"
    )
    snapshot_arguments(parser)


def run(options: Namespace) -> int:
    """Tell what can be reached, and with a cut what no longer."""
    from activities.graph.reach import Reach, canonical, extra
    from workers.cli import reaching
    from workers.cli.snapshots import take

    people = extra([canonical(one) for one in (options.source, options.target) if one])
    taken = take(options, reaching.KINDS)
    reach = Reach(_world(options, taken, taken.snapshot, people), exploit=options.exploit)
    result = reach.ask(options.source)
    more: dict[str, Any] = {}
    if options.cut:
        before, (reach, changes) = result, _cut(options, taken, people)
        result = reach.ask_anyway(options.source)
        more["cut"] = reaching.closed(before, result, changes, options.target)
    told = {**reaching.document(result, taken.at), **more}
    ways: list[Reached] = []
    if options.target:
        ways = reach.to(options.source, options.target)
        told["reached"] = [reaching.way(way) for way in ways[:1]]
        told["alternatives"] = [reaching.way(way) for way in ways[1:]]
    if options.html:
        _draw(options, result, ways, told)
    _tell(options, result, ways, told)
    return 0


def _world(options: Namespace, taken: "Taken", snapshot: "Snapshot", people: list[str]) -> "World":
    from activities.graph.universe import HostNetwork
    from activities.graph.world import World, parsed_version
    from signals.errors import BadInput

    version = parsed_version(options.api_version) if options.api_version else None
    if options.api_version and version is None:
        raise BadInput(f"{options.api_version} is no version: say 1.34.")
    return World(
        snapshot,
        extra=people,
        version=version,
        host_network=HostNetwork(options.host_network),
        missing=taken.missing,
    )


def _cut(options: Namespace, taken: "Taken", people: list[str]) -> "tuple[Reach, tuple[str, ...]]":
    from activities.graph.cut import cut
    from activities.graph.documents import documents
    from activities.graph.reach import Reach
    from signals.errors import BadInput

    try:
        data = options.cut.read_bytes()
    except OSError as error:
        raise BadInput(f"{options.cut} cannot be read: {error.strerror}.") from error
    made = cut(taken.snapshot, documents(str(options.cut), data))
    return Reach(_world(options, taken, made.snapshot, people), exploit=options.exploit), made.changes


def _draw(options: Namespace, result: "Result", ways: "list[Reached]", told: dict[str, Any]) -> None:
    from signals.errors import BadInput
    from workers.cli.output import note
    from workers.cli.reach_page import page

    try:
        options.html.write_text(page(result, ways, told), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{options.html} cannot be written: {error.strerror}.") from error
    note(f"Drawn in {options.html}.")


def _tell(options: Namespace, result: "Result", ways: "list[Reached]", told: dict[str, Any]) -> None:
    from workers.cli import reaching
    from workers.cli.output import emit
    from workers.cli.screen import Screen

    def table() -> None:
        screen = Screen()
        for line in reaching.heads(result, told):
            screen.say(*line)
        if options.target:
            lines = reaching.ways(options.target, ways)
        elif options.tree:
            lines = reaching.tree(result, SHOWN)
        else:
            screen.table(reaching.HEADINGS, reaching.rows(result.reached[:SHOWN]), ("leave",))
            lines = reaching.rest(len(result.reached) - SHOWN)
        for line in lines:
            screen.say(*line)

    emit(options, told, table)


VERB = Verb(
    name="reach",
    help="say what could be reached from something, through rights, hosts and network together",
    arguments=arguments,
    run=run,
)
