"""What earlier drills left open: a new attack on the same account would join it, as a real one should."""

from signals.approvals import Verb
from signals.incidents import Summary
from workers.cli import person
from workers.cli.drill.asking import Ask
from workers.cli.ledger import Ledger, is_open
from workers.cli.target import Target


async def settled(ledger: Ledger, target: Target, namespace: str, part: str, ask: Ask) -> Summary | None:
    """End the open incidents about a part of the application, if the person lets us.

    Return one that stays open.
    """
    for summary in await ledger.summaries(namespace):
        if not is_open(summary) or not _about(summary, namespace, part):
            continue
        found = await ledger.find(summary.id)
        if not is_open(found.incident.summary):
            continue
        if not await ask(f"{summary.id} is still open; this attack would join it. End it first?"):
            return summary
        what = {"incident": summary.id, "undo": True, "reason": "drill: the next one begins"}
        said = await person.speak(target, Verb.CLOSE, what)
        if not said.answer.accepted:
            return summary
    return None


def _about(summary: Summary, namespace: str, part: str) -> bool:
    """Whether an incident is about a pod of this part: they share a ServiceAccount, and so an incident."""
    return any(entity.startswith(f"pod/{namespace}/{part}-") for entity in summary.entities)
