"""One message on its way: created once, changed in place, its story told in its thread."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from activities.slack import thread
from activities.slack.blocks import context
from activities.slack.message import Doors, Message, escaped, message
from activities.slack.record import Record, Records, Saying, said
from activities.slack.web import Speaking
from signals.display import literal
from signals.errors import NotFound, Refused
from signals.incidents import Incident, IncidentState

GONE = frozenset({"message_not_found", "edit_window_closed", "cant_update_message"})
"""Errors of an update after which the message is made anew."""


UNFOLDED = {"unfurl_links": False, "unfurl_media": False}
"""Nothing that looks like an address is fetched and shown by Slack."""
PAGE, PAGES = 200, 10
"""How many messages of a channel are looked through for one of ours that a crash has left unrecorded."""


@dataclass(frozen=True)
class Known:
    """What is known of an incident now. Not `whole`: only its summary."""

    incident: Incident
    whole: bool = True


View = Callable[[str], Awaitable[Known]]
"""Returns an incident by its id. Raises `NotFound`, `Unavailable`."""


class Delivery:
    """Brings messages up to what is true."""

    def __init__(self, web: Speaking, records: Records, view: View, doors: Callable[[str], Doors]) -> None:
        """Send through `web` what `view` says of an incident; `doors` are where its buttons lead."""
        self._web = web
        self._records = records
        self._view = view
        self._doors = doors

    async def deliver(self, name: str) -> None:
        """Bring one message and its thread up to what is true now.

        Raises:
            Unavailable: Slack or what knows the incident does not answer; it may be called again.
            Refused: Slack does not take it.
        """
        record = await self._records.find(name)
        if record is None or record.over:
            return
        if record.notice:
            if not record.ts:
                await self._post(record, _notice(record.notice), "")
            await self._keep(name, over=True, lines=())
            return
        try:
            known = await self._view(name)
        except NotFound:
            await self._keep(name, over=True)
            return
        record = await self._show(record, message(known.incident, self._doors(name), whole=known.whole))
        if known.whole:
            record = await self._tell_thread(record, known.incident)
        over = known.incident.summary.state is IncidentState.CLOSED
        if over and not record.lines:
            await self._keep(name, over=True)

    async def _keep(self, name: str, **update: Any) -> Record:
        def changed(old: Record | None) -> Record:
            if old is None:
                raise NotFound(f"the record of {name} is gone")
            return old.model_copy(update=update)

        return await self._records.change(name, changed)

    async def _show(self, record: Record, shown: Message) -> Record:
        """Create the message, or change it if it shows something else."""
        content = hashlib.sha256(json.dumps(shown.body, sort_keys=True).encode()).hexdigest()
        if not record.ts:
            record = await self._post(record, shown, content)
        if content == record.content:
            return record
        arguments = {"channel": record.channel, "ts": record.ts, "metadata": _mark(record), **shown.body}
        reply = await self._web.ask("chat.update", **arguments)
        if reply.error in GONE:
            return await self._post(await self._keep(record.name, ts="", posting=False), shown, content)
        if reply.error:
            raise Refused(reply.told("chat.update"))
        return await self._keep(record.name, content=content)

    async def _post(self, record: Record, shown: Message, content: str) -> Record:
        """Create the message once: where an earlier attempt may have, it is looked for first."""
        found = await self._find(record) if record.posting else None
        if found is None:
            record = await self._keep(record.name, posting=True)
            body = await self._web.call(
                "chat.postMessage", channel=record.channel, metadata=_mark(record), **UNFOLDED, **shown.body
            )
            return await self._keep(record.name, ts=str(body["ts"]), posting=False, content=content)
        return await self._keep(record.name, ts=found, posting=False, content="")

    async def _find(self, record: Record) -> str | None:
        """Return the message that an attempt of ours left in the channel."""
        since = f"{record.created_at.timestamp() - 60:.6f}"
        async for one in self._listed("conversations.history", channel=record.channel, oldest=since):
            if (one.get("metadata") or {}) == _mark(record):
                return str(one["ts"])
        return None

    async def _listed(self, method: str, **given: Any) -> AsyncIterator[Mapping[str, Any]]:
        """Yield messages with their metadata, page by page, as far as it is worth to look."""
        cursor = ""
        for _ in range(PAGES):
            more = {"cursor": cursor} if cursor else {}
            body = await self._web.call(method, include_all_metadata="true", limit=PAGE, **given, **more)
            for one in body["messages"]:
                yield one
            cursor = str((body.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    async def _tell_thread(self, record: Record, incident: Incident) -> Record:
        """Tell in the thread what came since; what is new and needs somebody is shown in the channel, too."""
        if record.saying:
            if await self._was_said(record, record.saying.digest):
                record = await self._said(record, record.saying)
            else:
                record = await self._keep(record.name, saying=None)
        reply = thread.reply(record, incident, self._doors(record.name).mention)
        if reply is None:
            return record
        await self._keep(record.name, saying=reply.saying)
        metadata = {"event_type": "firebreak_reply", "event_payload": {"reply": reply.saying.digest}}
        await self._web.call(
            "chat.postMessage",
            channel=record.channel,
            thread_ts=record.ts,
            reply_broadcast=reply.loud,
            metadata=metadata,
            **UNFOLDED,
            **reply.body,
        )
        return await self._said(record, reply.saying)

    async def _said(self, record: Record, saying: Saying) -> Record:
        return await self._records.change(record.name, lambda old: said(old or record, saying))

    async def _was_said(self, record: Record, digest: str) -> bool:
        async for one in self._listed("conversations.replies", channel=record.channel, ts=record.ts):
            if ((one.get("metadata") or {}).get("event_payload") or {}).get("reply") == digest:
                return True
        return False


def _mark(record: Record) -> dict[str, Any]:
    """Return by what a message is found again."""
    return {"event_type": "firebreak_message", "event_payload": {"message": record.name}}


def _notice(words: str) -> Message:
    return Message(text=escaped(words, 300), blocks=(context(literal(words, 1500)),))
