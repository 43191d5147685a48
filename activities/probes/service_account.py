"""As whom does this pod speak to the API server, and which bindings name that account?"""

from activities.ports import CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS, SERVICE_ACCOUNTS, Manifest
from activities.probe import Answer, Notes, Probe, Reads, entity_of, read_pod
from signals.entities import Entity
from signals.incidents import Relation

_STRONG = frozenset({"cluster-admin", "admin", "edit"})
"""Built-in ClusterRoles that let their holder change workloads or read Secrets."""
_BOOTSTRAP = "kubernetes.io/bootstrapping"
"""Label of the bindings that every cluster has for everybody; they say nothing about this account."""


async def ask(cluster: Reads, subject: Entity) -> Answer:
    """Read the account, and every binding that names it or one of its groups."""
    notes = Notes()
    account = await _account(cluster, notes, subject)
    for resource, kind in ((ROLE_BINDINGS, "RoleBinding"), (CLUSTER_ROLE_BINDINGS, "ClusterRoleBinding")):
        for manifest in await cluster.list(resource):
            if _names(manifest, account):
                _binding(cluster, notes, account, kind, manifest)
    return notes.answer()


async def _account(cluster: Reads, notes: Notes, subject: Entity) -> Entity:
    if subject.kind == "ServiceAccount":
        manifest = await cluster.get(SERVICE_ACCOUNTS.ref(subject.name, subject.namespace))
        return notes.saw(entity_of(cluster, "ServiceAccount", manifest))
    pod = await read_pod(cluster, subject)
    name = pod["spec"].get("serviceAccountName") or "default"
    manifest = await cluster.get(SERVICE_ACCOUNTS.ref(name, subject.namespace))
    account = notes.saw(entity_of(cluster, "ServiceAccount", manifest))
    speaker = notes.saw(entity_of(cluster, "Pod", pod))
    notes.relate(speaker, Relation.RUNS_AS, account)
    if _mounts_token(pod, manifest):
        notes.findings.append(f"{speaker} holds a token of {account}")
    return account


def _mounts_token(pod: Manifest, account: Manifest) -> bool:
    said = pod["spec"].get("automountServiceAccountToken", account.get("automountServiceAccountToken"))
    return said is not False


def _names(binding: Manifest, account: Entity) -> bool:
    subjects = binding.get("subjects") or ()
    ours = any(
        one["kind"] == "ServiceAccount"
        and one["name"] == account.name
        and one.get("namespace") == account.namespace
        for one in subjects
    )
    user = f"system:serviceaccount:{account.namespace}:{account.name}"
    groups = {
        "system:authenticated",
        "system:serviceaccounts",
        f"system:serviceaccounts:{account.namespace}",
    }
    everybody = _BOOTSTRAP in (binding["metadata"].get("labels") or {})
    return ours or any(
        (one["kind"] == "User" and one["name"] == user)
        or (one["kind"] == "Group" and one["name"] in groups and not everybody)
        for one in subjects
    )


def _binding(cluster: Reads, notes: Notes, account: Entity, kind: str, manifest: Manifest) -> None:
    binding = notes.saw(entity_of(cluster, kind, manifest))
    reference = manifest["roleRef"]
    namespace = binding.namespace if reference["kind"] == "Role" else None
    role = notes.saw(
        Entity(cluster=cluster.ref, kind=reference["kind"], name=reference["name"], namespace=namespace)
    )
    notes.relate(binding, Relation.BINDS, account)
    notes.relate(binding, Relation.GRANTS, role)
    if role.name in _STRONG and role.kind == "ClusterRole":
        where = f"in namespace {binding.namespace}" if binding.namespace else "in the whole cluster"
        notes.findings.append(f"{account} has the role {role.name} {where}, by {binding}")


PROBE = Probe(
    name="service_account",
    question="As whom does this pod speak to the API server, and which bindings name that account?",
    permissions=(
        "pods: get",
        "serviceaccounts: get",
        "rbac.authorization.k8s.io/rolebindings: list",
        "rbac.authorization.k8s.io/clusterrolebindings: list",
    ),
    ask=ask,
    about=("Pod", "ServiceAccount"),
)
