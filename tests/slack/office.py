"""A workspace, an incident that can be changed, and everything between them but the servers of Firebreak."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from activities.slack.border import Border
from activities.slack.channel import Rooms, SlackChannel
from activities.slack.delivery import Delivery, Known
from activities.slack.message import Doors
from activities.slack.outbox import Outbox
from activities.slack.record import Records
from activities.slack.web import Web
from signals.approvals import Answer
from signals.audit import Kind
from signals.errors import NotFound
from signals.incidents import Incident
from signals.pages import Page, PageKind
from signals.people import People, Person, Role, SlackAccount
from signals.threats import Severity
from tests.slack.fake import APP, CHANNEL, TEAM, TOKEN, FakeSlack, member
from tests.workers.cli.sample import CLUSTER, ID, NOW
from tests.workflows.world import Bucket
from workers.saying import Saying
from workers.slack_clicks import Clicking
from workers.slack_desk import Desk

ANA, BEN = "U0ANA", "U0BEN"
PEOPLE = tuple(
    Person(name=name, slack=(SlackAccount(team=TEAM, user=user),), roles=(Role.ONCALL, Role.LEAD))
    for name, user in (("ana", ANA), ("ben", BEN))
)
NEVER = frozenset({"evict_pod"})


@dataclass
class Office:
    """What a test holds."""

    slack: FakeSlack
    bucket: Bucket
    incidents: dict[str, Incident]
    whole: bool = True
    answers: list[Answer] = field(default_factory=list)
    said: list[Saying] = field(default_factory=list)
    notes: list[tuple[Kind, dict[str, Any], str]] = field(default_factory=list)
    seconds: float = 0.0
    """What a clock of the test's own says."""
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.web = Web(TOKEN, self.slack.url)
        self.records = Records(self.bucket)
        doors = Doors(irreversible=NEVER)
        self.delivery = Delivery(self.web, self.records, self.view, lambda _: doors)
        self.outbox = Outbox(self.records, self.delivery, self.sleep)
        self.border = Border(self.web, TEAM, APP, lambda: self.seconds)
        self.channel = SlackChannel(self.outbox, Rooms(CHANNEL, "severity/critical=C0OTHER"))
        desk = Desk(
            web=self.web, border=self.border, records=self.records, bucket=self.bucket, outbox=self.outbox,
            view=self.view, people=People(PEOPLE), never=NEVER, say=self.say, note=self.note,
        )  # fmt: skip
        self.clicking = Clicking(desk, self.sleep)

    async def view(self, incident: str) -> Known:
        if incident not in self.incidents:
            raise NotFound(incident)
        return Known(self.incidents[incident], whole=self.whole)

    async def sleep(self, seconds: float) -> None:
        """Note how long would be waited, and wait a moment."""
        self.slept.append(seconds)
        await asyncio.sleep(0.001)

    async def say(self, saying: Saying) -> Answer:
        self.said.append(saying)
        return self.answers.pop(0) if self.answers else Answer(accepted=True, message="applied: isolate")

    async def note(self, kind: Kind, body: dict[str, Any], once: str) -> None:
        self.notes.append((kind, body, once))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.outbox.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.outbox.close()
            await self.clicking.close()

    async def press(self, verb: str, user: str = ANA, /, **other: Any) -> None:
        """Press a button of the one message, and wait until that has come to an end."""
        await self.clicking.take(self.slack.click(ID, verb, user, **other))
        await self.idle()

    async def idle(self) -> None:
        """Return once everything that was pressed has come to an end."""
        while self.clicking._busy:
            await asyncio.wait(self.clicking._busy.values())

    @property
    def refusals(self) -> list[str]:
        return [
            body["answer"] for kind, body, _ in self.notes if kind is Kind.COMMAND and not body["accepted"]
        ]


@asynccontextmanager
async def office(one: Incident) -> AsyncIterator[Office]:
    """Yield an office about one incident, with the people in it."""
    users = {user: member(user) for user in (ANA, BEN, "U0EVE")}
    async with FakeSlack(users=users) as slack:
        made = Office(slack, Bucket(), {one.summary.id: one})
        async with made.running():
            yield made


def page(
    text: str = "somebody should look", key: str = "k-1", kind: PageKind = PageKind.PAGE, **other: Any
) -> Page:
    return Page(
        **{"incident": ID, "cluster": CLUSTER, "kind": kind, "severity": Severity.HIGH, "title": text,
           "dedup_key": key, "at": NOW, **other}
    )  # fmt: skip


async def until(holds: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came so"
        await asyncio.sleep(0.01)
