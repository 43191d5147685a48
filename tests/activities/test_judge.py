import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio.testing import ActivityEnvironment

import activities.actions
import activities.policies
from activities import judge
from activities.action import Action
from activities.judge import Judging
from activities.judgement import Judgement, Weighing
from activities.policies.witnesses import highest
from activities.weights import tier_of
from signals.audit_detector import AuditDetector
from signals.catalog import load
from signals.decisions import Tier
from signals.detector import Detector
from signals.detectors import rbac, runtime
from signals.entities import ClusterRef, Entity
from signals.envelope import Signer, Trust
from signals.errors import Refused
from signals.policy import ALONE, Policy, Step, Thresholds, Tier4
from signals.requests import FalseAlarm, JudgeRequest
from signals.subjects import ORCHESTRATOR
from signals.threats import Mode, Peer, Severity, ThreatEvent
from signals.vouching import Voucher

JUDGEMENTS = load(activities.policies, Judgement)
CLUSTER = ClusterRef(name="test", uid="c-1")
POD = Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name="web-0", uid="u-1")
VOUCHER = Voucher(b"a secret of the tests")
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


def believed(*events: ThreatEvent) -> JudgeRequest:
    """Return a request whose events the orchestrator vouches for."""
    asked = request()
    return asked.model_copy(update={"events": tuple(VOUCHER.vouched(one, asked.incident) for one in events)})


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
    assert [(action.type, len(action.targets)) for action in scales.actions] == [
        (kind, 30) for kind in TIER_3
    ]


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


TIER_3 = ["isolate_pod", *Step]


def test_tier_3_isolates_and_tier_2_blocks_the_flow_that_was_named_and_marks_the_pod() -> None:
    isolated = weigh(request(event()), Policy())
    blocked = weigh(request(event(confidence=0.7, peer=Peer(address="203.0.113.7", port=443))), Policy())
    marked = weigh(request(event(confidence=0.7)), Policy())

    assert [action.type for action in isolated.actions] == TIER_3
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
    assert [action.type for action in scales.actions] == TIER_3
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
    assert {action.target.name for action in scales.actions} == {"web-0"}


def test_what_stands_is_not_asked_for_again_and_a_rise_goes_on_top() -> None:
    first = weigh(request(event(confidence=0.7)), Policy()).actions
    again = weigh(request(event(confidence=0.7), planned=first, next_index=1), Policy()).actions
    risen = weigh(request(event(confidence=0.9), planned=first, next_index=1), Policy()).actions

    assert again == ()
    assert [(action.type, action.index) for action in risen] == [*zip(TIER_3, range(1, 9), strict=False)]


def test_a_false_alarm_holds_the_same_suspicion_at_tier_1_and_no_other() -> None:
    alarm = FalseAlarm(subject=POD.key, detector="reverse_shell", until=NOW + timedelta(minutes=30))
    same = weigh(request(event(), false_alarms=(alarm,)), Policy())
    other = weigh(request(event(), event("x", detector="dropped_binary"), false_alarms=(alarm,)), Policy())
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


def test_an_alert_from_a_host_on_which_its_pod_does_not_run_is_no_witness() -> None:
    forged = event(unattributed="the alert comes from node-b, the pod runs on node-a", confidence=0.99)
    alone = weigh(request(forged), Policy())
    beside = weigh(request(forged, event("real", confidence=0.7)), Policy())
    overridden = weigh(
        request(forged), Policy.model_validate({"rules": {forged.rule: {"confidence": 0.9}}, "alone": []})
    )

    assert (alone.tier, alone.page, alone.actions) == (Tier.OBSERVE, True, ())
    assert any(term.name == "attribution" and "node-b" in term.reason for term in alone.terms)
    assert (beside.tier, beside.confidence) == (Tier.RESTRICT, 0.7)
    assert overridden.tier is Tier.OBSERVE


def test_one_agent_alone_passes_tier_2_only_with_what_the_policy_names() -> None:
    weak = event(detector="terminal_shell", rule="Terminal shell in container", confidence=0.97)
    capped = weigh(request(weak, event("b", detector="untrusted_shell", confidence=0.9)), Policy())
    by_rule = weigh(request(weak), Policy(alone=("Terminal shell in container",)))
    by_detector = weigh(request(weak), Policy(alone=("terminal_shell",)))
    strict = weigh(request(event()), Policy(alone=()))

    assert (capped.tier, capped.confidence) == (Tier.RESTRICT, 0.79)
    assert any(term.effect == "held at Tier 2" and "`alone`" in term.reason for term in capped.terms)
    assert (by_rule.tier, by_detector.tier) == (Tier.ESCALATE, Tier.ESCALATE)
    assert strict.tier is Tier.RESTRICT


def test_a_confidence_from_the_policy_does_not_make_a_rule_suffice_alone() -> None:
    raised = Policy.model_validate({"rules": {"Terminal shell": {"confidence": 0.99}}})
    scales = weigh(request(event(detector="terminal_shell", rule="Terminal shell", confidence=0.4)), raised)
    assert scales.tier is Tier.RESTRICT


def test_another_agent_lifts_what_one_alone_may_not() -> None:
    weak = event(detector="terminal_shell", confidence=0.9)
    scales = weigh(request(weak, event("n", agent="network-sentinel", confidence=0.3)), Policy())
    assert scales.tier is Tier.ISOLATE
    assert scales.confidence == pytest.approx(0.853)


@pytest.mark.parametrize("isolate", [0.8, 0.85, 0.71, 0.999])
def test_the_top_of_tier_2_belongs_to_tier_2_wherever_tier_3_begins(isolate: float) -> None:
    policy = Policy(thresholds=Thresholds(restrict=0.6, isolate=isolate, escalate=1.0))
    assert policy.thresholds.isolate - 0.011 < highest(policy) < policy.thresholds.isolate


def test_the_policy_names_by_default_the_detectors_that_suffice_alone() -> None:
    alone = [one.name for one in load(runtime, Detector).values() if one.sufficient_alone]
    alone += [one.name for one in load(rbac, AuditDetector).values() if one.sufficient_alone]
    assert tuple(sorted(alone)) == ALONE


def test_a_protected_pod_asks_and_the_judgement_says_why() -> None:
    policy = Policy.model_validate({"protected": [{"name": "web-*", "reason": "it takes the money"}]})
    scales = weigh(request(event()), policy)
    assert (scales.tier, scales.execute) == (Tier.ISOLATE, False)
    assert "it takes the money" in scales.why_not
    assert any(term.name == "protected" for term in scales.terms)


def test_a_freeze_window_is_said_and_does_not_hold_an_isolation_up() -> None:
    policy = Policy.model_validate({"freeze_windows": [{"timezone": "UTC", "reason": "end of quarter"}]})
    scales = judge.weigh(request(event()), policy, JUDGEMENTS.values(), NOW)
    assert scales.execute
    assert any(term.name == "freeze window" and term.reason == "end of quarter" for term in scales.terms)


async def test_a_decision_is_signed_and_any_change_of_it_is_noticed() -> None:
    key = Ed25519PrivateKey.generate()
    trust = Trust({ORCHESTRATOR: key.public_key()})
    signer = Signer(ORCHESTRATOR, key)
    decision = await Judging(JUDGEMENTS, Policy(), signer, VOUCHER).judge(believed(event()))

    trust.check_sealed(ORCHESTRATOR, decision)
    with pytest.raises(Refused):
        trust.check_sealed(ORCHESTRATOR, decision.model_copy(update={"execute": False}))


@pytest.mark.parametrize(
    "forge",
    [
        lambda one: one,
        lambda one: VOUCHER.vouched(one, "another-incident"),
        lambda one: Voucher(b"of somebody else").vouched(one, "shop-web-0-1"),
        lambda one: VOUCHER.vouched(one.model_copy(update={"confidence": 0.1}), "shop-web-0-1").model_copy(
            update={"confidence": 0.9}
        ),
    ],
    ids=["unproved", "for another incident", "by another key", "changed since"],
)
async def test_an_event_that_the_orchestrator_did_not_put_there_asks_for_nothing_and_is_paged(
    forge: Callable[[ThreatEvent], ThreatEvent],
) -> None:
    signer = Signer(ORCHESTRATOR, Ed25519PrivateKey.generate())
    asked = request(forge(event()))
    decision = await ActivityEnvironment().run(Judging(JUDGEMENTS, Policy(), signer, VOUCHER).judge, asked)
    assert (decision.tier, decision.actions, decision.page) == (Tier.OBSERVE, (), True)
    assert "proof" in {term.name for term in decision.terms}


def test_the_word_for_an_event_outlives_its_way_through_a_workflow() -> None:
    told = VOUCHER.vouched(event(peer=Peer(address="203.0.113.7", port=443)), "case-1")
    back = ThreatEvent.model_validate_json(told.model_dump_json())
    assert VOUCHER.vouches(back, "case-1")
    assert not VOUCHER.vouches(back, "case-2")


def test_every_judgement_has_a_place_of_its_own_and_a_question() -> None:
    orders = [judgement.order for judgement in JUDGEMENTS.values()]
    assert len(set(orders)) == len(orders)
    assert all(judgement.question.endswith("?") for judgement in JUDGEMENTS.values())


def test_what_follows_the_isolation_is_the_policys_and_has_its_turn_in_order() -> None:
    whole = weigh(request(event()), Policy()).actions
    assert [action.deferred for action in whole] == [False, *(True for _ in Step)]
    assert [action.index for action in whole] == [*range(len(whole))]
    nothing_more = weigh(request(event()), Policy(isolate_steps=())).actions
    assert [action.type for action in nothing_more] == ["isolate_pod"]
    one = weigh(request(event()), Policy(isolate_steps=(Step.EVICT,))).actions
    assert [action.type for action in one] == ["isolate_pod", "evict_pod"]


def test_every_step_of_the_policy_is_an_action_of_the_catalogue_that_may_take_its_time() -> None:
    catalogue = load(activities.actions, Action)
    assert {step.value for step in Step} <= {*catalogue}
    assert all(catalogue[step.value].deferred for step in Step)


def test_a_storm_isolates_at_once_and_asks_once_for_all_that_follows() -> None:
    pods = [POD.model_copy(update={"name": f"web-{n}", "uid": f"u-{n}"}) for n in range(12)]
    events = [event(str(n), subject=pod) for n, pod in enumerate(pods)]
    storm = request(*events).model_copy(update={"incident": "shop-storm-reverse-shell-0123abcd"})
    scales = weigh(storm, Policy())
    assert scales.execute
    asks = {action.type: action.asks for action in scales.actions}
    assert asks["isolate_pod"] == ""
    assert all("one decision for all" in asks[step] for step in Step)
    assert {len(action.targets) for action in scales.actions} == {12}


def test_one_who_earned_tier_4_asks_and_another_of_the_same_incident_does_not() -> None:
    other = POD.model_copy(update={"namespace": "kube-system", "uid": "u-2"})
    scales = weigh(request(event("a"), event("b", subject=other)), Policy())
    assert (scales.tier, scales.execute) == (Tier.ESCALATE, True)
    for action in scales.actions:
        system = action.target.namespace == "kube-system"
        assert bool(action.asks) is system
        assert action.tier is (Tier.ESCALATE if system else Tier.ISOLATE)


@pytest.mark.parametrize("tier4", Tier4)
def test_hold_lets_the_isolation_of_a_certain_pod_stand_and_asks_for_the_rest(tier4: Tier4) -> None:
    scales = weigh(request(event(confidence=0.99)), Policy(tier4=tier4))
    assert scales.execute is (tier4 is Tier4.HOLD)
    asks = [action.type for action in scales.actions if action.asks]
    assert asks == ([*Step] if tier4 is Tier4.HOLD else [])
    inside = POD.model_copy(update={"namespace": "kube-system"})
    assert not weigh(request(event(subject=inside)), Policy(tier4=tier4)).execute, "never the control plane"


def test_from_tier_4_on_what_is_due_waits_in_its_old_place() -> None:
    first = weigh(request(event()), Policy()).actions
    stands, due = first[:1], first[1:]
    worse = request(event(), event("b", confidence=0.99), planned=stands, due=due, next_index=9)
    asked = weigh(worse, Policy()).actions
    assert [(one.id, one.index, one.tier) for one in asked] == [(o.id, o.index, Tier.ESCALATE) for o in due]
    calm = request(event(), planned=stands, due=due, next_index=9)
    assert weigh(calm, Policy()).actions == ()
