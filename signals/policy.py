"""Firebreak's own policy: what people decide beforehand, in one file whose digest is in every decision."""

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Self

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from signals.authority import Authority
from signals.channels import ChannelOptions
from signals.decisions import OnExpiry
from signals.errors import PolicyInvalid
from signals.people import Person, twice
from signals.threats import Severity, ThreatEvent
from signals.windows import FreezeWindow


class Thresholds(BaseModel, frozen=True, extra="forbid"):
    """The confidence from which each tier begins. Below `restrict` is Tier 1."""

    restrict: float = Field(default=0.6, gt=0, lt=1)
    """Tier 2: a flow is blocked."""
    isolate: float = Field(default=0.8, gt=0, lt=1)
    """Tier 3: a pod is isolated."""
    escalate: float = Field(default=0.95, gt=0, le=1)
    """Tier 4: a person decides."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.restrict < self.isolate < self.escalate:
            raise ValueError("restrict < isolate < escalate must hold")
        return self


class Rule(BaseModel, frozen=True, extra="forbid"):
    """What this policy says of one detection rule, over what the detector says."""

    confidence: float | None = Field(default=None, ge=0, le=1)
    """How sure an alert of this rule is, 0 to 1, in place of the detector's value."""
    severity: Severity | None = None
    """How bad it would be, in place of the detector's value."""
    ignore: bool = False
    """Record it, never act or page on it."""


class Protected(BaseModel, frozen=True, extra="forbid"):
    """Objects on which nothing is ever written without a person. Shell patterns (`*`, `?`)."""

    namespace: str = "*"
    """Namespaces in which it holds."""
    name: str = "*"
    """Names of pods for which it holds."""
    reason: str = "protected by policy"
    """What the person who is asked reads."""

    def covers(self, namespace: str, name: str) -> bool:
        """Return whether this protects the pod of that name."""
        return fnmatchcase(namespace, self.namespace) and fnmatchcase(name, self.name)


class Tier4(StrEnum):
    """What Tier 4 does with an isolation: stage it with the rest, or let it stand while a person is asked.

    An isolation that touches the control plane is staged in any case.
    """

    STAGE = "stage"
    HOLD = "hold"


class Step(StrEnum):
    """What follows the isolation of a pod at Tier 3, each by the name of its action."""

    CAPTURE = "capture_evidence"
    FREEZE = "freeze_credentials"
    EVICT = "evict_pod"


class Expiries(BaseModel, frozen=True, extra="forbid"):
    """What happens when the time of something that stands is nearly up, by what it is.

    `release` puts it back, and says so beforehand; `ask` asks, and silence extends it; `extend` extends it unasked.
    """

    restrict: OnExpiry = OnExpiry.RELEASE
    """A blocked flow, a mark."""
    isolate: OnExpiry = OnExpiry.ASK
    """An isolated pod."""
    freeze: OnExpiry = OnExpiry.ASK
    """Frozen credentials."""


class AfterExtensions(StrEnum):
    """What becomes of a pod that still lives when nobody has answered for so long that no extension is left."""

    HOLD = "hold"
    RELEASE = "release"


class Breaker(BaseModel, frozen=True, extra="forbid"):
    """How much of a namespace may stand under reversible containment before a person must decide."""

    owners_percent: int = Field(default=20, ge=1, le=100)
    """Share of a namespace's workloads, in percent."""
    floor: int = Field(default=3, ge=1)
    """Workloads that may always be contained, however small the namespace is."""


class Caps(BaseModel, frozen=True, extra="forbid"):
    """How many evictions, and how many freezes, may be carried out within one hour without a person."""

    per_owner: int = Field(default=1, ge=0)
    """Of the pods of one workload."""
    per_namespace: int = Field(default=5, ge=0)
    """In one namespace."""
    per_cluster: int = Field(default=20, ge=0)
    """In the cluster: so many namespaces can be attacked before another's evictions ask."""
    reinfections: int = Field(default=1, ge=1)
    """New pods of one workload infected within an hour from which on none of it is evicted any more."""


ALONE = (
    "agent_out_of_its_cage", "dropped_binary", "fileless_execution", "guard_changed", "netcat_execution",
    "release_agent_escape", "reverse_shell",
)  # fmt: skip
"""Detectors whose word alone is enough: what they see has hardly any harmless explanation."""

CONTROL_PLANE_NAMESPACES = (
    "kube-system", "kube-public", "kube-node-lease", "openshift-*", "gke-*", "gmp-*", "calico-*", "tigera-*",
    "cilium*", "istio-*", "linkerd*", "cert-manager", "gatekeeper-*", "kyverno", "argocd", "flux-*",
    "external-secrets", "monitoring*",
)  # fmt: skip


class Policy(BaseModel, frozen=True, extra="forbid"):
    """`policy.yaml`. Every field has a default; an unknown field is an error."""

    version: int = Field(default=1, ge=1, le=1)
    """Version of this format."""
    thresholds: Thresholds = Thresholds()
    """From which confidence on each tier begins."""
    rules: dict[str, Rule] = Field(default_factory=dict)
    """By name of a Falco rule: what holds in place of the detector's values."""
    alone: tuple[str, ...] = ALONE
    """Detectors, or Falco rules, whose alert may pass Tier 2 although no other agent bears it out."""
    protected: tuple[Protected, ...] = ()
    """Pods on which nothing is written without a person."""
    freeze_windows: tuple[FreezeWindow, ...] = ()
    """Times in which nothing is evicted and no credential frozen without a person."""
    control_plane_namespaces: tuple[str, ...] = CONTROL_PLANE_NAMESPACES
    """Namespaces (shell patterns) in which any action is Tier 4, also where they are enrolled."""
    isolate_steps: tuple[Step, ...] = tuple(Step)
    """What follows the isolation of a pod at Tier 3, in this order; leave out what a team wants to do itself."""
    tier4: Tier4 = Tier4.STAGE
    """What Tier 4 does with an isolation."""
    restrict_ttl_seconds: int = Field(default=4 * 3600, ge=60)
    """How long a blocked flow stands before it is put back."""
    isolate_ttl_seconds: int = Field(default=24 * 3600, ge=60)
    """How long an isolation stands before a person is asked."""
    approval_seconds: int = Field(default=15 * 60, ge=30)
    """How long a person is asked before silence means no."""
    on_expiry: Expiries = Expiries()
    """What happens when the time of something that stands is nearly up."""
    expiry_lead_seconds: int = Field(default=15 * 60, ge=0)
    """How long before something is put back by itself people are told."""
    extensions: int = Field(default=3, ge=0)
    """How often an isolation whose pod still lives is extended when nobody answers."""
    after_extensions: AfterExtensions = AfterExtensions.HOLD
    """Whether it is held on then, asked again every hour and paged as critical, or put back."""
    stale_seconds: int = Field(default=600, ge=1)
    """An alert older than this when the bus accepted it is Tier 1 and a page."""
    false_alarm_seconds: int = Field(default=30 * 60, ge=0)
    """How long the same subject and detector stay at Tier 1 after an undo."""
    quiet_seconds: int = Field(default=24 * 3600, ge=60)
    """An incident with nothing applied and nothing new for so long closes by itself."""
    breaker: Breaker = Breaker()
    """When so much of a namespace is contained that the next containment asks."""
    caps: Caps = Caps()
    """How much that cannot be undone may be done within one hour."""
    people: tuple[Person, ...] = ()
    """Who may decide, with their accounts. Where nobody is named, RBAC alone says so, and each account is a person;
    where somebody is, whoever is not named can only reject and stop."""
    owner_channels: dict[str, str] = Field(default_factory=dict)
    """By namespace (shell pattern): the channel of Slack in which its owners are told what was done there."""
    channels: dict[str, ChannelOptions] = Field(default_factory=dict)
    """By name of a notifier: what it is told, and when."""
    authority: Authority = Authority()
    """What it takes to decide: roles, and how many people."""

    def suffices_alone(self, event: ThreatEvent) -> bool:
        """Return whether this policy names the detector or the rule of an event under `alone`."""
        return event.detector in self.alone or event.rule in self.alone

    def protection(self, namespace: str, name: str) -> str:
        """Return why a person must decide about this pod, or nothing if the policy does not protect it."""
        return next((entry.reason for entry in self.protected if entry.covers(namespace, name)), "")

    def room(self, namespace: str) -> str:
        """Return where the owners of a namespace are told, or nothing."""
        return next((room for name, room in self.owner_channels.items() if fnmatchcase(namespace, name)), "")

    def frozen(self, namespace: str, at: datetime) -> str:
        """Return why nothing may be evicted or frozen in a namespace at this instant, or nothing."""
        return next((w.reason for w in self.freeze_windows if w.covers(namespace, at)), "")

    @field_validator("people")
    @classmethod
    def _one_person_one_name(cls, people: tuple[Person, ...]) -> tuple[Person, ...]:
        if why := twice(people):
            raise ValueError(why)
        return people

    @field_validator("isolate_steps")
    @classmethod
    def _each_once(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        if list(steps) != [step for step in Step if step in steps]:
            raise ValueError(f"each step at most once, in this order: {', '.join(Step)}")
        return steps

    @property
    def digest(self) -> str:
        """The hash that every decision and plan names."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def parse(text: str, where: str = "policy.yaml") -> Policy:
    """Read a policy from YAML.

    Raises:
        PolicyInvalid: it is not YAML, has an unknown field or a value out of bounds; the text says which.
    """
    try:
        return Policy.model_validate(yaml.safe_load(text) or {})
    except yaml.YAMLError as error:
        raise PolicyInvalid(f"{where} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"]) or "the document"
        unknown = "there is no such field; see the policy reference for those that there are"
        what = unknown if first["type"] == "extra_forbidden" else first["msg"]
        raise PolicyInvalid(f"{where}: {path}: {what}") from error
