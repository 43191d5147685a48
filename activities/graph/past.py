"""The cluster at a moment: which version of each object it had, and everything that is not certain about that."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from activities.graph.chronology import FOREVER, When
from activities.graph.projection import Named

EVERYTHING = "everything"
"""Stands for all kinds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(micros: int) -> datetime:
    """Return microseconds since 1970 as a date in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def micros(at: datetime) -> int:
    """Return a date as microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def written(micros_: int | None) -> str | None:
    """Return a moment as RFC 3339, None where there is none."""
    if micros_ is None or not 0 < micros_ < FOREVER:
        return None
    return moment(micros_).isoformat(timespec="microseconds").replace("+00:00", "Z")


Held = tuple[int, int, int, int]
"""One version as the index of a moment has it: numbers of its object and of itself, 1 if the object certainly was
like this then, 1 if this is the likeliest of all that it may have been. Its body is read when it is wanted."""


class Why(StrEnum):
    """Why it is not known for certain what was."""

    GAP = "gap"
    """The watch could not go on here: what came and went, or was changed and put back, nobody saw."""
    BEFORE = "before"
    """It is older than the first listing of this kind."""
    FORGOTTEN = "forgotten"
    """It is older than what is kept."""
    BEHIND = "behind"
    """The watch had not come so far, or was broken at that time and is still."""
    UNWATCHED = "unwatched"
    """Nothing of this kind is collected."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What is not known of a whole kind at a moment."""

    kind: str
    why: Why
    detail: str
    lo: int = 0
    hi: int = FOREVER

    def __str__(self) -> str:
        """Return it as a line for people."""
        return f"{self.kind}: {self.detail}"

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "kind": self.kind,
            "why": self.why.value,
            "detail": self.detail,
            "from": written(self.lo),
            "to": written(self.hi),
        }


@dataclass(frozen=True, slots=True)
class State:
    """The index of one moment. `unsure` are versions that may have been in force but are not the likeliest."""

    at: int
    held: tuple[Held, ...]
    unsure: tuple[Held, ...]
    missing: tuple[Missing, ...]

    @property
    def uncertain(self) -> int:
        """Return of how many objects it is not certain what they were, or whether they were."""
        return len({one[0] for one in (*self.held, *self.unsure) if not one[2]})


@dataclass(frozen=True, slots=True)
class Cause:
    """Who made a change, by the API server's audit log."""

    audit_id: str
    user: str
    verb: str

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"user": self.user, "verb": self.verb, "audit_id": self.audit_id}


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one object: since when and until when it was in force, and when we heard of both."""

    id: int
    named: Named
    revision: str
    begins: When
    ends: When
    """`NEVER` while it is in force."""
    observed: int
    end_observed: int | None
    cause: Cause | None
    end_cause: Cause | None

    def document(self, manifest: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return it as JSON has it, with its manifest if that is given."""
        return {
            "kind": self.named.kind,
            "api_version": self.named.api_version,
            "namespace": self.named.namespace or None,
            "name": self.named.name,
            "uid": self.named.uid,
            "resource_version": self.revision,
            "begins": _when(self.begins),
            "ends": _when(self.ends) if self.ends.at < FOREVER else None,
            "observed": written(self.observed),
            "end_observed": written(self.end_observed),
            "cause": self.cause.document() if self.cause else None,
            "end_cause": self.end_cause.document() if self.end_cause else None,
            **({"manifest": manifest} if manifest is not None else {}),
        }


def _when(when: When) -> dict[str, Any]:
    return {"at": written(when.at), "not_before": written(when.lo), "by": written(when.hi)}
