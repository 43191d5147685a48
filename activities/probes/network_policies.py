"""Which network policies select this pod, and in which direction does none?"""

from activities.graph.network_policy import directions, matches
from activities.ports import NETWORK_POLICIES
from activities.probe import Answer, Notes, Probe, Reads, entity_of, read_pod
from signals.entities import Entity
from signals.incidents import Relation
from signals.subjects import CASE

_DIRECTIONS = {"Ingress": "into", "Egress": "out of"}


async def ask(cluster: Reads, subject: Entity) -> Answer:
    """Match every policy of the namespace against the pod's labels."""
    manifest, notes = await read_pod(cluster, subject), Notes()
    labels = manifest["metadata"].get("labels") or {}
    pod = notes.saw(entity_of(cluster, "Pod", manifest))
    covered: set[str] = set()
    for found in await cluster.list(NETWORK_POLICIES, subject.namespace):
        if not matches(found["spec"].get("podSelector") or {}, labels):
            continue
        covered.update(directions(found))
        policy = notes.saw(
            entity_of(cluster, "NetworkPolicy", found),
            directions=list(directions(found)),
            case=(found["metadata"].get("labels") or {}).get(CASE),
        )
        notes.relate(policy, Relation.SELECTS, pod)
    for direction, words in _DIRECTIONS.items():
        if direction not in covered:
            notes.findings.append(f"no network policy limits connections {words} {pod}")
    return notes.answer()


PROBE = Probe(
    name="network_policies",
    question="Which network policies select this pod, and in which direction does none?",
    permissions=("pods: get", "networking.k8s.io/networkpolicies: list"),
    ask=ask,
)
