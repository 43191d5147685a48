"""What is remembered of each message, durably: where it stands in Slack, and what its thread has not told yet."""

from collections.abc import Callable
from datetime import datetime

from pydantic import BaseModel, ValidationError

from activities.ports import KeyValue
from signals.errors import Conflict, Unavailable
from signals.pages import Page, PageKind

PREFIX = "slack/message/"
WAITING_LINES = 20
"""Pages that wait to be told in a thread; of more the latest are kept, for the message itself says how it is."""
KNOWN_PAGES = 50
TRIES = 20

LOUD = frozenset({PageKind.PAGE, PageKind.APPROVAL, PageKind.EXPIRY, PageKind.DRIFT, PageKind.BLIND})
"""Kinds that somebody should look at now. An update wakes nobody, so these are shown in the channel as well."""


class Line(BaseModel, frozen=True):
    """One page, as its incident's thread tells it."""

    key: str
    text: str
    loud: bool = False


class Told(BaseModel, frozen=True):
    """The last line of the timeline that the thread has told."""

    at: datetime
    what: str


class Saying(BaseModel, frozen=True):
    """A reply that was about to be created: it may be in the thread."""

    digest: str
    told: Told | None
    keys: tuple[str, ...]
    """Of the pages that it tells."""


class Record(BaseModel, frozen=True):
    """One incident's message; or, where a page is about no incident, that page's."""

    name: str
    """The incident, or the key of the page."""
    channel: str
    created_at: datetime
    notice: str = ""
    """What is said, where it is about no incident."""
    ts: str = ""
    """Slack's id of the message, together with the channel; empty before it is there."""
    posting: bool = False
    """It was about to be created when this was written: it may be there."""
    content: str = ""
    """Digest of what the message shows."""
    lines: tuple[Line, ...] = ()
    """Pages that the thread has not told yet."""
    saying: Saying | None = None
    told: Told | None = None
    pages: tuple[str, ...] = ()
    """Keys of the pages that were taken."""
    over: bool = False
    """The incident is closed, and the message says so."""


class Records:
    """All messages, in a bucket of the liaison's."""

    def __init__(self, bucket: KeyValue) -> None:
        """Keep them in this bucket."""
        self._bucket = bucket

    async def names(self) -> list[str]:
        """Return the names of all that are known."""
        return [key.removeprefix(PREFIX) for key in await self._bucket.keys() if key.startswith(PREFIX)]

    async def forget(self, name: str) -> None:
        """Forget one."""
        await self._bucket.delete(PREFIX + name)

    async def find(self, name: str) -> Record | None:
        """Return one, or None."""
        entry = await self._bucket.get(PREFIX + name)
        return _read(entry.value) if entry else None

    async def change(self, name: str, change: Callable[[Record | None], Record]) -> Record:
        """Write what `change` makes of one; anew if somebody else wrote meanwhile.

        Raises:
            Unavailable: the bucket does not answer, or others write all the time.
        """
        for _ in range(TRIES):
            entry = await self._bucket.get(PREFIX + name)
            old = _read(entry.value) if entry else None
            new = change(old)
            if new == old:
                return new
            value = new.model_dump_json().encode()
            try:
                if entry is None:
                    await self._bucket.create(PREFIX + name, value)
                else:
                    await self._bucket.update(PREFIX + name, value, entry.revision)
            except Conflict:
                continue
            return new
        raise Unavailable(f"the record of {name} is written by somebody else all the time")


def taken(record: Record | None, name: str, channel: str, page: Page, at: datetime) -> Record:
    """Return the record once a page is taken; one that was taken already changes nothing."""
    known = record or Record(name=name, channel=channel, created_at=at)
    if page.dedup_key in known.pages:
        return known
    said = f"{page.title}. {page.text}" if page.text else page.title
    line = Line(key=page.dedup_key, text=said[:1000], loud=page.kind in LOUD)
    opening = record is None  # the message itself tells it
    return known.model_copy(
        update={
            "notice": "" if page.incident else said[:2000],
            "lines": known.lines if opening else (*known.lines, line)[-WAITING_LINES:],
            "pages": (*known.pages, page.dedup_key)[-KNOWN_PAGES:],
            "over": False,
        }
    )


def said(record: Record, saying: Saying) -> Record:
    """Return the record once a reply is in the thread."""
    left = tuple(line for line in record.lines if line.key not in saying.keys)
    return record.model_copy(update={"lines": left, "told": saying.told, "saying": None})


def _read(value: bytes) -> Record | None:
    try:
        return Record.model_validate_json(value)
    except ValidationError:
        return None  # of a version that kept something else; it is written anew
