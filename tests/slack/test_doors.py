"""Both ways in: only what Slack has signed, once and now; acknowledged when it is kept, and not before."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from activities.slack.web import Web
from signals.errors import Unavailable
from tests.slack.fake import APP_TOKEN, SECRET, FakeSlack, post
from tests.slack.office import until
from tests.workflows.world import Bucket
from workers.slack_doors import PATH, Interactivity, Socket

PAYLOAD = {"type": "block_actions", "actions": []}


class Taken:
    """Takes what comes in, or cannot."""

    def __init__(self) -> None:
        self.payloads: list[dict[str, Any]] = []
        self.full = False

    async def __call__(self, payload: dict[str, Any]) -> None:
        if self.full:
            raise Unavailable("the bucket does not answer")
        self.payloads.append(payload)


@asynccontextmanager
async def door(taken: Taken, now: float) -> AsyncIterator[str]:
    ports: list[int] = []
    served = Interactivity(SECRET, Bucket(), taken, lambda: now)
    task = asyncio.create_task(served.serve("127.0.0.1", 0, ports.append))
    try:
        await until(lambda: ports)
        yield f"http://127.0.0.1:{ports[0]}{PATH}"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_signed_request_is_taken_once() -> None:
    taken = Taken()
    async with door(taken, 1_700_000_000.0) as url:
        assert await post(url, PAYLOAD, "1700000000") == 200
        assert await post(url, PAYLOAD, "1700000000") == 401  # the very same bytes again
        assert await post(url, PAYLOAD, "1700000001") == 200
    assert taken.payloads == [PAYLOAD, PAYLOAD]


async def test_what_cannot_be_replayed_any_more_is_forgotten() -> None:
    bucket, clock, ports = Bucket(), [1_700_000_000.0], list[int]()
    served = Interactivity(SECRET, bucket, Taken(), lambda: clock[0])
    task = asyncio.create_task(served.serve("127.0.0.1", 0, ports.append))
    try:
        await until(lambda: ports)
        for _ in range(3):
            assert await post(f"http://127.0.0.1:{ports[0]}{PATH}", PAYLOAD, f"{clock[0]:.0f}") == 200
            clock[0] += 601
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len(bucket.entries) == 1


@pytest.mark.parametrize(
    ("at", "other"),
    [
        ("1699999699", {}), ("1700000301", {}), ("abc", {}), ("", {}), ("١٧٠٠٠٠٠٠٠٠", {}), ("1" * 400, {}),
        ("1700000000", {"secret": "another"}), ("1700000000", {"sent": "payload=%7B%7D"}),
        ("1700000000", {"sent": b"\xff\xfe".decode("latin-1")}),
    ],
)  # fmt: skip
async def test_what_slack_has_not_signed_just_now_is_refused(at: str, other: dict[str, Any]) -> None:
    taken = Taken()
    async with door(taken, 1_700_000_000.0) as url:
        if at.isascii():
            assert await post(url, PAYLOAD, at, **other) == 401
    assert taken.payloads == []


async def test_what_cannot_be_kept_is_not_acknowledged() -> None:
    taken = Taken()
    taken.full = True
    async with door(taken, 1_700_000_000.0) as url:
        assert await post(url, PAYLOAD, "1700000000") == 503


@asynccontextmanager
async def listening(slack: FakeSlack, taken: Taken) -> AsyncIterator[Socket]:
    socket = Socket(Web(APP_TOKEN, slack.url), taken)
    task = asyncio.create_task(socket.run())
    try:
        await asyncio.wait_for(socket.connected.wait(), 20)
        yield socket
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_envelope_is_acknowledged_once_its_click_is_kept() -> None:
    taken = Taken()
    async with FakeSlack() as slack, listening(slack, taken):
        started = time.monotonic()
        await slack.send(PAYLOAD)
        assert time.monotonic() - started < 3
        assert taken.payloads == [PAYLOAD]


async def test_a_connection_that_slack_renews_is_opened_again() -> None:
    taken = Taken()
    async with FakeSlack() as slack, listening(slack, taken):
        await slack.disconnect()
        await until(lambda: [method for method, _ in slack.calls] == ["apps.connections.open"] * 2)
        await slack.send(PAYLOAD)
    assert taken.payloads == [PAYLOAD]
