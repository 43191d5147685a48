"""The orchestrator's word for an event: it took it from the bus, proved, and for this incident.

Events reach the judge through a workflow, and whoever reaches Temporal can write into a workflow. What the judge
signs, the executor believes. So the judge believes an event only by this word, which nobody else can give, and
which holds for one incident alone.
"""

import hashlib
import hmac

from signals.threats import ThreatEvent


class Voucher:
    """Gives that word and knows it again, by a secret that no other agent has."""

    def __init__(self, secret: bytes) -> None:
        """Hold the secret. It is not a signing key: those rotate while incidents are open."""
        self._secret = secret

    def vouched(self, event: ThreatEvent, incident: str) -> ThreatEvent:
        """Return the event with the word for it."""
        return event.model_copy(update={"proof": self._word(event, incident)})

    def vouches(self, event: ThreatEvent, incident: str) -> bool:
        """Return whether the word was given for this event in this incident."""
        told = event.proof.encode("utf-8", "replace")
        return hmac.compare_digest(self._word(event, incident).encode(), told)

    def _word(self, event: ThreatEvent, incident: str) -> str:
        """Return the word. A field that did not exist then has its default now, and changes nothing."""
        body = event.model_dump_json(exclude={"proof"}, exclude_defaults=True)
        said = f"{incident}\0{body}".encode("utf-8", "replace")
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()
