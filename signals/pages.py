"""What people are told: one message about one incident, whatever the channel."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field

from signals.entities import ClusterRef
from signals.threats import Severity

AUDIT_FACT = "Audit record"
"""Fact of every page: the beginning of the digest of the last anchor (`signals.audit`)."""


class PageKind(StrEnum):
    """Why people are told. A closed list."""

    INFORMATIONAL = "informational"
    """For the record: nobody has to do anything."""
    PAGE = "page"
    """Somebody should look now."""
    APPROVAL = "approval"
    """Somebody is asked to decide, until a deadline."""
    OUTCOME = "outcome"
    """What came of a person's command, or of silence."""
    EXPIRY = "expiry"
    """Something that stands is about to end, or was extended."""
    DRIFT = "drift"
    """Somebody else changed what we wrote."""
    BLIND = "blind"
    """An agent missed something, or was spoken for: what we see is not complete."""
    CLOSED = "closed"
    """The incident is over."""


class Audience(StrEnum):
    """Whom a page is for. A closed list."""

    RESPONDERS = "responders"
    OWNERS = "owners"
    """Who owns the workload: told what was done to it, never asked to decide."""


class Page(BaseModel, frozen=True):
    """One message to people.

    `title`, `text` and the values of `facts` may hold text from alerts: a channel shows them through
    `signals.display`. `links` are ours, label to URL. The same `dedup_key` is told once per channel.
    """

    incident: str
    namespace: str = ""
    """Of what it is about; empty where that is the whole cluster, or nobody said."""
    cluster: ClusterRef
    kind: PageKind
    severity: Severity
    title: str
    text: str = ""
    facts: dict[str, str] = Field(default_factory=dict)
    links: dict[str, str] = Field(default_factory=dict)
    dedup_key: str = Field(min_length=1)
    at: datetime
    audience: Audience = Audience.RESPONDERS
