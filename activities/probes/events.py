"""What has the cluster recorded about this pod of late?"""

from activities.ports import EVENTS, Manifest
from activities.probe import Answer, Notes, Probe, Reads, entity_of, read_pod
from signals.entities import Entity
from signals.incidents import Relation

_KEPT = 20
"""Newest events that are kept; a crash loop writes hundreds."""


async def ask(cluster: Reads, subject: Entity) -> Answer:
    """Read the namespace's events about this very pod; their messages may quote output, and stay there."""
    pod, notes = entity_of(cluster, "Pod", await read_pod(cluster, subject)), Notes()
    notes.saw(pod)
    about = [
        event
        for event in await cluster.list(EVENTS, subject.namespace)
        if (event.get("involvedObject") or {}).get("uid") == pod.uid
    ]
    about.sort(key=_when, reverse=True)
    for event in about[:_KEPT]:
        happened = notes.saw(
            entity_of(cluster, "Event", event),
            reason=event.get("reason"),
            type=event.get("type"),
            count=event.get("count") or (event.get("series") or {}).get("count"),
            last_seen=_when(event),
            by=event.get("reportingComponent") or (event.get("source") or {}).get("component"),
        )
        notes.relate(happened, Relation.HAPPENED_TO, pod)
    if len(about) > _KEPT:
        notes.missing.append(f"{len(about) - _KEPT} older events of {pod} are left out")
    return notes.answer()


def _when(event: Manifest) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((time for time in times if time), event["metadata"].get("creationTimestamp") or "")


PROBE = Probe(
    name="events",
    question="What has the cluster recorded about this pod of late?",
    permissions=("pods: get", "events: list"),
    ask=ask,
)
