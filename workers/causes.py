"""Who made each version: the API server's audit log, read line by line and joined to what the watches told.

The log and the watch tell of the same change a moment apart, so what finds no version at first is tried again for
a while. An event that has no version then changed nothing that is remembered.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

import msgspec
import structlog

from activities.adapters.version_causes import Done, explain
from activities.adapters.version_writer import VersionWriter
from activities.graph.chronology import SECOND
from activities.graph.collected import COLLECTED, METADATA_ONLY
from signals.errors import Unavailable
from signals.telemetry.moments import nanoseconds
from workers.remembering import Remembering, now

JOIN_SECONDS = 0.5
PATIENCE = 30 * SECOND
"""How long an event waits for its version."""
MOST_WAITING = 20_000
KINDS = {(resource.group, resource.plural): kind for kind, resource in (*COLLECTED, *METADATA_ONLY)}
VERBS = frozenset({"create", "update", "patch", "delete"})
SUBRESOURCES = frozenset({"", "status", "binding", "ephemeralcontainers", "eviction", "scale", "finalize"})

log = structlog.get_logger(__name__)


class _User(msgspec.Struct, gc=False):
    username: str = ""


class _Object(msgspec.Struct, gc=False):
    resource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    apiGroup: str = ""
    subresource: str = ""


class _Status(msgspec.Struct, gc=False):
    code: int = 0


class _Metadata(msgspec.Struct, gc=False):
    uid: str = ""
    name: str = ""
    resourceVersion: str = ""


class _Made(msgspec.Struct, gc=False):
    kind: str = ""
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Line(msgspec.Struct, gc=False):
    """The members of an audit event that are used, as an API server writes them."""

    auditID: str
    verb: str
    stage: str = ""
    requestURI: str = ""
    user: _User = msgspec.field(default_factory=_User)
    impersonatedUser: _User | None = None
    objectRef: _Object | None = None
    responseStatus: _Status | None = None
    responseObject: _Made | None = None
    requestReceivedTimestamp: str = ""
    stageTimestamp: str = ""


_decoder = msgspec.json.Decoder(_Line)


def read(line: bytes) -> Done | None:
    """Return the write that an audit line tells of; None where it tells of none that is remembered."""
    try:
        found = _decoder.decode(line)
    except (msgspec.DecodeError, ValueError):
        return None
    place, status = found.objectRef, found.responseStatus
    if place is None or status is None or found.stage != "ResponseComplete" or found.verb not in VERBS:
        return None
    kind = KINDS.get((place.apiGroup, place.resource))
    began, ended = nanoseconds(found.requestReceivedTimestamp), nanoseconds(found.stageTimestamp)
    done = 200 <= status.code < 300 and "dryRun=All" not in found.requestURI
    if kind is None or not done or place.subresource not in SUBRESOURCES or began is None or ended is None:
        return None
    made = found.responseObject.metadata if found.responseObject and not place.subresource else _Metadata()
    by = found.user.username
    if found.impersonatedUser is not None:
        by = f"{found.impersonatedUser.username} (as whom {by} acted)"
    verb = "delete" if place.subresource == "eviction" else found.verb
    return Done(
        audit_id=found.auditID,
        user=by,
        verb=verb,
        kind=kind,
        namespace=place.namespace if place.resource != "namespaces" else "",
        name=place.name or made.name,
        uid=made.uid or place.uid,
        revision="" if verb == "delete" else made.resourceVersion,
        received=began // 1000,
        done=ended // 1000 + 1,
    )


class Causes:
    """Audit events that wait for their versions. What a log says is taken in by `take`."""

    def __init__(self, remembering: Remembering, writer: VersionWriter) -> None:
        """Join to what this memory has."""
        self._remembering = remembering
        self._writer = writer
        self._waiting: deque[tuple[int, Done]] = deque(maxlen=MOST_WAITING)

    async def take(self, items: Sequence[bytes], sender: str, trace: dict[str, str]) -> None:
        """Take lines of a log in."""
        until = now() + PATIENCE
        self._waiting.extend((until, done) for done in map(read, items) if done is not None)

    async def join(self) -> None:
        """Join until cancelled."""
        while True:
            await asyncio.sleep(JOIN_SECONDS)
            if not self._waiting:
                continue
            some = [self._waiting.popleft() for _ in range(len(self._waiting))]
            left: list[tuple[int, Done]] = []
            try:
                await self._remembering.write(lambda some=some, left=left: self._join(some, left))  # type: ignore[misc]
            except Unavailable as error:
                log.warning("who changed what is written later", error=str(error))
                left = some
            self._waiting.extendleft(reversed(left))

    def _join(self, some: Iterable[tuple[int, Done]], left: list[tuple[int, Done]]) -> None:
        at = now()
        with self._writer.transaction():
            left += [(until, done) for until, done in some if not explain(self._writer, done) and until > at]
