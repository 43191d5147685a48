"""Whether an audit record is as it was written: told from its bytes and public keys, with nothing running."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError

from signals.audit import KEPT, Anchor, Finding, Head, Kind, Link, Verdict, entries
from signals.envelope import Envelope, Trust
from signals.errors import Refused, Undecodable
from signals.subjects import LIAISON, audit_subject

_AGED = KEPT - timedelta(days=1)
"""A chain whose first link is so old has let go of those before."""


def verify(
    links: Iterable[Link],
    trust: Trust,
    now: datetime,
    anchors: Sequence[Anchor] = (),
    pages: Iterable[str] = (),
) -> Verdict:
    """Check all chains, by themselves and against anchors; `pages` are beginnings of digests that people were sent.

    The anchors inside the liaison's own chain count too. `links` are in the order of their streams.
    """
    chains = Chains(trust, now)
    for link in links:
        chains.follow(link)
    known = {anchor.digest: anchor for anchor in (*anchors, *chains.anchors)}
    findings = dict.fromkeys(chains.findings)
    for anchor in sorted(known.values(), key=lambda one: one.at):
        findings |= dict.fromkeys(_against(anchor, chains, trust, now))
    for page in pages:
        if not any(digest.startswith(page) for digest in known):
            what = f"people were sent the anchor {page}, and it is nowhere"
            findings[Finding(agent=LIAISON, what=what)] = None
    return Verdict(
        links=chains.count,
        heads=tuple(chains.heads()),
        anchors=len(known),
        anchored_until=max((anchor.at for anchor in known.values()), default=None),
        findings=tuple(_first_of_each(findings)),
    )


def _first_of_each(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield what was found, the same contradiction of one chain to later anchors left out."""
    told: set[tuple[str, str]] = set()
    for finding in findings:
        chain = (finding.agent, finding.instance)
        if finding.anchored and chain in told:
            continue
        if finding.anchored:
            told.add(chain)
        yield finding


def _against(anchor: Anchor, chains: "Chains", trust: Trust, now: datetime) -> Iterator[Finding]:
    """Yield what contradicts an anchor."""
    try:
        trust.check_sealed(LIAISON, anchor)
    except Refused as error:
        yield Finding(agent=LIAISON, what=f"the anchor of {anchor.at:%Y-%m-%d %H:%M:%S} is no proof: {error}")
        return
    if now - anchor.at > _AGED:
        return
    for head in anchor.heads:
        what = chains.contradiction(head)
        if what:
            what = f"{what}; anchored on {anchor.at:%Y-%m-%d %H:%M:%S}"
            yield Finding(agent=head.agent, instance=head.instance, seq=head.seq, what=what, anchored=True)


class Chains:
    """All chains, followed link by link."""

    def __init__(self, trust: Trust, now: datetime) -> None:
        """Believe these keys; `now` says what is so old that it may be gone."""
        self._trust, self._now = trust, now
        self._ends: dict[tuple[str, str], Envelope] = {}
        self._digests: dict[tuple[str, str, int], str] = {}
        self._places: dict[str, int] = {}
        self.anchors: list[Anchor] = []
        self.findings: list[Finding] = []
        self.count = 0

    def follow(self, link: Link) -> None:
        """Take in the next link of its stream."""
        self.count += 1
        try:
            envelope = self._proved(link)
        except (Undecodable, Refused) as error:
            what = f"message {link.sequence} of the stream: {error}"
            self.findings.append(Finding(agent=link.stream, what=what))
            return
        wrong = self._misplaced(link, envelope)
        if wrong:
            self.findings.append(
                Finding(agent=envelope.agent, instance=envelope.instance, seq=envelope.seq, what=wrong)
            )
        self._places[link.stream] = link.sequence
        self._digests[envelope.agent, envelope.instance, envelope.seq] = envelope.digest
        self._ends[envelope.agent, envelope.instance] = envelope
        if envelope.agent == LIAISON:
            self.anchors += _anchors(envelope)

    def _proved(self, link: Link) -> Envelope:
        envelope = link.envelope()
        if envelope.agent != link.stream:
            raise Refused(f"it says that it is of {envelope.agent!r}, in another agent's stream")
        if not envelope.subject == link.subject == audit_subject(link.stream):
            raise Refused(f"it was said on {envelope.subject!r} and stands on {link.subject!r}")
        self._trust.check_sealed(link.stream, envelope)
        return envelope

    def _misplaced(self, link: Link, envelope: Envelope) -> str:
        """Return why a link does not stand where it was written, or nothing."""
        last = self._ends.get((envelope.agent, envelope.instance))
        if link.sequence <= self._places.get(link.stream, 0):
            return f"message {link.sequence} of the stream is not in its order"
        if last is None:
            aged = self._now - envelope.at > _AGED
            return "" if envelope.seq == 1 or aged else f"the {envelope.seq - 1} before it are not there"
        if envelope.seq > last.seq + 1:
            return f"{envelope.seq - last.seq - 1} are missing after {last.seq}"
        if envelope.seq <= last.seq:
            return f"it comes after {last.seq}: the chain was written anew, or put in another order"
        return (
            "" if envelope.prev == last.digest else "it does not join the one before: one of them was changed"
        )

    def contradiction(self, head: Head) -> str:
        """Return what stands where a head says that something else did, or nothing."""
        found = self._digests.get((head.agent, head.instance, head.seq))
        end = self._ends.get((head.agent, head.instance))
        if end is None:
            return "the whole chain is gone"
        if found is None and end.seq < head.seq:
            return f"it is cut off after {end.seq}"
        return "" if found == head.digest else "it was written anew: another one stood here"

    def heads(self) -> Iterator[Head]:
        """Yield where each chain stands."""
        for (agent, instance), end in sorted(self._ends.items()):
            yield Head(agent=agent, instance=instance, seq=end.seq, digest=end.digest)


def _anchors(envelope: Envelope) -> list[Anchor]:
    """Return the anchors that an envelope of the liaison tells of."""
    found = []
    for entry in entries(envelope):
        if entry.kind is Kind.ANCHOR:
            try:
                found.append(Anchor.model_validate(entry.body))
            except ValidationError:
                continue  # an anchor of a later version: it proves nothing to this one
    return found
