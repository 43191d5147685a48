"""From what a watch tells of one kind to versions: what began, what ended, when, and what is not known.

While a watch goes on, every change is seen in its order. Where it broke and the server no longer knows how to
go on, only the two ends of the gap are known: what changed in between did so somewhere between them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from activities.graph.chronology import SLACK, Ticks, When, listed, watched
from activities.graph.projection import Projected, project
from activities.ports import Manifest

DIGEST_BYTES = 16
BEGINNING = When(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Begun:
    """An object is like this since then; what it was before, if it was, ended at `before`."""

    what: Projected
    digest: bytes
    begins: When
    before: When | None
    observed: int


@dataclass(frozen=True, slots=True)
class Ended:
    """An object is no more."""

    uid: str
    ends: When
    revision: str
    observed: int


@dataclass(frozen=True, slots=True)
class Gap:
    """What came and went between these moments, and what was changed and put back, nobody saw."""

    lo: int
    hi: int
    reason: str


Step = Begun | Ended | Gap


@dataclass(slots=True)
class Held:
    """The last version of an object that exists, as far as we know."""

    namespace: str
    name: str
    revision: str
    digest: bytes
    begins: When
    stamp: int | None = None


class Recorder:
    """What is known of one kind. Give it what its watch says, in order."""

    def __init__(
        self,
        kind: str,
        known: dict[str, Held],
        *,
        heard: int = 0,
        revision: str = "",
        metadata_only: bool = False,
    ) -> None:
        """Go on from what was known: every change up to the moment `heard` and the counter `revision`."""
        self.kind = kind
        self.known = known
        self.heard = heard
        self.revision = revision
        self._metadata_only = metadata_only
        self._latest = BEGINNING
        self._seen: set[str] = set()

    def changed(self, change: str, manifest: Manifest, observed: int, ticks: Ticks | None) -> Iterator[Step]:
        """Take one event of a watch: ADDED, MODIFIED or DELETED."""
        what = project(self.kind, manifest, metadata_only=self._metadata_only)
        held = self.known.get(what.uid)
        if held is not None and change != "DELETED" and _old(what.revision, held.revision):
            return  # a server that begins too early tells again what is known
        stamp = what.stamp if held is None or what.stamp != held.stamp else None
        when = watched(number(what.revision), observed, stamp, ticks).after(self._latest)
        self._latest = when
        if change == "DELETED":
            if self.known.pop(what.uid, None):
                yield Ended(what.uid, when.after(held.begins) if held else when, what.revision, observed)
        else:
            yield from self._begun(what, when if held is None else when.after(held.begins), None, observed)
        self.bookmark(what.revision, observed, ticks)

    def bookmark(self, revision: str, observed: int, ticks: Ticks | None) -> None:
        """Take note that everything up to this counter was told."""
        self.revision = revision
        at = number(revision)
        until = ticks.complete_until(at) if ticks and at is not None else observed - SLACK
        self.heard = max(self.heard, until or 0)

    def listing(self) -> None:
        """Begin with a listing: the watch could not go on."""
        self._seen = set()

    def page(self, items: list[Manifest], seen: int, ticks: Ticks | None) -> Iterator[Step]:
        """Take a part of a listing that came at the moment `seen`."""
        for manifest in items:
            what = project(self.kind, manifest, metadata_only=self._metadata_only)
            held = self.known.get(what.uid)
            self._seen.add(what.uid)
            if held is not None and held.revision == what.revision:
                continue
            created = what.created if held is None else None
            stamp = what.stamp if held is not None and what.stamp != held.stamp else None
            when = listed(number(what.revision), seen, self.heard, created, stamp, ticks)
            before = None
            if held is not None:
                when = when.after(held.begins)
                before = When(max(self.heard, held.begins.lo), when.at, when.hi)
            yield from self._begun(what, when, before, seen)

    def listed(self, revision: str, asked: int, seen: int) -> Iterator[Step]:
        """End a listing that was asked for and came at these moments: what it did not show is no more."""
        born = {(one.namespace, one.name): one for uid, one in self.known.items() if uid in self._seen}
        for uid in [uid for uid in self.known if uid not in self._seen]:
            held = self.known.pop(uid)
            heir = born.get((held.namespace, held.name))
            ends = When(min(self.heard, seen), seen, seen)
            if heir is not None:
                ends = When(ends.lo, heir.begins.at, heir.begins.hi)
            yield Ended(uid, ends.after(held.begins), "", seen)
        if self.heard < seen:
            yield Gap(self.heard, seen, "relisted" if self.heard else "first listing")
        self._seen = set()
        self.revision, self.heard = revision, max(self.heard, asked)

    def _begun(self, what: Projected, when: When, before: When | None, observed: int) -> Iterator[Step]:
        held = self.known.get(what.uid)
        digest = sha256(what.body).digest()[:DIGEST_BYTES]
        if held is not None and held.digest == digest:
            held.revision, held.stamp = what.revision, what.stamp
            return
        self.known[what.uid] = Held(what.namespace, what.name, what.revision, digest, when, what.stamp)
        yield Begun(what, digest, when, (before or when) if held is not None else None, observed)


def _old(revision: str, known: str) -> bool:
    told, had = number(revision), number(known)
    return told is not None and had is not None and told <= had


def number(revision: str) -> int | None:
    """Return the server's counter as a number; None where it is none."""
    return int(revision) if revision.isdecimal() else None
