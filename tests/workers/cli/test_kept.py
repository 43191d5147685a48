"""Evidence as a person reads it: listed, chosen, and proved before it is shown."""

from datetime import UTC, datetime

import pytest

from signals.captures import CaptureManifest
from signals.entities import ClusterRef
from signals.errors import BadInput, NotFound, Refused
from signals.receipts import Captured
from tests.activities.hands import TRUST, signer
from tests.workflows.world import Bucket
from workers import cli
from workers.cli.kept import Kept, chosen, pieces
from workers.evidence import Evidence

CASE = "shop-web-0-12345678"


async def capture(evidence: Evidence, *contents: str, agent: str = "capturer") -> None:
    items = []
    for content in contents:
        name = await evidence.keep(content.encode())
        items.append(Captured(name=name, what=f"log {content}", sha256=name, size=len(content)))
    items.append(Captured(name="gone", what="log gone", failed="the node did not answer"))
    manifest = CaptureManifest(
        incident=CASE,
        action="a",
        cluster=ClusterRef(name="t", uid="t"),
        at=datetime(2026, 1, 1, tzinfo=UTC),
        previous=await evidence.latest(CASE),
        items=tuple(items),
    )
    await evidence.add(CASE, signer(agent).seal(manifest))


async def listed() -> tuple[Evidence, list[Kept]]:
    evidence = Evidence(Bucket())
    await capture(evidence, "one", "two")
    await capture(evidence, "one", "three")
    return evidence, await pieces(evidence, CASE, TRUST)


async def test_all_captures_are_one_list_the_oldest_first() -> None:
    _, kept = await listed()
    assert [(one.item, one.what) for one in kept] == [
        (1, "log one"),
        (2, "log two"),
        (3, "log gone"),
        (4, "log one"),
        (5, "log three"),
        (6, "log gone"),
    ]
    assert len({one.manifest for one in kept}) == 2


async def test_a_piece_is_chosen_by_number_or_by_hash_and_read_back() -> None:
    evidence, kept = await listed()
    assert await evidence.read(chosen(kept, "5").sha256) == b"three"
    assert chosen(kept, kept[0].sha256[:8]).what == "log one"
    for wrong in ("0", "7", "zzzzzz", "", kept[0].sha256[:3]):
        with pytest.raises(BadInput):
            chosen(kept, wrong)
    with pytest.raises(NotFound, match="the node did not answer"):
        chosen(kept, "3")


async def test_an_incident_without_evidence_says_so() -> None:
    with pytest.raises(NotFound, match="nothing was captured"):
        await pieces(Evidence(Bucket()), CASE, TRUST)


async def test_a_manifest_that_the_capturer_did_not_sign_is_not_shown() -> None:
    evidence = Evidence(Bucket())
    await capture(evidence, "one", agent="remediation-executor")
    with pytest.raises(Refused, match="signature is not capturer's"):
        await pieces(evidence, CASE, TRUST)


@pytest.mark.parametrize(
    "arguments", [("list", CASE, "1"), ("get", CASE), ("list", CASE, "--nats", "tls://127.0.0.1:1")]
)
def test_a_command_that_makes_no_sense_is_wrong_use(arguments: tuple[str, ...]) -> None:
    assert cli.main(["evidence", *arguments]) == 2
