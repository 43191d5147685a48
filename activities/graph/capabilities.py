"""What a role is good for to an attacker: its rules, asked once for each right that some step needs.

Compiled from the authorizer's own matching, never from tests of its own.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from activities.graph.roles import Role, Rule

Names = frozenset[str] | None
"""The names that a right is limited to; None is all."""


class Cap(StrEnum):
    """One right that some step needs, of whatever resources give it."""

    EXEC = "exec"
    EXEC_GET = "exec_get"
    ATTACH = "attach"
    ATTACH_GET = "attach_get"
    FORWARD = "forward"
    FORWARD_GET = "forward_get"
    EPHEMERAL = "ephemeral"
    POD_CREATE = "pod_create"
    POD_PATCH = "pod_patch"
    DEPLOYMENT = "deployments"
    DAEMON_SET = "daemonsets"
    STATEFUL_SET = "statefulsets"
    REPLICA_SET = "replicasets"
    REPLICATION_CONTROLLER = "replicationcontrollers"
    CRON_JOB = "cronjobs"
    SECRET_READ = "secret_read"
    SECRET_CREATE = "secret_create"
    TOKEN = "token"
    AS_USER = "as_user"
    AS_GROUP = "as_group"
    AS_ACCOUNT = "as_account"
    NODE_PROXY = "node_proxy"
    BIND_ROLE = "bind_role"
    BIND_CLUSTER_ROLE = "bind_cluster_role"
    NEW_BINDING = "new_binding"
    NEW_CLUSTER_BINDING = "new_cluster_binding"
    OLD_BINDING = "old_binding"
    OLD_CLUSTER_BINDING = "old_cluster_binding"
    ESCALATE_ROLE = "escalate_role"
    ESCALATE_CLUSTER_ROLE = "escalate_cluster_role"
    OLD_ROLE = "old_role"
    OLD_CLUSTER_ROLE = "old_cluster_role"
    NEW_ROLE = "new_role"
    NAMESPACE = "namespace"
    CSR_CREATE = "csr_create"
    CSR_APPROVE = "csr_approve"
    SIGNER_APPROVE = "signer_approve"
    WEBHOOKS = "webhooks"
    VOLUME_CREATE = "volume_create"
    CLAIM_CREATE = "claim_create"
    EVERYTHING = "everything"


class _Asked(NamedTuple):
    """Any of these verbs on any of these resources of one group."""

    verbs: str
    group: str
    resources: str


_RBAC, _CERTIFICATES, _ADMISSION = (
    "rbac.authorization.k8s.io",
    "certificates.k8s.io",
    "admissionregistration.k8s.io",
)
_CHANGE = "update patch"
_ASKED: Mapping[Cap, tuple[_Asked, ...]] = MappingProxyType(
    {
        Cap.EXEC: (_Asked("create", "", "pods/exec"),),
        Cap.EXEC_GET: (_Asked("get", "", "pods/exec"),),
        Cap.ATTACH: (_Asked("create", "", "pods/attach"),),
        Cap.ATTACH_GET: (_Asked("get", "", "pods/attach"),),
        Cap.FORWARD: (_Asked("create", "", "pods/portforward"),),
        Cap.FORWARD_GET: (_Asked("get", "", "pods/portforward"),),
        Cap.EPHEMERAL: (_Asked(_CHANGE, "", "pods/ephemeralcontainers"),),
        Cap.POD_CREATE: (
            _Asked("create", "", "pods replicationcontrollers"),
            _Asked("create", "apps", "deployments daemonsets statefulsets replicasets"),
            _Asked("create", "batch", "jobs cronjobs"),
        ),
        Cap.POD_PATCH: (_Asked(_CHANGE, "", "pods"),),
        Cap.DEPLOYMENT: (_Asked(_CHANGE, "apps", "deployments"),),
        Cap.DAEMON_SET: (_Asked(_CHANGE, "apps", "daemonsets"),),
        Cap.STATEFUL_SET: (_Asked(_CHANGE, "apps", "statefulsets"),),
        Cap.REPLICA_SET: (_Asked(_CHANGE, "apps", "replicasets"),),
        Cap.REPLICATION_CONTROLLER: (_Asked(_CHANGE, "", "replicationcontrollers"),),
        Cap.CRON_JOB: (_Asked(_CHANGE, "batch", "cronjobs"),),
        Cap.SECRET_READ: (_Asked("get list watch", "", "secrets"),),
        Cap.SECRET_CREATE: (_Asked("create", "", "secrets"),),
        Cap.TOKEN: (_Asked("create", "", "serviceaccounts/token"),),
        Cap.AS_USER: (_Asked("impersonate", "", "users"),),
        Cap.AS_GROUP: (_Asked("impersonate", "", "groups"),),
        Cap.AS_ACCOUNT: (_Asked("impersonate", "", "serviceaccounts"),),
        Cap.NODE_PROXY: (_Asked("get create", "", "nodes/proxy"),),
        Cap.BIND_ROLE: (_Asked("bind", _RBAC, "roles"),),
        Cap.BIND_CLUSTER_ROLE: (_Asked("bind", _RBAC, "clusterroles"),),
        Cap.NEW_BINDING: (_Asked("create", _RBAC, "rolebindings"),),
        Cap.NEW_CLUSTER_BINDING: (_Asked("create", _RBAC, "clusterrolebindings"),),
        Cap.OLD_BINDING: (_Asked(_CHANGE, _RBAC, "rolebindings"),),
        Cap.OLD_CLUSTER_BINDING: (_Asked(_CHANGE, _RBAC, "clusterrolebindings"),),
        Cap.ESCALATE_ROLE: (_Asked("escalate", _RBAC, "roles"),),
        Cap.ESCALATE_CLUSTER_ROLE: (_Asked("escalate", _RBAC, "clusterroles"),),
        Cap.OLD_ROLE: (_Asked(_CHANGE, _RBAC, "roles"),),
        Cap.OLD_CLUSTER_ROLE: (_Asked(_CHANGE, _RBAC, "clusterroles"),),
        Cap.NEW_ROLE: (_Asked("create", _RBAC, "roles"),),
        Cap.NAMESPACE: (_Asked(_CHANGE, "", "namespaces"),),
        Cap.CSR_CREATE: (_Asked("create", _CERTIFICATES, "certificatesigningrequests"),),
        Cap.CSR_APPROVE: (_Asked(_CHANGE, _CERTIFICATES, "certificatesigningrequests/approval"),),
        Cap.SIGNER_APPROVE: (_Asked("approve", _CERTIFICATES, "signers"),),
        Cap.WEBHOOKS: (
            _Asked(
                f"create {_CHANGE}",
                _ADMISSION,
                "mutatingwebhookconfigurations validatingwebhookconfigurations mutatingadmissionpolicies",
            ),
        ),
        Cap.VOLUME_CREATE: (_Asked("create", "", "persistentvolumes"),),
        Cap.CLAIM_CREATE: (_Asked("create", "", "persistentvolumeclaims"),),
    }
)
CLUSTER_ONLY = frozenset(
    {
        Cap.AS_USER,
        Cap.AS_GROUP,
        Cap.NODE_PROXY,
        Cap.NEW_CLUSTER_BINDING,
        Cap.OLD_CLUSTER_BINDING,
        Cap.OLD_CLUSTER_ROLE,
        Cap.ESCALATE_CLUSTER_ROLE,
        Cap.CSR_CREATE,
        Cap.CSR_APPROVE,
        Cap.SIGNER_APPROVE,
        Cap.WEBHOOKS,
        Cap.VOLUME_CREATE,
        Cap.EVERYTHING,
    }
)
"""Rights on what lives in no namespace: no RoleBinding gives them."""
Key = tuple[str, str, str, str | None]


def _keys(asked: _Asked) -> tuple[Key, ...]:
    """Return what the authorizer is asked, one for each verb and resource."""
    return tuple(
        (verb, asked.group, resource, f"*/{resource.partition('/')[2]}" if "/" in resource else None)
        for resource in asked.resources.split()
        for verb in asked.verbs.split()
    )


_KEYS: Mapping[Cap, tuple[Key, ...]] = MappingProxyType(
    {cap: tuple(key for one in asked for key in _keys(one)) for cap, asked in _ASKED.items()}
)
_NAMELESS = frozenset(
    cap
    for cap, asked in _ASKED.items()
    if all(one.verbs == "create" and "/" not in one.resources for one in asked)
)
"""Creation of what has no name yet: a rule with names never allows it."""


def capabilities(role: Role) -> dict[Cap, Names]:
    """Return the rights of a role, and the names that each is limited to."""
    found: dict[Cap, Names] = {}
    for rule in role.rules:
        for cap in _of_rule(rule):
            names = rule.names or None
            before = found.get(cap, frozenset())
            found[cap] = None if names is None or before is None else before | names
    return found


def proof(role: Role, cap: Cap, name: str | None = None) -> Rule | None:
    """Return the first rule of a role that gives a right on something of this name, or on anything."""
    return next(
        (
            rule
            for rule in role.rules
            if (not rule.names or name is None or name in rule.names) and cap in _of_rule(rule)
        ),
        None,
    )


def _of_rule(rule: Rule) -> frozenset[Cap]:
    return _rights(rule.verbs, rule.groups, rule.resources, bool(rule.names))


@lru_cache(maxsize=10_000)
def _rights(
    verbs: frozenset[str], groups: frozenset[str], resources: frozenset[str], named: bool
) -> frozenset[Cap]:
    """Return the rights of one rule, remembered: the same rule stands in many roles."""
    rule = Rule(verbs, groups, resources, frozenset(), frozenset(), {})
    found = [
        cap
        for cap, keys in _KEYS.items()
        if not (named and cap in _NAMELESS) and any(rule.meets(*key) for key in keys)
    ]
    everything = not named and all("*" in held for held in (verbs, groups, resources))
    return frozenset([*found, Cap.EVERYTHING] if everything else found)
