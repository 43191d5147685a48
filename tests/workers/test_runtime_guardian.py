"""The Runtime Guardian from the POST to the signed event, on a real NATS."""

import asyncio
from pathlib import Path

import pytest

from tests.nats_server import NatsServer, nats_server
from tests.workers.guardian import alert, guarding, heard, pod

__all__ = ["nats_server"]

pytestmark = pytest.mark.stack


async def test_one_alert_becomes_one_event(nats_server: NatsServer, tmp_path: Path) -> None:
    async with guarding(nats_server, tmp_path) as guardian:
        made = await guardian.create(pod("web-0"))
        fields = {"k8s.ns.name": "shop", "k8s.pod.name": "web-0", "user.name": "root"}
        assert await guardian.post(alert(fields=fields)) == (200, {"accepted": 1})
        (event,) = await heard(nats_server, guardian.cluster.ref, 1)
    assert event.subject.uid == made["metadata"]["uid"]
    assert event.title == "root opened an interactive shell (sh) in pod shop/web-0"
    assert event.detector == "terminal_shell"
    assert event.count == 1
