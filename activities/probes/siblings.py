"""Which other pods of the namespace run the same image, byte for byte?"""

from activities.ports import PODS, Manifest
from activities.probe import Answer, Notes, Probe, Reads, entity_of, image_of, read_pod
from signals.entities import Entity
from signals.incidents import Relation

_KEPT = 50
"""Siblings that are put down one by one; more are a count."""


async def ask(cluster: Reads, subject: Entity) -> Answer:
    """Compare the digests that the nodes report; a tag says nothing about what runs."""
    manifest, notes = await read_pod(cluster, subject), Notes()
    pod = notes.saw(entity_of(cluster, "Pod", manifest))
    images = _digests(cluster, manifest)
    if not images:
        notes.missing.append(f"{pod}: no digest is known, so pods on the same image cannot be told")
        return notes.answer()
    siblings = [
        (other, shared)
        for other in await cluster.list(PODS, subject.namespace)
        if other["metadata"].get("uid") != pod.uid and (shared := _digests(cluster, other) & images)
    ]
    for other, shared in siblings[:_KEPT]:
        sibling = notes.saw(entity_of(cluster, "Pod", other), phase=(other.get("status") or {}).get("phase"))
        for image in sorted(shared, key=str):
            notes.relate(sibling, Relation.RUNS_IMAGE, notes.saw(image))
    if siblings:
        who = "1 other pod" if len(siblings) == 1 else f"{len(siblings)} other pods"
        runs = "runs" if len(siblings) == 1 else "run"
        notes.findings.append(f"{who} of {pod.namespace} {runs} the same image as {pod}")
    if len(siblings) > _KEPT:
        notes.missing.append(f"{len(siblings) - _KEPT} more pods on the same image are counted only")
    return notes.answer()


def _digests(cluster: Reads, manifest: Manifest) -> frozenset[Entity]:
    statuses = (manifest.get("status") or {}).get("containerStatuses") or ()
    images = (image_of(cluster, status, "") for status in statuses)
    return frozenset(image for image in images if image.name)


PROBE = Probe(
    name="siblings",
    question="Which other pods of the namespace run the same image, byte for byte?",
    permissions=("pods: get, list",),
    ask=ask,
)
