"""The memory cluster, reached from another process: JSON over a unix socket in the stack's state folder.

Whoever may open the socket may do everything, and nobody proves who they are: the folder's permissions are the
only guard, as the memory cluster's only promise is to be quick.
"""

import hashlib
import json
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from pydantic import TypeAdapter

from activities.adapters.memory import MemoryCluster
from activities.ports import Change, Manifest, Resource
from signals import errors
from signals.entities import ClusterRef
from signals.errors import FirebreakError, Unavailable
from signals.plans import ObjectRef

LONGEST = 100
"""Bytes of a unix socket's path; the kernel allows 107."""
LIMITS = aiohttp.ClientTimeout(total=30)
RESOURCE = TypeAdapter(Resource)
KNOWN = (
    errors.BadInput, errors.Refused, errors.NotFound, errors.Conflict, errors.Drifted, errors.Unavailable,
)  # fmt: skip
ERRORS: dict[str, type[FirebreakError]] = {error.__name__: error for error in KNOWN}


def socket_path(state: Path) -> Path:
    """Return where the memory cluster of one stack listens; elsewhere where the state folder's path is long."""
    path = state.absolute() / "memory.sock"
    if len(bytes(path)) <= LONGEST:
        return path
    return Path(tempfile.gettempdir()) / f"firebreak-{hashlib.sha256(bytes(path)).hexdigest()[:16]}.sock"


@asynccontextmanager
async def serve(cluster: MemoryCluster, state: Path) -> AsyncIterator[Path]:
    """Serve a memory cluster on its stack's socket until the block ends."""
    server = _Server(cluster)
    application = web.Application(client_max_size=16 << 20)
    application.add_routes([web.post("/call", server.call), web.post("/watch", server.watch)])
    runner = web.AppRunner(application, shutdown_timeout=0.2, access_log=None)
    await runner.setup()
    path = socket_path(state)
    path.unlink(missing_ok=True)
    try:
        await web.UnixSite(runner, path).start()
        path.chmod(0o600)
        yield path
    finally:
        await runner.cleanup()
        path.unlink(missing_ok=True)


class _Server:
    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster

    async def call(self, request: web.Request) -> web.Response:
        asked = await request.json()
        try:
            result = await self._do(self._cluster.identity(asked["identity"]), asked)
        except FirebreakError as error:
            return web.json_response({"error": type(error).__name__, "message": str(error)}, status=409)
        return web.json_response({"result": result})

    async def _do(self, cluster: MemoryCluster, asked: dict[str, Any]) -> Any:
        verb = asked["verb"]
        if verb == "ref":
            return cluster.ref.model_dump()
        if verb == "list":
            resource = RESOURCE.validate_python(asked["resource"])
            return await cluster.list(resource, asked["namespace"], asked["labels"])
        ref = ObjectRef.model_validate(asked["ref"])
        match verb:
            case "get":
                return await cluster.get(ref)
            case "create":
                return await cluster.create(ref, asked["manifest"], dry_run=asked["dry_run"])
            case "patch":
                return await cluster.patch(
                    ref, asked["operations"], dry_run=asked["dry_run"], subresource=asked["subresource"]
                )
            case "delete":
                return await cluster.delete(ref, dry_run=asked["dry_run"])
            case "evict":
                return await cluster.evict(
                    ref, grace_seconds=asked["grace_seconds"], dry_run=asked["dry_run"]
                )
        raise errors.BadInput(f"there is no verb {verb!r}")

    async def watch(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        response = web.StreamResponse()
        await response.prepare(request)
        cluster = self._cluster.identity(asked["identity"])
        resource = RESOURCE.validate_python(asked["resource"])
        async with aclosing(cluster.watch(resource, asked["namespace"])) as changes:
            async for change in changes:
                line = json.dumps({"type": change.type, "object": change.object})
                await response.write(line.encode() + b"\n")
        return response


class WireCluster:
    """A memory cluster in another process, as one identity."""

    def __init__(self, session: aiohttp.ClientSession, ref: ClusterRef, identity: str) -> None:
        """Speak through a session that is connected to the socket."""
        self._session, self._ref, self._identity = session, ref, identity

    @classmethod
    @asynccontextmanager
    async def connect(cls, state: Path, identity: str = "admin") -> AsyncIterator["WireCluster"]:
        """Connect to the memory cluster of the stack in `state`.

        Raises:
            Unavailable: there is none.
        """
        connector = aiohttp.UnixConnector(str(socket_path(state)))
        limits = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with aiohttp.ClientSession("http://memory", connector=connector, timeout=limits) as session:
            unknown = cls(session, ClusterRef(name="memory", uid=""), identity)
            ref = ClusterRef.model_validate(await unknown._call("ref"))
            yield cls(session, ref, identity)

    @property
    def ref(self) -> ClusterRef:
        """Which cluster this is."""
        return self._ref

    def identity(self, name: str) -> "WireCluster":
        """Return the same cluster as another identity."""
        return WireCluster(self._session, self._ref, name)

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return one object."""
        found: Manifest = await self._call("get", ref=ref.model_dump())
        return found

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        """Return the objects of one kind that match a label selector."""
        asked = RESOURCE.dump_python(resource)
        return [*await self._call("list", resource=asked, namespace=namespace, labels=labels)]

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create one object."""
        made: Manifest = await self._call("create", ref=ref.model_dump(), manifest=manifest, dry_run=dry_run)
        return made

    async def patch(
        self,
        ref: ObjectRef,
        operations: Sequence[Manifest],
        *,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Manifest:
        """Apply a JSON Patch."""
        patched: Manifest = await self._call(
            "patch",
            ref=ref.model_dump(),
            operations=[*operations],
            dry_run=dry_run,
            subresource=subresource,
        )
        return patched

    async def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> None:
        """Delete one object; with `ref.uid` only that very one."""
        await self._call("delete", ref=ref.model_dump(), dry_run=dry_run)

    async def evict(self, ref: ObjectRef, *, grace_seconds: int, dry_run: bool = False) -> None:
        """Evict one pod, that very one, if its disruption budget allows."""
        await self._call("evict", ref=ref.model_dump(), grace_seconds=grace_seconds, dry_run=dry_run)

    async def watch(self, resource: Resource, namespace: str | None = None) -> AsyncGenerator[Change, None]:
        """Yield what exists, SYNCED, then every change.

        Raises:
            Unavailable: the process that holds the cluster is gone, and the cluster with it.
        """
        asked = {"resource": RESOURCE.dump_python(resource), "namespace": namespace}
        try:
            async with self._session.post("/watch", json={"identity": self._identity, **asked}) as response:
                async for line in response.content:
                    yield Change(**json.loads(line))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(f"the memory cluster is gone: {error!r}") from error
        raise Unavailable("the memory cluster is gone")

    async def _call(self, verb: str, **asked: Any) -> Any:
        body = {"verb": verb, "identity": self._identity, **asked}
        try:
            async with self._session.post("/call", json=body, timeout=LIMITS) as response:
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"the memory cluster does not answer: {error!r}") from error
        if "error" in answer:
            raise ERRORS.get(answer["error"], FirebreakError)(answer["message"])
        return answer["result"]
