"""The routing table: entity → incident, in a bucket that every replica shares. Nothing is kept in the process.

Who creates a key first has opened the incident; who comes second reads the winner. A key is only ever replaced
by compare-and-set, when the incident that it leads to has closed. A subject leads to one incident at a time, so
that no two contain the same thing: its own key decides before any other that it shares.
"""

from collections import defaultdict
from collections.abc import Sequence
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


def apart(events: Sequence[ThreatEvent]) -> list[list[int]]:
    """Return the places of events that share no key with those of another group, each group in order.

    Those of one group find their way one after another: the later ones join what the earlier ones have opened.
    """
    leader: dict[str, int] = {}
    groups: dict[int, list[int]] = defaultdict(list)
    for place, event in enumerate(events):
        mine = {key for entity in joining(event) for key in keys(entity)}
        met = {leader[key] for key in mine if key in leader}
        into = min(met, default=place)
        for other in met - {into}:
            groups[into] = sorted(groups[into] + groups.pop(other))
        groups[into].append(place)
        if len(met) > 1:
            leader |= {key: into for key, known in leader.items() if known in met}
        leader |= dict.fromkeys(mine, into)
    return list(groups.values())


class Routing:
    """Finds or opens the incident of an event."""

    def __init__(self, bucket: KeyValue, cluster: ClusterRef) -> None:
        """Route by this bucket, for this cluster."""
        self._bucket = bucket
        self._cluster = cluster
        self._storms = Storms(bucket, cluster)

    async def find(self, event: ThreatEvent, at: datetime) -> Way:
        """Return where an event goes, opening an incident for its subject if there is none."""
        own = await self._hits((event.subject,), at)
        others = await self._hits(joining(event)[1:], at)
        hits = own or others
        if not hits:
            return Way(await self._open(event, at))
        oldest = min(hits, key=lambda incident: (hits[incident], incident))
        if not own:
            oldest = await self._take(event, oldest, at)
        return Way(oldest, tuple(sorted({*own, *others} - {oldest})))

    async def reopen(self, event: ThreatEvent, closed: str, at: datetime, into: str = "") -> str:
        """Return the incident that follows a closed one; who loses the race takes the winner's.

        `into` is one that follows it already, for another event.
        """
        if into:
            return await self._take(event, into, at, instead_of=closed)
        return await self._open(event, at, instead_of=closed)

    async def _hits(self, entities: tuple[Entity, ...], at: datetime) -> dict[str, datetime]:
        """Return the incidents that these lead to, with the time when each was opened."""
        hits: dict[str, datetime] = {}
        for entity in entities:
            for key in keys(entity):
                entry = await self._bucket.get(key)
                route = Route.model_validate_json(entry.value) if entry else None
                if route and route.leads(entity, at):
                    hits.setdefault(route.incident, route.opened)
        return hits

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
        return await self._take(event, incident, at, instead_of)

    async def _take(self, event: ThreatEvent, incident: str, at: datetime, instead_of: str = "") -> str:
        """Let the subject lead to an incident before that hears of it; return where it leads in the end.

        The name is taken first: an event that knows only the name and one that knows the UID meet there.
        """
        for key in reversed(keys(event.subject)):
            route = Route(incident=incident, opened=at, uid=event.subject.uid, subject=True)
            incident = (await self._claim(key, route, event.subject, instead_of)).incident
        return incident

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
