import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import activities.policies
from activities import judge
from activities.judge import Judging
from activities.judgement import Judgement, Weighing
from activities.policies.tier import tier_of
from signals.catalog import load
from signals.decisions import Tier
from signals.entities import ClusterRef, Entity
from signals.envelope import Signer, Trust
from signals.errors import Refused
from signals.policy import Policy, Thresholds
from signals.requests import FalseAlarm, JudgeRequest
from signals.subjects import ORCHESTRATOR
from signals.threats import Mode, Peer, Severity, ThreatEvent

JUDGEMENTS = load(activities.policies, Judgement)
CLUSTER = ClusterRef(name="test", uid="c-1")
POD = Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name="web-0", uid="u-1")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def weigh(asked: JudgeRequest, policy: Policy) -> Weighing:
    return judge.weigh(asked, policy, JUDGEMENTS.values())


def event(name: str = "e1", **given: Any) -> ThreatEvent:
    return ThreatEvent(
        **{
            "id": name,
            "cluster": CLUSTER,
            "agent": "runtime-guardian",
            "detector": "reverse_shell",
            "rule": "Reverse shell",
            "title": "A shell",
            "severity": Severity.HIGH,
            "confidence": 0.9,
            "subject": POD,
            "mode": Mode.AUTO,
            "enrolled": True,
            "observed_at": NOW,
            "accepted_at": NOW,
        }
        | given
    )


def request(*events: ThreatEvent, **given: Any) -> JudgeRequest:
    return JudgeRequest(incident="shop-web-0-1", cluster=CLUSTER, revision=1, events=events, **given)


@pytest.mark.parametrize(
    ("confidence", "tier"),
    [
        (None, Tier.OBSERVE),
        (0.0, Tier.OBSERVE),
        (0.59, Tier.OBSERVE),
        (0.6, Tier.RESTRICT),
        (0.79, Tier.RESTRICT),
        (0.8, Tier.ISOLATE),
        (0.94, Tier.ISOLATE),
        (0.95, Tier.ESCALATE),
        (1.0, Tier.ESCALATE),
    ],
)
def test_a_confidence_on_the_line_belongs_to_the_tier_above(confidence: float | None, tier: Tier) -> None:
    assert tier_of(confidence, Thresholds()) is tier


def test_within_one_agent_the_loudest_counts_and_across_agents_doubts_multiply() -> None:
    one = weigh(request(event("a", confidence=0.5), event("b", confidence=0.6)), Policy())
    two = weigh(
        request(event("a", confidence=0.5), event("b", confidence=0.6, agent="network-sentinel")), Policy()
    )

    assert one.confidence == 0.6
    assert two.confidence == pytest.approx(0.8)


def test_any_order_of_arrival_gives_the_same_end() -> None:
    events = [
        event("a", confidence=0.5),
        event("b", confidence=0.7, agent="network-sentinel"),
        event("a", confidence=0.5, revision=2, count=9),
        event("c", confidence=None),
    ]
    scales = [weigh(request(*order), Policy()) for order in itertools.permutations(events)]
    ends = {
        repr((end.events, end.suspects, end.confidence, end.tier, end.actions, end.terms)) for end in scales
    }
    assert len(ends) == 1


def test_a_storm_is_isolated_as_one_action() -> None:
    pods = [POD.model_copy(update={"name": f"web-{n}", "uid": f"u-{n}"}) for n in range(30)]
    scales = weigh(request(*(event(f"e{n}", subject=pod) for n, pod in enumerate(pods))), Policy())
    assert [(action.type, len(action.targets)) for action in scales.actions] == [("isolate_pod", 30)]


@pytest.mark.parametrize(
    "doubtful",
    [
        event(confidence=None),
        event(observed_at=NOW - timedelta(seconds=601)),
        event(observed_at=NOW + timedelta(hours=1)),
    ],
    ids=["no confidence", "stale", "from the future"],
)
def test_a_doubtful_event_is_tier_1_and_a_page(doubtful: ThreatEvent) -> None:
    scales = weigh(request(doubtful), Policy())
    assert (scales.tier, scales.page, scales.actions) == (Tier.OBSERVE, True, ())


def test_tier_3_isolates_and_tier_2_blocks_the_flow_that_was_named_and_marks_the_pod() -> None:
    isolated = weigh(request(event()), Policy())
    blocked = weigh(request(event(confidence=0.7, peer=Peer(address="203.0.113.7", port=443))), Policy())
    marked = weigh(request(event(confidence=0.7)), Policy())

    assert [action.type for action in isolated.actions] == ["isolate_pod"]
    assert [action.type for action in blocked.actions] == ["block_flow", "annotate_pod"]
    assert [action.type for action in marked.actions] == ["annotate_pod"]
    assert any("names no peer" in term.reason for term in marked.terms)


@pytest.mark.parametrize(
    ("mode", "confidence", "execute"),
    [(Mode.AUTO, 0.9, True), (Mode.AUTO, 0.97, False), (Mode.APPROVE, 0.9, False), (Mode.SHADOW, 0.9, False)],
)
def test_only_auto_below_tier_4_writes_without_a_person(mode: Mode, confidence: float, execute: bool) -> None:
    scales = weigh(request(event(mode=mode, confidence=confidence)), Policy())
    assert scales.execute is execute
    assert [action.type for action in scales.actions] == ["isolate_pod"]
    assert bool(scales.why_not) is not execute


@pytest.mark.parametrize(
    "subject",
    [POD.model_copy(update={"uid": None}), Entity(cluster=CLUSTER, kind="Node", name="n1", uid="n")],
    ids=["unknown pod", "node"],
)
def test_what_cannot_be_contained_is_judged_and_said(subject: Entity) -> None:
    scales = weigh(request(event(subject=subject)), Policy())
    assert (scales.tier, scales.actions) == (Tier.ISOLATE, ())
    assert any(term.name == "containment" for term in scales.terms)


def test_a_namespace_that_is_not_enrolled_gets_a_judgement_and_no_plan() -> None:
    scales = weigh(request(event(enrolled=False)), Policy())
    assert (scales.tier, scales.actions, scales.execute) == (Tier.ISOLATE, (), False)
    assert "not enrolled" in scales.why_not


def test_the_control_plane_is_tier_4_at_any_confidence() -> None:
    inside = POD.model_copy(update={"namespace": "kube-system"})
    scales = weigh(request(event(subject=inside)), Policy())
    assert (scales.tier, scales.execute) == (Tier.ESCALATE, False)


def test_only_those_who_earned_it_are_contained() -> None:
    other = POD.model_copy(update={"name": "web-1", "uid": "u-2"})
    scales = weigh(request(event("a"), event("b", subject=other, confidence=0.4)), Policy())
    assert [action.target.name for action in scales.actions] == ["web-0"]


def test_what_stands_is_not_asked_for_again_and_a_rise_goes_on_top() -> None:
    first = weigh(request(event(confidence=0.7)), Policy()).actions
    again = weigh(request(event(confidence=0.7), planned=first, next_index=1), Policy()).actions
    risen = weigh(request(event(confidence=0.9), planned=first, next_index=1), Policy()).actions

    assert again == ()
    assert [(action.type, action.index) for action in risen] == [("isolate_pod", 1)]


def test_a_false_alarm_holds_the_same_suspicion_at_tier_1_and_no_other() -> None:
    alarm = FalseAlarm(subject=POD.key, detector="reverse_shell", until=NOW + timedelta(minutes=30))
    same = weigh(request(event(), false_alarms=(alarm,)), Policy())
    other = weigh(request(event(), event("x", detector="escape"), false_alarms=(alarm,)), Policy())
    later = weigh(
        request(
            event(accepted_at=NOW + timedelta(minutes=9)),
            false_alarms=(alarm.model_copy(update={"until": NOW}),),
        ),
        Policy(),
    )

    assert (same.tier, same.actions) == (Tier.OBSERVE, ())
    assert other.tier is Tier.ISOLATE
    assert later.tier is Tier.ISOLATE


def test_the_policy_overrides_a_rule_and_ignores_another() -> None:
    policy = Policy.model_validate(
        {"rules": {"Reverse shell": {"confidence": 0.3}, "Noise": {"ignore": True}}}
    )
    scales = weigh(request(event(), event("n", rule="Noise", confidence=0.99)), policy)
    assert (scales.confidence, len(scales.events)) == (0.3, 1)


async def test_a_decision_is_signed_and_any_change_of_it_is_noticed() -> None:
    key = Ed25519PrivateKey.generate()
    trust = Trust({ORCHESTRATOR: key.public_key()})
    decision = await Judging(JUDGEMENTS, Policy(), Signer(ORCHESTRATOR, key)).judge(request(event()))

    trust.check_sealed(ORCHESTRATOR, decision)
    with pytest.raises(Refused):
        trust.check_sealed(ORCHESTRATOR, decision.model_copy(update={"execute": False}))


async def test_what_follows_a_first_write_is_spread_only_in_a_burst() -> None:
    at = iter([NOW + timedelta(seconds=2 * n) for n in range(8)] + [NOW + timedelta(minutes=1)] * 20)
    now: Callable[[], datetime] = lambda: next(at)  # noqa: E731 - a clock that is told what to say
    judging = Judging(JUDGEMENTS, Policy(), Signer(ORCHESTRATOR, Ed25519PrivateKey.generate()), now)

    calm = [(await judging.judge(request(event()))).followup_seconds for _ in range(8)]
    burst = [(await judging.judge(request(event()))).followup_seconds for _ in range(20)]

    assert calm == [0.0] * 8
    assert 2.5 <= burst[-1] <= 5


def test_every_judgement_has_a_place_of_its_own_and_a_question() -> None:
    orders = [judgement.order for judgement in JUDGEMENTS.values()]
    assert len(set(orders)) == len(orders)
    assert all(judgement.question.endswith("?") for judgement in JUDGEMENTS.values())
