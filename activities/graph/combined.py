"""Steps that need two rights or more of one identity: they are judged on all that it holds together.

What follows is either a step like any other, or more rights: the identity can bind itself, or fill a role.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from activities.graph.capabilities import CLUSTER_ONLY, Cap, Names
from activities.graph.census import Census
from activities.graph.edges import Edge
from activities.graph.escalation import EVERYTHING
from activities.graph.identities import MASTERS
from activities.graph.manifests import Located
from activities.graph.rbac import Binding, Rbac
from activities.graph.rights import EVERYWHERE, NAMESPACES, Rights
from activities.graph.roles import Role, parse_rules
from activities.graph.steps import ByRule, Granted, Offer, offer
from activities.graph.targets import without

ALL = Role("every right", parse_rules(EVERYTHING))
"""What whoever can fill a role holds through it."""
PARTS = frozenset(
    {
        Cap.SECRET_CREATE,
        Cap.SECRET_READ,
        Cap.POD_CREATE,
        Cap.AS_USER,
        Cap.AS_GROUP,
        Cap.AS_ACCOUNT,
        Cap.BIND_ROLE,
        Cap.BIND_CLUSTER_ROLE,
        Cap.NEW_BINDING,
        Cap.NEW_CLUSTER_BINDING,
        Cap.OLD_BINDING,
        Cap.OLD_CLUSTER_BINDING,
        Cap.ESCALATE_ROLE,
        Cap.ESCALATE_CLUSTER_ROLE,
        Cap.OLD_ROLE,
        Cap.OLD_CLUSTER_ROLE,
        Cap.NEW_ROLE,
        Cap.NAMESPACE,
        Cap.CSR_CREATE,
        Cap.CSR_APPROVE,
        Cap.SIGNER_APPROVE,
        Cap.VOLUME_CREATE,
        Cap.CLAIM_CREATE,
    }
)
"""Rights that only count together with others."""
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class Held(NamedTuple):
    """A role that somebody holds in a scope: by a binding, or because they could give it to themselves."""

    scope: str
    role: Role
    binding: Binding | None
    gained: Granted | None = None


class Gain(NamedTuple):
    """More rights that somebody can take, and how."""

    edge: Edge
    by: ByRule
    roles: tuple[tuple[str, Role], ...]


class Sum:
    """The rights of one identity in one scope, all roles together."""

    def __init__(self, rights: Rights, rbac: Rbac, held: Iterable[Held], scope: str) -> None:
        """Add up what holds in the scope: what holds everywhere, and there."""
        self.names: dict[Cap, Names] = {}
        self._by: dict[Cap, Held] = {}
        self._rbac = rbac
        inside = {EVERYWHERE} if scope == EVERYWHERE else {EVERYWHERE, NAMESPACES, scope}
        for one in held:
            if one.scope in inside:
                for cap, names in rights.caps(one.role).items():
                    if cap in PARTS and not (cap in CLUSTER_ONLY and one.scope != EVERYWHERE):
                        before = self.names.get(cap, frozenset())
                        self.names[cap] = None if names is None or before is None else before | names
                        self._by.setdefault(cap, one)

    def has(self, *caps: Cap) -> bool:
        """Return whether all of these are held, be it for some names only."""
        return all(cap in self.names for cap in caps)

    def allows(self, cap: Cap, name: str) -> bool:
        """Return whether a right is held on something of this name."""
        names = self.names.get(cap, frozenset())
        return names is None or name in names

    def proof(self, cap: Cap) -> ByRule:
        """Return by whose leave a right is held."""
        one = self._by[cap]
        return ByRule(self._rbac, one.binding, one.role, cap, one.gained)


class Combined:
    """Judges what several rights come to, for one cluster."""

    def __init__(self, census: Census, rbac: Rbac, rights: Rights) -> None:
        """Take who is there, and all roles and bindings."""
        self._census, self._rbac, self._rights = census, rbac, rights
        bindings = [one for one in rbac.objects.values() if "Binding" in one.object["kind"]]
        self._bindings: dict[str, list[tuple[str, str]]] = {}
        for one in bindings:
            place, ref = one.object["metadata"].get("namespace", ""), _ref(one)
            self._bindings.setdefault(place, []).append((one.object["metadata"]["name"], ref))

    def counts(self, role: Role) -> bool:
        """Return whether a role holds a right that only counts with others."""
        return not PARTS.isdisjoint(self._rights.caps(role))

    def scopes(self, held: Sequence[Held]) -> list[str]:
        """Return where to look: everywhere, and wherever something is held that counts."""
        return sorted({EVERYWHERE, NAMESPACES, *(one.scope for one in held)})

    def sums(self, held: Sequence[Held]) -> Iterator[tuple[str, Sum]]:
        """Yield what is held together, scope by scope."""
        for scope in self.scopes(held):
            yield scope, Sum(self._rights, self._rbac, held, scope)

    def offers(self, scope: str, held: Sum) -> Iterator[Offer]:
        """Yield the steps that need several rights, in one scope."""
        if scope == EVERYWHERE:
            yield from self._as_group(held)
            yield from self._forged(held)
            return
        census = self._census
        if held.has(Cap.SECRET_CREATE, Cap.SECRET_READ) and self._readable(scope, held):
            yield offer(Edge.SECRET_MINT, census.within("sa", scope, None), held.proof(Cap.SECRET_CREATE))
        if not held.has(Cap.POD_CREATE):
            return
        nodes = census.whole["node"]
        if held.has(Cap.NAMESPACE) and self._relaxed(scope, held):
            condition = "the namespace's Pod Security level is lowered first"
            yield offer(Edge.PSA_RELAX, nodes, held.proof(Cap.NAMESPACE), condition)
        if held.has(Cap.VOLUME_CREATE, Cap.CLAIM_CREATE):
            condition = "a volume of the node's own files is made and bound"
            yield offer(Edge.PV_HOSTPATH, nodes, held.proof(Cap.VOLUME_CREATE), condition)

    def _readable(self, scope: str, held: Sum) -> bool:
        """Return whether a secret that is made can be read: of a name that is still free."""
        names = held.names[Cap.SECRET_READ]
        return names is None or any(
            not self._census.within("secret", scope, frozenset({one})) for one in names
        )

    def _relaxed(self, scope: str, held: Sum) -> bool:
        places = self._census.namespaces if scope == NAMESPACES else (scope,)
        return any(
            not self._census.permissive(place) and held.allows(Cap.NAMESPACE, place) for place in places
        )

    def _as_group(self, held: Sum) -> Iterator[Offer]:
        if held.has(Cap.AS_GROUP) and (held.has(Cap.AS_USER) or held.has(Cap.AS_ACCOUNT)):
            by = held.proof(Cap.AS_GROUP)
            yield offer(Edge.IMPERSONATE, self._census.within("group", "", held.names[Cap.AS_GROUP]), by)
            if held.allows(Cap.AS_GROUP, MASTERS):
                yield offer(Edge.IMPERSONATE, (self._census.admin,), by)

    def _forged(self, held: Sum) -> Iterator[Offer]:
        signed = held.allows(Cap.SIGNER_APPROVE, CLIENT_SIGNER) or held.allows(
            Cap.SIGNER_APPROVE, "kubernetes.io/*"
        )
        if held.has(Cap.CSR_CREATE, Cap.CSR_APPROVE) and signed:
            everybody = self._census.whole["user"] | self._census.whole["group"]
            targets = without(everybody, self._census.numbers(f"group/{MASTERS}"))
            condition = "the cluster's own signer issues certificates for clients"
            yield offer(Edge.CSR_FORGE, targets, held.proof(Cap.CSR_CREATE), condition)

    def gains(self, scope: str, held: Sum, holder: Sequence[Held]) -> Iterator[Gain]:
        """Yield the rights that can be taken in one scope."""
        binding = Cap.BIND_CLUSTER_ROLE if held.has(Cap.BIND_CLUSTER_ROLE) else Cap.BIND_ROLE
        roles = [(scope, role) for role in self._bindable(scope, held)]
        if roles:
            yield Gain(Edge.ROLE_BIND, held.proof(binding), tuple(roles))
        yield from self._filled(scope, held, holder)

    def _bindable(self, scope: str, held: Sum) -> Iterator[Role]:
        """Yield the roles that can be bound here without being held: by `bind`, in a new binding or an old one."""
        new, old = _BINDING[scope == EVERYWHERE]
        if not (held.has(new) or held.has(old)):
            return
        for name, role in self._rbac.roles.items():
            kind, _, rest = name.partition("/")
            where, _, own = rest.rpartition("/")
            if kind == "Role" and (scope == EVERYWHERE or scope not in (where, NAMESPACES)):
                continue
            cap = Cap.BIND_ROLE if kind == "Role" else Cap.BIND_CLUSTER_ROLE
            if held.allows(cap, own) and (held.has(new) or self._rebindable(scope, held, old, name)):
                yield role

    def _rebindable(self, scope: str, held: Sum, old: Cap, role: str) -> bool:
        places = [scope] if scope != NAMESPACES else [place for place in self._bindings if place]
        return any(
            ref == role and held.allows(old, name)
            for place in places
            for name, ref in self._bindings.get(place, ())
        )

    def _filled(self, scope: str, held: Sum, holder: Sequence[Held]) -> Iterator[Gain]:
        """Yield every right, where a role can be filled that is held here, or could be bound."""
        kind, change, escalate, bind = _ESCALATING[scope == EVERYWHERE]
        if not held.has(escalate):
            return
        mine = [
            (one.scope, ALL)
            for one in holder
            if one.binding is not None
            and (name := _own(one.role.id, kind, scope)) is not None
            and held.allows(escalate, name)
            and held.allows(change, name)
        ]
        if mine:
            yield Gain(Edge.ROLE_ESCALATE, held.proof(escalate), tuple(dict.fromkeys(mine)))
        written = held.has(Cap.NEW_ROLE) or held.has(change)
        free = held.names[escalate] is None and held.names.get(bind, frozenset()) is None
        if written and free and held.has(_BINDING[scope == EVERYWHERE][0]):
            yield Gain(Edge.ROLE_ESCALATE, held.proof(escalate), ((scope, ALL),))


_BINDING: Mapping[bool, tuple[Cap, Cap]] = {
    True: (Cap.NEW_CLUSTER_BINDING, Cap.OLD_CLUSTER_BINDING),
    False: (Cap.NEW_BINDING, Cap.OLD_BINDING),
}
_ESCALATING: Mapping[bool, tuple[str, Cap, Cap, Cap]] = {
    False: ("Role", Cap.OLD_ROLE, Cap.ESCALATE_ROLE, Cap.BIND_ROLE),
    True: ("ClusterRole", Cap.OLD_CLUSTER_ROLE, Cap.ESCALATE_CLUSTER_ROLE, Cap.BIND_CLUSTER_ROLE),
}


def _own(role: str, kind: str, scope: str) -> str | None:
    """Return the name of a role of this kind that can be written in a scope; None where it cannot."""
    own, _, rest = role.partition("/")
    where, _, name = rest.rpartition("/")
    fits = own == kind and (kind == "ClusterRole" or scope in (where, NAMESPACES))
    return name if fits else None


def _ref(one: Located) -> str:
    ref = one.object["roleRef"]
    inside = f"{one.object['metadata'].get('namespace')}/" if ref["kind"] == "Role" else ""
    return f"{ref['kind']}/{inside}{ref['name']}"
