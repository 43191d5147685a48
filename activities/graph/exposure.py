"""Which pods can be reached from outside of the cluster, and by which object: before any policy is asked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from activities.graph.manifests import Located
from activities.graph.network_policy import Object
from activities.graph.possessions import containers
from activities.graph.steps import Granted
from activities.graph.workloads import Member, naming

_OUTSIDE = frozenset({"NodePort", "LoadBalancer"})


def exposed(objects: Sequence[Located], pods: Sequence[Member]) -> dict[int, Granted]:
    """Return the pods that somebody outside can connect to, each with the object that makes it so."""
    services = {
        (one.object["metadata"]["namespace"], one.object["metadata"]["name"]): one.object
        for one in objects
        if one.object["kind"] == "Service"
    }
    found: dict[int, Granted] = {}
    behind: dict[tuple[str, str], Granted] = {}
    for key, manifest in services.items():
        with naming(f"Service {'/'.join(key)}"):
            spec = manifest.get("spec") or {}
            dict(spec.get("selector") or {})
        if spec.get("type") in _OUTSIDE or spec.get("externalIPs"):
            behind[key] = Granted.by(f"Service/{'/'.join(key)}", manifest, f"spec.type: {spec.get('type')}")
    for key, granted in _ingresses(objects):
        behind.setdefault(key, granted)
    for key, granted in sorted(behind.items()):
        spec = (services.get(key) or {}).get("spec") or {}
        for number in _selected(pods, key[0], spec.get("selector") or {}):
            found.setdefault(number, granted)
    for number, member in enumerate(pods):
        if where := _on_host(member.manifest):
            found.setdefault(number, Granted.by(f"Pod/{member.name}", member.manifest, where))
    return found


def _ingresses(objects: Iterable[Located]) -> Iterator[tuple[tuple[str, str], Granted]]:
    for one in objects:
        if one.object["kind"] == "Ingress":
            namespace, name = one.object["metadata"]["namespace"], one.object["metadata"]["name"]
            with naming(one):
                services = [*_backends(one.object.get("spec") or {})]
            for service in services:
                yield (
                    (namespace, service),
                    Granted.by(f"Ingress/{namespace}/{name}", one.object, f"backend {service}"),
                )


def _backends(spec: Object) -> Iterator[str]:
    backends = [spec.get("defaultBackend") or {}]
    for rule in spec.get("rules") or ():
        backends += [path.get("backend") or {} for path in (rule.get("http") or {}).get("paths") or ()]
    for backend in backends:
        if name := (backend.get("service") or {}).get("name"):
            yield name


def _selected(pods: Sequence[Member], namespace: str, selector: Mapping[str, str]) -> Iterator[int]:
    for number, member in enumerate(pods if selector else ()):
        labels = member.end.labels
        if member.end.namespace == namespace and all(
            labels.get(key) == value for key, value in selector.items()
        ):
            yield number


def _on_host(manifest: Object) -> str:
    spec = manifest.get("spec") or {}
    if spec.get("hostNetwork"):
        return "spec.hostNetwork"
    for container in containers(spec):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                return f"{container.get('name')}: hostPort {port['hostPort']}"
    return ""
