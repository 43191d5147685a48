"""`firebreak evidence list INCIDENT` and `get INCIDENT ITEM`: what was kept of a pod before it was gone."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from workers.cli.target import resolve
from workers.cli.verb import Verb

if TYPE_CHECKING:
    from workers.cli.kept import Kept, Store


def arguments(parser: ArgumentParser) -> None:
    """Add what to do, with which incident and piece."""
    parser.add_argument("what", choices=("list", "get"), help="list all pieces, or print one")
    parser.add_argument(
        "incident", metavar="INCIDENT", help="the incident, as `firebreak incidents` shows it"
    )
    parser.add_argument("item", metavar="ITEM", nargs="?", help="get: its number, or its sha256")
    parser.add_argument("--to", metavar="FILE", type=Path, help="get: write its very bytes there")
    group = parser.add_argument_group("your own servers, instead of the embedded stack's")
    group.add_argument("--nats", metavar="URL", help="the bus")
    group.add_argument(
        "--nats-dir", metavar="DIR", type=Path, help="folder with evidence-reader.crt and .key"
    )
    group.add_argument("--keys", metavar="DIR", type=Path, help="folder with capturer.pub")


def run(options: Namespace) -> int:
    """List the evidence of an incident, or print one piece; both prove it first."""
    import asyncio

    from signals.errors import BadInput
    from workers.cli.kept import Kept, chosen, pieces

    if (options.what == "get") != bool(options.item):
        raise BadInput("say: evidence list INCIDENT, or evidence get INCIDENT ITEM")
    store = _store(options)

    async def read() -> tuple[list[Kept], bytes]:
        async with store.open() as evidence:
            kept = await pieces(evidence, options.incident, store.trust())
            if not options.item:
                return kept, b""
            one = chosen(kept, options.item)
            return [one], await evidence.read(one.sha256)

    kept, content = asyncio.run(read())
    if options.item:
        _print(options, kept[0], content)
    else:
        _list(options, kept)
    return 0


def _store(options: Namespace) -> "Store":
    from signals.errors import BadInput
    from workers.cli.kept import Store

    if not options.nats:
        target = resolve(options)
        return Store.of_stack(target.state, target.status.endpoints.nats if target.status else None)
    if options.nats_dir is None or options.keys is None:
        raise BadInput("--nats needs --nats-dir and --keys")
    return Store(options.nats, options.nats_dir, options.keys)


def _list(options: Namespace, kept: "list[Kept]") -> None:
    from workers.cli.output import emit
    from workers.cli.screen import Screen

    def table() -> None:
        rows = [
            (
                str(one.item),
                one.what,
                f"{one.size:,}" if one.sha256 else "-",
                one.sha256[:12] or f"not had: {one.failed}",
            )
            for one in kept
        ]
        Screen().table(("item", "what", "bytes", "sha256"), rows)

    emit(options, [one.model_dump(mode="json") for one in kept], table)


def _print(options: Namespace, piece: "Kept", content: bytes) -> None:
    from workers.cli.output import emit, note
    from workers.cli.screen import Screen

    if options.to:
        options.to.write_bytes(content)
        note(f"{piece.what}: {piece.size:,} bytes, sha256 {piece.sha256}, written to {options.to}")
        return

    def show() -> None:
        if not sys.stdout.isatty():
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
            return
        screen = Screen()
        for line in content.decode("utf-8", "replace").splitlines():
            screen.say(line)

    document = {**piece.model_dump(mode="json"), "content": content.decode("utf-8", "replace")}
    emit(options, document, show)


VERB = Verb(name="evidence", help="list and read what was kept of a pod", arguments=arguments, run=run)
