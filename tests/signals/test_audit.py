"""The audit record as an attacker would touch it: removed, changed, put in another order, cut off, written anew."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signals.audit import KEPT, Anchor, Entry, Head, Kind, Link, Verdict
from signals.audit_proof import verify
from signals.entities import ClusterRef
from signals.envelope import Envelope, Signer, Trust, canonical
from signals.subjects import LIAISON, ORCHESTRATOR, REMEDIATION_EXECUTOR, audit_subject

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
CLUSTER = ClusterRef(name="test", uid="c-1")
KEYS = {agent: Ed25519PrivateKey.generate() for agent in (ORCHESTRATOR, REMEDIATION_EXECUTOR, LIAISON)}
SIGNERS = {agent: Signer(agent, key) for agent, key in KEYS.items()}
TRUST = Trust({agent: key.public_key() for agent, key in KEYS.items()})


def chain(
    agent: str, count: int, instance: str = "0", *, first: int = 1, told: str = "entry", at: datetime = NOW
) -> list[Link]:
    """Return a chain as an agent appends it."""
    links: list[Link] = []
    prev = ""
    for seq in range(1, count + 1):
        place = first + seq - 1
        entry = Entry(id=f"{told}-{place}", kind=Kind.DECISION, at=at, body={"incident": told})
        links.append(link(agent, instance, place, seq, prev, [entry], at))
        prev = links[-1].envelope().digest
    return links


def link(
    agent: str, instance: str, place: int, seq: int, prev: str, entries: Sequence[Entry], at: datetime = NOW
) -> Link:
    envelope = SIGNERS[agent].seal(
        Envelope(
            cluster=CLUSTER,
            agent=agent,
            instance=instance,
            event_id=f"{place}",
            at=at,
            seq=seq,
            prev=prev,
            subject=audit_subject(agent),
            body={"entries": [entry.model_dump(mode="json") for entry in entries]},
        )
    )
    return on_record(agent, place, envelope)


def on_record(agent: str, place: int, envelope: Envelope) -> Link:
    data = canonical(envelope.model_dump(mode="json")).decode()
    return Link(stream=agent, sequence=place, subject=audit_subject(agent), data=data)


def anchor(links: Sequence[Link], at: datetime = NOW, by: str = LIAISON) -> Anchor:
    """Return an anchor of where these chains stand."""
    heads: dict[tuple[str, str], Head] = {}
    for one in links:
        end = one.envelope()
        heads[end.agent, end.instance] = Head(
            agent=end.agent, instance=end.instance, seq=end.seq, digest=end.digest
        )
    return SIGNERS[by].seal(Anchor(cluster=CLUSTER, at=at, heads=tuple(heads.values())))


def judged(links: Sequence[Link], *anchors: Anchor, pages: Sequence[str] = ()) -> Verdict:
    return verify(links, TRUST, NOW, anchors, pages)


def found(verdict: Verdict) -> list[str]:
    return [str(finding) for finding in verdict.findings]


RECORD = [
    *chain(ORCHESTRATOR, 6),
    *chain(REMEDIATION_EXECUTOR, 4),
    *chain(REMEDIATION_EXECUTOR, 3, "1", first=5),
]


def test_a_record_that_nobody_touched_has_no_finding() -> None:
    verdict = judged(RECORD, anchor(RECORD[:8]), anchor(RECORD))

    assert verdict.findings == ()
    assert (verdict.links, len(verdict.heads), verdict.anchors) == (13, 3, 2)


def test_a_record_goes_on_after_its_anchor() -> None:
    assert judged(RECORD, anchor(RECORD[:3])).findings == ()


def changed(record: list[Link]) -> list[Link]:
    data = record[2].data.replace("entry-3", "entry-x")
    assert data != record[2].data
    return [*record[:2], record[2].model_copy(update={"data": data}), *record[3:]]


def changed_with_the_key(record: list[Link]) -> list[Link]:
    """Somebody who has the agent's key signs another entry, and joins it to the one before."""
    old = record[2].envelope()
    entry = Entry(id="forged", kind=Kind.DECISION, at=NOW)
    return [*record[:2], link(ORCHESTRATOR, "0", 3, 3, old.prev, [entry]), *record[3:]]


@pytest.mark.parametrize(
    ("attack", "tells"),
    [
        (lambda record: record[:2] + record[3:], "orchestrator/0 at 4: 1 are missing after 2"),
        (lambda record: record[1:], "orchestrator/0 at 2: the 1 before it are not there"),
        (changed, "orchestrator: message 3 of the stream: the signature is not orchestrator's"),
        (
            changed_with_the_key,
            "orchestrator/0 at 4: it does not join the one before: one of them was changed",
        ),
        (
            lambda record: [record[1], record[0], *record[2:]],
            "orchestrator/0 at 1: message 1 of the stream is not in its order",
        ),
        (
            lambda record: [
                record[0].model_copy(update={"data": record[1].data}),
                record[1].model_copy(update={"data": record[0].data}),
                *record[2:],
            ],
            "orchestrator/0 at 1: it comes after 2: the chain was written anew, or put in another order",
        ),
        (
            lambda record: [*record, record[3].model_copy(update={"sequence": 99})],
            "orchestrator/0 at 4: it comes after 6: the chain was written anew, or put in another order",
        ),
        (
            lambda record: [
                *record[:6],
                record[6].model_copy(update={"stream": ORCHESTRATOR, "sequence": 7}),
            ],
            "orchestrator: message 7 of the stream: it says that it is of",
        ),
        (
            lambda record: [*record, record[-1].model_copy(update={"data": "[[[", "sequence": 99})],
            "remediation-executor: message 99 of the stream: it is no envelope",
        ),
    ],
)
def test_what_is_touched_is_found_without_any_anchor(
    attack: Callable[[list[Link]], list[Link]], tells: str
) -> None:
    assert any(tells in one for one in found(judged(attack(list(RECORD)))))


@pytest.mark.parametrize("left", range(6))
def test_a_chain_that_is_cut_off_looks_right_by_itself_and_contradicts_an_anchor(left: int) -> None:
    cut = [*RECORD[:left], *RECORD[6:]]

    assert judged(cut).findings == ()
    (finding,) = found(judged(cut, anchor(RECORD)))
    assert ("the whole chain is gone" if left == 0 else f"it is cut off after {left}") in finding
    assert "anchored on 2026-05-01 12:00:00" in finding


@pytest.mark.parametrize("count", [6, 9])
def test_a_chain_written_anew_with_its_own_key_contradicts_an_anchor(count: int) -> None:
    anew = [*chain(ORCHESTRATOR, count, told="better"), *RECORD[6:]]

    assert judged(anew).findings == ()
    (finding,) = found(judged(anew, anchor(RECORD)))
    assert "it was written anew: another one stood here" in finding


def test_one_chain_is_told_once_however_many_anchors_it_contradicts() -> None:
    anchors = [anchor(RECORD, NOW - timedelta(hours=hours)) for hours in range(5)]

    assert len(judged(RECORD[2:6], *anchors).findings) == 1 + 2


def test_an_anchor_that_the_liaison_did_not_sign_proves_nothing_and_is_told() -> None:
    (finding,) = found(judged(RECORD, anchor(RECORD, by=ORCHESTRATOR)))

    assert "is no proof: the signature is not liaison's" in finding


def test_the_anchors_in_the_liaisons_own_chain_count() -> None:
    kept = anchor(RECORD)
    entry = Entry(id="a", kind=Kind.ANCHOR, at=NOW, body=kept.model_dump(mode="json"))
    told = link(LIAISON, "0", 1, 1, "", [entry])

    assert judged([*RECORD, told]).anchors == 1
    assert "it is cut off after 4" in found(judged([*RECORD[:4], *RECORD[6:], told]))[0]


def test_an_anchor_that_people_were_sent_must_be_somewhere() -> None:
    kept, lost = anchor(RECORD), anchor(RECORD, NOW - timedelta(hours=1))
    carried = [one.digest[:16] for one in (kept, lost)]

    assert judged(RECORD, kept, lost, pages=carried).findings == ()
    (finding,) = found(judged(RECORD, kept, pages=carried))
    assert f"people were sent the anchor {lost.digest[:16]}, and it is nowhere" in finding


def test_a_chain_may_begin_late_only_where_its_beginning_is_older_than_what_is_kept() -> None:
    old = chain(ORCHESTRATOR, 6, at=NOW - KEPT + timedelta(hours=1))
    recent = chain(ORCHESTRATOR, 6, at=NOW - KEPT + timedelta(days=10))

    assert judged(old[2:]).findings == ()
    assert judged(old[2:], anchor(old[:2], NOW - KEPT)).findings == ()
    assert len(judged(recent[2:]).findings) == 1
