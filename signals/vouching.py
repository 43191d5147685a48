"""The orchestrator's word for an event: it took it from the bus, proved, and for this incident.

Events reach the judge through a workflow, and whoever reaches Temporal can write into a workflow. What the judge
signs, the executor believes. So the judge believes an event only by this word, which nobody else can give, and
which holds for one incident alone.
"""

from signals.envelope import Signer
from signals.threats import ThreatEvent


def vouched(event: ThreatEvent, incident: str, orchestrator: Signer) -> ThreatEvent:
    """Return the event with the orchestrator's word for it."""
    return event.model_copy(update={"proof": orchestrator.tag(_said(event, incident))})


def vouches(event: ThreatEvent, incident: str, orchestrator: Signer) -> bool:
    """Return whether the orchestrator has given its word for this event in this incident."""
    return orchestrator.tagged(_said(event, incident), event.proof)


def _said(event: ThreatEvent, incident: str) -> bytes:
    """Return what is vouched for. A field that did not exist then has its default now, and changes nothing."""
    body = event.model_dump_json(exclude={"proof"}, exclude_defaults=True)
    return f"{incident}\0{body}".encode("utf-8", "replace")
