"""The few requests with which an installation speaks to an API server, as its administrator."""

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp

from signals.errors import BadInput, Conflict, FirebreakError, NotFound, Refused, Unavailable
from signals.subjects import MANAGER

PATIENCE = aiohttp.ClientTimeout(total=15)
DISCOVERY_TRIES, DISCOVERY_PAUSE = 50, 0.1
"""A custom resource is served a moment after its definition was accepted."""
JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where an API server is, and what proves the administrator."""

    server: str
    tls: ssl.SSLContext
    headers: dict[str, str] = field(default_factory=dict)


class Api:
    """An API server as its administrator. Use as an asynchronous context."""

    def __init__(self, access: Access) -> None:
        """Hold the access; the connection is opened on entry."""
        self._access = access
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connection."""
        connector = aiohttp.TCPConnector(ssl=self._access.tls)
        self._session = aiohttp.ClientSession(
            self._access.server, connector=connector, headers=self._access.headers, timeout=PATIENCE
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        if self._session:
            await self._session.close()

    async def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, content_type: str = JSON
    ) -> dict[str, Any]:
        """Send one request and return the answer's JSON.

        Raises:
            Unavailable: no answer, or 429 or 5xx.
            NotFound, Conflict, Refused, BadInput: the other answers above 399.
        """
        if self._session is None:
            raise RuntimeError("the connection is not open")
        data = None if body is None else json.dumps(body)
        try:
            async with self._session.request(
                method, path, data=data, headers={"Content-Type": content_type}
            ) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"{self._access.server} does not answer: {error}") from error
        if response.status >= 400:
            raise _error(response.status, f"{method} {path}: {_message(text)}")
        answer: dict[str, Any] = json.loads(text)
        return answer

    async def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Make one object be as its manifest says, whatever it was (server-side apply, forced).

        Raises:
            NotFound: the server has no such kind.
            FirebreakError: as `request`.
        """
        path = await self._path(manifest)
        return await self.request(
            "PATCH", f"{path}?fieldManager={MANAGER}-install&force=true", manifest, content_type=APPLY
        )

    async def _path(self, manifest: dict[str, Any]) -> str:
        version, kind, metadata = manifest["apiVersion"], manifest["kind"], manifest["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for _ in range(DISCOVERY_TRIES):
            if found := (await self._discover(root)).get(kind):
                plural, namespaced = found
                scope = f"/namespaces/{metadata['namespace']}" if namespaced else ""
                return f"{root}{scope}/{plural}/{metadata['name']}"
            await asyncio.sleep(DISCOVERY_PAUSE)
        raise NotFound(f"{self._access.server} has no kind {kind} in {version}")

    async def _discover(self, root: str) -> dict[str, tuple[str, bool]]:
        if root not in self._kinds:
            try:
                listed = await self.request("GET", root)
            except NotFound:
                return {}
            kinds = {
                entry["kind"]: (entry["name"], entry["namespaced"])
                for entry in listed["resources"]
                if "/" not in entry["name"]
            }
            self._kinds[root] = kinds
        return self._kinds[root]


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200]


def _error(status: int, message: str) -> FirebreakError:
    if status == 429 or status >= 500:
        return Unavailable(message)
    kinds: dict[int, type[FirebreakError]] = {401: Refused, 403: Refused, 404: NotFound, 409: Conflict}
    return kinds.get(status, BadInput)(message)
