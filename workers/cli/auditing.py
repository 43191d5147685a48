"""`firebreak audit`: what it shows, exports and proves."""

import asyncio
from argparse import Namespace
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from signals.audit import Entry, Link, Verdict, entries
from signals.audit_proof import verify as prove
from signals.errors import BadInput, Undecodable
from workers import audit_file
from workers.cli.operating import operating
from workers.cli.output import emit
from workers.cli.screen import Screen
from workers.cli.verb import program, state_dir
from workers.cli.words import count
from workers.stack.layout import Layout

LIVE = "live"
"""What `verify` is told instead of a file: what NATS holds now."""
HEADINGS = ("at", "agent", "what", "incident", "who", "told")


def show(options: Namespace) -> int:
    """Show the latest entries, oldest first."""
    told = _told(asyncio.run(_read(options)))
    if options.incident:
        told = [(agent, entry) for agent, entry in told if entry.body.get("incident") == options.incident]
    told = told[-options.last :]
    screen = Screen()
    documents = [{"agent": agent, **entry.model_dump(mode="json")} for agent, entry in told]

    def table() -> None:
        if not told:
            screen.say("Nothing is on record.")
            return
        screen.table(HEADINGS, [_row(agent, entry) for agent, entry in told])

    emit(options, documents, table)
    return 0


async def _read(options: Namespace) -> list[Link]:
    async with operating(options) as bus:
        return [link async for link in audit_file.links(bus)]


def _told(links: Iterable[Link]) -> list[tuple[str, Entry]]:
    """Return every entry once, in the order of time; what is no envelope is for `verify` to tell."""
    found: dict[tuple[str, str], tuple[str, Entry]] = {}
    for link in links:
        try:
            envelope = link.envelope()
        except Undecodable:
            continue
        for entry in entries(envelope):
            found.setdefault((link.stream, entry.id), (link.stream, entry))
    return sorted(found.values(), key=lambda one: one[1].at)


def _row(agent: str, entry: Entry) -> list[str]:
    body = entry.body
    who = str(body.get("actor") or body.get("approved_by") or body.get("by") or "")
    told = [
        f"{name} {body[name]}" for name in ("verb", "tier", "disposition", "accepted", "name") if name in body
    ]
    told += [str(body[name]) for name in ("why_not", "reason", "answer", "refused") if body.get(name)]
    told += [f"{one.get('type')} {one.get('state', '')}".strip() for one in body.get("actions") or ()]
    return [
        f"{entry.at:%Y-%m-%d %H:%M:%S}",
        agent,
        str(entry.kind),
        str(body.get("incident") or ""),
        who,
        ", ".join(told),
    ]


def export(options: Namespace) -> int:
    """Write all of it into a new file."""
    if not options.file:
        raise BadInput(f"Say into which file: `{program(options)} audit export FILE`.")
    file = Path(options.file)
    if file.exists():
        raise BadInput(f"{file} is there already; an export overwrites nothing")
    found = asyncio.run(_read(options))
    try:
        file.write_text("".join(f"{link.model_dump_json()}\n" for link in found))
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}") from error
    document = {"file": str(file), "messages": len(found)}
    screen = Screen()

    def table() -> None:
        screen.say(f"{count(len(found), 'message')} in {file}.", "bold")
        screen.say(f"`{program(options)} audit verify {file} --anchor FILE` proves it, with nothing running.")

    emit(options, document, table)
    return 0


def verify(options: Namespace) -> int:
    """Say whether it is as it was written; 1 if not."""
    if not options.file:
        raise BadInput(f"Say what: `{program(options)} audit verify FILE`, or `verify {LIVE}`.")
    layout = Layout(state_dir(options).absolute())
    live = options.file == LIVE
    kept = [file for file in (layout.anchors, layout.pages) if live and file.exists() and file.stat().st_size]
    anchors, pages = audit_file.read_anchors([*options.anchor, *_with_anchors(kept)])
    trust = audit_file.read_trust(options.keys or layout.keys)
    links = asyncio.run(_read(options)) if live else audit_file.read_links(Path(options.file))
    verdict = prove(links, trust, datetime.now(UTC), anchors, [*pages, *options.head])
    emit(options, verdict.model_dump(mode="json"), lambda: _say(Screen(), verdict))
    return 1 if verdict.findings else 0


def _with_anchors(files: Iterable[Path]) -> list[Path]:
    """Return those of the stack's own files that hold anything of the kind: the first pages carry nothing yet."""
    return [file for file in files if b"heads" in file.read_bytes() or b"Audit record" in file.read_bytes()]


def _say(screen: Screen, verdict: Verdict) -> None:
    for finding in verdict.findings:
        screen.say(str(finding), "bold red")
    chains = f"{count(verdict.links, 'message')} in {count(len(verdict.heads), 'chain')}"
    if verdict.findings:
        screen.say(
            f"{chains}: {count(len(verdict.findings), 'finding')}. The record is not as it was written.",
            "bold",
        )
    else:
        screen.say(f"{chains}: as they were written.", "bold")
    if verdict.anchored_until is None:
        screen.say(
            "No anchor was given: a chain that was cut off, or written anew with its key, would look the same."
        )
    else:
        screen.say(
            f"{count(verdict.anchors, 'anchor')}, the last of {verdict.anchored_until:%Y-%m-%d %H:%M:%S} UTC:"
            " nothing from before that is missing."
            if not verdict.findings
            else f"{count(verdict.anchors, 'anchor')}, the last of {verdict.anchored_until:%Y-%m-%d %H:%M:%S} UTC."
        )
