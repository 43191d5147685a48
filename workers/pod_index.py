"""All pods as the API server knows them, by every name that an alert may use, fed by watches.

A pod that is deleted stays for a while, marked as gone: the alert about it may come later than its end.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from activities.ports import ENROLMENTS, PODS, REPLICA_SETS, Change, Cluster, Manifest, Resource
from signals.entities import ClusterRef, Entity
from signals.telemetry.moments import nanoseconds
from signals.threats import Mode
from workers.enrolled import Enrolled

Key = TypeVar("Key")
CONTAINER_ID_LENGTH = 12
"""Characters of a container id that every feed agrees on: Falco and Docker show 12, Tetragon 31, the API 64."""
GONE_LIMIT = 2000
"""Deleted pods that are remembered."""
_WATCHED = (PODS, REPLICA_SETS, ENROLMENTS)
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


@dataclass(frozen=True, kw_only=True)
class Pod:
    """What an alert's reader needs of a pod. `created` is in nanoseconds since 1970."""

    entity: Entity
    node: str = ""
    account: str = ""
    addresses: frozenset[str] = frozenset()
    """Its own; none where it uses its node's."""
    containers: dict[str, str] = field(default_factory=dict)
    """Shortened container id → image (digest where it is known)."""
    controller: Entity | None = None
    created: int = 0
    gone: bool = False

    @property
    def name_key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.entity.namespace or "", self.entity.name


def short_id(identity: str) -> str:
    """Return a container id as feeds agree on it, without `containerd://`; nothing for the host itself."""
    short = identity.rpartition("/")[2].strip().lower()[:CONTAINER_ID_LENGTH]
    return "" if short == "host" else short


class PodIndex:
    """Pods, the owners of ReplicaSets, and which namespaces are enrolled."""

    def __init__(self, cluster: ClusterRef, gone_limit: int = GONE_LIMIT) -> None:
        """Make an empty index of one cluster that remembers so many deleted pods."""
        self.cluster = cluster
        self._pods: dict[str, Pod] = {}
        self._gone_limit = gone_limit
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._names: dict[tuple[str, str], str] = {}
        self._hosts: dict[str, str] = {}
        self._containers: dict[str, str] = {}
        self._addresses: dict[str, str] = {}
        self._accounts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._workloads: dict[tuple[str, str], set[str]] = {}
        self._owners: dict[str, Entity] = {}
        self._enrolled = Enrolled()
        self._source: Cluster | None = None
        self._unsynced = set(_WATCHED)
        self._pulse = asyncio.Event()

    async def follow(self, cluster: Cluster) -> None:
        """Follow the cluster until cancelled."""
        self._source = cluster
        async with asyncio.TaskGroup() as group:
            for resource in _WATCHED:
                group.create_task(self._follow(cluster, resource))

    async def _follow(self, cluster: Cluster, resource: Resource) -> None:
        async for change in cluster.watch(resource):
            self.apply(resource, change)

    async def synced(self) -> None:
        """Return once everything that existed has been seen."""
        while self._unsynced:
            await self._pulse.wait()

    async def settle(self, name_key: tuple[str, str], seconds: float) -> None:
        """Wait until a pod of this name is known, at most so long: a watch runs a little behind an alert."""
        try:
            async with asyncio.timeout(seconds):
                while name_key not in self._names:
                    await self._pulse.wait()
        except TimeoutError:
            return

    async def settle_modes(self, namespaces: Iterable[str], seconds: float) -> None:
        """Make sure that nobody was enrolled a moment ago behind the back of a watch that broke."""
        if self._source is not None:
            await self._enrolled.settle(self._source, namespaces, seconds)

    def apply(self, resource: Resource, change: Change) -> None:
        """Take one change of a watch."""
        if change.type == "SYNCED":
            self._unsynced.discard(resource)
        elif resource == PODS:
            self._apply_pod(change)
        elif resource == REPLICA_SETS:
            self._apply_owner(change)
        else:
            self._enrolled.apply(change)
        self._workloads.clear()
        self._pulse.set()
        self._pulse = asyncio.Event()

    def by_uid(self, uid: str) -> Pod | None:
        """Return a pod by its UID."""
        return self._pods.get(uid)

    def by_container(self, identity: str) -> Pod | None:
        """Return the pod of a container, by its shortened id."""
        return self._pods.get(self._containers.get(identity, ""))

    def by_name(self, name_key: tuple[str, str]) -> Pod | None:
        """Return the pod that has this namespace and name now, or had it last."""
        return self._pods.get(self._names.get(name_key, ""))

    def by_address(self, address: str) -> Pod | None:
        """Return the pod that has this address now."""
        return self._pods.get(self._addresses.get(address, ""))

    def by_sensor(self, hostname: str) -> Pod | None:
        """Return the pod whose name is a sensor's host name, as in a DaemonSet that is not told its node."""
        return self._pods.get(self._hosts.get(hostname, ""))

    def workload(self, pod: Pod) -> Entity | None:
        """Return what a pod belongs to, up to its Deployment; None if it belongs to nothing."""
        owner = pod.controller
        return self._owners.get(owner.uid or "", owner) if owner else None

    def sole_user(self, pod: Pod) -> bool:
        """Return whether only this pod's workload uses its ServiceAccount."""
        account = pod.entity.namespace or "", pod.account
        if account not in self._workloads:
            users = [self._pods[uid] for uid in self._accounts[account]]
            self._workloads[account] = {(self.workload(user) or user.entity).key for user in users}
        return self._workloads[account] <= {(self.workload(pod) or pod.entity).key}

    def mode(self, namespace: str) -> Mode | None:
        """Return the mode of an enrolled namespace, None where it is not enrolled."""
        return self._enrolled.mode(namespace)

    def _apply_pod(self, change: Change) -> None:
        pod = _read(self.cluster, change.object)
        uid = pod.entity.uid or ""
        if change.type == "DELETED":
            self._delete(uid, pod)
            return
        if before := self._pods.get(uid):
            self._forget_addresses(before)
            self._forget_containers(before)
        self._pods[uid] = pod
        self._names[pod.name_key] = uid
        self._hosts[pod.entity.name] = uid
        self._addresses.update(dict.fromkeys(pod.addresses, uid))
        self._containers.update(dict.fromkeys(pod.containers, uid))
        self._accounts[pod.entity.namespace or "", pod.account].add(uid)

    def _delete(self, uid: str, pod: Pod) -> None:
        before = self._pods.get(uid, pod)
        self._forget_addresses(before)
        self._accounts[before.entity.namespace or "", before.account].discard(uid)
        self._pods[uid] = replace(before, gone=True)
        self._names.setdefault(before.name_key, uid)
        self._gone[uid] = None
        if len(self._gone) > self._gone_limit:
            self._bury(self._gone.popitem(last=False)[0])

    def _bury(self, uid: str) -> None:
        pod = self._pods.pop(uid)
        _drop(self._names, [pod.name_key], uid)
        _drop(self._hosts, [pod.entity.name], uid)
        self._forget_containers(pod)

    def _forget_containers(self, pod: Pod) -> None:
        _drop(self._containers, pod.containers, pod.entity.uid)

    def _forget_addresses(self, pod: Pod) -> None:
        _drop(self._addresses, pod.addresses, pod.entity.uid)

    def _apply_owner(self, change: Change) -> None:
        metadata = change.object["metadata"]
        owner = _controller(self.cluster, metadata)
        if change.type == "DELETED" or owner is None:
            self._owners.pop(metadata["uid"], None)
        else:
            self._owners[metadata["uid"]] = owner


def _drop(table: dict[Key, str], keys: Iterable[Key], uid: str | None) -> None:
    """Take keys out of a table where they lead to this pod, and not already to another."""
    for key in keys:
        if table.get(key) == uid:
            del table[key]


def _read(cluster: ClusterRef, manifest: Manifest) -> Pod:
    metadata, spec, status = manifest["metadata"], manifest.get("spec", {}), manifest.get("status", {})
    namespace = metadata["namespace"]
    addresses = {status.get("podIP"), *(entry.get("ip") for entry in status.get("podIPs") or ())}
    ended = status.get("phase") in ("Succeeded", "Failed")
    return Pod(
        entity=Entity(
            cluster=cluster, kind="Pod", name=metadata["name"], namespace=namespace, uid=metadata["uid"]
        ),
        node=spec.get("nodeName", ""),
        account=spec.get("serviceAccountName", ""),
        addresses=frozenset() if spec.get("hostNetwork") or ended else frozenset(filter(None, addresses)),
        containers=dict(_containers(status)),
        controller=_controller(cluster, metadata),
        created=nanoseconds(metadata.get("creationTimestamp")) or 0,
    )


def _containers(status: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the ids that a pod's containers have and had last, with their images."""
    for kind in _STATUSES:
        for one in status.get(kind) or ():
            image = one.get("imageID") or one.get("image") or ""
            before = (one.get("lastState") or {}).get("terminated") or {}
            for identity in (before.get("containerID"), one.get("containerID")):
                if identity:
                    yield short_id(identity), image


def _controller(cluster: ClusterRef, metadata: dict[str, Any]) -> Entity | None:
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            return Entity(
                cluster=cluster,
                kind=owner["kind"],
                name=owner["name"],
                namespace=metadata.get("namespace"),
                uid=owner["uid"],
            )
    return None
