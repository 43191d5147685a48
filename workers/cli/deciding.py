"""Approve and reject: the answer to exactly the question that waits, bound to its plan and targets."""

import asyncio
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from signals.approvals import Verb
from signals.errors import Refused
from signals.groups import Member, digest, waiting_in
from signals.incidents import Summary
from workers.cli import person
from workers.cli.ledger import Ledger
from workers.cli.screen import Screen
from workers.cli.speaking import Said
from workers.cli.target import resolve


def decide(options: Namespace, verb: Verb) -> int:
    """Answer the question of one incident and return the exit code."""
    return person.conclude(options, asyncio.run(_decide(options, verb)))


async def _decide(options: Namespace, verb: Verb) -> Said:
    target = resolve(options)
    ledger = await Ledger.connect(target.temporal, target.temporal_namespace)
    if options.group:
        members = waiting_in(options.group, await ledger.summaries())
        what = group_answer(options.group, members, options.plan_hash, options.reason)
        if options.output == "table":
            Screen().say(f"{len(members)} wait in {options.group}: {', '.join(m.incident for m in members)}")
    else:
        found = await ledger.find(options.incident)
        what = answer(found.incident.summary, options.plan_hash, options.reason)
    return await person.speak(target, verb, what, options.person, options.name)


def group_answer(group: str, members: Sequence[Member], insisted: str | None, reason: str) -> dict[str, Any]:
    """Return what the command must say to answer everything that waits in a group.

    Raises:
        Refused: nothing waits in it, or not what was insisted on.
    """
    if not members:
        raise Refused(f"Nothing waits in {group}. `firebreak incidents --open` shows what does.")
    seen = digest(members)
    if insisted is not None and insisted != seen:
        raise Refused(f"What waits in {group} is something else now: {seen}. Read it first.")
    return {"group": group, "planHash": seen, "reason": reason}


def answer(summary: Summary, insisted: str | None, reason: str) -> dict[str, Any]:
    """Return what the command must say to answer the question that waits.

    Raises:
        Refused: no question waits, or it is about another plan than the one insisted on.
    """
    asked = summary.waiting_for
    if asked is None:
        raise Refused(f"Nothing waits for a decision on {summary.id}: it is {summary.state}.")
    if insisted is not None and insisted != asked.plan_hash:
        raise Refused(
            f"The plan of {summary.id} is another one now: {asked.plan_hash}. Read it first:"
            f" `firebreak describe {summary.id}`."
        )
    return {
        "incident": summary.id,
        "planHash": asked.plan_hash,
        "targetUIDs": list(asked.target_uids),
        "reason": reason,
    }
