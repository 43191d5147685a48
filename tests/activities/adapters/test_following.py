"""What one who remembers is told by an API server, also by one that is in trouble on purpose."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web

from activities.adapters.memory import MemoryCluster
from activities.adapters.memory_following import MemoryFollowing
from activities.ports import NAMESPACES, NETWORK_POLICIES, PODS, Change
from signals.errors import NotFound, Refused
from tests.activities.adapters.test_kubernetes import answering, status


def item(name: str, version: str) -> dict[str, object]:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": version}}


def listing(version: str, *names: str, more: str = "") -> web.Response:
    metadata = {"resourceVersion": version, "continue": more}
    items = [item(name, version) for name in names]
    return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items})


async def told(changes: AsyncGenerator[Change, None], count: int) -> list[tuple[str, str]]:
    """Return the first changes, each with its names or its revision."""
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(10), aclosing(changes) as some:
        async for change in some:
            metadata = change.object.get("metadata", {})
            names = [one["metadata"]["name"] for one in change.object.get("items", ())]
            found.append((change.type, ",".join(names) or str(metadata.get("resourceVersion", ""))))
            if len(found) == count:
                break
    return found


class Server:
    """Answers listings in pages, and each watch as it is told to."""

    def __init__(self, *watches: web.StreamResponse | list[dict[str, object]]) -> None:
        self.watches = list(watches)
        self.asked: list[tuple[str, str]] = []
        self.accepted: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        self.accepted.append(request.headers["Accept"])
        if "watch" not in query:
            self.asked.append(("list", query.get("continue", "")))
            return listing("7", "c") if query.get("continue") else listing("7", "a", "b", more="next")
        self.asked.append(("watch", query["resourceVersion"]))
        answer = self.watches.pop(0) if self.watches else []
        if isinstance(answer, web.StreamResponse):
            return answer
        lines = "".join(json.dumps(event) + "\n" for event in answer)
        if answer:
            return web.Response(text=lines)
        await asyncio.sleep(5)
        return web.Response(text="")


LISTED = [("LISTING", ""), ("PAGE", "a,b"), ("PAGE", "c"), ("LISTED", "7")]


async def test_a_listing_comes_in_pages_and_the_watch_goes_on_from_it(tmp_path: Path) -> None:
    server = Server([{"type": "MODIFIED", "object": item("a", "9")}])
    async with answering(server.answer, tmp_path) as cluster:
        found = await told(cluster.following().follow(PODS), 7)
    assert found == [*LISTED, ("OPENED", ""), ("MODIFIED", "9"), ("OPENED", "")]
    assert server.asked == [("list", ""), ("list", "next"), ("watch", "7"), ("watch", "9")]


async def test_who_knows_where_he_was_is_not_told_again_what_he_knows(tmp_path: Path) -> None:
    server = Server([{"type": "BOOKMARK", "object": item("", "12")}])
    async with answering(server.answer, tmp_path) as cluster:
        found = await told(cluster.following().follow(PODS, "5"), 3)
    assert [kind for kind, _ in found] == ["OPENED", "BOOKMARK", "OPENED"]
    assert server.asked == [("watch", "5"), ("watch", "12")]


@pytest.mark.parametrize("in_stream", [True, False])
async def test_a_server_that_forgot_where_he_was_lists_again(tmp_path: Path, in_stream: bool) -> None:
    gone: dict[str, object] = {
        "type": "ERROR",
        "object": {"kind": "Status", "code": 410, "message": "too old"},
    }
    server = Server([gone] if in_stream else status(410))
    async with answering(server.answer, tmp_path) as cluster:
        found = await told(cluster.following().follow(PODS, "5"), 6 if in_stream else 5)
    assert [one for one in found if one[0] != "OPENED"] == LISTED
    assert server.asked[:2] == [("watch", "5"), ("list", "")]


async def test_a_watch_that_breaks_is_said_to_be_lost_and_goes_on(tmp_path: Path) -> None:
    server = Server(status(503), [{"type": "DELETED", "object": item("a", "9")}])
    async with answering(server.answer, tmp_path) as cluster:
        found = await told(cluster.following().follow(PODS, "5"), 3)
    assert [kind for kind, _ in found] == ["LOST", "OPENED", "DELETED"]
    assert server.asked[:2] == [("watch", "5"), ("watch", "5")]


@pytest.mark.parametrize(("code", "expected"), [(404, NotFound), (403, Refused)])
async def test_a_kind_that_is_not_there_or_not_ours_is_said_so(
    tmp_path: Path, code: int, expected: type[Exception]
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return status(code)

    async with answering(answer, tmp_path) as cluster:
        with pytest.raises(expected):
            await told(cluster.following().follow(PODS), 2)


async def test_where_only_metadata_is_wanted_nothing_else_is_asked_for(tmp_path: Path) -> None:
    server = Server()
    async with answering(server.answer, tmp_path) as cluster:
        await told(cluster.following().follow(PODS, metadata_only=True), 4)
    assert {accept.split(";")[1] for accept in server.accepted} == {"as=PartialObjectMetadataList"}


async def test_the_counter_is_read_from_a_listing_of_next_to_nothing(tmp_path: Path) -> None:
    server = Server()
    async with answering(server.answer, tmp_path) as cluster:
        assert await cluster.following().revision() == 7
    assert server.asked == [("list", "")]


async def test_the_memory_cluster_is_followed_alike() -> None:
    cluster = MemoryCluster()
    following = MemoryFollowing(cluster)
    before = await following.revision()
    changes = following.follow(NETWORK_POLICIES)
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"podSelector": {}}}
    await cluster.create(NAMESPACES.ref("shop"), {"apiVersion": "v1", "kind": "Namespace"})
    await cluster.create(NETWORK_POLICIES.ref("p", "shop"), policy)
    found = await told(changes, 4)
    assert [kind for kind, _ in found] == ["LISTING", "PAGE", "LISTED", "OPENED"]
    assert found[1] == ("PAGE", "p")
    assert await following.revision() == (before or 0) + 2
