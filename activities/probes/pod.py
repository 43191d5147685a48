"""What may this pod do on its node, which images does it run, and which secrets is it given?"""

from typing import Any

from activities.ports import Manifest
from activities.probe import Answer, Notes, Probe, Reads, entity_of, image_of, read_pod
from signals.entities import Entity
from signals.incidents import Relation

_NODE_NAMESPACES = {
    "hostNetwork": "shares its node's network: no NetworkPolicy applies to it",
    "hostPID": "sees every process of its node",
    "hostIPC": "shares its node's memory segments",
}


async def ask(cluster: Reads, subject: Entity) -> Answer:
    """Read the pod's own specification and status."""
    manifest = await read_pod(cluster, subject)
    spec, status, notes = manifest["spec"], manifest.get("status") or {}, Notes()
    pod = notes.saw(
        entity_of(cluster, "Pod", manifest),
        phase=status.get("phase"),
        created=manifest["metadata"].get("creationTimestamp"),
        addresses=[address["ip"] for address in status.get("podIPs") or ()],
        labels=sorted(manifest["metadata"].get("labels") or {}),
        containers=[container["name"] for container in _containers(spec)],
        deleting=manifest["metadata"].get("deletionTimestamp"),
    )
    for setting, meaning in _NODE_NAMESPACES.items():
        if spec.get(setting):
            notes.findings.append(f"{pod} {meaning}")
    for volume in spec.get("volumes") or ():
        _volume(cluster, notes, pod, volume)
    for container in _containers(spec):
        _privileges(notes, pod, container)
        _environment(cluster, notes, pod, container)
    _images(cluster, notes, pod, spec, status)
    return notes.answer()


def _containers(spec: Manifest) -> list[Manifest]:
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [container for kind in kinds for container in spec.get(kind) or ()]


def _privileges(notes: Notes, pod: Entity, container: Manifest) -> None:
    security = container.get("securityContext") or {}
    if security.get("privileged"):
        notes.findings.append(f"{pod}: container {container['name']} is privileged: root on the node")
    added = (security.get("capabilities") or {}).get("add") or ()
    if added:
        notes.findings.append(f"{pod}: container {container['name']} adds capabilities {', '.join(added)}")


def _volume(cluster: Reads, notes: Notes, pod: Entity, volume: Manifest) -> None:
    if "hostPath" in volume:
        notes.findings.append(f"{pod} mounts {volume['hostPath']['path']} of its node")
    projected = (volume.get("projected") or {}).get("sources") or ()
    for source in (volume, *projected):
        secret, config = source.get("secret") or {}, source.get("configMap") or {}
        _reads(cluster, notes, pod, "Secret", secret.get("secretName") or secret.get("name"))
        _reads(cluster, notes, pod, "ConfigMap", config.get("name"))


def _environment(cluster: Reads, notes: Notes, pod: Entity, container: Manifest) -> None:
    named = [variable.get("valueFrom") or {} for variable in container.get("env") or ()]
    for source in named:
        _reads(cluster, notes, pod, "Secret", (source.get("secretKeyRef") or {}).get("name"))
        _reads(cluster, notes, pod, "ConfigMap", (source.get("configMapKeyRef") or {}).get("name"))
    for source in container.get("envFrom") or ():
        _reads(cluster, notes, pod, "Secret", (source.get("secretRef") or {}).get("name"))
        _reads(cluster, notes, pod, "ConfigMap", (source.get("configMapRef") or {}).get("name"))


def _reads(cluster: Reads, notes: Notes, pod: Entity, kind: str, name: Any) -> None:
    if name:
        given = Entity(cluster=cluster.ref, kind=kind, name=name, namespace=pod.namespace)
        notes.relate(pod, Relation.READS, notes.saw(given))


def _images(cluster: Reads, notes: Notes, pod: Entity, spec: Manifest, status: Manifest) -> None:
    kinds = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    running = {one["name"]: one for kind in kinds for one in status.get(kind) or ()}
    for container in _containers(spec):
        reference = container.get("image", "")
        image = image_of(cluster, running.get(container["name"]) or {}, reference)
        notes.relate(pod, Relation.RUNS_IMAGE, notes.saw(image, reference=reference))
        if image.name == reference and "@sha256:" not in reference:
            notes.missing.append(
                f"{pod}: the digest of {reference} is not known: the node has not reported it"
            )


PROBE = Probe(
    name="pod",
    question="What may this pod do on its node, which images does it run, and which secrets is it given?",
    permissions=("pods: get",),
    ask=ask,
)
