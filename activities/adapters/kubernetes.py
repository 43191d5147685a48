"""A real API server, spoken to in plain JSON through the official client's connection pool and credentials.

No model classes: what the server returned is what the core sees, so nothing is lost on the way back. Reads
outlive a restart of the server; writes do not retry here, because only the one who plans knows that they are
idempotent.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from activities.adapters.kubernetes_answers import Expired
from activities.adapters.kubernetes_following import KubernetesFollowing
from activities.adapters.kubernetes_http import Http, Query, path_of, patiently
from activities.adapters.kubernetes_workload import KubernetesWorkload
from activities.ports import NAMESPACES, Change, Manifest, Resource
from signals.entities import ClusterRef
from signals.errors import BadInput, Refused, Unavailable
from signals.plans import ObjectRef
from signals.subjects import MANAGER

LIST_SECONDS = 60.0
CONNECTIONS = 64
UNREADABLE = (config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError)
"""What the official client raises over a kubeconfig that is none."""


async def connect(
    kubeconfig: Path | None,
    context: str | None,
    name: str,
    ref: ClusterRef | None = None,
    group: str | None = None,
) -> "KubernetesCluster":
    """Connect as the identity of a kubeconfig, or as the pod's own ServiceAccount where that is None.

    `name` is the cluster's name for people; its UID is kube-system's, unless `ref` says who it is. With `group`
    the same identity speaks as a member of that group alone, by impersonation: RBAC says whether it may.

    Raises:
        BadInput: the kubeconfig or the context is not there or cannot be read.
        Unavailable, Refused: the server did not say which cluster it is.
    """
    settings = Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(settings)
        else:
            await config.load_kube_config(str(kubeconfig), context, settings, persist_config=False)
    except UNREADABLE as error:
        raise BadInput(f"{kubeconfig or 'this pod'} gives no access to a cluster: {error}") from error
    settings.connection_pool_maxsize = CONNECTIONS
    client = ApiClient(settings)
    cluster = KubernetesCluster(Http(client), ref or ClusterRef(name=name, uid=""))
    try:
        if group:
            await _impersonate(client, group)
        if ref is not None:
            return cluster
        system = await cluster.get(NAMESPACES.ref("kube-system"))
    except BaseException:
        await cluster.close()
        raise
    return cluster.called(ClusterRef(name=name, uid=system["metadata"]["uid"]))


async def _impersonate(client: ApiClient, group: str) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = await Http(client).call("POST", path, [], review)
    client.set_default_header("Impersonate-User", answer["status"]["userInfo"]["username"])
    client.set_default_header("Impersonate-Group", group)


class KubernetesCluster:
    """One API server, as one identity."""

    def __init__(self, http: Http, ref: ClusterRef) -> None:
        """Speak through this connection, which `close` closes."""
        self._http = http
        self._ref = ref

    def called(self, ref: ClusterRef) -> "KubernetesCluster":
        """Return the same connection under the cluster's proper name."""
        return KubernetesCluster(self._http, ref)

    @property
    def ref(self) -> ClusterRef:
        """Which cluster this is."""
        return self._ref

    @property
    def workload(self) -> KubernetesWorkload:
        """What runs inside its pods, over the same connection."""
        return KubernetesWorkload(self._http)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return one object."""
        return await patiently(lambda: self._http.call("GET", path_of(ref), []))

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        """Return the objects of one kind that match a label selector."""
        query = [("labelSelector", labels)] if labels else []
        items, _ = await self._listing(path_of(resource.ref("", namespace)), query)
        return [*items]

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create one object."""
        body = {**manifest, "metadata": {"name": ref.name, **(manifest.get("metadata") or {})}}
        query = [("fieldManager", MANAGER), *_dry(dry_run)]
        return await self._http.call("POST", path_of(ref.model_copy(update={"name": ""})), query, body)

    async def patch(
        self,
        ref: ObjectRef,
        operations: Sequence[Manifest],
        *,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Manifest:
        """Apply a JSON Patch."""
        query = [("fieldManager", MANAGER), *_dry(dry_run)]
        path = f"{path_of(ref)}/{subresource}".rstrip("/")
        return await self._http.call("PATCH", path, query, list(operations))

    async def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> None:
        """Delete one object; with `ref.uid` only that very one.

        Everything stands in the body: with a body, the server ignores a dry run that the query asks for.
        """
        body: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if ref.uid:
            body["preconditions"] = {"uid": ref.uid}
        if dry_run:
            body["dryRun"] = ["All"]
        await self._http.call("DELETE", path_of(ref), [], body)

    async def evict(self, ref: ObjectRef, *, grace_seconds: int, dry_run: bool = False) -> None:
        """Evict one pod, that very one, if its disruption budget allows."""
        options: Manifest = {"gracePeriodSeconds": grace_seconds, "preconditions": {"uid": ref.uid}}
        if dry_run:
            options["dryRun"] = ["All"]
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "deleteOptions": options,
        }
        await self._http.call("POST", f"{path_of(ref)}/eviction", _dry(dry_run), body)

    async def watch(self, resource: Resource, namespace: str | None = None) -> AsyncGenerator[Change, None]:
        """Yield what exists, SYNCED, then every change, across restarts of the server."""
        path = path_of(resource.ref("", namespace))
        known: dict[str, Manifest] = {}
        items, version = await self._listing(path, [])
        for change in _difference(known, items):
            yield change
        yield Change("SYNCED", {})
        while True:
            try:
                async with aclosing(self._onwards(path, known, version)) as changes:
                    async for change in changes:
                        version = change.object["metadata"]["resourceVersion"]
                        if change.type != "BOOKMARK":
                            yield change
            except Unavailable as error:
                await asyncio.sleep(error.retry_after or random.uniform(0.1, 1.0))  # noqa: S311 - no secret
            except Refused:  # a server that restarts forbids everything until it has read its own rules
                await asyncio.sleep(random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            except Expired:
                version = ""

    async def _onwards(
        self, path: str, known: dict[str, Manifest], version: str
    ) -> AsyncGenerator[Change, None]:
        """Yield the changes since a version, or since the last known state where the version is lost."""
        if not version:
            items, version = await self._listing(path, [])
            for change in _difference(known, items):
                yield change
            yield Change("BOOKMARK", {"metadata": {"resourceVersion": version}})
        async with aclosing(self._http.stream(path, version)) as changes:
            async for change in changes:
                if change.type == "OPENED":
                    continue
                _remember(known, change)
                yield change

    def following(self) -> KubernetesFollowing:
        """Return the same connection, for one who remembers more than a watch does."""
        return KubernetesFollowing(self._http)

    async def _listing(self, path: str, query: Query) -> tuple[Sequence[Manifest], str]:
        answer = await patiently(lambda: self._http.call("GET", path, query, seconds=LIST_SECONDS))
        kind = {"apiVersion": answer["apiVersion"], "kind": answer["kind"].removesuffix("List")}
        items = [{**kind, **item} for item in answer.get("items") or []]
        return items, answer["metadata"]["resourceVersion"]


def _dry(dry_run: bool) -> Query:
    return [("dryRun", "All")] if dry_run else []


def _remember(known: dict[str, Manifest], change: Change) -> None:
    if change.type == "DELETED":
        known.pop(change.object["metadata"]["uid"], None)
    elif change.type != "BOOKMARK":
        known[change.object["metadata"]["uid"]] = change.object


def _difference(known: dict[str, Manifest], items: Sequence[Manifest]) -> list[Change]:
    """Bring what a watch knows up to a fresh listing, and return what that changed."""
    fresh = {item["metadata"]["uid"]: item for item in items}
    changes = [Change("DELETED", gone) for uid, gone in known.items() if uid not in fresh]
    for uid, item in fresh.items():
        if uid not in known:
            changes.append(Change("ADDED", item))
        elif known[uid]["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            changes.append(Change("MODIFIED", item))
    for change in changes:
        _remember(known, change)
    return changes
