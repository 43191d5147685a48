"""Cases for a policy: given these suspicions, expect this tier and plan. The judge itself judges, without a server.

A file of cases is kept beside the policy and run before it is deployed, as one tests code.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

import activities.policies
from activities.judge import weigh
from activities.judgement import Judgement, Weighing
from signals.catalog import load
from signals.decisions import Term, Tier
from signals.detector import Detection, record, title
from signals.entities import ClusterRef, Entity
from signals.errors import BadInput
from signals.policy import Policy
from signals.requests import JudgeRequest
from signals.subjects import RUNTIME_GUARDIAN
from signals.threats import Mode, Peer, Severity, ThreatEvent

CLUSTER = ClusterRef(name="cases", uid="cases")
NOW = datetime(2026, 1, 7, 12, 0, tzinfo=UTC)
"""When a case happens, unless it says otherwise: a Wednesday at noon."""


class Given(BaseModel, frozen=True, extra="forbid"):
    """One suspicion of a case. What is not said is as the detector of the rule says it."""

    rule: str
    """Name of a Falco rule, or of anything that another agent suspects."""
    pod: str = "shop/web-0"
    """`namespace/name` of the pod that it is about."""
    agent: str = RUNTIME_GUARDIAN
    """Who says it: doubts are multiplied across agents."""
    detector: str = ""
    """The detector that says it; found by the rule where nothing is said."""
    confidence: float | None = Field(default=None, ge=0, le=1)
    severity: Severity | None = None
    peer: str = ""
    """The other end of the connection, `address:port` or `address`."""
    mode: Mode = Mode.AUTO
    """What Firebreak may do in the namespace."""
    enrolled: bool = True
    stale_seconds: float = 0
    """How long before the bus took it the thing had happened."""
    unattributed: str = ""
    """Why it is not certain that the pod did it."""

    @field_validator("pod")
    @classmethod
    def _a_pod(cls, said: str) -> str:
        if said.count("/") != 1 or not all(said.split("/")):
            raise ValueError("a pod is written namespace/name")
        return said


class Expected(BaseModel, frozen=True, extra="forbid"):
    """What must come of a case. What is not said is not looked at; at least one thing must be."""

    tier: Tier | None = None
    actions: tuple[str, ...] | None = None
    """Types of the planned actions, in the order in which they are written."""
    execute: bool | None = None
    """Whether they are written without a person."""
    page: bool | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("expect something: tier, actions, execute, page or confidence")
        return self


class Case(BaseModel, frozen=True, extra="forbid"):
    """Given these suspicions, expect this."""

    name: str
    given: tuple[Given, ...] = Field(min_length=1)
    at: datetime = NOW
    """When the judgement is made; freeze windows look at it."""
    expect: Expected


class Cases(BaseModel, frozen=True, extra="forbid"):
    """`cases.yaml`."""

    cases: tuple[Case, ...] = Field(min_length=1)


class Verdict(BaseModel, frozen=True):
    """What came of one case: `differences` is empty where it is as expected."""

    case: str
    passed: bool
    differences: tuple[str, ...]
    tier: Tier
    confidence: float | None
    actions: tuple[str, ...]
    execute: bool
    page: bool
    terms: tuple[Term, ...]


def read(path: Path) -> Cases:
    """Read a file of cases.

    Raises:
        BadInput: it cannot be read, is not YAML, or says something that no case says.
    """
    try:
        return Cases.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BadInput(f"{path}: {where}: {first['msg']}") from error


def judge(case: Case, policy: Policy, detection: Detection) -> Verdict:
    """Judge one case as the orchestrator would."""
    events = tuple(event(given, f"e{n}", case.at, detection) for n, given in enumerate(case.given))
    request = JudgeRequest(incident="case", cluster=CLUSTER, revision=1, events=events)
    judgements: Mapping[str, Judgement] = load(activities.policies, Judgement)
    scales = weigh(request, policy, judgements.values())
    kinds = tuple(action.type for action in scales.actions)
    differences = tuple(_differences(case.expect, scales, kinds))
    return Verdict(
        case=case.name,
        passed=not differences,
        differences=differences,
        tier=scales.tier,
        confidence=scales.confidence,
        actions=kinds,
        execute=scales.execute,
        page=scales.page,
        terms=scales.terms,
    )


def _differences(expect: Expected, scales: Weighing, kinds: tuple[str, ...]) -> list[str]:
    found: dict[str, Any] = {
        "tier": scales.tier,
        "actions": kinds,
        "execute": scales.execute,
        "page": scales.page,
        "confidence": scales.confidence,
    }
    return [
        f"{name}: expected {_told(wanted)}, got {_told(found[name])}"
        for name in found
        if name in expect.model_fields_set and (wanted := getattr(expect, name)) != found[name]
    ]


def _told(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(int(value)) if isinstance(value, Tier) else str(value)


def event(given: Given, name: str, at: datetime, detection: Detection) -> ThreatEvent:
    """Return the suspicion as an agent would have published it."""
    alert = record(given.rule)
    detector = detection.suspect(alert)
    grade = detector.graded(alert)
    namespace, pod = given.pod.split("/")
    subject = Entity(cluster=CLUSTER, kind="Pod", namespace=namespace, name=pod, uid=f"uid-{given.pod}")
    known = given.agent == RUNTIME_GUARDIAN
    return ThreatEvent(
        id=name,
        cluster=CLUSTER,
        agent=given.agent,
        detector=given.detector or (detector.name if known else given.rule),
        rule=given.rule,
        title=title(detector, alert, f"pod {given.pod}"),
        technique=grade.technique if known else None,
        severity=given.severity or grade.severity,
        confidence=grade.confidence if known and given.confidence is None else given.confidence,
        subject=subject,
        mode=given.mode,
        enrolled=given.enrolled,
        peer=_peer(given.peer) if given.peer else None,
        observed_at=at - timedelta(seconds=given.stale_seconds),
        accepted_at=at,
        unattributed=given.unattributed,
    )


def _peer(said: str) -> Peer:
    address, colon, port = said.rpartition(":")
    if colon and port.isdecimal() and (":" not in address or address.startswith("[")):
        return Peer(address=address.strip("[]"), port=int(port))
    return Peer(address=said.strip("[]"))
