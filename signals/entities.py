"""How a pod, node, account, image or address is named everywhere, cluster included."""

from pydantic import BaseModel


class ClusterRef(BaseModel, frozen=True):
    """One Kubernetes cluster: a name for people, and the UID of its kube-system for machines."""

    name: str
    uid: str

    def __str__(self) -> str:
        """Return the name, as people write it."""
        return self.name


class Entity(BaseModel, frozen=True):
    """A thing that an incident can be about.

    `kind` is the Kubernetes kind (`Pod`, `Deployment`, `ServiceAccount`, `Node`, `NetworkPolicy` …) or
    one of `Container` (name = container id), `Image` (name = digest or reference), `Address` (name = IP),
    `User`. `uid` is the API server's, and None where the thing is known by name only.
    """

    cluster: ClusterRef
    kind: str
    name: str
    namespace: str | None = None
    uid: str | None = None

    @property
    def key(self) -> str:
        """The identity to compare by: the UID where it is known, else kind, namespace and name."""
        if self.uid:
            return f"{self.cluster.uid}/uid/{self.uid}"
        return self.name_key

    @property
    def name_key(self) -> str:
        """The identity by name, which another object of the same name may have had before."""
        return f"{self.cluster.uid}/{self.kind}/{self.namespace or ''}/{self.name}"

    def __str__(self) -> str:
        """Return `kind/namespace/name`, as people write it."""
        return "/".join(part for part in (self.kind.lower(), self.namespace, self.name) if part)
