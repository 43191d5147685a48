"""Dead letters as the operator reads them, and how one is put back where it came from, exactly once."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from deploy.identities import identities
from signals.errors import Conflict, NotFound, Refused
from signals.letters import DeadLetter, Letter, place_of
from signals.subjects import REPLAYS_BUCKET, dead_stream, dead_subject
from workers.bus import CAME_ON, REASON, REPLAY_OF, Bus
from workers.delivery import Stored, plain_headers

SURE = timedelta(minutes=5)
"""How long after a replay was begun it may be begun again: NATS stores the same one once within ten minutes."""


class Replay(BaseModel, frozen=True):
    """What is on record about one replay. `done` is false while it may or may not have been stored."""

    begun: datetime
    done: bool = False
    times: int = 1


def keepers() -> tuple[str, ...]:
    """Return the agents that have dead letters."""
    return tuple(row.agent for row in identities() if dead_stream(row.agent) in row.streams)


class Letters:
    """The dead letters of all agents."""

    def __init__(self, bus: Bus) -> None:
        """Read and put back over the operator's connection."""
        self._bus = bus
        self._replays = bus.kv(REPLAYS_BUCKET)

    async def all(self) -> AsyncIterator[DeadLetter]:
        """Yield every dead letter, agent by agent, oldest first."""
        for agent in keepers():
            async for stored in self._bus.oldest(dead_stream(agent), owner=agent):
                yield (await self._letter(agent, stored))[0]

    async def show(self, name: str) -> Letter:
        """Return one dead letter with its content.

        Raises:
            NotFound: there is none of this name (any more).
        """
        letter, stored = await self._find(name)
        payload = stored.data.decode("utf-8", "replace")
        return Letter(letter=letter, headers=dict(stored.headers), payload=payload)

    async def replay(self, name: str, *, again: bool = False) -> DeadLetter:
        """Put one back into the stream from which it came.

        Raises:
            NotFound: there is none of this name, or what it is about is gone.
            Refused: it came from no stream, was put back already, or perhaps was; `again` sends it once more.
            Unavailable: it may or may not be put back; the same within five minutes puts it back once.
        """
        letter, stored = await self._find(name)
        if not letter.came_on:
            raise Refused(
                f"{name} came from no stream: send it to the receiver again, as `deadletters show` has it"
            )
        replay, revision = await self._begin(letter, again=again)
        await self._bus.append(
            letter.came_on,
            stored.data,
            msg_id=f"replay:{letter.id}:{replay.times}",
            headers={**_own_headers(stored), REPLAY_OF: letter.id},
        )
        done = replay.model_copy(update={"done": True})
        await self._replays.update(letter.id, done.model_dump_json().encode(), revision)
        return letter.model_copy(update={"replayed_at": replay.begun})

    async def _begin(self, letter: DeadLetter, *, again: bool) -> tuple[Replay, int]:
        """Claim a replay: of two at once, one is told so."""
        now = datetime.now(UTC)
        entry = await self._replays.get(letter.id)
        if entry is None:
            first = Replay(begun=now)
            try:
                return first, await self._replays.create(letter.id, first.model_dump_json().encode())
            except Conflict as error:
                raise Refused(f"{letter.id} is being put back by somebody else") from error
        before = Replay.model_validate_json(entry.value)
        if not before.done and now - before.begun < SURE:
            return before, entry.revision
        if not again:
            raise Refused(_why(letter, before))
        more = Replay(begun=now, times=before.times + 1)
        return more, await self._replays.update(letter.id, more.model_dump_json().encode(), entry.revision)

    async def _find(self, name: str) -> tuple[DeadLetter, Stored]:
        """Return a dead letter, and the message that it is about: the original where it was given up."""
        agent, sequence = place_of(name)
        known = agent in keepers()
        stored = await self._bus.read(dead_stream(agent), sequence, owner=agent) if known else None
        if stored is None:
            raise NotFound(
                f"there is no dead letter {name}; `firebreak deadletters list` shows those that there are"
            )
        return await self._letter(agent, stored, original=True)

    async def _letter(
        self, agent: str, stored: Stored, *, original: bool = False
    ) -> tuple[DeadLetter, Stored]:
        given_up = _given_up(stored)
        source = stored.subject.removeprefix(dead_subject(agent, ""))
        letter = DeadLetter(
            id=f"{agent}/{stored.sequence}",
            agent=agent,
            sequence=stored.sequence,
            at=stored.accepted_at,
            source="given up" if given_up else source,
            reason=_reason(given_up) if given_up else stored.headers.get(REASON, ""),
            size=len(stored.data),
            came_on=stored.headers.get(CAME_ON, ""),
            replayed_at=await self._replayed_at(f"{agent}/{stored.sequence}"),
        )
        if given_up and original:
            return await self._original(letter, given_up)
        stream = _stream_of(letter.came_on)
        return letter.model_copy(
            update={"stream": stream, "came_on": letter.came_on if stream else ""}
        ), stored

    async def _original(self, letter: DeadLetter, given_up: dict[str, Any]) -> tuple[DeadLetter, Stored]:
        """Return what the server gave up: the advisory names its place, and there it still stands."""
        stream, place = str(given_up.get("stream")), int(given_up.get("stream_seq", 0))
        owner = stream.partition("_")[2]
        known = any(stream in row.streams for row in identities())
        stored = await self._bus.read(stream, place, owner=owner) if known else None
        if stored is None:
            raise NotFound(f"message {place} of {stream}, which was given up, is gone")
        found = {"came_on": stored.subject, "stream": stream, "place": place, "size": len(stored.data)}
        return letter.model_copy(update=found), stored

    async def _replayed_at(self, name: str) -> datetime | None:
        entry = await self._replays.get(name)
        replay = Replay.model_validate_json(entry.value) if entry else None
        return replay.begun if replay and replay.done else None


def _why(letter: DeadLetter, before: Replay) -> str:
    at = f"{before.begun:%Y-%m-%d %H:%M:%S} UTC"
    if before.done:
        return f"{letter.id} was put back on {at}; --again puts it back once more"
    return f"{letter.id} was perhaps put back on {at}; --again puts it back, it may be for the second time"


def _given_up(stored: Stored) -> dict[str, Any] | None:
    """Return the server's own word that a message was given up; only the server can speak on these subjects."""
    if not stored.subject.startswith("$JS.EVENT.ADVISORY.CONSUMER."):
        return None
    try:
        told = json.loads(stored.data)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _reason(given_up: dict[str, Any]) -> str:
    """Return why the server or a reader gave a message up."""
    stream, place, reader = (given_up.get(name) for name in ("stream", "stream_seq", "consumer"))
    deliveries = given_up.get("deliveries")
    return f"message {place} of {stream} was given up for {reader} after {deliveries} deliveries"


def _stream_of(subject: str) -> str:
    """Return the stream of an agent that stores a subject and takes messages back, or nothing."""
    kind, _, rest = subject.removeprefix("firebreak.").partition(".")
    stream = f"{kind.upper()}_{rest.partition('.')[0]}"
    known = kind in ("threats", "feed") and any(stream in row.streams for row in identities())
    return stream if subject.startswith("firebreak.") and known and _literal(subject) else ""


def _literal(subject: str) -> bool:
    return not set(subject) & set("*> \t\r\n") and all(subject.split("."))


def _own_headers(stored: Stored) -> dict[str, str]:
    return {
        name: value for name, value in plain_headers(stored.headers).items() if name not in (REASON, CAME_ON)
    }
