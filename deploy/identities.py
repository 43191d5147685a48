"""Who may do what: one table of agents and people, from which RBAC and the NATS configuration are generated.

An agent can do nothing that is not in its row. Rights in enrolled namespaces come from a RoleBinding that
exists only while a namespace is enrolled, so that RBAC, not our code, keeps the executor out elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import activities.actions
import activities.probes
from activities.action import Action
from activities.graph.collected import permissions
from activities.probe import Probe
from activities.survey import PERMISSIONS as BLAST
from deploy.grants import Grant, grant, union
from signals.catalog import load
from signals.subjects import (
    AGENTS,
    CAPTURER,
    CAPTURER_ROLE,
    CAPTURES,
    CHANNELS,
    CONTEXT_STORE,
    CREDENTIAL_FREEZER,
    DETECTING,
    DOMAIN,
    EVIDENCE_BUCKET,
    EXCEPTIONS,
    FORENSIC_INVESTIGATOR,
    FREEZES,
    LIAISON,
    LIAISON_ROLE,
    NAMESPACE,
    OBSERVATIONS,
    OPERATOR,
    ORCHESTRATOR,
    PAST,
    RBAC_AUDITOR,
    RECEIPTS_BUCKET,
    REMEDIATION_EXECUTOR,
    ROUTING_BUCKET,
    RUNTIME_GUARDIAN,
    VERDICTS,
    audit_stream,
    dead_stream,
    feed_stream,
    object_stream,
    observed_stream,
    service_subject,
    state_bucket,
    threats_stream,
)

EXECUTOR_ROLE = f"firebreak-{REMEDIATION_EXECUTOR}"
"""ClusterRole of the executor inside one enrolled namespace, and the name of the RoleBinding that grants it."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """One agent's rights, at NATS, at the API server and at Temporal.

    `streams` and `buckets` are its own; `reads` names agents whose threats it consumes; `listens` are
    subjects of its own account that reach it without being stored. `serves` are the service subjects on which
    it answers, `asks` those of other agents that it may ask. `inspects` names streams of others that it may
    read, message by message; `returns_to` those into which it may put messages back. `cluster` holds
    everywhere, `enrolled` in each enrolled namespace (the capturer's while a capture lasts), `within` in the
    namespaces that it names.
    """

    agent: str
    streams: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    listens: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    inspects: tuple[str, ...] = ()
    returns_to: tuple[str, ...] = ()
    cluster: tuple[Grant, ...] = ()
    enrolled: tuple[Grant, ...] = ()
    within: tuple[tuple[str, tuple[Grant, ...]], ...] = ()
    temporal: bool = True


def _declared(plugins: Mapping[str, Probe] | Mapping[str, Action]) -> list[str]:
    """Return the rights that all plug-ins of one kind ask for."""
    return [permission for plugin in plugins.values() for permission in plugin.permissions]


def _grants(*permissions: str) -> tuple[Grant, ...]:
    return union(grant(permission) for permission in permissions)


_ENROLMENTS = f"{DOMAIN}/enrolments"
_COMMANDS = f"{DOMAIN}/commands"
_FREEZES = f"{DOMAIN}/freezes"
_WATCHED = _grants("pods: list, watch", "apps/replicasets: list, watch", f"{_ENROLMENTS}: list, watch")
HEARING = _grants(f"{_COMMANDS}: list, watch", f"{_COMMANDS}/status: patch")
SPEAKING = _grants(f"{_COMMANDS}: create, get")
"""To say what people said elsewhere; admission says what."""
_RBAC = "rbac.authorization.k8s.io"

EXECUTOR_PERMISSIONS = (
    "pods: get, list",
    "networking.k8s.io/networkpolicies: list",
    f"{_RBAC}/rolebindings: list",
)
"""What the executor's own checks and its sweeper take in an enrolled namespace, besides its actions."""
KUBE_SYSTEM = "kube-system"
OF_KUBE_SYSTEM = ("apps", "daemonsets")
"""What actions read of kube-system and not of the namespace: which DaemonSet enforces policies here."""


_BOUND = (EXECUTOR_ROLE, LIAISON_ROLE)
_BINDS_CAPTURER = Grant(group=_RBAC, resource="clusterroles", verbs=("bind",), names=(CAPTURER_ROLE,))
"""To give the right to look into pods, and no other; a cage says to whom."""


def _executor() -> Identity:
    actions = load(activities.actions, Action)
    declared = _grants(*_declared(actions), *EXECUTOR_PERMISSIONS)
    surroundings = (permission for action in actions.values() for permission in action.surroundings)
    system = tuple(one for one in declared if (one.group, one.resource) == OF_KUBE_SYSTEM)
    return Identity(
        agent=REMEDIATION_EXECUTOR,
        buckets=(state_bucket(REMEDIATION_EXECUTOR), RECEIPTS_BUCKET),
        asks=(service_subject(CREDENTIAL_FREEZER, FREEZES), service_subject(CAPTURER, CAPTURES)),
        cluster=_grants(
            f"{_ENROLMENTS}: get, list",
            "pods: list",
            "networking.k8s.io/networkpolicies: list",
            *surroundings,
        ),
        enrolled=(*(one for one in declared if one not in system), _BINDS_CAPTURER),
        within=((KUBE_SYSTEM, system), (NAMESPACE, HEARING)),
    )


def identities() -> tuple[Identity, ...]:
    """Return the table, in the order of `signals.subjects.AGENTS`.

    Each agent has its part of the audit record, and each that watches remembers what it saw and answers for it.
    """
    return tuple(_with_what_all_have(row) for row in _rows())


def _with_what_all_have(row: Identity) -> Identity:
    agent, watches = row.agent, row.agent in DETECTING
    seen = (observed_stream(agent),) if watches else ()
    answers = (service_subject(agent, OBSERVATIONS),) if watches else ()
    records = (audit_stream(other) for other in (*AGENTS, OPERATOR) if agent == LIAISON != other)
    return replace(
        row,
        streams=(*row.streams, *seen, audit_stream(agent)),
        serves=(*row.serves, *answers),
        inspects=tuple(records),  # the liaison says where the records of all stand
    )


def _rows() -> tuple[Identity, ...]:
    return (
        Identity(
            agent=RUNTIME_GUARDIAN,
            streams=(
                threats_stream(RUNTIME_GUARDIAN),
                feed_stream(RUNTIME_GUARDIAN),
                dead_stream(RUNTIME_GUARDIAN),
            ),
            buckets=(state_bucket(RUNTIME_GUARDIAN),),
            listens=("falco.>",),
            cluster=_WATCHED,
            temporal=False,
        ),
        Identity(
            agent=RBAC_AUDITOR,
            streams=(threats_stream(RBAC_AUDITOR), feed_stream(RBAC_AUDITOR), dead_stream(RBAC_AUDITOR)),
            buckets=(state_bucket(RBAC_AUDITOR),),
            cluster=_WATCHED,
            temporal=False,
        ),
        Identity(
            agent=CONTEXT_STORE,
            streams=(object_stream(CONTEXT_STORE),),
            buckets=(state_bucket(CONTEXT_STORE),),
            serves=PAST,
            cluster=_grants(*permissions()),
            temporal=False,
        ),
        Identity(
            agent=ORCHESTRATOR,
            streams=(dead_stream(ORCHESTRATOR),),
            buckets=(state_bucket(ORCHESTRATOR), ROUTING_BUCKET),
            reads=DETECTING,
            serves=(service_subject(ORCHESTRATOR, EXCEPTIONS),),
        ),
        Identity(
            agent=FORENSIC_INVESTIGATOR,
            asks=(*(service_subject(agent, OBSERVATIONS) for agent in DETECTING), *PAST),
            cluster=_grants(*_declared(load(activities.probes, Probe)), *BLAST),
        ),
        _executor(),
        Identity(
            agent=CREDENTIAL_FREEZER,
            buckets=(state_bucket(CREDENTIAL_FREEZER),),
            serves=(service_subject(CREDENTIAL_FREEZER, FREEZES),),
            cluster=_grants(
                f"{_FREEZES}: get, list, create, patch, delete", f"{_ENROLMENTS}: get", "pods: get"
            ),
            temporal=False,
        ),
        Identity(
            agent=CAPTURER,
            buckets=(EVIDENCE_BUCKET,),
            serves=(service_subject(CAPTURER, CAPTURES),),
            cluster=_grants("nodes: get"),
            enrolled=_grants(
                "pods: get",
                "pods/log: get",
                "pods/exec: create, get",
                "events: list",
                "apps/replicasets: get",
                "networking.k8s.io/networkpolicies: list",
            ),
            temporal=False,
        ),
        Identity(
            agent=LIAISON,
            streams=(feed_stream(LIAISON), dead_stream(LIAISON)),
            buckets=(state_bucket(LIAISON),),
            serves=(service_subject(LIAISON, VERDICTS), service_subject(LIAISON, CHANNELS)),
            asks=(service_subject(ORCHESTRATOR, EXCEPTIONS),),
            cluster=(
                *_grants(
                    f"{_ENROLMENTS}: create, patch, delete",
                    "pods: list",
                    f"{_FREEZES}: list",
                    "networking.k8s.io/networkpolicies: list",
                    f"{_RBAC}/rolebindings: create, list",
                ),
                Grant(group=_RBAC, resource="rolebindings", verbs=("delete",), names=_BOUND),
                Grant(group=_RBAC, resource="clusterroles", verbs=("bind",), names=_BOUND),
            ),
            enrolled=_grants("events.k8s.io/events: create"),
            within=((NAMESPACE, union((*HEARING, *SPEAKING))),),
        ),
    )
