"""What an alert means: which detector it raises, whose doing it is, and who was at the other end."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime

from signals.detector import Detection
from signals.telemetry.falco import Alert
from workers.attribution import Attributing, name_key
from workers.counting import Sighting, fingerprint
from workers.pod_index import PodIndex
from workers.suspicion import Suspicion, peer_of

SETTLE_SECONDS = 0.3
"""How long an alert about an unknown pod waits for the watch to catch up."""
UNKNOWN_LIMIT = 1000
"""Names of unknown pods that are remembered, so that no alert waits for them again."""


class Alerts:
    """Reads alerts, as `guarding.Reading` asks."""

    def __init__(self, detection: Detection, index: PodIndex) -> None:
        """Detect with this catalogue, attribute by this index."""
        self._detection = detection
        self._index = index
        self._attributing = Attributing(index.cluster, index)
        self._unknown: dict[tuple[str, str], None] = {}

    async def settle(self, given: Sequence[Alert]) -> None:
        """Give the watch a moment where alerts name pods that it does not show; once for each name."""
        named = {name for alert in given if (name := name_key(alert))}
        await self._index.settle_modes({namespace for namespace, _ in named}, SETTLE_SECONDS)
        named = {name for name in named if not self._index.by_name(name)}
        waiting = named - self._unknown.keys()
        await asyncio.gather(*(self._index.settle(name, SETTLE_SECONDS) for name in waiting))
        self._unknown.update(dict.fromkeys(name for name in waiting if not self._index.by_name(name)))
        while len(self._unknown) > UNKNOWN_LIMIT:
            del self._unknown[next(iter(self._unknown))]

    def suspicions(
        self, given: Alert, accepted_at: datetime, place: tuple[int, int]
    ) -> Iterator[tuple[Suspicion, Sighting]]:
        """Yield the one suspicion that an alert raises."""
        detector = self._detection.suspect(given)
        attribution = self._attributing.find(given, about_node=detector.about_node)
        suspicion = Suspicion(
            cluster=self._index.cluster,
            alert=given,
            detector=detector,
            attribution=attribution,
            peer=peer_of(detector, given, attribution, self._index),
            accepted_at=accepted_at,
        )
        at = given.time or int(accepted_at.timestamp()) * 10**9
        yield suspicion, Sighting(at, fingerprint(given, *place))
