"""When a whole namespace catches fire at once: from the tenth new subject on, one incident instead of a hundred.

Ten people would not read a hundred pages. So from the tenth new subject of one detector and namespace within
two seconds, further new subjects go to one storm incident: one case, one policy, one decision. The count is kept
in the routing bucket, by JetStream's clock: replicas see the same storm.
"""

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta

from pydantic import BaseModel

from activities.ports import KeyValue
from signals.correlation import incident_id, storm_name
from signals.entities import ClusterRef
from signals.errors import Conflict
from signals.threats import ThreatEvent

FROM = 10
WINDOW = timedelta(seconds=2)
CALM = timedelta(seconds=60)
"""A storm takes in new subjects until none has come for so long."""


MOST = 250
"""Subjects of one storm; further ones are another storm. One plan, one command and one history must hold them."""


class Storm(BaseModel, frozen=True):
    """New subjects of one detector in one namespace: when they came, and the storm that they became."""

    opened: tuple[datetime, ...] = ()
    incident: str = ""
    last: datetime | None = None
    taken: int = 0
    """Subjects that it has taken in."""

    def after(self, at: datetime, incident: str) -> "Storm":
        """Return the count with one new subject more; `incident` names the storm if it begins with it."""
        if self.incident and self.last and at - self.last < CALM:
            last = max(at, self.last)
            if self.taken < MOST:
                return self.model_copy(update={"last": last, "taken": self.taken + 1})
            return Storm(opened=self.opened, incident=incident, last=last, taken=1)
        opened = tuple(time for time in (*self.opened, at) if at - time < WINDOW)[-FROM:]
        begins = len(opened) >= FROM
        return Storm(opened=opened, incident=incident if begins else "", last=at, taken=int(begins))


class Storms:
    """Counts new subjects, and names the storm that one belongs to."""

    def __init__(self, bucket: KeyValue, cluster: ClusterRef) -> None:
        """Count in this bucket, for this cluster."""
        self._bucket = bucket
        self._cluster = cluster
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def incident(self, event: ThreatEvent, at: datetime) -> str:
        """Count a new subject; return the storm's incident that it belongs to, or nothing in calm weather."""
        key = f"storm/{self._cluster.uid}/{event.detector}/{event.subject.namespace or ''}"
        subject = event.subject.model_copy(update={"name": storm_name(event.detector)})
        named = incident_id(self._cluster, event.model_copy(update={"subject": subject}), reopens="storm")
        async with self._turns[key]:
            return await self._counted(key, at, named)

    async def _counted(self, key: str, at: datetime, named: str) -> str:
        while True:
            entry = await self._bucket.get(key)
            before = Storm.model_validate_json(entry.value) if entry else Storm()
            storm = before.after(at, named)
            body = storm.model_dump_json().encode()
            try:
                if entry is None:
                    await self._bucket.create(key, body)
                elif storm != before:
                    await self._bucket.update(key, body, entry.revision)
            except Conflict:
                continue
            return storm.incident
