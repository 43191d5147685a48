"""The law of the RBAC detectors over the whole catalogue, and whom they never suspect."""

import pytest

from signals.audit_detector import (
    PERSON,
    TITLE_LIMIT,
    WORKLOAD,
    AuditDetection,
    AuditDetector,
    expected,
    of_workload,
    record,
    title,
)
from signals.catalog import load
from signals.detectors import rbac
from signals.detectors.runtime.unlisted_rule import technique
from signals.policy import Thresholds
from signals.subjects import AGENTS, NAMESPACE, service_account
from signals.telemetry.audit import AuditEvent
from signals.telemetry.audit_wire import Object, Status, User, Wire

DETECTORS = load(rbac, AuditDetector)
DETECTION = AuditDetection(DETECTORS.values())


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_fires_on_its_records_and_ignores_the_others(name: str) -> None:
    detector = DETECTORS[name]
    assert detector.fires_on
    assert detector.ignores
    assert [one for one in detector.fires_on if detector not in DETECTION.suspect(one)] == []
    assert [one for one in detector.ignores if detector in DETECTION.suspect(one)] == []


def wire_of(event: AuditEvent) -> Wire:
    """Return the event as its feed brings it."""
    return Wire(
        verb=event.verb,
        user=User(username=event.user, groups=event.groups),
        impersonatedUser=User(username=event.impersonated) if event.impersonated else None,
        objectRef=Object(resource=event.resource or None, subresource=event.subresource or None),
        responseStatus=Status(code=event.code),
    )


@pytest.mark.parametrize("name", DETECTORS)
def test_nothing_that_a_detector_fires_on_is_passed_over(name: str) -> None:
    assert not any(DETECTION.ordinary(wire_of(event)) for event in DETECTORS[name].fires_on)


def test_most_of_what_happens_is_passed_over() -> None:
    for verb, thing in (("get", "pods"), ("list", "secrets/x"), ("watch", "pods"), ("patch", "deployments")):
        assert DETECTION.ordinary(wire_of(record(verb, thing)))


@pytest.mark.parametrize("name", DETECTORS)
def test_every_resource_of_a_detector_is_shown_by_a_record(name: str) -> None:
    detector = DETECTORS[name]
    if detector.resources != ("*",):
        shown = {one.thing for one in detector.fires_on}
        assert shown <= set(detector.resources)


@pytest.mark.parametrize("name", DETECTORS)
def test_only_what_suffices_alone_may_isolate(name: str) -> None:
    detector = DETECTORS[name]
    for event in detector.fires_on:
        confidence = detector.graded(event).confidence
        assert confidence is not None
        assert 0 < confidence < Thresholds().escalate
        assert (confidence >= Thresholds().isolate) == detector.sufficient_alone


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_says_why_and_what_in_sentences(name: str) -> None:
    detector = DETECTORS[name]
    assert detector.because.endswith(".")
    for event in detector.fires_on:
        sentence = title(detector, event)
        assert "{" not in sentence
        assert sentence[0].isupper()
        assert len(sentence) <= TITLE_LIMIT
        grade = detector.graded(event)
        assert grade.technique is None or technique((grade.technique,)) == grade.technique


@pytest.mark.parametrize("name", DETECTORS)
def test_a_refused_attempt_is_less_than_the_deed(name: str) -> None:
    detector = DETECTORS[name]
    refused = [one for one in detector.fires_on if not one.allowed]
    assert bool(refused) == (detector.attempts or detector.refused) or detector.resources == ("*",)
    if detector.attempts:
        deeds = [detector.graded(one).confidence or 0 for one in detector.fires_on if one.allowed]
        assert all((detector.graded(one).confidence or 0) < max(deeds) for one in refused)


@pytest.mark.parametrize(
    ("user", "groups", "is_expected"),
    [
        ("system:apiserver", ("system:masters",), True),
        ("system:kube-controller-manager", (), True),
        ("system:serviceaccount:kube-system:job-controller", ("system:serviceaccounts:kube-system",), True),
        ("system:serviceaccount:kube-system:job-controller", (), True),
        ("system:serviceaccount:kube-system:job-controller", ("system:serviceaccounts:shop",), False),
        ("system:serviceaccount:kube-system-evil:x", ("system:serviceaccounts:kube-system-evil",), False),
        ("system:node:node-1", ("system:nodes",), True),
        ("system:node:node-1", ("developers",), False),
        ("system:apiserver-evil", ("system:masters",), False),
        ("admin", ("system:masters",), False),
        ("system:serviceaccount:shop:web", ("system:serviceaccounts:shop",), False),
    ],
)
def test_the_control_plane_is_told_by_name_and_group(
    user: str, groups: tuple[str, ...], is_expected: bool
) -> None:
    assert expected(record("list", "pods", who=(user, groups))) is is_expected


def test_the_name_that_a_client_gives_itself_counts_for_nothing() -> None:
    disguised = record("list", "secrets", "", "", client="kube-controller-manager/v1.36 (linux/amd64)")

    assert [one.name for one in DETECTION.suspect(disguised)] == ["secrets_dump"]


def test_our_own_agents_are_no_workloads() -> None:
    assert not any(of_workload(record("list", "pods", who=(service_account(one), ()))) for one in AGENTS)
    assert of_workload(record("list", "pods", who=(f"system:serviceaccount:{NAMESPACE}x:web", ())))


def test_who_is_trusted_is_suspected_of_nothing_but_of_what_guards_us() -> None:
    detection = AuditDetection(DETECTORS.values(), trusted=(PERSON[0], WORKLOAD[0]))

    for detector in DETECTORS.values():
        for event in detector.fires_on:
            found = detection.suspect(event)
            if event.user in (PERSON[0], WORKLOAD[0]):
                assert (detector in found) is (not detector.spares)


def test_a_request_that_was_only_received_is_not_judged() -> None:
    assert DETECTION.suspect(record("list", "secrets", "", "", stage="RequestReceived")) == ()


def test_what_everybody_does_raises_nothing() -> None:
    for who in (PERSON, WORKLOAD):
        for verb, thing in (("get", "pods"), ("list", "pods"), ("create", "pods"), ("patch", "deployments")):
            assert DETECTION.suspect(record(verb, thing, who=who)) == ()
