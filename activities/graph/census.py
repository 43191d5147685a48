"""Everything in a cluster that can be reached, each one bit of a number: who is where, and what is whose.

What is only mentioned is there as well, where its kind was not collected from a cluster.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from activities.graph.identities import (
    AUTHENTICATED,
    SERVICE_ACCOUNT,
    UNAUTHENTICATED,
    Who,
    implicit_groups,
)
from activities.graph.manifests import Located
from activities.graph.network_policy import Object
from activities.graph.possessions import Possession, possession
from activities.graph.rbac import Rbac
from activities.graph.selectors import Labels
from activities.graph.steps import called
from activities.graph.targets import Targets
from activities.graph.workloads import Member, naming

ADMIN = "cluster-admin"
KINDS = ("pod", "sa", "secret", "node", "user", "group")
ENFORCE = "pod-security.kubernetes.io/enforce"
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_PLANE_PODS = frozenset({"kube-apiserver", "etcd", "kube-controller-manager"})
TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 (a type of Secret)
TOKEN_OF, TOKEN_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"


class Census:
    """All entities of one state of a cluster, numbered: pods first, as they come, `cluster-admin` last."""

    def __init__(
        self,
        objects: Sequence[Located],
        members: Sequence[Member],
        namespaces: Mapping[str, Labels],
        rbac: Rbac,
        extra: Iterable[str] = (),
    ) -> None:
        """Number everything; `extra` are users and groups that nothing mentions.

        Raises:
            BadInput: a pod cannot be understood; it is named.
        """
        self.members = members
        self.namespaces = namespaces
        self.objects = {kind: _by_name(objects, kind) for kind in ("ServiceAccount", "Secret", "Node")}
        self.possessions: list[Possession] = []
        for member in members:
            with naming(member.owner):
                self.possessions.append(possession(member.manifest, self.objects["ServiceAccount"]))
        found = self._found(rbac, extra)
        self.names = [name for kind in KINDS for name in found[kind]] + [ADMIN]
        self.kinds: dict[str, range] = {}
        start = 0
        for kind in KINDS:
            self.kinds[kind] = range(start, start := start + len(found[kind]))
        self.admin = start
        self.whole = {kind: _ones(places) for kind, places in self.kinds.items()}
        self._numbers = _sets((name, number) for number, name in enumerate(self.names))
        self._who: dict[int, Who] = {}
        self._spread: dict[str, dict[str, tuple[int, ...]]] = {}
        self._called: dict[str, dict[str, tuple[int, ...]]] = {}
        self.tokens = self._tokens()
        self.on_node = self._on_node()
        self.owned = _sets((member.owner, number) for number, member in enumerate(members))
        self.ends = frozenset(self.kinds["secret"]) - self.tokens.keys()
        """Secrets that lead nowhere."""
        self.frozen = frozenset(_frozen(objects))
        """Pods, as `namespace/name`, whose tokens write nothing any more."""
        self.planes = dict(self._planes())

    def _found(self, rbac: Rbac, extra: Iterable[str]) -> dict[str, list[str]]:
        subjects = [*rbac.subjects()]
        users = {key[2:] for key in subjects if key.startswith("u/")}
        accounts = {
            f"sa/{user.removeprefix(SERVICE_ACCOUNT).replace(':', '/', 1)}"
            for user in users
            if user.startswith(SERVICE_ACCOUNT)
        }
        for place in self.namespaces:
            accounts.add(f"sa/{place}/default")
        secrets: set[str] = set()
        for held in self.possessions:
            accounts.add(f"sa/{held.account}")
            secrets |= {f"secret/{name}" for name in (*held.secrets, *held.pulls)}
        known = {kind: {f"{kind}/{name}" for name in self.objects[word]} for kind, word in _OBJECTS.items()}
        nodes = known["node"] | {f"node/{member.node}" for member in self.members if member.node}
        people = {f"user/{user}" for user in users if not user.startswith(SERVICE_ACCOUNT)}
        people |= {f"user/system:node:{node.removeprefix('node/')}" for node in nodes}
        groups = {f"group/{key[2:]}" for key in subjects if key.startswith("g/")}
        more = [*extra]
        return {
            "pod": [f"pod/{member.name}" for member in self.members],
            "sa": sorted(known["sa"] if self._collected("ServiceAccount") else known["sa"] | accounts),
            "secret": sorted(known["secret"] if self._collected("Secret") else known["secret"] | secrets),
            "node": sorted(nodes),
            "user": sorted(people | {one for one in more if one.startswith("user/")}),
            "group": sorted(groups | {one for one in more if one.startswith("group/")}),
        }

    def _collected(self, kind: str) -> bool:
        """Return whether the objects of a kind come from a cluster: then there are no others."""
        return any("uid" in one["metadata"] for one in self.objects[kind].values())

    def numbers(self, entity: str) -> tuple[int, ...]:
        """Return the numbers of an entity; none where it is not there."""
        return self._numbers.get(entity, ())

    def kind(self, number: int) -> str:
        """Return the kind of an entity; `cluster-admin` is one of its own."""
        return self.names[number].partition("/")[0]

    def within(self, kind: str, scope: str, names: frozenset[str] | None) -> Targets:
        """Return the entities of a kind in a namespace (in all, where it is empty or `*`), or some of them."""
        if names is None:
            return self.whole[kind] if scope in ("", "*") else self._in(kind).get(scope, ())
        if scope in ("", "*"):
            called = self._by_last(kind)
            return tuple(number for name in sorted(names) for number in called.get(name, ()))
        return tuple(n for name in sorted(names) for n in self.numbers(f"{kind}/{scope}/{name}"))

    def _in(self, kind: str) -> Mapping[str, tuple[int, ...]]:
        if kind not in self._spread:
            places = self.kinds[kind]
            self._spread[kind] = _sets((self.names[n].split("/")[1], n) for n in places)
        return self._spread[kind]

    def _by_last(self, kind: str) -> Mapping[str, tuple[int, ...]]:
        if kind not in self._called:
            self._called[kind] = _sets((called(self.names[n]), n) for n in self.kinds[kind])
        return self._called[kind]

    def _tokens(self) -> dict[int, tuple[int, ...]]:
        """Return, for each Secret that holds a token, whose it is."""
        found: dict[int, tuple[int, ...]] = {}
        for name, manifest in self.objects["Secret"].items():
            notes = manifest["metadata"].get("annotations") or {}
            if manifest.get("type", TOKEN_TYPE) == TOKEN_TYPE and TOKEN_OF in notes:
                account = f"{manifest['metadata']['namespace']}/{notes[TOKEN_OF]}"
                uid = ((self.objects["ServiceAccount"].get(account) or {}).get("metadata") or {}).get("uid")
                whose = self.numbers(f"sa/{account}")
                if whose and (uid is None or notes.get(TOKEN_UID, uid) == uid):
                    found |= dict.fromkeys(self.numbers(f"secret/{name}"), whose)
        return found

    def _on_node(self) -> dict[str, tuple[int, ...]]:
        return _sets((member.node, number) for number, member in enumerate(self.members) if member.node)

    def _planes(self) -> Iterator[tuple[int, str]]:
        """Yield the nodes that hold the control plane, and what says so."""
        for name, manifest in self.objects["Node"].items():
            labels = manifest["metadata"].get("labels") or {}
            for label in _CONTROL_PLANE:
                if label in labels:
                    yield self.numbers(f"node/{name}")[0], f"label {label}"
        for member in self.members:
            component = member.end.labels.get("component")
            if member.node and component in _PLANE_PODS and member.name.startswith("kube-system/"):
                yield self.numbers(f"node/{member.node}")[0], f"Pod {member.name} runs there"

    def who(self, number: int) -> Who:
        """Return as whom an identity asks the API server."""
        if number not in self._who:
            self._who[number] = self._identity(number)
        return self._who[number]

    def _identity(self, number: int) -> Who:
        kind, _, name = self.names[number].partition("/")
        if kind == "sa":
            user = SERVICE_ACCOUNT + name.replace("/", ":", 1)
            return Who(user, implicit_groups(user))
        if kind == "user":
            node = ("system:nodes",) if name.startswith("system:node:") else ()
            return Who(name, (*node, *implicit_groups(name)))
        inside = name.startswith("system:serviceaccounts:")
        groups = (name, *(("system:serviceaccounts",) if inside else ()))
        return Who("", groups if name in (AUTHENTICATED, UNAUTHENTICATED) else (*groups, AUTHENTICATED))

    def permissive(self, scope: str) -> bool:
        """Return whether pods that leave their container may be made in a namespace, or in any."""
        if scope in ("", "*"):
            return not self.namespaces or any(map(_open, self.namespaces.values()))
        return _open(self.namespaces.get(scope, {}))


_OBJECTS = {"sa": "ServiceAccount", "secret": "Secret", "node": "Node"}


def _open(labels: Labels) -> bool:
    return labels.get(ENFORCE, "privileged") == "privileged"


def _by_name(objects: Iterable[Located], kind: str) -> dict[str, Object]:
    found: dict[str, Object] = {}
    for one in objects:
        if one.object["kind"] == kind:
            metadata = one.object["metadata"]
            found["/".join(filter(None, (metadata.get("namespace"), metadata["name"])))] = one.object
    return found


def _frozen(objects: Iterable[Located]) -> Iterator[str]:
    for one in objects:
        if one.object["kind"] == "Freeze":
            with naming(one):
                spec = one.object.get("spec") or {}
                yield f"{spec.get('namespace')}/{spec.get('pod')}"


def _ones(places: range) -> int:
    return (1 << places.stop) - (1 << places.start)


def _sets(pairs: Iterable[tuple[str, int]]) -> dict[str, tuple[int, ...]]:
    lists: dict[str, list[int]] = {}
    for key, number in pairs:
        lists.setdefault(key, []).append(number)
    return {key: tuple(numbers) for key, numbers in lists.items()}
