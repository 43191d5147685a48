"""The outside world as the core sees it: few verbs, plain data, our own errors."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from signals.entities import ClusterRef
from signals.plans import ObjectRef

Manifest = dict[str, Any]
"""One Kubernetes object as JSON."""


@dataclass(frozen=True)
class Resource:
    """One kind of object, as RBAC and URLs name it: group, version and plural."""

    group: str
    version: str
    plural: str

    def ref(self, name: str, namespace: str | None = None, uid: str | None = None) -> ObjectRef:
        """Return the reference of one object of this kind."""
        return ObjectRef(
            group=self.group,
            version=self.version,
            resource=self.plural,
            name=name,
            namespace=namespace,
            uid=uid,
        )


PODS = Resource("", "v1", "pods")
NAMESPACES = Resource("", "v1", "namespaces")
NODES = Resource("", "v1", "nodes")
SERVICES = Resource("", "v1", "services")
EVENTS = Resource("", "v1", "events")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts")
REPLICA_SETS = Resource("apps", "v1", "replicasets")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets")
DAEMON_SETS = Resource("apps", "v1", "daemonsets")
JOBS = Resource("batch", "v1", "jobs")
CRON_JOBS = Resource("batch", "v1", "cronjobs")
POD_DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")
INGRESSES = Resource("networking.k8s.io", "v1", "ingresses")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings")
CLUSTER_ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings")
COMMANDS = Resource("firebreak.dev", "v1alpha1", "commands")
ENROLMENTS = Resource("firebreak.dev", "v1alpha1", "enrolments")
FREEZES = Resource("firebreak.dev", "v1alpha1", "freezes")
CAPTURES = Resource("firebreak.dev", "v1alpha1", "captures")
"""No kind of the API server: what is created here is an order to the capturer, and its status the answer."""
ADMISSION_POLICIES = Resource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies")
ADMISSION_BINDINGS = Resource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings")


@dataclass(frozen=True)
class Change:
    """One event of a watch: ADDED, MODIFIED or DELETED. `SYNCED` ends the first listing (object is empty)."""

    type: str
    object: Manifest


class Cluster(Protocol):
    """A Kubernetes API server, as one identity.

    Every method raises `Unavailable` when the server does not answer or asks to wait (429, 5xx, connection),
    `NotFound` (404), `Conflict` (409, and 422 of a JSON Patch `test`), `Refused` (401, 403, admission) and
    `BadInput` (other 4xx). Each call has a deadline of its own.
    """

    @property
    def ref(self) -> ClusterRef:
        """Which cluster this is."""

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return one object."""

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        """Return the objects of one kind, of one namespace or of all, that match a label selector."""

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create one object; `Conflict` if the name is taken."""

    async def patch(
        self, ref: ObjectRef, operations: Sequence[Manifest], *, dry_run: bool = False, subresource: str = ""
    ) -> Manifest:
        """Apply a JSON Patch, to a subresource (`status`) if one is named. A failed `test` is a `Conflict`."""

    async def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> None:
        """Delete one object; with `ref.uid` only that very one (`Conflict` otherwise)."""

    async def evict(self, ref: ObjectRef, *, grace_seconds: int, dry_run: bool = False) -> None:
        """Evict the pod of `ref.uid`, and no other; `Refused` where a disruption budget does not allow it.

        Ask with `dry_run` first: a real eviction of another pod of that name fails and spends the budget.
        """

    def watch(self, resource: Resource, namespace: str | None = None) -> AsyncIterator[Change]:
        """Yield every change from now on, after all objects that exist (ADDED) and one SYNCED.

        It resumes by itself, and relists (with DELETED for what vanished meanwhile) when it must.
        """


class Workload(Protocol):
    """What runs inside pods, by way of the API server. It is asked, never told.

    Raises as `Cluster` does; a node that does not answer is `Unavailable`.
    """

    async def logs(self, pod: ObjectRef, container: str, *, previous: bool, limit: int) -> bytes:
        """Return the newest log lines of a container, or of its run before, with times, at most `limit` bytes."""

    async def output(self, pod: ObjectRef, container: str, command: Sequence[str], *, limit: int) -> bytes:
        """Return what a command inside a container prints, at most `limit` bytes.

        Raises:
            Refused: it cannot be started there, or it failed and printed nothing.
        """


class Following(Protocol):
    """An API server for one who keeps what he was told, and goes on where he was when he comes back."""

    async def revision(self) -> int | None:
        """Return the server's counter (`resourceVersion`) as it is now; None where it is no number.

        Raises:
            Unavailable, Refused: it did not answer.
        """

    def follow(
        self, resource: Resource, revision: str = "", *, metadata_only: bool = False
    ) -> AsyncGenerator[Change, None]:
        """Yield every change after a revision; without one, or where the server forgot it, a listing first.

        LISTING begins a listing (anew, if one broke off), each PAGE has `items`, LISTED ends it with its
        revision. OPENED: the watch is on; then ADDED, MODIFIED, DELETED and BOOKMARK, each with its revision.
        LOST: it broke, for the `reason` given, and is tried again.

        Raises:
            NotFound: the server does not know the kind.
            Refused: we may not list it.
        """


@dataclass(frozen=True)
class Entry:
    """One value of a key-value bucket, with the revision to compare and set by."""

    value: bytes
    revision: int


class KeyValue(Protocol):
    """A durable bucket. Raises `Unavailable` when the server does not answer."""

    async def get(self, key: str) -> Entry | None:
        """Return the value, or None where there is none."""

    async def create(self, key: str, value: bytes) -> int:
        """Write a new key; `Conflict` if it exists."""

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write over one known revision; `Conflict` if it is not the last."""

    async def delete(self, key: str) -> None:
        """Delete a key; it is no error if there is none."""

    async def keys(self) -> list[str]:
        """Return all keys."""
