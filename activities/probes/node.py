"""On which node does this pod run, and how is that node?"""

from activities.ports import NODES, Manifest
from activities.probe import Answer, Notes, Probe, Reads, entity_of, read_pod
from signals.entities import Entity
from signals.incidents import Relation

_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


async def ask(cluster: Reads, subject: Entity) -> Answer:
    """Read the node of a pod, or the node itself."""
    notes = Notes()
    if subject.kind == "Node":
        _node(cluster, notes, await cluster.get(NODES.ref(subject.name)))
        return notes.answer()
    manifest = await read_pod(cluster, subject)
    pod, name = notes.saw(entity_of(cluster, "Pod", manifest)), manifest["spec"].get("nodeName")
    if not name:
        notes.missing.append(f"{pod} is on no node yet")
        return notes.answer()
    notes.relate(pod, Relation.RUNS_ON, _node(cluster, notes, await cluster.get(NODES.ref(name))))
    return notes.answer()


def _node(cluster: Reads, notes: Notes, manifest: Manifest) -> Entity:
    status, labels = manifest.get("status") or {}, manifest["metadata"].get("labels") or {}
    info = status.get("nodeInfo") or {}
    ready = {one["type"]: one["status"] for one in status.get("conditions") or ()}.get("Ready")
    node = notes.saw(
        entity_of(cluster, "Node", manifest),
        kubelet=info.get("kubeletVersion"),
        system=info.get("osImage"),
        kernel=info.get("kernelVersion"),
        runtime=info.get("containerRuntimeVersion"),
        ready=ready,
        cordoned=(manifest.get("spec") or {}).get("unschedulable"),
    )
    if _CONTROL_PLANE in labels:
        notes.findings.append(f"{node} belongs to the control plane")
    if ready is not None and ready != "True":
        notes.findings.append(f"{node} is not ready: what its pods do cannot be seen from here")
    return node


PROBE = Probe(
    name="node",
    question="On which node does this pod run, and how is that node?",
    permissions=("pods: get", "nodes: get"),
    ask=ask,
    about=("Pod", "Node"),
)
