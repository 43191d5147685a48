"""Through which services can others reach this pod?"""

from activities.ports import SERVICES
from activities.probe import Answer, Notes, Probe, Reads, entity_of, read_pod
from signals.entities import Entity
from signals.incidents import Relation

_OUTSIDE = frozenset({"NodePort", "LoadBalancer"})


async def ask(cluster: Reads, subject: Entity) -> Answer:
    """Match every service of the namespace against the pod's labels."""
    manifest, notes = await read_pod(cluster, subject), Notes()
    labels = manifest["metadata"].get("labels") or {}
    pod = notes.saw(entity_of(cluster, "Pod", manifest))
    for found in await cluster.list(SERVICES, subject.namespace):
        spec = found["spec"]
        selector = spec.get("selector") or {}
        if not selector or any(labels.get(key) != value for key, value in selector.items()):
            continue
        ports = [f"{port['port']}/{port.get('protocol', 'TCP')}" for port in spec.get("ports") or ()]
        service = notes.saw(entity_of(cluster, "Service", found), type=spec.get("type"), ports=ports)
        notes.relate(service, Relation.SELECTS, pod)
        if spec.get("type") in _OUTSIDE:
            notes.findings.append(f"{pod} can be reached from outside: {service} is a {spec['type']}")
    return notes.answer()


PROBE = Probe(
    name="services",
    question="Through which services can others reach this pod?",
    permissions=("pods: get", "services: list"),
    ask=ask,
)
