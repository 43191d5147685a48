import asyncio

from activities.adapters.memory import MemoryCluster
from activities.ports import ENROLMENTS, Change, Manifest, Resource
from signals.errors import Unavailable
from signals.threats import Mode
from workers.enrolled import LEAST_SECONDS, Enrolled


def enrolment(mode: str) -> Manifest:
    return {
        "apiVersion": "firebreak.dev/v1alpha1",
        "kind": "Enrolment",
        "metadata": {},
        "spec": {"mode": mode},
    }


class Counted(MemoryCluster):
    """A cluster that counts what is listed, and may be away."""

    listed = 0
    away = False

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        self.listed += 1
        if self.away:
            raise Unavailable("away")
        return await super().list(resource, namespace, labels)


async def test_who_was_enrolled_behind_the_back_of_a_broken_watch_is_found() -> None:
    cluster, enrolled = Counted(), Enrolled()
    await cluster.create(ENROLMENTS.ref("shop"), enrolment("auto"))
    assert enrolled.mode("shop") is None
    await enrolled.settle(cluster, ["shop"], 1)
    assert enrolled.mode("shop") is Mode.AUTO
    await asyncio.sleep(LEAST_SECONDS)
    await enrolled.settle(cluster, ["shop"], 1)
    assert cluster.listed == 1


async def test_a_flood_reads_it_no_more_often_than_needed() -> None:
    cluster, enrolled = Counted(), Enrolled()
    for _ in range(5):
        await enrolled.settle(cluster, ["shop"], 1)
    assert cluster.listed == 1


async def test_an_api_server_that_is_away_changes_nothing() -> None:
    cluster, enrolled = Counted(), Enrolled()
    enrolled.apply(Change("ADDED", {**enrolment("approve"), "metadata": {"name": "shop"}}))
    cluster.away = True
    await enrolled.settle(cluster, ["shop"], 1)
    assert enrolled.mode("shop") is Mode.APPROVE
