"""The record of everything that mattered, as chains that nobody can change unseen: their entries, and the proof.

Each agent appends to a stream of its own: batches of entries in signed envelopes, each with a sequence and the hash
of the one before. What is removed, changed or put in another order breaks a chain. A chain that ends early, or was
written anew by somebody who has the key, contradicts an anchor: where all chains stood at an instant, kept outside.
"""

import hashlib
import json
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from signals.entities import ClusterRef
from signals.envelope import Envelope, canonical
from signals.errors import Undecodable

KEPT = timedelta(days=365)
"""How long entries are kept; a chain whose beginning is older than that may begin later."""


class Kind(StrEnum):
    """What an entry tells. A closed list, only ever added to."""

    STARTED = "started"
    """An agent serves, under this policy."""
    DECISION = "decision"
    """The orchestrator judged."""
    RULING = "ruling"
    """The executor would not do what was decided, or could not."""
    APPLIED = "applied"
    """The executor wrote."""
    REVERTED = "reverted"
    """The executor put back."""
    EXTENDED = "extended"
    """Something stands for longer."""
    COMMAND = "command"
    """A person spoke, and was heard or refused."""
    ENROLMENT = "enrolment"
    """A namespace was enrolled or taken out, or was not."""
    STOP = "stop"
    """New writes were forbidden, or allowed again."""
    REVOCATION = "revocation"
    """An identity was cut off the bus, or let in again."""
    REPLAY = "replay"
    """The operator put a dead letter back."""
    ANCHOR = "anchor"
    """Where all chains stood, kept outside."""


class Entry(BaseModel, frozen=True):
    """One thing that happened. The same `id` twice is the same thing, told again after an interruption."""

    id: str
    kind: Kind
    at: datetime
    body: dict[str, Any] = Field(default_factory=dict)


class Head(BaseModel, frozen=True):
    """Where one chain stood: its last sequence and the digest of that envelope."""

    agent: str
    instance: str
    seq: int
    digest: str


class Anchor(BaseModel, frozen=True):
    """Where all chains stood at one instant, signed by the liaison."""

    v: int = 1
    cluster: ClusterRef
    at: datetime
    heads: tuple[Head, ...]
    signature: str = ""

    @property
    def digest(self) -> str:
        """What pages carry of it."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()


class Link(BaseModel, frozen=True):
    """One message of one agent's audit stream: its place there, and its bytes as they are."""

    stream: str
    """The agent whose stream it is."""
    sequence: int
    subject: str
    data: str

    def envelope(self) -> Envelope:
        """Return the envelope.

        Raises:
            Undecodable: it is none.
        """
        try:
            return Envelope.model_validate(json.loads(self.data))
        except (ValueError, RecursionError) as error:
            raise Undecodable("it is no envelope") from error


class Finding(BaseModel, frozen=True):
    """Something that is not as it was written. `agent` is whose chain it is."""

    agent: str
    instance: str = ""
    seq: int | None = None
    what: str
    anchored: bool = False
    """Whether an anchor contradicts it; by itself the chain may look right."""

    def __str__(self) -> str:
        """Return it in one line."""
        place = "" if self.seq is None else f" at {self.seq}"
        return f"{self.agent}{'/' if self.instance else ''}{self.instance}{place}: {self.what}"


class Verdict(BaseModel, frozen=True):
    """What came of a verification. No finding: nothing was removed, changed, put in another order or cut off."""

    links: int
    heads: tuple[Head, ...]
    anchors: int
    anchored_until: datetime | None
    findings: tuple[Finding, ...]


def entries(envelope: Envelope) -> tuple[Entry, ...]:
    """Return what an envelope of an audit stream tells; one that tells nothing readable has no entries."""
    try:
        return tuple(Entry.model_validate(one) for one in envelope.body.get("entries", ()))
    except (ValidationError, TypeError):
        return ()
