"""The shape of an action: one change and its verification in one file.

A plan is data, so its inverse is no code of its own: what was written is taken back, backwards
(`activities.writing`). What an action adds is judgement: what to write, whether it took effect, and what is
missing since the world around it changed.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from activities.ports import Cluster
from signals.decisions import Inverse, OnExpiry, PlannedAction, Tier
from signals.entities import Entity
from signals.plans import ActionPlan, Write
from signals.receipts import Captured, Check, Receipt


def case_label(incident: str) -> str:
    """Return an incident as a label value: itself, or cut to 63 characters with a hash where it does not fit."""
    if len(incident) <= 63 and re.fullmatch(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", incident):
        return incident
    short = re.sub(r"[^A-Za-z0-9.-]", "-", incident)[:54].strip(".-")
    return f"{short or 'case'}-{hashlib.sha256(incident.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, kw_only=True)
class CaseRef:
    """The incident that an action belongs to, as objects in the cluster name it."""

    incident: str
    expires_at: datetime
    tier: Tier | None = None
    reason: str = ""

    @property
    def label(self) -> str:
        """The incident as the value of labels and exclusions."""
        return case_label(self.incident)


Plan = Callable[[Cluster, PlannedAction, CaseRef], Awaitable[ActionPlan]]
Verify = Callable[[Cluster, Receipt], Awaitable[tuple[Check, ...]]]
Hold = Callable[[Cluster, Receipt], Awaitable[tuple[Write, ...]]]


@dataclass(frozen=True, kw_only=True)
class Performed:
    """What came of an effect that is no write. A failure is a result: what comes after it goes on."""

    checks: tuple[Check, ...] = ()
    evidence: tuple[Captured, ...] = ()
    failed: str = ""
    """Why it did not come about, for a person; empty where it did (parts of the evidence may still miss)."""


Perform = Callable[[Cluster, Receipt], Awaitable[Performed]]


@dataclass(frozen=True, kw_only=True)
class Action:
    """One kind of change. Named after its file.

    `plan` only reads. It says in `blocked` why nothing may be written, and raises `Unavailable` or `Refused`
    where the API server does not let it know. `verify` answers with what was measured and how. `hold` returns
    the writes that are missing since the world changed; none while the containment is whole.

    An action whose effect is more than its writes has a `perform`: it runs once they stand, may be run again
    after a crash, and raises `Unavailable` or `Refused` only where that is the whole result. An action that
    is `passing` ends with it: its writes are taken back at once, whatever came of it.
    """

    name: str
    summary: str
    tier: Tier
    """The lowest tier that asks for it."""
    permissions: tuple[str, ...]
    """Every right in the target's namespace that it uses: `group/resource: verb, verb`."""
    surroundings: tuple[str, ...] = ()
    """What it reads of the cluster itself, to see whether that would be touched."""
    inverse: Inverse
    on_expiry: OnExpiry
    ttl: Literal["restrict_ttl_seconds", "isolate_ttl_seconds"]
    """The field of the policy that says how long it stands."""
    example: Entity
    plan: Plan
    verify: Verify
    hold: Hold
    deferred: bool = False
    """It may take its time: carried out by the stack's owner in its turn, after what must be written at once."""
    perform: Perform | None = None
    passing: bool = False
    """Nothing of it stays: what it wrote is taken back as soon as it was performed."""
