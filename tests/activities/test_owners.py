"""The owners of a workload hear what was done to it, on the workload and where the policy says they are."""

import pytest
from temporalio.testing import ActivityEnvironment

from activities.adapters.memory import MemoryCluster
from activities.owners import NOTE, WORKLOAD_EVENTS, Owning
from activities.ports import NAMESPACES, Manifest
from signals.entities import Entity
from signals.errors import Refused, Unavailable
from signals.incidents import Incident
from signals.owners import Done, OwnersNews, touched
from signals.pages import Audience, Page
from signals.plans import ObjectRef
from signals.policy import Policy
from signals.receipts import ActionState
from tests.workers.cli import sample

POLICY = Policy(owner_channels={"shop*": "C-SHOP"})
OWNER = Entity(cluster=sample.CLUSTER, kind="Deployment", namespace="shop", name="web", uid="u-web")


class Room:
    """A channel that reaches owners, and fails as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.told: list[tuple[str, Page]] = []

    async def send(self, page: Page) -> None:
        """Never: this is about owners."""
        raise AssertionError(page)

    async def tell_owners(self, page: Page, room: str) -> None:
        """Fail, or keep it."""
        if self.failures:
            raise self.failures.pop(0)
        self.told.append((room, page))


class Closed(MemoryCluster):
    """A cluster that lets nobody write Events."""

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Refuse Events."""
        if ref.resource == "events":
            raise Refused("events is forbidden")
        return await super().create(ref, manifest, dry_run=dry_run)


async def cluster(kind: type[MemoryCluster] = MemoryCluster) -> MemoryCluster:
    made = kind(sample.CLUSTER)
    await made.create(NAMESPACES.ref("shop"), {"kind": "Namespace", "metadata": {"name": "shop"}})
    return made


def story(state: ActionState = ActionState.EFFECTIVE, title: str = "A shell") -> Incident:
    told = sample.incident(action=state, title=title)
    return told.model_copy(
        update={"events": tuple(one.model_copy(update={"owner": OWNER}) for one in told.events)}
    )


def news(incident: Incident) -> OwnersNews:
    return OwnersNews(incident=sample.ID, cluster=sample.CLUSTER, touched=touched(incident), at=sample.OPENED)


@pytest.mark.parametrize(
    ("state", "done"),
    [
        (ActionState.APPLIED, [Done.CONTAINED]),
        (ActionState.DRIFTED, [Done.CONTAINED]),
        (ActionState.REVERTED, [Done.PUT_BACK]),
        (ActionState.DONE, [Done.OVER]),
        (ActionState.STAGED, []),
        (ActionState.SHADOW, []),
        (ActionState.REFUSED, []),
    ],
)
def test_only_what_was_written_is_told(state: ActionState, done: list[Done]) -> None:
    assert [one.done for one in touched(story(state))] == done


def test_it_says_what_why_until_when_and_how_to_contest() -> None:
    (one,) = touched(story())
    for part in ("A shell", "Until ", "UTC, then ", f"`firebreak undo {sample.ID}`"):
        assert part in one.text


def test_text_of_an_attacker_stays_one_harmless_line() -> None:
    (one,) = touched(story(title="a\nb\x1b[31m\u202e" + "x" * 5000))
    assert len(one.text) < NOTE
    assert not any(sign in one.text for sign in ("\n", "\x1b", "\u202e"))


async def test_pod_and_owner_get_one_event_each_and_the_room_one_message_however_often_it_is_tried() -> None:
    made, room = await cluster(), Room(Unavailable("down"))
    owning = Owning(made, {"room": room}, POLICY)
    with pytest.raises(Unavailable):
        await ActivityEnvironment().run(owning.tell_owners, news(story()))
    for _ in range(2):
        await ActivityEnvironment().run(owning.tell_owners, news(story()))
    found = await made.list(WORKLOAD_EVENTS, "shop")
    about = sorted((one["regarding"]["kind"], one["regarding"]["name"], one["type"]) for one in found)
    assert about == [("Deployment", "web", "Warning"), ("Pod", "web-0", "Warning")]
    ((where, page),) = room.told
    assert (where, page.audience) == ("C-SHOP", Audience.OWNERS)
    assert page.title == "deployment/shop/web was contained"


async def test_where_no_event_may_be_written_the_room_is_told_all_the_same() -> None:
    room = Room()
    owning = Owning(await cluster(Closed), {"room": room}, POLICY)
    await ActivityEnvironment().run(owning.tell_owners, news(story()))
    assert len(room.told) == 1


async def test_a_namespace_without_a_room_has_its_events_alone() -> None:
    made, room = await cluster(), Room()
    await ActivityEnvironment().run(Owning(made, {"room": room}, Policy()).tell_owners, news(story()))
    assert (len(await made.list(WORKLOAD_EVENTS, "shop")), room.told) == (2, [])
