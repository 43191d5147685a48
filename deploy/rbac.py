"""ServiceAccounts, roles and bindings of the agents, and of the people who speak to them."""

from collections.abc import Iterable, Sequence
from typing import Any

from deploy.grants import Grant, grant
from deploy.identities import EXECUTOR_ROLE, KUBE_SYSTEM, Identity, identities
from deploy.people import LEAD, LEAD_GROUP, LEAD_VERBS, ONCALL_GROUP, ONCALL_VERBS
from signals.subjects import (
    BREAK_GLASS_GROUP,
    DOMAIN,
    LIAISON,
    LIAISON_ROLE,
    MANAGED_BY,
    MANAGER,
    NAMESPACE,
    REMEDIATION_EXECUTOR,
)

Manifest = dict[str, Any]

_API = "rbac.authorization.k8s.io/v1"
_GROUP = "rbac.authorization.k8s.io"


def namespace() -> Manifest:
    """Return our own namespace, in which nothing is ever a target."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted", MANAGED_BY: MANAGER}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def service_accounts() -> list[Manifest]:
    """Return one ServiceAccount per agent. No pod gets a token of it unasked."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": identity.agent, "namespace": NAMESPACE},
            "automountServiceAccountToken": False,
        }
        for identity in identities()
    ]


def roles() -> list[Manifest]:
    """Return every role and binding that stands from the installation on."""
    return [one for identity in identities() for one in _agent(identity)] + _people()


def executor_binding(enrolled: str) -> Manifest:
    """Return the RoleBinding that lets the executor act in one namespace: the liaison's cage knows no other."""
    return _binding(
        "RoleBinding", EXECUTOR_ROLE, "ClusterRole", EXECUTOR_ROLE, [_account(REMEDIATION_EXECUTOR)], enrolled
    )


def liaison_binding(enrolled: str) -> Manifest:
    """Return the RoleBinding that lets the liaison tell the owners of workloads in one namespace."""
    return _binding("RoleBinding", LIAISON_ROLE, "ClusterRole", LIAISON_ROLE, [_account(LIAISON)], enrolled)


def _agent(identity: Identity) -> list[Manifest]:
    name = f"firebreak-{identity.agent}"
    everywhere, fixed = f"{name}-everywhere", f"{name}-here"
    subjects = [_account(identity.agent)]
    made: list[Manifest] = []
    if identity.cluster:
        made.append(_role("ClusterRole", everywhere, identity.cluster))
        made.append(_binding("ClusterRoleBinding", everywhere, "ClusterRole", everywhere, subjects))
    if identity.enrolled:
        made.append(_role("ClusterRole", name, identity.enrolled))
    for where, grants in identity.within:
        made.append(_role("Role", fixed, grants, where))
        made.append(_binding("RoleBinding", fixed, "Role", fixed, subjects, where))
    return made


def _people() -> list[Manifest]:
    groups = {
        "oncall": (ONCALL_GROUP, [str(verb) for verb in ONCALL_VERBS]),
        "lead": (LEAD_GROUP, [*(str(verb) for verb in LEAD_VERBS), LEAD]),
    }
    made: list[Manifest] = []
    for person, (group, words) in groups.items():
        name = f"firebreak-{person}"
        spoken = [
            grant(f"{DOMAIN}/commands: create, get, list, watch"),
            *(grant(f"{DOMAIN}/commands/{word}: create") for word in words),
        ]
        made.append(_role("ClusterRole", name, spoken))
        made.append(_binding("RoleBinding", name, "ClusterRole", name, [_group(group)], NAMESPACE))
    viewer = "firebreak-viewer"
    everybody = [_group(ONCALL_GROUP), _group(LEAD_GROUP)]
    made.append(_role("ClusterRole", viewer, [grant(f"{DOMAIN}/enrolments: get, list, watch")]))
    made.append(_binding("ClusterRoleBinding", viewer, "ClusterRole", viewer, everybody))
    return made + _break_glass()


def _break_glass() -> list[Manifest]:
    """Return what `firebreak release` takes, in every namespace: the lock lets nobody else do it."""
    name = "firebreak-break-glass"
    taken = (
        "pods: get, list, patch",
        "networking.k8s.io/networkpolicies: get, list, patch, delete",
        f"{DOMAIN}/enrolments: get, list, delete",
        f"{DOMAIN}/freezes: get, list, delete",
        f"{_GROUP}/rolebindings: get, list, delete",
    )
    whose = Grant(group="", resource="namespaces", verbs=("get",), names=(KUBE_SYSTEM,))
    return [
        _role("ClusterRole", name, [whose, *(grant(one) for one in taken)]),
        _binding("ClusterRoleBinding", name, "ClusterRole", name, [_group(BREAK_GLASS_GROUP)]),
    ]


def _role(kind: str, name: str, grants: Iterable[Grant], where: str | None = None) -> Manifest:
    rules = [one.rule() for one in grants]
    return {"apiVersion": _API, "kind": kind, "metadata": _metadata(name, where), "rules": rules}


def _binding(
    kind: str, name: str, role_kind: str, role: str, subjects: Sequence[Manifest], where: str | None = None
) -> Manifest:
    return {
        "apiVersion": _API,
        "kind": kind,
        "metadata": _metadata(name, where),
        "roleRef": {"apiGroup": _GROUP, "kind": role_kind, "name": role},
        "subjects": list(subjects),
    }


def _metadata(name: str, where: str | None) -> Manifest:
    metadata: Manifest = {"name": name, "labels": {MANAGED_BY: MANAGER}}
    return {**metadata, "namespace": where} if where else metadata


def _account(agent: str) -> Manifest:
    return {"kind": "ServiceAccount", "name": agent, "namespace": NAMESPACE}


def _group(name: str) -> Manifest:
    return {"apiGroup": _GROUP, "kind": "Group", "name": name}
