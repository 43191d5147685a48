"""One kind of a real API server, followed over all breaks: page by page, without keeping any object here."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

from activities.adapters.kubernetes_answers import Expired
from activities.adapters.kubernetes_http import JSON, Http, path_of, patiently
from activities.ports import NAMESPACES, Change, Manifest, Resource
from signals.errors import FirebreakError, NotFound, Refused, Unavailable

PAGE = 500
LIST_SECONDS = 60.0
_PARTIAL = "as=PartialObjectMetadata{};v=v1;g=meta.k8s.io"


class KubernetesFollowing:
    """One API server, as one identity."""

    def __init__(self, http: Http) -> None:
        """Speak through this connection."""
        self._http = http

    async def revision(self) -> int | None:
        """Return the server's counter as it is now, from a listing of next to nothing."""
        answer = await self._http.call("GET", path_of(NAMESPACES.ref("")), [("limit", "1")])
        version = str(answer["metadata"].get("resourceVersion") or "")
        return int(version) if version.isdecimal() else None

    async def follow(
        self, resource: Resource, revision: str = "", *, metadata_only: bool = False
    ) -> AsyncGenerator[Change, None]:
        """Yield every change after a revision; a listing first where there is none to go on from."""
        path = path_of(resource.ref(""))
        met = bool(revision)
        broken: FirebreakError
        while True:
            try:
                async with aclosing(self._onwards(path, revision, metadata_only)) as changes:
                    async for change in changes:
                        revision = change.object.get("metadata", {}).get("resourceVersion") or revision
                        met = met or change.type != "LISTING"
                        yield change
                continue
            except Expired:
                revision = ""
                continue
            except (Refused, NotFound) as error:
                # A server that restarts forbids everything until it has read its own rules.
                if not met:
                    raise
                met, broken = False, error
            except Unavailable as error:
                broken = error
            yield Change("LOST", {"reason": str(broken)})
            await asyncio.sleep(_pause(broken))

    async def _onwards(self, path: str, revision: str, metadata_only: bool) -> AsyncGenerator[Change, None]:
        if not revision:
            async with aclosing(self._listing(path, metadata_only)) as parts:
                async for part in parts:
                    revision = part.object.get("metadata", {}).get("resourceVersion") or revision
                    yield part
        accept = f"{JSON};{_PARTIAL.format('')}" if metadata_only else JSON
        async with aclosing(self._http.stream(path, revision, accept)) as changes:
            async for change in changes:
                yield change

    async def _listing(self, path: str, metadata_only: bool) -> AsyncGenerator[Change, None]:
        accept = f"{JSON};{_PARTIAL.format('List')}" if metadata_only else JSON
        yield Change("LISTING", {})
        more = ""
        while True:
            query = [("limit", str(PAGE)), *([("continue", more)] if more else [])]
            answer: Manifest = await patiently(
                lambda query=query: self._http.call("GET", path, query, seconds=LIST_SECONDS, accept=accept)  # type: ignore[misc]
            )
            yield Change("PAGE", {"items": answer.get("items") or []})
            more = str(answer["metadata"].get("continue") or "")
            if not more:
                break
        yield Change("LISTED", {"metadata": {"resourceVersion": answer["metadata"]["resourceVersion"]}})


def _pause(error: FirebreakError) -> float:
    after = error.retry_after if isinstance(error, Unavailable) else None
    return after or random.uniform(0.1, 1.0)  # noqa: S311 - no secret
