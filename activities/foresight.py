"""The cluster as it will be when some plans are written: what is planned next is planned on top of them.

Two actions of one decision meet on one pod before either is written. Each planned on its own would leave the
pod in two policies of ours, and policies only add up.
"""

import copy
from collections.abc import Sequence

from activities.ports import Cluster, Manifest, Resource
from activities.refusing import Refusing
from activities.standing import exclusion, own_terms
from signals.plans import ObjectRef, Write, WriteKind


class Foreseen(Refusing):
    """A cluster that answers reads as if these writes were done, and refuses to be written to."""

    def __init__(self, cluster: Cluster, writes: Sequence[Write]) -> None:
        """Look at `cluster` through `writes`."""
        super().__init__(cluster.ref)
        self._cluster = cluster
        self._writes = writes

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return one object as it will be."""
        for write in self._writes:
            if write.kind is WriteKind.CREATE and str(write.ref) == str(ref) and write.manifest:
                return self._foreseen(ref, write.manifest)
        return self._foreseen(ref, await self._cluster.get(ref))

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        """Return objects as they will be; a label selector chooses among those that exist now."""
        found = await self._cluster.list(resource, namespace, labels)
        names = {(item["metadata"].get("namespace"), item["metadata"]["name"]) for item in found}
        made = [
            write.manifest
            for write in self._writes
            if write.kind is WriteKind.CREATE
            and write.manifest
            and not labels
            and write.ref.resource == resource.plural
            and namespace in (None, write.ref.namespace)
            and (write.ref.namespace, write.ref.name) not in names
        ]
        return [
            self._foreseen(resource.ref(item["metadata"]["name"], item["metadata"].get("namespace")), item)
            for item in (*found, *made)
        ]

    def _foreseen(self, ref: ObjectRef, manifest: Manifest) -> Manifest:
        mine = [w for w in self._writes if str(w.ref) == str(ref) and w.kind is not WriteKind.CREATE]
        if not mine:
            return manifest
        after = copy.deepcopy(manifest)
        for write in mine:
            for field, values in (("labels", write.labels), ("annotations", write.annotations)):
                if values:
                    after["metadata"][field] = {**(after["metadata"].get(field) or {}), **values}
            if write.kind is WriteKind.EXCLUDE and not own_terms(after, write.key):
                terms = after["spec"]["podSelector"].setdefault("matchExpressions", [])
                terms.append(exclusion(write.key, write.value))
        return after
