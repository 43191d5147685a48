"""Slack, put together for the liaison: messages out, clicks in. It is off where its settings are not given."""

import asyncio
import hashlib
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from activities.outbound import secret
from activities.ports import KeyValue
from activities.slack.border import Border
from activities.slack.channel import Rooms, SlackChannel
from activities.slack.checking import Checked, check
from activities.slack.delivery import Delivery, Known
from activities.slack.groups import UserGroups
from activities.slack.message import Doors
from activities.slack.outbox import Outbox
from activities.slack.record import Records
from activities.slack.web import Web
from signals.approvals import Answer
from signals.errors import SettingsInvalid, Unavailable
from signals.incidents import Summary
from signals.people import People
from signals.policy import Policy
from signals.subjects import INCIDENT_WORKFLOW, LIAISON, MEMO, state_bucket
from workers.agent import Context, ended
from workers.cli.ledger import Ledger
from workers.saying import Saying, answered, say
from workers.settings import Settings
from workers.slack_clicks import Clicking
from workers.slack_desk import Desk
from workers.slack_doors import Interactivity, Socket

LOOK_SECONDS = 5.0
"""How often it is looked which incidents have changed."""
YOUNG = timedelta(minutes=1)
"""So long an incident is looked at whole each time: much comes in its first minute."""
CHECK_SECONDS = 5.0
"""How long the start waits for Slack to say that the app is as it must be."""

log = structlog.get_logger(__name__)


class Slack:
    """One workspace, connected."""

    def __init__(self, context: Context, temporal: Client) -> None:
        """Connect as the settings say; nothing is asked of Slack yet.

        Raises:
            SettingsInvalid: a setting or a file of theirs cannot work.
        """
        given = context.settings
        self._context = context
        self._temporal = temporal
        self._web = Web(_token(given), given.slack_url)
        self._app = _app(given)
        bucket = context.bus.kv(state_bucket(LIAISON))
        self._bucket: KeyValue = bucket
        self._records = Records(bucket)
        self._ledger = Ledger(temporal)
        self._outbox = Outbox(self._records, Delivery(self._web, self._records, self.view, self._doors))
        self.groups = UserGroups(self._web, given.slack_team or "", _groups(context.policy))
        """Who is in which user group, for whoever asks whether a person may decide."""
        self.channel = SlackChannel(self._outbox, Rooms(given.slack_channel or "", given.slack_routes))

    async def view(self, incident: str) -> Known:
        """Return an incident as it is, or as it was last known."""
        found = await self._ledger.find(incident, seconds=0)
        return Known(found.incident, whole=found.whole)

    def _doors(self, incident: str) -> Doors:
        given = self._context.settings
        at = f"{given.temporal_ui}/namespaces/{given.temporal_namespace}/workflows/{quote(incident, safe='')}"
        return Doors(
            temporal=at if given.temporal_ui else "",
            irreversible=frozenset(self._context.policy.authority.irreversible),
            mention=given.slack_mention,
            people=self._context.policy.people,
        )

    async def say(self, saying: Saying) -> Answer:
        """Say something for a person and wait for the answer."""
        cluster = self._context.cluster
        return await answered(cluster, await say(cluster, saying))

    async def check(self) -> Checked:
        """Return who we are in Slack, and what is wrong with the app."""
        given = self._context.settings
        groups = bool(_groups(self._context.policy))
        return await check(self._web, self._app, given.slack_team or "", groups=groups)

    async def examine(self) -> None:
        """Say at the start what a person has to see to. That Slack does not answer stops nothing."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                checked = await self.check()
        except (Unavailable, TimeoutError) as error:
            log.warning("slack does not answer at the start; it is tried again", error=str(error))
            return
        for line in checked.wrong:
            log.error("slack is not as it must be", what=line)
            self._context.attention(f"Slack: {line}")

    async def run(self) -> None:
        """Send and listen until cancelled. What goes wrong here is logged and begun anew: the liaison goes on."""
        while True:
            work = [
                asyncio.create_task(self._outbox.run()),
                asyncio.create_task(self._look()),
                asyncio.create_task(self._listen()),
            ]
            try:
                done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await ended(work)
                await self._outbox.close()
            for task in done:
                log.error("slack is begun anew", exc_info=task.exception())
            await asyncio.sleep(CHECK_SECONDS)

    async def _listen(self) -> None:
        """Hear clicks, once Slack has said who we are."""
        identity = None
        while identity is None:
            try:
                identity = (await self.check()).identity
            except Unavailable as error:
                log.warning("slack does not say who we are", error=str(error))
            if identity is None:
                await asyncio.sleep(CHECK_SECONDS)
        context = self._context
        desk = Desk(
            web=self._web,
            border=Border(self._web, identity.team, identity.app),
            records=self._records,
            bucket=self._bucket,
            outbox=self._outbox,
            view=self.view,
            people=People(context.policy.people),
            never=frozenset(context.policy.authority.irreversible),
            say=self.say,
            note=context.audit.note,
        )
        clicking = Clicking(desk)
        await clicking.resume()
        doors = [asyncio.create_task(door) for door in self._open(clicking)]
        try:
            await asyncio.gather(*doors)
        finally:
            await ended(doors)
            await clicking.close()

    def _open(self, clicking: Clicking) -> list[Coroutine[Any, Any, None]]:
        """Return the ways in: our own connection, and Slack's requests, each where it is named."""
        given, ways = self._context.settings, []
        if self._app:
            ways.append(Socket(self._app, clicking.take).run())
        if given.slack_signing_secret_file:
            signing = secret(given.slack_signing_secret_file, "FIREBREAK_SLACK_SIGNING_SECRET_FILE")
            served = Interactivity(signing, self._bucket, clicking.take)
            ways.append(served.serve(given.slack_host, given.slack_port))
        return ways

    async def _look(self) -> None:
        """Look at the messages of incidents that have changed, by whatever."""
        seen: Mapping[str, str] = {}
        while True:
            try:
                now = await self._digests()
            except RPCError as error:
                log.warning("temporal does not list incidents", error=str(error))
            else:
                for incident in {*seen, *now}:
                    if seen.get(incident) != now.get(incident):
                        self._outbox.touch(incident)
                seen = now
            await asyncio.sleep(LOOK_SECONDS)

    async def _digests(self) -> Mapping[str, str]:
        """Return a digest of each open incident; of a young one another each time."""
        query = f"WorkflowType = '{INCIDENT_WORKFLOW}' AND ExecutionStatus = 'Running'"
        found: dict[str, str] = {}
        now = datetime.now(UTC)
        async for row in self._temporal.list_workflows(query, rpc_timeout=timedelta(seconds=5)):
            summary = await row.memo_value(MEMO, None, type_hint=Summary)
            if summary is None:
                continue
            young = f"{now}" if now - summary.opened_at < YOUNG else ""
            found[row.id] = hashlib.sha256(f"{summary.model_dump_json()}{young}".encode()).hexdigest()
        return found


def wired(context: Context, temporal: Client) -> Slack | None:
    """Return Slack as the settings name it, or None where they do not.

    Raises:
        SettingsInvalid: they name part of it, or what cannot work.
    """
    given = context.settings
    named = (given.slack_token_file, given.slack_team, given.slack_channel)
    if not any(named):
        return None
    if not all(named):
        raise SettingsInvalid(
            "Slack needs FIREBREAK_SLACK_TOKEN_FILE, FIREBREAK_SLACK_TEAM and FIREBREAK_SLACK_CHANNEL"
        )
    return Slack(context, temporal)


def _token(given: Settings) -> str:
    if given.slack_token_file is None:
        raise SettingsInvalid("FIREBREAK_SLACK_TOKEN_FILE is not given")
    return secret(given.slack_token_file, "FIREBREAK_SLACK_TOKEN_FILE", begins="xoxb-")


def _app(given: Settings) -> Web | None:
    if given.slack_app_token_file is None:
        return None
    token = secret(given.slack_app_token_file, "FIREBREAK_SLACK_APP_TOKEN_FILE", begins="xapp-")
    return Web(token, given.slack_url)


def _groups(policy: Policy) -> tuple[str, ...]:
    return tuple(group for rule in policy.authority.rules for group in rule.groups)
