"""What a command that needs no stack looks at: manifests in files, the live cluster, or its past."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workers.cli.past import load_past, past_arguments
from workers.cli.target import cluster_arguments

if TYPE_CHECKING:
    from activities.graph.manifests import Snapshot
    from activities.ports import Resource

LIVE = "the live cluster"


def snapshot_arguments(parser: ArgumentParser) -> None:
    """Add the options that say what to look at."""
    parser.add_argument(
        "--snapshot",
        metavar="PATH",
        type=Path,
        help="a file or folder of manifests, Lists or `kubectl get -o json` output (default: the live cluster)",
    )
    past_arguments(parser)
    cluster_arguments(parser)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Objects of one moment, and what is known of how they were taken."""

    snapshot: "Snapshot"
    at: str | None = None
    """The moment, RFC 3339; None where files do not say it."""
    missing: tuple[str, ...] = ()
    """What could not be read, a line each."""


def load(options: Namespace, kinds: "Sequence[tuple[str, Resource]]") -> "Snapshot":
    """Return the objects of the snapshot, or of the live cluster those of some kinds; see `take`."""
    return take(options, kinds).snapshot


def take(options: Namespace, kinds: "Sequence[tuple[str, Resource]]") -> Taken:
    """Return the objects of the snapshot, or of the live cluster or its past those of some kinds.

    What cannot be read live is told to the person, and so are kinds of a snapshot that nobody understands.

    Raises:
        BadInput: a document is broken, or the snapshot is not there.
        StackError, Refused, Unavailable: there is no cluster, or it does not answer.
    """
    import asyncio

    from activities.graph.manifests import read
    from signals.errors import BadInput
    from workers.cli.output import note

    if options.at is not None:
        if options.snapshot is not None:
            raise BadInput("--at asks the context store; it cannot be combined with --snapshot.")
        snapshot, at, missing = load_past(options, {kind for kind, _ in kinds})
        return Taken(snapshot=snapshot, at=at, missing=missing)
    if options.snapshot is None:
        return asyncio.run(_live(options, kinds))
    snapshot = read(options.snapshot)
    if snapshot.ignored:
        counted = ", ".join(f"{count} {kind}" for kind, count in sorted(snapshot.ignored.items()))
        note(f"Ignored: {_shown(counted)}.")
    return Taken(snapshot=snapshot)


async def _live(options: Namespace, kinds: "Sequence[tuple[str, Resource]]") -> Taken:
    from datetime import UTC, datetime

    from activities.graph.documents import Document
    from activities.graph.manifests import gather
    from signals.errors import NotFound, Refused
    from workers.cli.clusters import ANY, connected
    from workers.cli.output import note
    from workers.cli.target import cluster_only

    found: list[Document] = []
    refused: list[str] = []
    async with connected(cluster_only(options).administrator(), ANY) as cluster:
        for kind, resource in kinds:
            version = f"{resource.group}/{resource.version}" if resource.group else resource.version
            try:
                items: Iterable[dict[str, object]] = await cluster.list(resource)
            except NotFound:
                continue
            except Refused:
                refused.append(resource.plural)
                continue
            found += [
                Document({**_bare(item), "apiVersion": version, "kind": kind}, LIVE, 0) for item in items
            ]
    if len(refused) == len(kinds):
        raise Refused("You may read nothing of what this needs.")
    if refused:
        note(f"You may not read {', '.join(refused)}; what they would change is missing here.")
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    missing = tuple(f"you may not read {plural}" for plural in refused)
    return Taken(snapshot=gather(found), at=at, missing=missing)


def _bare(item: "dict[str, object]") -> "dict[str, object]":
    """Return an object without what a Secret holds: that it is there is all that anybody asks here."""
    return {
        field: value for field, value in item.items() if field not in ("data", "stringData", "binaryData")
    }


def _shown(text: str) -> str:
    from signals.display import terminal

    return terminal(text, 500)
