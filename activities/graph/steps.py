"""One step from one thing to others, and by whose leave: what the walk is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from activities.graph.capabilities import Cap, proof
from activities.graph.edges import MEANINGS, Certainty, Edge
from activities.graph.network_policy import Object
from activities.graph.rbac import Binding, Rbac
from activities.graph.roles import Role
from activities.graph.targets import Targets


class Granted(NamedTuple):
    """Who allows a step: an object as `Kind/namespace/name`, its version, and what in it says so."""

    object: str
    uid: str | None = None
    resource_version: str | None = None
    role: str | None = None
    rule: Any = None

    @classmethod
    def by(cls, name: str, manifest: Object | None, rule: Any, role: str | None = None) -> "Granted":
        """Return the leave that an object gives, with its version where it has one."""
        metadata: Mapping[str, Any] = (manifest or {}).get("metadata") or {}
        return cls(name, metadata.get("uid"), metadata.get("resourceVersion"), role, rule)


def called(entity: str) -> str:
    """Return the name of an entity, without its kind and namespace."""
    kind, _, name = entity.partition("/")
    return name if kind in ("user", "group", "node") else name.rpartition("/")[2]


BUILT_IN = "the API server"
"""Who allows what no object says."""


class Proof(Protocol):
    """Says by whose leave a step is possible; asked only for what is shown."""

    def granted(self, target: str) -> Granted:
        """Return who allows the step to this entity."""


@dataclass(frozen=True)
class Known:
    """A leave that does not depend on where the step leads."""

    said: Granted

    def granted(self, target: str) -> Granted:
        """Return it."""
        return self.said


@dataclass(frozen=True)
class ByRule:
    """A binding that gives a role, and the role's rule; what is gained by binding is in `gained`."""

    rbac: Rbac
    binding: Binding | None
    role: Role
    cap: Cap
    gained: Granted | None = None

    @cached_property
    def nameless(self) -> bool:
        """Whether the first rule that gives the right is not limited to names: then it fits every target."""
        rule = proof(self.role, self.cap)
        return rule is not None and not rule.names

    def granted(self, target: str) -> Granted:
        """Return the binding, its version, and the first rule that fits the target."""
        rule = proof(self.role, self.cap, called(target)) or proof(self.role, self.cap)
        document = rule.document if rule else None
        if self.binding is None:
            before = self.gained or Granted(BUILT_IN)
            return before._replace(role=self.role.id, rule=document)
        located = self.rbac.objects.get(self.binding.id)
        return Granted.by(self.binding.id, located.object if located else None, document, self.role.id)


class Offer(NamedTuple):
    """One kind of step to many targets , how sure it is, and under which conditions."""

    edge: Edge
    targets: Targets
    proof: Proof
    certainty: Certainty = Certainty.DIRECT
    conditions: tuple[str, ...] = ()


def offer(edge: Edge, targets: Targets, proof: Proof, *conditions: str) -> Offer:
    """Return an offer that is as sure as its kind is."""
    certainty = MEANINGS[edge].certainty
    return Offer(edge, targets, proof, Certainty.CONDITIONAL if conditions else certainty, conditions)
