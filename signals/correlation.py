"""Which incident an event belongs to: pure functions over keys. The routing table itself is a bucket.

Only what one thing alone has may join events: a pod, a container, a credential, a ServiceAccount that one
workload uses. An address, a node, a namespace, an image or an owner is shared, and would fold the whole cluster
into one incident: those never join.
"""

import hashlib
import re
from datetime import datetime, timedelta

from pydantic import BaseModel

from signals.entities import ClusterRef, Entity
from signals.threats import ThreatEvent

JOINING = frozenset({"Pod", "Container", "Credential", "ServiceAccount"})

LOOKBACK = timedelta(minutes=30)
"""How long a joining key (not the subject's) leads to its incident, by JetStream's clock."""

_UNSAFE = re.compile(r"[^a-z0-9-]+")


class Route(BaseModel, frozen=True):
    """One entry of the routing table. `uid` is that of the entity, where it was known when it was written."""

    incident: str
    opened: datetime
    uid: str | None = None
    subject: bool = False

    def leads(self, entity: Entity, at: datetime) -> bool:
        """Return whether this entry, found for this entity, still leads to its incident."""
        same = self.uid is None or entity.uid is None or self.uid == entity.uid
        return same and (self.subject or at - self.opened < LOOKBACK)


def incident_id(cluster: ClusterRef, event: ThreatEvent, reopens: str = "") -> str:
    """Return the id of the incident that this event opens: workflow id, case label and page key in one."""
    digest = hashlib.sha256(f"{cluster.uid}|{event.id}|{reopens}".encode()).hexdigest()[:8]
    namespace = _UNSAFE.sub("-", (event.subject.namespace or "cluster").lower())[:20].strip("-")
    name = _UNSAFE.sub("-", event.subject.name.lower())[:30].strip("-") or "unknown"
    return f"{namespace}-{name}-{digest}"


def keys(entity: Entity) -> tuple[str, ...]:
    """Return the keys of one entity: by UID, and by the name that it may first have been known by."""
    return (entity.key, entity.name_key) if entity.uid else (entity.name_key,)


def joining(event: ThreatEvent) -> tuple[Entity, ...]:
    """Return the entities by which an event finds its incident: the subject first."""
    peer = event.peer.pod.key if event.peer and event.peer.pod else ""
    others = [
        entity
        for entity in event.entities
        if entity.kind in JOINING
        and entity.key not in (event.subject.key, peer)
        and not (entity.kind == "ServiceAccount" and entity.name == "default")
    ]
    return (event.subject, *others)


def storm_name(detector: str) -> str:
    """Return what stands in the place of a pod's name in the id of a storm's incident."""
    return f"storm-{detector}".replace("_", "-")[:30].strip("-")


def is_storm(incident: str, detector: str) -> bool:
    """Return whether an incident is a storm's, or may be: by its id alone, so that everybody knows."""
    return incident.rpartition("-")[0].endswith(f"-{storm_name(detector)}")
