"""Exceptions at the command line: made from what an incident saw, and listed."""

import asyncio
from argparse import Namespace
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from signals.approvals import Verb
from signals.errors import BadInput
from signals.exceptions import POD, Matched, images, workload
from signals.incidents import Incident
from signals.subjects import EXCEPTIONS, ORCHESTRATOR, service_subject
from workers.cli import person
from workers.cli.ledger import Ledger
from workers.cli.operating import operating
from workers.cli.output import emit, note
from workers.cli.screen import Screen
from workers.cli.speaking import Said
from workers.cli.target import resolve
from workers.cli.words import relative
from workers.expecting import LISTED

ANSWER_SECONDS = 5.0
HEADINGS = ("name", "rule", "of", "by", "ends", "matched", "why")


def snooze(options: Namespace) -> int:
    """Say that what one incident saw is expected, and return the exit code."""
    return person.conclude(options, asyncio.run(_snooze(options)))


async def _snooze(options: Namespace) -> Said:
    target = resolve(options)
    ledger = await Ledger.connect(target.temporal, target.temporal_namespace)
    found = await ledger.find(options.incident)
    what = expected(found.incident, options.rule, options.workload, options.image)
    if options.output == "table":
        whose = what.get("workload") or f"image {what['image']}"
        note(f"Expected from now on: “{what['rule']}” of {what['namespace']}, {whose}.")
    what |= {"seconds": options.seconds, "reason": options.reason}
    return await person.speak(target, Verb.SNOOZE, what, options.person, options.name)


def expected(incident: Incident, rule: str | None, whose: str | None, image: str | None) -> dict[str, Any]:
    """Return what the command must say: the one rule of the one workload that the incident is about.

    Raises:
        BadInput: it saw several, or not the one that is named.
    """
    events = [event for event in incident.events if event.subject.kind == POD]
    if not events:
        raise BadInput(f"{incident.summary.id} is about no pod: only what pods do can be expected.")
    rule = _one("rule", {event.rule for event in events}, rule)
    events = [event for event in events if event.rule == rule]
    if image:
        _one("image", {name for event in events for name in images(event)}, image)
        events = [event for event in events if image in images(event)]
    else:
        whose = _one("workload", {workload(event) for event in events}, whose)
        events = [event for event in events if workload(event) == whose]
    namespaces = {event.subject.namespace or "" for event in events}
    if len(namespaces) > 1:
        raise BadInput(
            f"It was seen in {', '.join(sorted(namespaces))}: snooze an incident of one namespace."
        )
    said = {"image": image} if image else {"workload": whose}
    return {"incident": incident.summary.id, "rule": rule, "namespace": namespaces.pop(), **said}


def _one(what: str, found: Collection[str], named: str | None) -> str:
    if named is not None and named in found:
        return named
    if named is None and len(found) == 1:
        return next(iter(found))
    choice = ", ".join(f"“{one}”" for one in sorted(found)) or "none"
    raise BadInput(f"Say which --{what}: this incident saw {choice}.")


def show(options: Namespace) -> int:
    """List exceptions, the newest first."""

    async def read() -> tuple[Matched, ...]:
        async with operating(options) as bus:
            answer = await bus.ask(service_subject(ORCHESTRATOR, EXCEPTIONS), b"", ANSWER_SECONDS)
        return LISTED.validate_json(answer)

    now = datetime.now(UTC)
    found = [one for one in asyncio.run(read()) if options.ended or one.exception.ends > now]
    screen = Screen()

    def table() -> None:
        if not found:
            screen.say("Nothing is expected of any workload.")
            return
        screen.table(HEADINGS, [_row(one, now) for one in found], spare=("why", "by"))

    emit(options, [one.model_dump(mode="json") for one in found], table)
    return 0


def _row(one: Matched, now: datetime) -> list[str]:
    known = one.exception
    ended = f"{relative(known.ends, now)}{f', by {known.ended_by}' if known.ended_by else ''}"
    seen = f"{one.matched}, {relative(one.last, now)}" if one.last else "never"
    return [known.id, known.rule, known.whose, known.actor, ended, seen, known.reason]
