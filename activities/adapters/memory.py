"""A Kubernetes API server in a dictionary: no binaries, starts at once, obeys the contract of the real one.

What containment meets is as there: UIDs, resource versions, preconditions, dry runs, defaults, empty fields
that vanish, label selectors and watches. What it has not: admission, authorization, controllers, a disk.
"""

import asyncio
import copy
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from activities.adapters import json_patch
from activities.adapters.json_patch import copied
from activities.adapters.memory_eviction import spent, the_very
from activities.adapters.memory_objects import defaulted, normal
from activities.adapters.selectors import parse
from activities.ports import NAMESPACES, POD_DISRUPTION_BUDGETS, Change, Manifest, Resource, Workload
from signals.entities import ClusterRef
from signals.errors import BadInput, Conflict, NotFound, Refused
from signals.plans import ObjectRef

Key = tuple[str, str, str, str]
"""Group, resource, namespace, name."""

KEPT = ("uid", "resourceVersion", "creationTimestamp", "generation", "name", "namespace")
"""Metadata that only the server sets."""

SYSTEM = ("default", "kube-system", "kube-public", "kube-node-lease")


@dataclass
class Store:
    """What all identities of one memory cluster share."""

    objects: dict[Key, Manifest] = field(default_factory=dict)
    version: int = 0
    watchers: list[tuple[Resource, str | None, asyncio.Queue[Change]]] = field(default_factory=list)
    used: list[tuple[str, str, str, str]] = field(default_factory=list)
    """(identity, verb, group, resource) of every call, oldest first."""

    def put(self, key: Key, manifest: Manifest) -> Manifest:
        """Store an object under a new resource version and tell the watchers."""
        self.version += 1
        manifest["metadata"]["resourceVersion"] = str(self.version)
        kind = "MODIFIED" if key in self.objects else "ADDED"
        self.objects[key] = manifest
        self._tell(kind, key, manifest)
        return copied(manifest)

    def drop(self, key: Key) -> None:
        """Remove an object, with all inside if it is a namespace, and tell the watchers."""
        gone = self.objects.pop(key)
        self.version += 1
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell("DELETED", key, gone)
        if key[:2] == ("", "namespaces"):
            for inside in [other for other in self.objects if other[2] == key[3]]:
                self.drop(inside)

    def _tell(self, kind: str, key: Key, manifest: Manifest) -> None:
        for resource, namespace, queue in self.watchers:
            if (resource.group, resource.plural) == key[:2] and namespace in (None, key[2]):
                queue.put_nowait(Change(kind, copied(manifest)))


class Nothing:
    """What runs inside pods of a cluster in a dictionary. They are objects only."""

    async def logs(self, pod: ObjectRef, container: str, *, previous: bool, limit: int) -> bytes:
        """Raise `NotFound`: nothing was ever written."""
        raise NotFound("pods of a cluster in memory run nothing: there is no log")

    async def output(self, pod: ObjectRef, container: str, command: Sequence[str], *, limit: int) -> bytes:
        """Raise `Refused`: nothing can be started."""
        raise Refused("pods of a cluster in memory run nothing: no command can be started there")


class MemoryCluster:
    """One identity's view of a cluster in a dictionary."""

    def __init__(self, ref: ClusterRef | None = None, *, name: str = "memory") -> None:
        """Make an empty cluster, but for the namespaces that every cluster has."""
        self._store = Store()
        self._identity = "admin"
        for namespace in SYSTEM:
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            self._insert(NAMESPACES.ref(namespace), manifest, dry_run=False)
        system = self._store.objects["", "namespaces", "", "kube-system"]
        if ref:
            system["metadata"]["uid"] = ref.uid
        self._ref = ref or ClusterRef(name=name, uid=system["metadata"]["uid"])

    def identity(self, name: str) -> "MemoryCluster":
        """Return the same cluster as another identity; nothing is forbidden, everything is recorded."""
        view = copy.copy(self)
        view._identity = name
        return view

    def used(self, identity: str) -> frozenset[tuple[str, str]]:
        """Return what an identity has used, as (`group/resource`, verb); the core group has no slash."""
        return frozenset(
            (f"{group}/{resource}".lstrip("/"), verb)
            for who, verb, group, resource in self._store.used
            if who == identity
        )

    @property
    def ref(self) -> ClusterRef:
        """Which cluster this is."""
        return self._ref

    @property
    def workload(self) -> Workload:
        """What runs inside its pods: nothing does."""
        return Nothing()

    @property
    def revision(self) -> int:
        """The counter that the next change will be one more than."""
        return self._store.version

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return one object."""
        self._note("get", ref.group, ref.resource)
        return copied(self._object(ref))

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        """Return the objects of one kind that match a label selector, by namespace and name."""
        self._note("list", resource.group, resource.plural)
        selects = parse(labels)
        found = [
            (key, manifest)
            for key, manifest in self._store.objects.items()
            if key[:2] == (resource.group, resource.plural) and namespace in (None, key[2])
        ]
        return [
            copied(manifest)
            for _, manifest in sorted(found, key=lambda pair: pair[0])
            if selects(manifest["metadata"].get("labels") or {})
        ]

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create one object."""
        self._note("create", ref.group, ref.resource)
        return self._insert(ref, manifest, dry_run=dry_run)

    async def patch(
        self,
        ref: ObjectRef,
        operations: Sequence[Manifest],
        *,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Manifest:
        """Apply a JSON Patch."""
        self._note("patch", ref.group, f"{ref.resource}/{subresource}".rstrip("/"))
        before = self._object(ref)
        after = defaulted(ref.resource, normal(json_patch.apply(before, operations)))
        if any(after["metadata"].get(name) != before["metadata"].get(name) for name in KEPT):
            raise Conflict(f"{ref}: the server's own metadata cannot be patched")
        if after == before or dry_run:
            return copied(after)
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] = before["metadata"].get("generation", 1) + 1
        return self._store.put(_key(ref), after)

    async def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> None:
        """Delete one object; with `ref.uid` only that very one."""
        self._note("delete", ref.group, ref.resource)
        there = self._object(ref.model_copy(update={"uid": None}))
        if ref.uid and there["metadata"]["uid"] != ref.uid:
            raise Conflict(f"{ref} is another object now: its UID is {there['metadata']['uid']}")
        if not dry_run:
            self._store.drop(_key(ref))

    async def evict(self, ref: ObjectRef, *, grace_seconds: int, dry_run: bool = False) -> None:
        """Evict one pod, that very one, if its disruption budget allows; nothing runs in it, so it is gone."""
        self._note("create", ref.group, f"{ref.resource}/eviction")
        pod = self._object(ref.model_copy(update={"uid": None}))
        kind = (POD_DISRUPTION_BUDGETS.group, POD_DISRUPTION_BUDGETS.plural, ref.namespace)
        budgets = {key: budget for key, budget in self._store.objects.items() if key[:3] == kind}
        after = spent(pod, budgets.values(), dry_run=dry_run)
        if after is not None:
            self._store.put((*kind[:2], ref.namespace or "", after["metadata"]["name"]), copied(after))
        the_very(pod, ref)
        if not dry_run:
            self._store.drop(_key(ref))

    async def watch(self, resource: Resource, namespace: str | None = None) -> AsyncGenerator[Change, None]:
        """Yield what exists, SYNCED, then every change."""
        self._note("watch", resource.group, resource.plural)
        queue: asyncio.Queue[Change] = asyncio.Queue()
        watcher = (resource, namespace, queue)
        existing = await self.list(resource, namespace)
        self._store.watchers.append(watcher)
        try:
            for manifest in existing:
                yield Change("ADDED", manifest)
            yield Change("SYNCED", {})
            while True:
                yield await queue.get()
        finally:
            self._store.watchers.remove(watcher)

    def _note(self, verb: str, group: str, resource: str) -> None:
        self._store.used.append((self._identity, verb, group, resource))

    def _object(self, ref: ObjectRef) -> Manifest:
        try:
            return self._store.objects[_key(ref)]
        except KeyError:
            raise NotFound(f"{ref} does not exist") from None

    def _insert(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool) -> Manifest:
        if not manifest.get("kind"):
            raise BadInput(f"{ref}: a manifest has a kind")
        if ref.namespace and ("", "namespaces", "", ref.namespace) not in self._store.objects:
            raise NotFound(f"namespace {ref.namespace} does not exist")
        if _key(ref) in self._store.objects:
            raise Conflict(f"{ref} exists already")
        made = defaulted(ref.resource, _born(ref, manifest))
        return made if dry_run else self._store.put(_key(ref), made)


def _key(ref: ObjectRef) -> Key:
    return ref.group, ref.resource, ref.namespace or "", ref.name


def _born(ref: ObjectRef, manifest: Manifest) -> Manifest:
    made: Manifest = normal(manifest)
    given = {name: value for name, value in made.get("metadata", {}).items() if name not in KEPT}
    metadata = {
        "name": ref.name,
        **({"namespace": ref.namespace} if ref.namespace else {}),
        **given,
        "uid": str(uuid.uuid4()),
        "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **({"generation": 1} if "spec" in made else {}),
    }
    return {**made, "metadata": metadata}
