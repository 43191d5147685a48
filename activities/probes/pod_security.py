"""Which Pod Security Standard does this pod keep, and which does its namespace ask for?"""

from activities.graph.pod_security import Level, breaches, level
from activities.ports import NAMESPACES, Manifest
from activities.probe import Answer, Notes, Probe, Reads, entity_of, read_pod
from signals.entities import Entity
from signals.incidents import Relation

_LABEL = "pod-security.kubernetes.io/"
_MODES = ("enforce", "audit", "warn")


async def ask(cluster: Reads, subject: Entity) -> Answer:
    """Judge the pod as the API server's own admission would, by every level that its namespace names."""
    manifest, notes = await read_pod(cluster, subject), Notes()
    found = await cluster.get(NAMESPACES.ref(subject.namespace or ""))
    asked = _asked(found)
    kept = level(manifest)
    pod = notes.saw(
        entity_of(cluster, "Pod", manifest),
        pod_security=kept,
        beyond_baseline=list(breaches(manifest, Level.BASELINE)),
    )
    namespace = notes.saw(
        entity_of(cluster, "Namespace", found), **{f"pod_security_{mode}": asked[mode] for mode in asked}
    )
    notes.relate(namespace, Relation.HOLDS, pod)
    for mode, wanted in asked.items():
        for breach in breaches(manifest, wanted):
            notes.findings.append(f"{pod}: {breach}, which {namespace} forbids ({mode}: {wanted})")
    if kept is Level.PRIVILEGED and not asked:
        notes.findings.append(f"{pod} has more than baseline, and {namespace} names no Pod Security level")
    return notes.answer()


def _asked(namespace: Manifest) -> dict[str, Level]:
    """Return the level of each mode that a namespace names; a word that is no level is none."""
    labels = namespace["metadata"].get("labels") or {}
    said = {mode: labels.get(f"{_LABEL}{mode}", "") for mode in _MODES}
    return {mode: Level(word) for mode, word in said.items() if word in set(Level)}


PROBE = Probe(
    name="pod_security",
    question="Which Pod Security Standard does this pod keep, and which does its namespace ask for?",
    permissions=("pods: get", "namespaces: get"),
    ask=ask,
)
