"""The routing table: entity → incident, in a bucket that every replica shares. Nothing is kept in the process.

Who creates a key first has opened the incident; who comes second reads the winner. A key is only ever replaced
by compare-and-set, when the incident that it leads to has closed.
"""

from dataclasses import dataclass
from datetime import datetime

from activities.ports import KeyValue
from signals.correlation import Route, incident_id, joining, keys
from signals.entities import ClusterRef, Entity
from signals.errors import Conflict
from signals.threats import ThreatEvent
from workers.storm import Storms


@dataclass(frozen=True)
class Way:
    """Where an event goes; `links` are other incidents that share an entity with it."""

    incident: str
    links: tuple[str, ...] = ()


class Routing:
    """Finds or opens the incident of an event."""

    def __init__(self, bucket: KeyValue, cluster: ClusterRef) -> None:
        """Route by this bucket, for this cluster."""
        self._bucket = bucket
        self._cluster = cluster
        self._storms = Storms(bucket, cluster)

    async def find(self, event: ThreatEvent, at: datetime) -> Way:
        """Return where an event goes, opening an incident for its subject if there is none."""
        hits: dict[str, datetime] = {}
        for entity in joining(event):
            for key in keys(entity):
                entry = await self._bucket.get(key)
                route = Route.model_validate_json(entry.value) if entry else None
                if route and route.leads(entity, at):
                    hits.setdefault(route.incident, route.opened)
        if not hits:
            return Way(await self._open(event, at))
        oldest = min(hits, key=lambda incident: (hits[incident], incident))
        return Way(oldest, tuple(sorted(set(hits) - {oldest})))

    async def reopen(self, event: ThreatEvent, closed: str, at: datetime) -> str:
        """Return the incident that follows a closed one; who loses the race takes the winner's."""
        return await self._open(event, at, instead_of=closed)

    async def join(self, event: ThreatEvent, incident: str, at: datetime, instead_of: str = "") -> None:
        """Let every joining entity of an accepted event lead to its incident (and not to a closed one)."""
        for entity in joining(event):
            subject = entity.key == event.subject.key
            for key in keys(entity):
                await self._claim(
                    key,
                    Route(incident=incident, opened=at, uid=entity.uid, subject=subject),
                    entity,
                    instead_of,
                )

    async def _open(self, event: ThreatEvent, at: datetime, instead_of: str = "") -> str:
        storm = "" if instead_of else await self._storms.incident(event, at)
        incident = storm or incident_id(self._cluster, event, reopens=instead_of)
        route = Route(incident=incident, opened=at, uid=event.subject.uid, subject=True)
        return (await self._claim(keys(event.subject)[0], route, event.subject, instead_of)).incident

    async def _claim(self, key: str, route: Route, entity: Entity, instead_of: str) -> Route:
        """Write one key if it is free or leads nowhere any more; return what stands there in the end."""
        body = route.model_dump_json().encode()
        while True:
            entry = await self._bucket.get(key)
            try:
                if entry is None:
                    await self._bucket.create(key, body)
                    return route
                standing = Route.model_validate_json(entry.value)
                if standing.leads(entity, route.opened) and standing.incident != instead_of:
                    return standing
                await self._bucket.update(key, body, entry.revision)
                return route
            except Conflict:
                continue
