"""Small clusters to reach things in, in few words."""

from collections.abc import Iterable
from typing import Any

from activities.graph.documents import Document
from activities.graph.edges import Certainty
from activities.graph.manifests import Snapshot, gather
from activities.graph.paths import Reached
from activities.graph.reach import Reach, Result
from activities.graph.world import World

Manifest = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
BOOTSTRAP = {"kubernetes.io/bootstrapping": "rbac-defaults"}


def thing(version: str, kind: str, name: str, namespace: str = "", **more: Any) -> Manifest:
    labels, notes = more.pop("labels", {}), more.pop("annotations", {})
    metadata: Manifest = {"name": name, "labels": labels, "annotations": notes, "resourceVersion": "5"}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def pod(name: str, namespace: str = "shop", **spec: Any) -> Manifest:
    labels = spec.pop("labels", {"app": name})
    container = {"name": "main", "image": "x", **spec.pop("container", {})}
    return thing("v1", "Pod", name, namespace, labels=labels, spec={"containers": [container], **spec})


def account(name: str, namespace: str = "shop", **more: Any) -> Manifest:
    return thing("v1", "ServiceAccount", name, namespace, **more)


def secret(name: str, namespace: str = "shop", **more: Any) -> Manifest:
    return thing("v1", "Secret", name, namespace, **more)


def node(name: str, **labels: str) -> Manifest:
    return thing("v1", "Node", name, labels=labels)


def rule(verbs: str, resources: str, group: str = "", names: str = "") -> Manifest:
    found: Manifest = {"apiGroups": [group], "verbs": verbs.split(), "resources": resources.split()}
    return {**found, "resourceNames": names.split()} if names else found


def role(name: str, *rules: Manifest, namespace: str = "shop") -> Manifest:
    if namespace:
        return thing(f"{RBAC}/v1", "Role", name, namespace, rules=list(rules))
    return thing(f"{RBAC}/v1", "ClusterRole", name, labels=BOOTSTRAP, rules=list(rules))


def bound(name: str, to: str, *subjects: str, namespace: str = "shop") -> Manifest:
    """Bind `Kind/name` to `sa/ns/name`, `user/name` or `group/name`; without a namespace for the whole cluster."""
    kind, _, target = to.partition("/")
    ref = {"apiGroup": RBAC, "kind": kind, "name": target}
    whom = [_subject(one) for one in subjects]
    if namespace:
        return thing(f"{RBAC}/v1", "RoleBinding", name, namespace, roleRef=ref, subjects=whom)
    return thing(f"{RBAC}/v1", "ClusterRoleBinding", name, roleRef=ref, subjects=whom)


def _subject(entity: str) -> Manifest:
    kind, _, name = entity.partition("/")
    if kind == "sa":
        namespace, _, own = name.partition("/")
        return {"kind": "ServiceAccount", "namespace": namespace, "name": own}
    return {"kind": kind.title(), "name": name, "apiGroup": RBAC}


def allowing(who: str, *rules: Manifest, namespace: str = "shop", name: str = "r") -> list[Manifest]:
    """Return a role with these rules and its binding."""
    kind = "Role" if namespace else "ClusterRole"
    return [role(name, *rules, namespace=namespace), bound(name, f"{kind}/{name}", who, namespace=namespace)]


def policy(name: str, selector: Manifest, namespace: str = "shop", **spec: Any) -> Manifest:
    body = {"podSelector": selector, **spec}
    return thing("networking.k8s.io/v1", "NetworkPolicy", name, namespace, spec=body)


SEALED = policy("sealed", {}, policyTypes=["Egress"])
SERVER = thing(
    "discovery.k8s.io/v1",
    "EndpointSlice",
    "kubernetes",
    "default",
    labels={"kubernetes.io/service-name": "kubernetes"},
    addressType="IPv4",
    endpoints=[{"addresses": ["172.18.0.2"]}],
    ports=[{"name": "https", "port": 6443, "protocol": "TCP"}],
)


def snapshot(objects: Iterable[Manifest]) -> Snapshot:
    return gather(Document(one, "test", 0) for one in objects)


def world(*objects: Manifest, **options: Any) -> World:
    return World(snapshot(objects), **options)


def ask(start: str, *objects: Manifest, exploit: bool = False, **options: Any) -> Result:
    return Reach(world(*objects, extra=_people(start), **options), exploit=exploit).ask(start)


def _people(start: str) -> list[str]:
    return [start] if start.partition("/")[0] in ("user", "group") else []


def tiers(result: Result, *kinds: str) -> dict[str, str]:
    """Return what is reached and how sure it is; addresses only where they are asked for."""
    wanted = kinds or ("pod", "sa", "secret", "node", "user", "group")
    found = {
        row.entity: str(row.certainty) for row in result.reached if row.entity.partition("/")[0] in wanted
    }
    if result.cluster_admin and not kinds:
        found["cluster-admin"] = str(result.cluster_admin.certainty)
    return found


def direct(result: Result) -> set[str]:
    return {
        row.entity
        for row in result.reached
        if row.certainty is Certainty.DIRECT and row.path[-1].edge != "EGRESS"
    }


def way(result: Result, entity: str) -> Reached:
    return next(row for row in result.reached if row.entity == entity)


def edges(row: Reached) -> list[str]:
    return [hop.edge.value for hop in row.path]
