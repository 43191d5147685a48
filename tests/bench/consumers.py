"""How much of a stream is not yet done, by NATS's own word."""

from typing import Any

from signals.subjects import ORCHESTRATOR
from tests.bench.ground import Ground
from workers.stack.ports import HOST, NAMES


async def left(ground: Ground, stream: str, consumer: str = ORCHESTRATOR) -> int:
    """Return how many messages of a stream a consumer has not acknowledged."""
    url = f"http://{HOST}:{ground.base + NAMES.index('nats-monitor')}/jsz?consumers=true&accounts=true"
    async with ground.session.get(url) as answer:
        told: dict[str, Any] = await answer.json(content_type=None)
    return sum(
        int(one.get("num_pending", 0)) + int(one.get("num_ack_pending", 0))
        for account in told.get("account_details", ())
        for found in account.get("stream_detail", ())
        if found["name"] == stream
        for one in found.get("consumer_detail") or ()
        if one["name"].startswith(consumer)
    )
