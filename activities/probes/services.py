"""Through which services can others reach this pod, and which of them lead outside?"""

from collections.abc import Iterator, Sequence

from activities.ports import INGRESSES, SERVICES, Manifest
from activities.probe import Answer, Notes, Probe, Reads, entity_of, read_pod
from signals.entities import Entity
from signals.incidents import Relation

_OUTSIDE = frozenset({"NodePort", "LoadBalancer"})


async def ask(cluster: Reads, subject: Entity) -> Answer:
    """Match every service of the namespace against the pod's labels, and every ingress against those."""
    manifest, notes = await read_pod(cluster, subject), Notes()
    labels = manifest["metadata"].get("labels") or {}
    pod = notes.saw(entity_of(cluster, "Pod", manifest))
    services: list[Entity] = []
    for found in await cluster.list(SERVICES, subject.namespace):
        selector = found["spec"].get("selector") or {}
        if selector and all(labels.get(key) == value for key, value in selector.items()):
            services.append(_service(cluster, notes, pod, found))
    for found in await cluster.list(INGRESSES, subject.namespace):
        _ingress(cluster, notes, pod, services, found)
    return notes.answer()


def _service(cluster: Reads, notes: Notes, pod: Entity, found: Manifest) -> Entity:
    spec = found["spec"]
    ports = [f"{port['port']}/{port.get('protocol', 'TCP')}" for port in spec.get("ports") or ()]
    service = notes.saw(entity_of(cluster, "Service", found), type=spec.get("type"), ports=ports)
    notes.relate(service, Relation.SELECTS, pod)
    if spec.get("type") in _OUTSIDE:
        notes.findings.append(f"{pod} can be reached from outside: {service} is a {spec['type']}")
    return service


def _ingress(cluster: Reads, notes: Notes, pod: Entity, services: Sequence[Entity], found: Manifest) -> None:
    backends = set(_backends(found["spec"]))
    for service in services:
        if service.name in backends:
            ingress = notes.saw(entity_of(cluster, "Ingress", found), hosts=sorted(_hosts(found["spec"])))
            notes.relate(ingress, Relation.ROUTES, service)
            notes.findings.append(f"{pod} can be reached from outside: {ingress} leads to {service}")


def _backends(spec: Manifest) -> Iterator[str]:
    """Yield the name of every service that an ingress sends requests to."""
    paths = [path for rule in spec.get("rules") or () for path in (rule.get("http") or {}).get("paths") or ()]
    for backend in (spec.get("defaultBackend") or {}, *(path["backend"] for path in paths)):
        if backend.get("service"):
            yield backend["service"]["name"]


def _hosts(spec: Manifest) -> set[str]:
    return {rule["host"] for rule in spec.get("rules") or () if rule.get("host")}


PROBE = Probe(
    name="services",
    question="Through which services can others reach this pod, and which of them lead outside?",
    permissions=("pods: get", "services: list", "networking.k8s.io/ingresses: list"),
    ask=ask,
)
