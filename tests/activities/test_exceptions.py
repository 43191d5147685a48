"""What is expected of a workload: it weighs nothing, and nothing else is silenced by that."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activities import judge
from activities.judge import Judging
from activities.judgement import Weighing
from signals.approvals import Approval, Verb
from signals.decisions import Silenced, Tier
from signals.entities import Entity
from signals.envelope import Signer
from signals.errors import Refused
from signals.exceptions import AlertException, exception
from signals.policy import Policy
from signals.subjects import ORCHESTRATOR
from signals.threats import ThreatEvent
from tests.activities.test_judge import CLUSTER, JUDGEMENTS, NOW, POD, VOUCHER, believed, event, request

OWNER = Entity(cluster=CLUSTER, kind="Deployment", namespace="shop", name="web")
IMAGE = Entity(cluster=CLUSTER, kind="Image", name="registry.example/shop/web:1")
EXPECTED = AlertException(
    id="exc-1",
    cluster=CLUSTER,
    rule="Reverse shell",
    namespace="shop",
    workload="Deployment/web",
    incident="shop-web-0-1",
    actor="lea",
    reason="the nightly probe",
    made_at=NOW - timedelta(hours=1),
    until=NOW + timedelta(days=1),
)


def seen(name: str = "e1", **given: Any) -> ThreatEvent:
    return event(name, **({"owner": OWNER, "entities": (IMAGE,)} | given))


def weigh(*events: ThreatEvent, one: AlertException = EXPECTED) -> Weighing:
    return judge.weigh(request(*events), Policy(), JUDGEMENTS.values(), exceptions=(one,))


def test_what_is_expected_is_on_record_and_neither_acted_on_nor_paged() -> None:
    scales = weigh(seen(), seen("e2", confidence=None))
    assert (scales.tier, scales.actions, scales.page) == (Tier.OBSERVE, (), False)
    assert {(event.id, one.id) for event, one in scales.silenced} == {("e1", "exc-1"), ("e2", "exc-1")}
    term = next(term for term in scales.terms if term.value == "exc-1")
    assert (term.effect, "lea" in term.reason, "nightly probe" in term.reason) == (
        "weighs nothing",
        True,
        True,
    )


@pytest.mark.parametrize(
    "other",
    [
        {"rule": "Another rule"},
        {"owner": OWNER.model_copy(update={"name": "api"})},
        {"subject": POD.model_copy(update={"namespace": "bank"})},
        {"owner": None},
        {"accepted_at": EXPECTED.until},
        {"accepted_at": EXPECTED.made_at - timedelta(seconds=1)},
        {"cluster": CLUSTER.model_copy(update={"uid": "c-2"})},
    ],
    ids=["rule", "workload", "namespace", "a bare pod", "after its end", "before it was made", "cluster"],
)
def test_nothing_else_is_silenced(other: dict[str, Any]) -> None:
    scales = weigh(seen(**{"observed_at": other.get("accepted_at", NOW), **other}))
    assert (scales.tier, scales.silenced) == (Tier.ISOLATE, ())


def test_another_rule_about_the_same_pod_is_judged_by_itself() -> None:
    scales = weigh(seen(confidence=0.9), seen("e2", rule="Miner", confidence=0.7))
    assert (scales.tier, [event.id for event in scales.events]) == (Tier.RESTRICT, ["e2"])


def test_it_gives_way_where_other_evidence_raises_the_tier_and_then_everything_counts() -> None:
    scales = weigh(seen(confidence=0.7), seen("e2", rule="Beacon", confidence=0.5, agent="network-sentinel"))
    assert (scales.tier, scales.silenced) == (Tier.ISOLATE, ())
    assert "counts all the same" in {term.effect for term in scales.terms}


def test_a_weak_sign_beside_it_does_not_lift_it() -> None:
    scales = weigh(seen(confidence=0.7), seen("e2", rule="Beacon", confidence=0.1))
    assert (scales.tier, scales.actions) == (Tier.OBSERVE, ())


def test_it_may_be_about_an_image_whatever_runs_it() -> None:
    by_image = EXPECTED.model_copy(update={"workload": "", "image": IMAGE.name})
    assert weigh(seen(owner=None), one=by_image).tier is Tier.OBSERVE
    assert weigh(seen(entities=()), one=by_image).tier is Tier.ISOLATE


def test_it_holds_no_longer_once_somebody_has_ended_it() -> None:
    ended = EXPECTED.model_copy(update={"ended_at": NOW - timedelta(minutes=1)})
    assert weigh(seen(), one=ended).tier is Tier.ISOLATE
    before = NOW - timedelta(minutes=2)
    assert weigh(seen(accepted_at=before, observed_at=before), one=ended).tier is Tier.OBSERVE


async def test_the_signed_decision_names_it_and_one_without_is_signed_as_before() -> None:
    signer = Signer(ORCHESTRATOR, Ed25519PrivateKey.generate())
    judging = Judging(JUDGEMENTS, Policy(), signer, VOUCHER, exceptions=lambda: (EXPECTED,))
    decision = await judging.judge(believed(seen()))
    assert decision.silenced == (Silenced(event="e1", exception="exc-1"),)
    assert (decision.events, decision.page, "exc-1" in decision.title) == ((), False, True)
    plain = await Judging(JUDGEMENTS, Policy(), signer, VOUCHER).judge(believed(seen()))
    assert "silenced" not in plain.model_dump()


SNOOZE = Approval(
    id="0f9c2d1e-0000-4000-8000-000000000000",
    cluster=CLUSTER,
    verb=Verb.SNOOZE,
    incident="shop-web-0-1",
    actor="lea",
    reason="the nightly probe",
    seconds=3600,
    namespace="shop",
    rule="Reverse shell",
    workload="Deployment/web",
    said_at=NOW,
)


def test_the_same_command_makes_the_same_exception() -> None:
    made = exception(SNOOZE)
    assert (made, made.id, made.until) == (exception(SNOOZE), "exc-0f9c2d1e", NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    "said",
    [
        {"reason": " "},
        {"seconds": 0},
        {"seconds": 31 * 86400},
        {"rule": ""},
        {"image": "i"},
        {"workload": ""},
    ],
)
def test_a_snooze_without_reason_bounds_or_workload_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        exception(SNOOZE.model_copy(update=said))
