"""What becomes of a button that somebody pressed: kept, acknowledged, checked, said as a Command, and answered.

One way for both transports. A click is in the liaison's bucket before Slack hears that it arrived, so a restart
between the click and the decision loses nothing. Its Command's name comes from the message, the button and the
person: pressed twice, or delivered twice, it is one Command.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from activities.slack.blocks import context
from activities.slack.click import Click, form, read
from activities.slack.message import escaped
from signals.approvals import Verb
from signals.audit import Kind
from signals.display import literal
from signals.errors import Conflict, FirebreakError, Refused, Unavailable
from workers.slack_desk import Desk, meant

PREFIX = "slack/click/"
KEEP_SECONDS = 2.0
"""How long a click may take to reach the bucket: Slack waits 3 s."""
KNOWN = timedelta(days=1)
"""How long a click that was answered is known again."""
LATEST = timedelta(minutes=15)
"""How long a click may wait for a server that does not answer: later it is nobody's word any more."""
AGAIN_SECONDS = 1.0
TRIES = 6
"""How often it is tried to tell somebody what came of their click."""

log = structlog.get_logger(__name__)


class Kept(BaseModel, frozen=True):
    """One click on its way, and the name of its Command once it has one."""

    click: Click
    at: datetime
    done: bool = False
    refused: int = 0
    """How often its Command was refused: pressed again, it is another one."""


class Clicking:
    """Takes clicks."""

    def __init__(self, desk: Desk, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Take them at this desk."""
        self._desk = desk
        self._sleep = sleep
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def take(self, payload: dict[str, Any]) -> None:
        """Keep what was pressed, and return: Slack may be told that it arrived. The rest happens afterwards.

        Raises:
            Unavailable: it could not be kept; Slack must not be told.
        """
        try:
            click = read(payload)
        except Refused as error:
            await self._note(None, str(error))
            return
        if click is None:
            return
        key = _key(click)
        if click.verb is not Verb.REJECT or click.reason:
            await self._keep(key, click)
        self._begin(key, click)

    async def _keep(self, key: str, click: Click) -> None:
        try:
            async with asyncio.timeout(KEEP_SECONDS):
                known = await self._desk.bucket.get(PREFIX + key)
                old = Kept.model_validate_json(known.value) if known else None
                if known is None:
                    new = Kept(click=click, at=datetime.now(UTC))
                    await self._desk.bucket.create(PREFIX + key, new.model_dump_json().encode())
                elif old and old.done:
                    again = old.model_copy(update={"click": click, "done": False, "at": datetime.now(UTC)})
                    await self._desk.bucket.update(
                        PREFIX + key, again.model_dump_json().encode(), known.revision
                    )
        except Conflict:
            return  # it was pressed at this very moment, and is on its way
        except TimeoutError as error:
            raise Unavailable("a click could not be kept in time") from error

    def _begin(self, key: str, click: Click) -> None:
        if key in self._busy:
            return
        task = asyncio.create_task(self._until_said(key, click))
        self._busy[key] = task
        task.add_done_callback(lambda ended: self._ended(key, ended))

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        self._busy.pop(key, None)
        if not task.cancelled() and (error := task.exception()):
            log.error("a click in Slack came to nothing", exc_info=error)

    async def resume(self) -> None:
        """Go on with what an earlier process was told and did not finish."""
        while True:
            try:
                for key in await self._desk.bucket.keys():
                    if not key.startswith(PREFIX):
                        continue
                    kept = await self._kept(key.removeprefix(PREFIX))
                    if kept and not kept.done:
                        self._begin(key.removeprefix(PREFIX), kept.click)
                    elif kept is None or datetime.now(UTC) - kept.at > KNOWN:
                        await self._desk.bucket.delete(key)
            except Unavailable as error:
                log.warning("clicks in Slack wait", error=str(error))
                await self._sleep(AGAIN_SECONDS)
            else:
                return

    async def _kept(self, key: str) -> Kept | None:
        entry = await self._desk.bucket.get(PREFIX + key)
        try:
            return Kept.model_validate_json(entry.value) if entry else None
        except ValidationError:
            return None

    async def _finish(self, key: str, *, refused: bool) -> None:
        """Note that whoever pressed knows; the click stays for a while, to be known again."""
        entry = await self._desk.bucket.get(PREFIX + key)
        if entry is None:
            return
        kept = Kept.model_validate_json(entry.value)
        done = kept.model_copy(update={"done": True, "refused": kept.refused + refused})
        await self._desk.bucket.update(PREFIX + key, done.model_dump_json().encode(), entry.revision)

    async def close(self) -> None:
        """Leave what is on its way to the next process."""
        for task in list(self._busy.values()):
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _until_said(self, key: str, click: Click) -> None:
        while True:
            try:
                await self._say(key, click)
            except Unavailable as error:
                log.warning("a click in Slack waits", verb=click.verb, error=str(error))
                await self._sleep(error.retry_after or AGAIN_SECONDS)
            except FirebreakError as error:
                await self._refuse(key, click, str(error))
                return
            else:
                return

    async def _refuse(self, key: str, click: Click, why: str) -> None:
        await self._note(click, why)
        self._desk.outbox.touch(click.value.incident)
        await self.whisper(click, f"Not done: {why}")
        await self._desk.bucket.delete(PREFIX + key)

    async def _say(self, key: str, click: Click) -> None:
        desk = self._desk
        await desk.border.admit(click)
        person = desk.people.of_slack(click.team, click.user)
        if person is None:
            raise Refused(
                "Firebreak does not know whose Slack account this is:"
                f" policy must name {click.team}/{click.user} under a person"
            )
        kept = await self._kept(key)
        if kept and datetime.now(UTC) - kept.at > LATEST:
            raise Refused("it could not be decided in time: look at the message, and press again")
        saying = await meant(desk, click, person, kept.refused if kept else 0)
        if click.verb is Verb.REJECT and not click.reason:
            await desk.web.call("views.open", trigger_id=click.trigger, view=form(click))
            return
        answer = await desk.say(saying)
        desk.outbox.touch(click.value.incident)
        await self.whisper(click, f"{'Heard' if answer.accepted else 'Not done'}: {answer.message}")
        await self._finish(key, refused=not answer.accepted)

    async def whisper(self, click: Click, words: str) -> None:
        """Tell the one who pressed, and nobody else; after a few attempts only the log is told."""
        shown = literal(words, 1000)
        said = {"text": escaped(words, 1000), "blocks": [context(shown)]}
        for attempt in range(TRIES):
            try:
                await self._desk.web.call(
                    "chat.postEphemeral", channel=click.channel, user=click.user, **said
                )
            except Unavailable as error:
                await self._sleep(error.retry_after or 2.0**attempt)
            except Refused as error:
                log.warning("somebody could not be told in Slack", user=click.user, error=str(error))
                return
            else:
                return
        log.warning("somebody could not be told in Slack", user=click.user, text=shown)

    async def _note(self, click: Click | None, why: str) -> None:
        """Put a refused attempt on record."""
        body: dict[str, Any] = {"via": "slack", "accepted": False, "answer": why}
        if click:
            body |= {
                "actor": f"slack:{click.team}/{click.user}",
                "verb": click.verb.value,
                "incident": click.value.incident,
                "planHash": click.value.plan,
            }
        log.info("a click in Slack was refused", **body)
        await self._desk.note(Kind.COMMAND, body, f"slack:{secrets.token_hex(16)}")


def _key(click: Click) -> str:
    """Return one key for the same button of the same message, pressed by the same account."""
    about = (click.user, click.channel, click.ts, click.verb.value, click.value.nonce, click.value.plan)
    return hashlib.sha256("\n".join((*about, click.team)).encode()).hexdigest()[:32]
