"""Who may do what, as the API server's RBAC authorizer decides it: subjects, bindings, roles, rules.

A literal port of its matching, and the only one: whoever asks about rights asks here. What is not RBAC (the Node
authorizer, webhooks, admission) is outside of this.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from activities.graph.identities import MASTERS, SERVICE_ACCOUNT, Who
from activities.graph.manifests import Located
from activities.graph.roles import Role, Rule, roles
from signals.errors import BadInput

GROUP = "rbac.authorization.k8s.io"
KINDS = ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding")
BOOTSTRAP_LABEL = "kubernetes.io/bootstrapping"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be done: a verb on a resource, or on a path of the API server where `path` is not None.

    `namespace` is empty for all namespaces and for what lives in none; `name` for all objects and for new ones.
    """

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str | None = None

    def __str__(self) -> str:
        """Return it as people write it: `get pods/log "web-0" in namespace "shop"`."""
        if self.path is not None:
            return f"{self.verb} {self.path}"
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        what += f".{self.group}" if self.group else ""
        name = f' "{self.name}"' if self.name else ""
        where = f'in namespace "{self.namespace}"' if self.namespace else "cluster-wide"
        return f"{self.verb} {what}{name} {where}"


@dataclass(frozen=True, eq=False)
class Binding:
    """One binding: where it holds (no namespace: everywhere), and what; `role` is None where it is missing."""

    id: str
    namespace: str
    subjects: tuple[tuple[str, str], ...]
    """(what it is looked up by, what people call it)"""
    ref: str
    role: Role | None

    def describe(self, who: Who) -> str:
        """Return what the API server gives as reason when this binding allows something."""
        subject = next(text for key, text in self.subjects if key in who.keys)
        return f"{_quoted(self.id)} of {_quoted(self.ref)} to {subject}"


class Grant(NamedTuple):
    """A rule that allows a request, and how it came to the one who asked."""

    binding: Binding
    rule: Rule

    def as_json(self) -> dict[str, Any]:
        """Return binding and role as `Kind/namespace/name`, and the rule as it stands in the role."""
        return {"binding": self.binding.id, "role": self.binding.ref, "rule": self.rule.document}


@dataclass(frozen=True)
class Decision:
    """May they, why, and by what: every rule that allows it, ClusterRoleBindings first."""

    allowed: bool
    reason: str
    by: tuple[Grant, ...] = ()


class Rbac:
    """All roles and bindings of one cluster at one moment."""

    def __init__(self, objects: Iterable[Located]) -> None:
        """Compile roles and bindings; other kinds are left out.

        Raises:
            BadInput: a role or binding is not one; the text names its file and line.
        """
        self.objects: Mapping[str, Located] = MappingProxyType(
            {identity(one.object): one for one in objects if one.object["kind"] in KINDS}
        )
        self.roles = roles(one for one in self.objects.values() if one.object["kind"].endswith("Role"))
        self._by_subject: dict[str, dict[str, list[tuple[int, Binding]]]] = {}
        bindings = (
            _binding(one, self.roles) for one in self.objects.values() if "Binding" in one.object["kind"]
        )
        for order, binding in enumerate(sorted(bindings, key=lambda one: one.id)):
            for key in dict(binding.subjects):
                scopes = self._by_subject.setdefault(key, {})
                scopes.setdefault(binding.namespace, []).append((order, binding))

    @property
    def bootstrapped(self) -> bool:
        """Whether the API server's own default roles are among the objects."""
        return any(
            BOOTSTRAP_LABEL in (one.object["metadata"].get("labels") or {}) for one in self.objects.values()
        )

    def bindings(self, who: Who, namespace: str) -> list[Binding]:
        """Return the bindings that hold for someone in a namespace; cluster-wide ones only where it is empty."""
        found: dict[int, Binding] = {}
        for key in who.keys:
            scopes = self._by_subject.get(key)
            if scopes:
                found.update(scopes.get("", ()))
                if namespace:
                    found.update(scopes.get(namespace, ()))
        return [found[order] for order in sorted(found)]

    def held(self, who: Who) -> list[Binding]:
        """Return all bindings that hold for someone, wherever that is."""
        found: dict[int, Binding] = {}
        for key in who.keys:
            for bindings in self._by_subject.get(key, {}).values():
                found.update(bindings)
        return [found[order] for order in sorted(found)]

    def subjects(self) -> Iterator[str]:
        """Yield what subjects are looked up by: `u/NAME` and `g/NAME`."""
        yield from self._by_subject

    def named(self, key: str) -> Iterator[Binding]:
        """Yield the bindings that name one subject."""
        for bindings in self._by_subject.get(key, {}).values():
            yield from (binding for _, binding in bindings)

    def rules(self, who: Who, namespace: str) -> Iterator[Rule]:
        """Yield all rules that someone holds in a namespace."""
        for binding in self.bindings(who, namespace):
            yield from binding.role.rules if binding.role else ()

    def decide(self, who: Who, request: Request) -> Decision:
        """Decide one request as the API server would."""
        if MASTERS in who.groups:
            return Decision(True, f"allowed: members of {MASTERS} may do everything, whatever RBAC says")
        bindings = self.bindings(who, "" if request.path is not None else request.namespace)
        by = tuple(_allowing(bindings, request))
        if by:
            return Decision(True, f"RBAC: allowed by {by[0].binding.describe(who)}", by)
        return Decision(False, _why_not(who, request, bindings))


def identity(manifest: Mapping[str, Any]) -> str:
    """Return `Kind/namespace/name`, or `Kind/name` where there is no namespace."""
    metadata = manifest["metadata"]
    return "/".join(part for part in (manifest["kind"], metadata.get("namespace"), metadata["name"]) if part)


def _allowing(bindings: Iterable[Binding], request: Request) -> Iterator[Grant]:
    if request.path is not None:
        yield from _reaching(bindings, request.verb, request.path)
        return
    whole, below, name = request.resource, None, request.name
    if request.subresource:
        whole, below = f"{request.resource}/{request.subresource}", f"*/{request.subresource}"
    asked = (request.verb, request.group, whole, below)
    for binding in bindings:
        for rule in binding.role.about(asked) if binding.role else ():
            if not rule.names or name in rule.names:
                yield Grant(binding, rule)


def _reaching(bindings: Iterable[Binding], verb: str, path: str) -> Iterator[Grant]:
    for binding in bindings:
        for rule in binding.role.rules if binding.role else ():
            if rule.paths and not rule.verbs.isdisjoint((verb, "*")) and rule.reaches(path):
                yield Grant(binding, rule)


def _why_not(who: Who, request: Request, bindings: Iterable[Binding]) -> str:
    missing = [
        f"{_quoted(one.id)} names {_quoted(one.ref)}, which is not there"
        for one in bindings
        if one.role is None
    ]
    node = "system:nodes" in who.groups and who.user.startswith("system:node:")
    notes = [*missing, *(["the Node authorizer, which is not asked here, may allow it"] if node else [])]
    return "; ".join([f"RBAC: no rule allows {who} to {request}", *notes])


def _quoted(identity: str) -> str:
    kind, _, name = identity.partition("/")
    return f'{kind} "{name}"'


def _binding(located: Located, known: Mapping[str, Role]) -> Binding:
    manifest = located.object
    ref, subjects = manifest.get("roleRef"), manifest.get("subjects") or []
    if (
        not isinstance(ref, dict)
        or not isinstance(ref.get("kind"), str)
        or not isinstance(ref.get("name"), str)
    ):
        raise BadInput(f"{located}: {manifest['kind']}: roleRef must name a kind and a name")
    if not isinstance(subjects, list):
        raise BadInput(f"{located}: {manifest['kind']}: subjects must be a list")
    namespace = manifest["metadata"].get("namespace", "")
    inside = f"{namespace}/" if ref["kind"] == "Role" else ""
    role = f"{ref['kind']}/{inside}{ref['name']}"
    named = (_subject(located, subject, namespace) for subject in subjects)
    return Binding(
        id=identity(manifest),
        namespace=namespace,
        subjects=tuple(one for one in named if one),
        ref=role,
        role=known.get(role),
    )


def _subject(located: Located, subject: Any, namespace: str) -> tuple[str, str] | None:
    """Return what a subject is looked up by and called; None for one that means nobody."""
    if not isinstance(subject, dict) or not isinstance(subject.get("name"), str):
        raise BadInput(f"{located}: {located.object['kind']}: each subject must have a kind and a name")
    name = subject["name"]
    match subject.get("kind"):
        case "User":
            return f"u/{name}", f'User "{name}"'
        case "Group":
            return f"g/{name}", f'Group "{name}"'
        case "ServiceAccount":
            home = subject.get("namespace") or namespace
            return (f"u/{SERVICE_ACCOUNT}{home}:{name}", f'ServiceAccount "{name}/{home}"') if home else None
    return None
