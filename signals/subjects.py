"""Every name on a wire, in one place: labels, streams, queues, workflow ids, search attributes, spans.

Labels and search attributes are stored for ever: they are only ever added to.
"""

DOMAIN = "firebreak.dev"
"""Prefix of every label, annotation and custom resource of ours."""

API_VERSION = "v1alpha1"
NAMESPACE = "firebreak"
"""Our own namespace. Nothing in it is ever a target."""

CASE = f"{DOMAIN}/case"
"""Label on objects that we created: the incident."""
ACTION = f"{DOMAIN}/action"
"""Label on objects that we created: the action type."""
MANAGED_BY = "app.kubernetes.io/managed-by"
"""Label on objects that we created: `firebreak`."""
MANAGER = "firebreak"
"""Value of `app.kubernetes.io/managed-by`, and our field manager at the API server."""
EXPIRES_AT = f"{DOMAIN}/expires-at"
"""Annotation: RFC 3339, UTC. The sweeper acts two minutes later."""
ON_EXPIRY = f"{DOMAIN}/on-expiry"
"""Annotation: what happens when the time is up and nobody spoke: release, extend or ask."""
INVERSE = f"{DOMAIN}/inverse"
"""Annotation: JSON of everything that the release needs when all else is gone."""
PLAN_HASH = f"{DOMAIN}/plan-sha256"
"""Annotation: the hash of the plan that was carried out, and that an approval was bound to."""
WORKFLOW = f"{DOMAIN}/workflow-id"
"""Annotation: the workflow that owns it."""
ORDER = f"{DOMAIN}/order"
"""Label on Commands that the executor itself hears: the verb (`stop`, `resume` …)."""
MARK_PREFIX = f"{DOMAIN}/m-"
"""Label key of one action on a pod is this prefix and eight hex digits; its value is the case."""
PEER_PREFIX = f"{DOMAIN}/p-"
"""The same on the other end of a blocked flow."""

BREAK_GLASS_GROUP = "firebreak:break-glass"
"""Who may change what holds a pod with everything of ours dead. Nobody is in it by being an administrator."""

FLAGGED_CONTROL_PLANE = "firebreak-executor-control-plane"
"""Admission policy that marks, in the audit log, what the executor writes to the control plane."""

RUNTIME_GUARDIAN = "runtime-guardian"
RBAC_AUDITOR = "rbac-auditor"
ORCHESTRATOR = "orchestrator"
FORENSIC_INVESTIGATOR = "forensic-investigator"
REMEDIATION_EXECUTOR = "remediation-executor"
CREDENTIAL_FREEZER = "credential-freezer"
CAPTURER = "capturer"
LIAISON = "liaison"
CONTEXT_STORE = "context-store"

AGENTS = (
    RUNTIME_GUARDIAN,
    RBAC_AUDITOR,
    CONTEXT_STORE,
    ORCHESTRATOR,
    FORENSIC_INVESTIGATOR,
    REMEDIATION_EXECUTOR,
    CREDENTIAL_FREEZER,
    CAPTURER,
    LIAISON,
)
"""Process, ServiceAccount, NATS identity and task queue share these names."""
DETECTING = (RUNTIME_GUARDIAN, RBAC_AUDITOR)
"""Agents that publish ThreatEvents. They have no access to Temporal."""

OPERATOR = "operator"
"""NATS identity of whoever runs Firebreak: reads dead letters and the audit record, and puts letters back."""
REPLAYS_BUCKET = "replays"
"""Which dead letters were put back."""

OBSERVATIONS = "observations"
"""Service of every detecting agent: what it saw of one entity."""
STATE, SLICES = "state", "slices"
"""Services of the context store: what was at a moment, and keeping what an incident needs of the past."""
QUEUE = "replicas"
"""Queue group of an agent's replicas: each message reaches one of them."""
FREEZES = "freezes"
"""Service of the credential-freezer: reading and writing Freeze objects, for the executor alone."""
FREEZE_ACTION = "freeze_credentials"
FROZEN_CREDENTIALS = f"{MANAGER}-frozen-credentials"
"""The one admission policy, and its binding, that makes a Freeze object act."""
SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")
"""Namespaces of the control plane itself, in every cluster: nothing of them is ever frozen, approved or not."""

EXCEPTIONS = "exceptions"
"""Service of the orchestrator: what is expected of workloads. It takes what the liaison has signed."""
VERDICTS = "verdicts"
CHANNELS = "channels"
"""Service of the liaison: how its channels stand, and a harmless page to one of them, for the operator."""
"""Service of the liaison: what incidents were, in hindsight."""

CAPTURES = "captures"
"""Service of the capturer: evidence of a pod, for the executor alone."""
CAPTURE_ACTION = "capture_evidence"
CAPTURER_ROLE = f"{MANAGER}-{CAPTURER}"
"""ClusterRole with which the capturer may look into a namespace's pods; bound while a capture lasts."""
LIAISON_ROLE = f"{MANAGER}-{LIAISON}"
"""ClusterRole with which the liaison tells owners, in enrolled namespaces."""
EVIDENCE_READER = "evidence-reader"
"""NATS identity that may read what the capturer has kept, and nothing else."""
EVIDENCE_BUCKET = "evidence"

TRUST_DOMAIN = "firebreak.local"

INCIDENT_WORKFLOW = "IncidentWorkflow"
REMEDIATION_WORKFLOW = "RemediationWorkflow"
MEMO = "firebreak"
"""Memo field of an incident's workflow: its Summary, readable without a worker."""
MEMO_TITLE = "title"
MEMO_NOW = "now"
"""Memo field: where it stands and what can be done, in a sentence."""

SEARCH_ATTRIBUTES = {
    "FirebreakCluster": "Keyword",
    "FirebreakNamespace": "Keyword",
    "FirebreakState": "Keyword",
    "FirebreakSeverity": "Keyword",
    "FirebreakMode": "Keyword",
    "FirebreakWaitingFor": "Keyword",
    "FirebreakVerdict": "Keyword",
    "FirebreakTier": "Int",
    "FirebreakConfidence": "Double",
    "FirebreakEntities": "KeywordList",
    "FirebreakTechniques": "KeywordList",
    "FirebreakDeadline": "Datetime",
}
"""Name → type, registered at boot. SQLite allows at most three KeywordLists."""

SPAN_ALERT = "alert"
"""The guardian takes an alert: the first span of an incident's trace."""
SPAN_DETECT = "detect"
SPAN_CORRELATE = "correlate"
SPAN_JUDGE = "judge"
SPAN_APPLY = "apply"
SPAN_VERIFY = "verify"
SPAN_REVERT = "revert"
SPAN_INVESTIGATE = "investigate"
SPAN_TELL = "tell"
SPANS = (
    SPAN_ALERT,
    SPAN_DETECT,
    SPAN_CORRELATE,
    SPAN_JUDGE,
    SPAN_APPLY,
    SPAN_VERIFY,
    SPAN_REVERT,
    SPAN_INVESTIGATE,
    SPAN_TELL,
)
"""Names of our own spans; Temporal's interceptor adds its own around them."""

ROUTING_BUCKET = "routing"
RECEIPTS_BUCKET = "receipts"


def service_account(agent: str) -> str:
    """Return the Kubernetes user name that an agent's writes carry."""
    return f"system:serviceaccount:{NAMESPACE}:{agent}"


def spiffe_id(agent: str) -> str:
    """Return the one URI SAN of an agent's certificate."""
    return f"spiffe://{TRUST_DOMAIN}/ns/{NAMESPACE}/sa/{agent}"


def threats_stream(agent: str) -> str:
    """Return the stream that holds one agent's ThreatEvents."""
    return f"THREATS_{agent}"


def threats_api(owner: str) -> str:
    """Return the JetStream API prefix under which a reader reaches another agent's streams."""
    return f"firebreak.from.{owner}"


def threat_subject(agent: str, detector: str) -> str:
    """Return the subject that one detector's ThreatEvents are published on."""
    return f"firebreak.threats.{agent}.{detector}"


def service_subject(agent: str, name: str) -> str:
    """Return the subject on which one agent answers questions of one kind."""
    return f"firebreak.ask.{agent}.{name}"


PAST = tuple(service_subject(CONTEXT_STORE, name) for name in (STATE, SLICES, OBSERVATIONS))
"""What the context store answers, and the investigator asks."""


def serving_agent(subject: str) -> str:
    """Return the agent that answers on a service subject."""
    return subject.split(".")[2]


def feed_stream(agent: str) -> str:
    """Return the stream that holds what one agent was sent, redacted, before detection."""
    return f"FEED_{agent}"


def feed_subject(agent: str, feed: str) -> str:
    """Return the subject of one raw feed (`falco`) of one agent."""
    return f"firebreak.feed.{agent}.{feed}"


def dead_stream(agent: str) -> str:
    """Return the dead letter stream of one agent."""
    return f"DEAD_{agent}"


def dead_subject(agent: str, source: str) -> str:
    """Return the subject of one agent's dead letters from one source."""
    return f"firebreak.dead.{agent}.{source}"


def observed_stream(agent: str) -> str:
    """Return the stream that holds what one agent has seen lately, suspicious or not."""
    return f"OBSERVED_{agent}"


def observed_subject(agent: str) -> str:
    """Return the subject of what one agent has seen."""
    return f"firebreak.observed.{agent}.batch"


def audit_stream(agent: str) -> str:
    """Return the stream that holds one agent's part of the audit record."""
    return f"AUDIT_{agent}"


def audit_subject(agent: str) -> str:
    """Return the subject of one agent's part of the audit record."""
    return f"firebreak.audit.{agent}.entries"


def object_stream(agent: str) -> str:
    """Return the stream of one agent's object store, which bears the agent's name."""
    return f"OBJ_{agent}"


def state_bucket(agent: str) -> str:
    """Return the key-value bucket in which one agent keeps what must last."""
    return f"state-{agent}"


def remediation_id(incident: str) -> str:
    """Return the id of the child workflow that owns an incident's stack of actions."""
    return f"{incident}/remediation"
