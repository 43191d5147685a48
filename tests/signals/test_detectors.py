"""The law of the detectors, over the whole catalogue; who is at the other end; and how each rule is graded."""

import pytest

from signals.catalog import load
from signals.connections import peer
from signals.detector import TITLE_LIMIT, Detection, Detector, record, title
from signals.detectors import runtime
from signals.detectors.runtime.unlisted_rule import technique
from signals.errors import CatalogError
from signals.policy import Thresholds
from signals.telemetry.falco import Alert, Scalar
from signals.threats import Peer, Severity, ThreatEvent

DETECTORS = load(runtime, Detector)
DETECTION = Detection(DETECTORS.values())

STABLE = {
    "Directory traversal monitored file read": "T1555",
    "Read sensitive file trusted after startup": "T1555",
    "Read sensitive file untrusted": "T1555",
    "Run shell untrusted": "T1059.004",
    "System user interactive": "T1059",
    "Terminal shell in container": "T1059",
    "Contact K8S API Server From Container": "T1565",
    "Netcat Remote Code Execution in Container": "T1059",
    "Search Private Keys or Passwords": "T1552.001",
    "Clear Log Activities": "T1070",
    "Remove Bulk Data from Disk": "T1485",
    "Create Symlink Over Sensitive Files": "T1555",
    "Create Hardlink Over Sensitive Files": "T1555",
    "Packet socket created in container": "T1557.002",
    "Redirect STDOUT/STDIN to Network Connection in Container": "T1059",
    "Linux Kernel Module Injection Detected": "TA0003",
    "Debugfs Launched in Privileged Container": "T1611",
    "Detect release_agent File Container Escapes": "T1611",
    "PTRACE attached to process": "T1055.008",
    "PTRACE anti-debug attempt": "T1622",
    "Find AWS Credentials": "T1552",
    "Execution from /dev/shm": "T1059.004",
    "Drop and execute new binary in container": "TA0003",
    "Disallowed SSH Connection Non Standard Port": "T1059",
    "Fileless execution via memfd_create": "T1620",
}


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_fires_on_its_records_and_ignores_the_others(name: str) -> None:
    detector = DETECTORS[name]
    assert detector.fires_on
    assert detector.ignores
    assert all(DETECTION.suspect(alert) is detector for alert in detector.fires_on)
    assert not any(DETECTION.suspect(alert) is detector for alert in detector.ignores)


@pytest.mark.parametrize("name", DETECTORS)
def test_every_rule_of_a_detector_is_shown_by_a_record(name: str) -> None:
    detector = DETECTORS[name]
    exact = {rule for rule in detector.rules if not rule.endswith("*")}
    assert exact <= {alert.rule for alert in detector.fires_on}


@pytest.mark.parametrize("name", DETECTORS)
def test_only_what_suffices_alone_may_isolate(name: str) -> None:
    detector = DETECTORS[name]
    for alert in detector.fires_on:
        confidence = detector.graded(alert).confidence
        assert confidence is not None
        assert (confidence >= Thresholds().isolate) == detector.sufficient_alone
        assert confidence < Thresholds().escalate


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_says_why_and_what_in_sentences(name: str) -> None:
    detector = DETECTORS[name]
    assert detector.because.endswith(".")
    for alert in detector.fires_on:
        found = detector.peer(alert, ()) if detector.peer else None
        sentence = title(detector, alert, "pod shop/web-0", found)
        assert "{" not in sentence
        assert sentence[0].isupper() or sentence.startswith(
            tuple(str(value) for value in alert.fields.values())
        )
        assert "pod shop/web-0" in sentence or detector.about_node


@pytest.mark.parametrize("name", DETECTORS)
def test_a_title_stands_without_any_field_and_within_bounds(name: str) -> None:
    detector = DETECTORS[name]
    assert title(detector, record("R"), "node n1")
    long = record(
        "R" * 500, dict.fromkeys(("proc.name", "proc.pname", "fd.name", "user.name"), "x y {z} " * 200)
    )
    assert len(title(detector, long, "pod " + "w" * 400)) <= TITLE_LIMIT


def test_all_stable_rules_are_covered_with_their_technique() -> None:
    assert len(STABLE) == 25
    for rule, expected in STABLE.items():
        detector = DETECTION.suspect(record(rule))
        assert detector.name != "unlisted_rule", rule
        assert detector.graded(record(rule)).technique == expected, rule


@pytest.mark.parametrize(
    "rule",
    [
        "Falco internal: syscall event drop",
        "Falco internal: timeouts notification",
        "Falco internal: outputs queue is full",
    ],
)
def test_every_notice_of_falco_about_itself_is_blindness_of_a_node(rule: str) -> None:
    detector = DETECTION.suspect(record(rule))
    assert (detector.name, detector.about_node) == ("falco_drops", True)


@pytest.mark.parametrize(
    ("rule", "tier"),
    [
        ("Redirect STDOUT/STDIN to Network Connection in Container", 3),
        ("Netcat Remote Code Execution in Container", 3),
        ("Detect release_agent File Container Escapes", 3),
        ("Drop and execute new binary in container", 3),
        ("Fileless execution via memfd_create", 3),
        ("Outbound Connection to C2 Servers", 2),
        ("Unexpected outbound connection destination", 2),
        ("Contact EC2 Instance Metadata Service From Container", 2),
        ("Terminal shell in container", 1),
        ("Contact K8S API Server From Container", 1),
    ],
)
def test_the_tiers_come_out_as_the_drill_needs_them(rule: str, tier: int) -> None:
    confidence = DETECTION.suspect(record(rule)).confidence
    assert confidence is not None
    bounds = Thresholds()
    assert 1 + (confidence >= bounds.restrict) + (confidence >= bounds.isolate) == tier


def test_a_rule_is_known_in_any_case() -> None:
    assert DETECTION.suspect(record("TERMINAL SHELL IN CONTAINER")).name == "terminal_shell"
    assert DETECTION.suspect(record("*")).name == "unlisted_rule"
    assert DETECTION.suspect(record("Falco internal: *")).name == "falco_drops"


@pytest.mark.parametrize(
    ("priority", "tags", "severity", "confidence"),
    [
        ("Critical", (), Severity.CRITICAL, 0.55),
        ("EMERGENCY", (), Severity.CRITICAL, 0.55),
        ("error", (), Severity.HIGH, 0.5),
        ("Warning", ("maturity_sandbox",), Severity.MEDIUM, 0.3),
        ("Notice", ("maturity_incubating",), Severity.LOW, 0.25),
        ("Informational", (), Severity.INFO, 0.15),
        ("Debug", ("maturity_deprecated",), Severity.INFO, 0.05),
        ("", (), Severity.MEDIUM, 0.4),
        ("Catastrophic", (), Severity.MEDIUM, 0.4),
    ],
)
def test_an_unknown_rule_is_graded_by_its_author(
    priority: str, tags: tuple[str, ...], severity: Severity, confidence: float
) -> None:
    alert = record("Ours", priority=priority, tags=tags)
    grade = DETECTION.suspect(alert).graded(alert)
    assert (grade.severity, grade.confidence) == (severity, confidence)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("container", "mitre_execution", "T1059.004"), "T1059.004"),
        (("TA0011", "mitre_command_and_control"), "TA0011"),
        (("TA0011", "T1071"), "T1071"),
        (("mitre_credential_access",), "TA0006"),
        (("T1", "T10599", "mitre_nothing", "TA1"), None),
        ((), None),
    ],
)
def test_the_technique_is_taken_from_the_tags(tags: tuple[str, ...], expected: str | None) -> None:
    assert technique(tags) == expected


def test_every_technique_is_one_that_an_event_takes() -> None:
    pattern = ThreatEvent.model_json_schema()["properties"]["technique"]
    assert "pattern" in str(pattern)
    for detector in DETECTORS.values():
        for alert in detector.fires_on:
            found = detector.graded(alert).technique
            assert found is None or technique((found,)) == found


def net(output: str = "", **fields: Scalar) -> Alert:
    return record("R", {name.replace("_", "."): value for name, value in fields.items()}, output=output)


OUT = "10.20.0.14:41822->203.0.113.66:4444"


@pytest.mark.parametrize(
    ("alert", "own", "expected"),
    [
        (net(fd_name=OUT), (), ("203.0.113.66", 4444, "Egress")),
        (net(fd_name=OUT, fd_sip="203.0.113.66", fd_rport=4444), (), ("203.0.113.66", 4444, "Egress")),
        (net(fd_name=OUT), ("10.20.0.14",), ("203.0.113.66", 4444, "Egress")),
        (net(fd_rip="203.0.113.66", fd_rport="4444"), (), ("203.0.113.66", 4444, "Egress")),
        (net(fd_sip="203.0.113.66", fd_sport=443), (), ("203.0.113.66", 443, "Egress")),
        (net(fd_sip="203.0.113.66"), (), ("203.0.113.66", None, "Egress")),
        (
            net(fd_name="198.51.100.9:55555->10.20.0.14:8080"),
            ("10.20.0.14",),
            ("198.51.100.9", 8080, "Ingress"),
        ),
        (
            net(fd_name="198.51.100.9:55555->10.20.0.14:8080", fd_rip="198.51.100.9"),
            (),
            ("198.51.100.9", 8080, "Ingress"),
        ),
        (
            net(fd_name="198.51.100.9:55555->10.20.0.14:8080", fd_lip="10.20.0.14"),
            (),
            ("198.51.100.9", 8080, "Ingress"),
        ),
        (net(fd_name="2001:db8::1:41822->2001:db8::2:443"), (), ("2001:db8::2", 443, "Egress")),
        (net(fd_name="[2001:db8::1]:41822->[2001:db8::2]:443"), (), ("2001:db8::2", 443, "Egress")),
        (net(fd_name="::ffff:10.0.0.1:41822->::ffff:203.0.113.66:443"), (), ("203.0.113.66", 443, "Egress")),
        (net(output=f"Notice x (connection={OUT} user=root)"), (), ("203.0.113.66", 4444, "Egress")),
        (net(fd_sip="169.254.169.254", fd_sport=80), (), ("169.254.169.254", 80, "Egress")),
    ],
)
def test_the_other_end_is_found(
    alert: Alert, own: tuple[str, ...], expected: tuple[str, int | None, str]
) -> None:
    found = peer(alert, own)
    assert found is not None
    assert (found.address, found.port, found.direction) == expected


@pytest.mark.parametrize(
    "alert",
    [
        net(),
        net(fd_name="/etc/shadow"),
        net(fd_name="127.0.0.1:1->127.0.0.1:2"),
        net(fd_sip="0.0.0.0", fd_sport=1),
        net(fd_sip="<NA>"),
        net(fd_sip="evil.example"),
        net(fd_sip="224.0.0.1"),
        net(fd_name="999.1.1.1:1->888.1.1.1:2"),
    ],
)
def test_without_an_address_outside_there_is_no_peer(alert: Alert) -> None:
    assert peer(alert) is None


def test_the_protocol_is_kept_where_it_is_known() -> None:
    assert peer(net(fd_name=OUT, fd_l4proto="udp")) == Peer(address="203.0.113.66", port=4444, protocol="UDP")
    assert peer(net(fd_name=OUT, fd_l4proto="raw")) == Peer(address="203.0.113.66", port=4444, protocol="TCP")


def test_ports_that_are_none_are_left_out() -> None:
    assert peer(net(fd_sip="203.0.113.66", fd_sport=0)) == Peer(address="203.0.113.66")
    assert peer(net(fd_sip="203.0.113.66", fd_sport=99999999)) == Peer(address="203.0.113.66")


def test_two_detectors_must_not_claim_one_rule() -> None:
    shell = DETECTORS["terminal_shell"]
    with pytest.raises(CatalogError, match="both claim"):
        Detection([*DETECTORS.values(), shell])


def test_an_unknown_rule_must_find_a_detector() -> None:
    with pytest.raises(CatalogError, match="unknown rule"):
        Detection([DETECTORS["terminal_shell"]])
