"""The shape of a probe: one question about one thing, asked of the API server, that can change nothing.

A probe sees only the reading half of the cluster, so it cannot write; and it takes from an object only the
fields it names, so no secret can pass: no environment value, no annotation, no argument, no message text.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from activities.ports import PODS, Manifest, Resource
from signals.entities import ClusterRef, Entity
from signals.errors import NotFound
from signals.incidents import Edge, Node, Relation
from signals.plans import ObjectRef


class Reads(Protocol):
    """The half of `Cluster` that a probe is given; the same errors."""

    @property
    def ref(self) -> ClusterRef:
        """Which cluster this is."""

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return one object."""

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        """Return the objects of one kind, of one namespace or of all."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one probe found. `missing` says what it looked for and could not see."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    findings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Notes:
    """An answer while it is being written."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def saw(self, entity: Entity, **attributes: Any) -> Entity:
        """Put down one thing; attributes that say nothing are left out."""
        told = {name: value for name, value in attributes.items() if value not in (None, "", [], {})}
        self.nodes.append(Node(id=entity.key, entity=entity, attributes=told))
        return entity

    def relate(self, source: Entity, relation: Relation, target: Entity) -> None:
        """Put down that two things hang together."""
        self.edges.append(Edge(source=source.key, target=target.key, type=relation))

    def answer(self) -> Answer:
        """Return what was put down."""
        return Answer(
            nodes=tuple(self.nodes),
            edges=tuple(self.edges),
            findings=tuple(self.findings),
            missing=tuple(self.missing),
        )


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One question. `permissions` are the RBAC rights that asking takes (`apps/replicasets: get, list`).

    `ask` may raise any FirebreakError: what could not be asked becomes a line in the investigation.
    """

    name: str
    question: str
    permissions: tuple[str, ...]
    ask: Callable[[Reads, Entity], Awaitable[Answer]]
    about: tuple[str, ...] = ("Pod",)
    """Kinds of subject that it can be asked about."""


async def read_pod(cluster: Reads, subject: Entity) -> Manifest:
    """Return the subject's pod.

    Raises:
        NotFound: it is gone, whether or not another pod has taken its name.
    """
    pod = await cluster.get(PODS.ref(subject.name, subject.namespace))
    if subject.uid and pod["metadata"].get("uid") != subject.uid:
        raise NotFound(f"{subject} is gone; another pod has its name now")
    return pod


def entity_of(cluster: Reads, kind: str, manifest: Manifest) -> Entity:
    """Return how an object of the API server is named everywhere."""
    metadata = manifest["metadata"]
    return Entity(
        cluster=cluster.ref,
        kind=kind,
        name=metadata["name"],
        namespace=metadata.get("namespace"),
        uid=metadata.get("uid"),
    )


def image_of(cluster: Reads, status: Manifest, reference: str) -> Entity:
    """Return a container's image: its digest where the node has pulled it, else the reference it asked for."""
    digest = str(status.get("imageID") or "").rpartition("@")[2]
    name = digest if digest.startswith("sha256:") else reference
    return Entity(cluster=cluster.ref, kind="Image", name=name)
