"""Which workload made this pod, and who made that?"""

from activities.ports import (
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Manifest,
    Resource,
)
from activities.probe import Answer, Notes, Probe, Reads, entity_of, read_pod
from signals.entities import Entity
from signals.errors import NotFound
from signals.incidents import Relation

_KINDS: dict[str, Resource] = {
    "ReplicaSet": REPLICA_SETS,
    "Deployment": DEPLOYMENTS,
    "StatefulSet": STATEFUL_SETS,
    "DaemonSet": DAEMON_SETS,
    "Job": JOBS,
    "CronJob": CRON_JOBS,
}
_DEPTH = 5
"""Owners followed upwards; a longer chain is a loop or nobody's workload."""


async def ask(cluster: Reads, subject: Entity) -> Answer:
    """Follow the controller references upwards."""
    manifest: Manifest | None = await read_pod(cluster, subject)
    notes = Notes()
    below = notes.saw(entity_of(cluster, "Pod", manifest or {}))
    for _ in range(_DEPTH):
        reference = _controller(manifest or {})
        if reference is None:
            break
        above, manifest = await _owner(cluster, notes, below, reference)
        notes.relate(above, Relation.OWNS, below)
        below = above
    if below.kind == "Pod":
        notes.findings.append(f"{below} has no owner: if it is deleted, nothing brings it back")
    return notes.answer()


async def _owner(
    cluster: Reads, notes: Notes, below: Entity, reference: Manifest
) -> tuple[Entity, Manifest | None]:
    kind, name, uid = reference["kind"], reference["name"], reference["uid"]
    namespace = None if kind == "Node" else below.namespace
    named = Entity(cluster=cluster.ref, kind=kind, name=name, namespace=namespace, uid=uid)
    resource = _KINDS.get(kind)
    if resource is None:
        if kind != "Node":
            notes.missing.append(f"{named} is of a kind that is not read here: its own owner is not known")
        return notes.saw(named), None
    try:
        manifest = await cluster.get(resource.ref(name, namespace))
    except NotFound:
        manifest = None
    if manifest is None or manifest["metadata"].get("uid") != uid:
        notes.missing.append(f"{named} is gone: its own owner is not known")
        return notes.saw(named), None
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    managed_by = (metadata.get("labels") or {}).get("app.kubernetes.io/managed-by")
    return notes.saw(named, replicas=spec.get("replicas"), managed_by=managed_by), manifest


def _controller(manifest: Manifest) -> Manifest | None:
    references = (manifest.get("metadata") or {}).get("ownerReferences") or ()
    return next((reference for reference in references if reference.get("controller")), None)


PROBE = Probe(
    name="owner_chain",
    question="Which workload made this pod, and who made that?",
    permissions=(
        "pods: get",
        "apps/replicasets: get",
        "apps/deployments: get",
        "apps/statefulsets: get",
        "apps/daemonsets: get",
        "batch/jobs: get",
        "batch/cronjobs: get",
    ),
    ask=ask,
)
