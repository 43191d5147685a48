"""The node's data plane: it watches pods, namespaces and NetworkPolicies, and keeps nftables as they say.

Run in the node as `python -m workers.stack.node.enforcer STATE SERVER cut|keep`.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import aiohttp

from workers.stack.health import trusting
from workers.stack.node.place import ENFORCER, Place
from workers.stack.node.rules import Enforcement, compiled, pods_of

WATCHED = {
    "pods": "/api/v1/pods",
    "namespaces": "/api/v1/namespaces",
    "policies": "/apis/networking.k8s.io/v1/networkpolicies",
}
PAUSE = 0.2
LINE_BYTES = 1 << 22


class Objects:
    """Everything of some kinds, as the API server tells it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        """Know nothing yet."""
        self.changed = asyncio.Event()
        self._session = session
        self._known: dict[str, dict[str, Mapping[str, Any]]] = {}

    @property
    def complete(self) -> bool:
        """Whether every kind was listed."""
        return len(self._known) == len(WATCHED)

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        """Return all objects of a kind."""
        return list(self._known[kind].values())

    async def follow(self, kind: str) -> None:
        """List and watch, again and again."""
        while True:
            try:
                await self._watch(kind, await self._list(kind))
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                _say(f"{kind}: {error!r}")
            await asyncio.sleep(PAUSE)

    async def _list(self, kind: str) -> str:
        async with self._session.get(WATCHED[kind]) as answer:
            answer.raise_for_status()
            listed = await answer.json()
        self._known[kind] = {one["metadata"]["uid"]: one for one in listed["items"]}
        self.changed.set()
        version: str = listed["metadata"]["resourceVersion"]
        return version

    async def _watch(self, kind: str, version: str) -> None:
        asked = {"watch": "1", "resourceVersion": version}
        async with self._session.get(WATCHED[kind], params=asked) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                uid = event["object"]["metadata"]["uid"]
                if event["type"] == "DELETED":
                    self._known[kind].pop(uid, None)
                else:
                    self._known[kind][uid] = event["object"]
                self.changed.set()


async def main(state: str, server: str, enforcement: Enforcement) -> None:
    """Keep the rules as the objects are, until we are killed."""
    place = Place(Path(state))
    trust = trusting(*(place.pki / name for name in ("ca.crt", f"{ENFORCER}.crt", f"{ENFORCER}.key")))
    endless = aiohttp.ClientTimeout(total=None, sock_connect=5)
    connector = aiohttp.TCPConnector(ssl=trust)
    async with (
        aiohttp.ClientSession(
            server, connector=connector, timeout=endless, read_bufsize=LINE_BYTES
        ) as session,
        asyncio.TaskGroup() as tasks,
    ):
        objects = Objects(session)
        for kind in WATCHED:
            tasks.create_task(objects.follow(kind))
        await _enforce(objects, enforcement, place.enforcing)


async def _enforce(objects: Objects, enforcement: Enforcement, ready: Path) -> None:
    applied = ""
    while True:
        await objects.changed.wait()
        objects.changed.clear()
        if not objects.complete:
            continue
        namespaces = {
            one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in objects.of("namespaces")
        }
        text = compiled(pods_of(objects.of("pods")), namespaces, objects.of("policies"), enforcement)
        if text != applied and await _apply(text):
            applied = text
            await asyncio.to_thread(ready.touch)
        elif text == applied:
            await asyncio.to_thread(ready.touch)
        else:
            await asyncio.to_thread(ready.unlink, missing_ok=True)
            await asyncio.sleep(PAUSE)
            objects.changed.set()


async def _apply(text: str) -> bool:
    """Replace the whole table in one transaction."""
    pipe = asyncio.subprocess.PIPE
    nft = await asyncio.create_subprocess_exec("nft", "-f", "-", stdin=pipe, stderr=pipe)
    _, said = await nft.communicate(text.encode())
    if nft.returncode != 0:
        _say(f"nft ended with {nft.returncode}: {said.decode(errors='replace')}\n{text}")
    return nft.returncode == 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # its log


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], cast("Enforcement", sys.argv[3])))
