"""What the API server asks beyond RBAC's rules when roles and bindings are written: nobody gives what they lack.

A role may hold only what its writer holds, or the writer may `escalate` it; a role may be bound only by someone who
holds all that it grants, or may `bind` it. A port of the registry's checks; validation and admission are not.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from activities.graph.identities import MASTERS, Who
from activities.graph.rbac import GROUP, Decision, Rbac, Request
from activities.graph.roles import Rule, parse_rules, selectors
from signals.errors import BadInput

KINDS: Mapping[str, str] = {
    "roles": "Role",
    "clusterroles": "ClusterRole",
    "rolebindings": "RoleBinding",
    "clusterrolebindings": "ClusterRoleBinding",
}
"""Resources whose writes are checked → their kind."""
BINDABLE: Mapping[str, tuple[str, ...]] = {
    "RoleBinding": ("ClusterRole", "Role"),
    "ClusterRoleBinding": ("ClusterRole",),
}
WRITES = frozenset({"create", "update", "patch"})
EVERYTHING: Mapping[str, Any] = {
    "rules": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]
}
COLLECTED = frozenset({"ownerReferences", "finalizers", "selfLink", "managedFields"})
"""What the garbage collector may change on any role or binding; nothing is checked where nothing else changes."""
SHOWN = 5
"""How many missing rights a reason names; it counts the rest."""


@dataclass(frozen=True)
class Atom:
    """The smallest right: one verb on one resource (of one name, or of all), or on one path."""

    verb: str
    group: str | None = None
    resource: str = ""
    name: str | None = None
    path: str | None = None

    def __str__(self) -> str:
        """Return it as people write it."""
        if self.path is not None:
            return f"{self.verb} {self.path}"
        group = f".{self.group}" if self.group else ""
        return f"{self.verb} {self.resource}{group}" + (f' "{self.name}"' if self.name is not None else "")


def checked(request: Request) -> bool:
    """Return whether the API server looks into the object of such a request."""
    return (
        request.path is None
        and request.verb in WRITES
        and (request.group, request.subresource) == (GROUP, "")
        and request.resource in KINDS
    )


def decide(rbac: Rbac, who: Who, request: Request, manifest: Mapping[str, Any]) -> Decision:
    """Decide the write of a role or binding: the request itself, and then what the object would give.

    `manifest` is how it stands after the write. A new object has no name in its request, so that `resourceNames`
    never allow a create. An update of what is not there creates it, and is then asked as a create as well.

    Raises:
        BadInput: the object is not of the kind that the request names, or is none.
    """
    request, manifest = _fitted(request, manifest)
    first = rbac.decide(who, request)
    identity = "/".join(
        part for part in (manifest["kind"], request.namespace, manifest["metadata"]["name"]) if part
    )
    old = rbac.objects.get(identity)
    if first.allowed and request.verb != "create" and old is None:
        first = rbac.decide(who, replace(request, verb="create"))
    if not first.allowed:
        return first
    before = old.object if old and request.verb != "create" else None
    refusal, also = _refusal(rbac, who, request, manifest, before)
    if refusal:
        return Decision(False, refusal)
    return Decision(True, f"{first.reason}{also and f'; {also}'}", first.by)


def covers(held: Iterable[Rule], wanted: Iterable[Rule]) -> list[Atom]:
    """Return the rights of `wanted` that no single rule of `held` covers."""
    owned = [*held]
    atoms = dict.fromkeys(atom for rule in wanted for atom in _atoms(rule))
    return [atom for atom in atoms if not any(_covers(rule, atom) for rule in owned)]


def _atoms(rule: Rule) -> Iterator[Atom]:
    names: list[str] | list[None] = sorted(rule.names) or [None]
    for verb in sorted(rule.verbs):
        for group in sorted(rule.groups):
            for resource in sorted(rule.resources):
                yield from (Atom(verb, group, resource, name) for name in names)
        yield from (Atom(verb, path=path) for path in sorted(rule.paths))


def _covers(rule: Rule, atom: Atom) -> bool:
    if rule.verbs.isdisjoint((atom.verb, "*")):
        return False
    if atom.path is not None:
        return not rule.names and rule.reaches(atom.path)
    _, slash, below = atom.resource.partition("/")
    ways = (atom.resource, "*", f"*/{below}") if slash else (atom.resource, "*")
    return (
        not rule.groups.isdisjoint((atom.group, "*"))
        and not rule.resources.isdisjoint(ways)
        and (not rule.names or atom.name in rule.names)
    )


def _fitted(request: Request, manifest: Mapping[str, Any]) -> tuple[Request, dict[str, Any]]:
    """Return request and object with what each leaves to the other."""
    kind, metadata = KINDS[request.resource], manifest.get("metadata") or {}
    if manifest.get("kind", kind) != kind or not isinstance(metadata, dict):
        raise BadInput(f"the object of {request.resource} must be a {kind} with metadata")
    name = metadata.get("name") or request.name or metadata.get("generateName")
    namespace = metadata.get("namespace") or request.namespace
    clustered = kind.startswith("Cluster")
    if not (isinstance(name, str) and name):
        raise BadInput("the object has no name")
    if request.verb != "create" and request.name not in ("", name):
        raise BadInput(f'the object is called "{name}", the request says "{request.name}"')
    if not clustered and (not namespace or request.namespace not in ("", namespace)):
        raise BadInput("the namespace of object and request must be one")
    request = replace(
        request, namespace="" if clustered else namespace, name="" if request.verb == "create" else name
    )
    return request, {**manifest, "kind": kind, "metadata": {**metadata, "name": name}}


def _refusal(
    rbac: Rbac, who: Who, request: Request, manifest: Mapping[str, Any], before: Mapping[str, Any] | None
) -> tuple[str, str]:
    """Return why the write is refused, or else by what right it is not."""
    try:
        if manifest["kind"].endswith("Binding"):
            return _binding_refusal(rbac, who, request, manifest, before)
        wanted, gathers = parse_rules(manifest), selectors(manifest)
    except ValueError as error:
        raise BadInput(f"the object: {error}") from error
    if MASTERS in who.groups or _unchanged(manifest, before):
        return "", ""
    escalate = rbac.decide(who, replace(request, verb="escalate"))
    if escalate.allowed:
        return "", f"escalate is {escalate.reason}"
    missing = covers(rbac.rules(who, request.namespace), wanted)
    if missing:
        return _lacking(who, missing), ""
    if (gathers or (before and selectors(before))) and covers(rbac.rules(who, ""), parse_rules(EVERYTHING)):
        return f"{who} must be allowed everything to write an aggregationRule", ""
    return "", "all that it grants is held"


def _binding_refusal(
    rbac: Rbac, who: Who, request: Request, manifest: Mapping[str, Any], before: Mapping[str, Any] | None
) -> tuple[str, str]:
    kind, name = _role_ref(manifest)
    if before is not None and _role_ref(before) != (kind, name):
        return "the roleRef of a binding cannot be changed", ""
    if kind not in BINDABLE[manifest["kind"]]:
        return f"a {manifest['kind']} cannot name a {kind}", ""
    if MASTERS in who.groups or _unchanged(manifest, before):
        return "", ""
    role = Request(
        verb="bind", group=GROUP, resource=f"{kind.lower()}s", name=name, namespace=request.namespace
    )
    bind = rbac.decide(who, role)
    if bind.allowed:
        return "", f"bind is {bind.reason}"
    identity = f"Role/{request.namespace}/{name}" if kind == "Role" else f"ClusterRole/{name}"
    if identity not in rbac.roles:
        return f"there is no {identity} that {who} could hold, and bind is not allowed", ""
    missing = covers(rbac.rules(who, request.namespace), rbac.roles[identity].rules)
    return (_lacking(who, missing), "") if missing else ("", "all that the role grants is held")


def _role_ref(manifest: Mapping[str, Any]) -> tuple[str, str]:
    ref = manifest.get("roleRef")
    if (
        not isinstance(ref, dict)
        or not isinstance(ref.get("kind"), str)
        or not isinstance(ref.get("name"), str)
    ):
        raise ValueError("roleRef must name a kind and a name")
    if (ref.get("apiGroup") or GROUP) != GROUP:
        raise ValueError(f"roleRef.apiGroup must be {GROUP}")
    subjects = manifest.get("subjects") or []
    if not isinstance(subjects, list) or not all(isinstance(one, dict) for one in subjects):
        raise ValueError("subjects must be a list of objects")
    return ref["kind"], ref["name"]


def _lacking(who: Who, missing: list[Atom]) -> str:
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return f"{who} would give what they do not hold: {', '.join(map(str, missing[:SHOWN]))}{more}"


def _unchanged(manifest: Mapping[str, Any], before: Mapping[str, Any] | None) -> bool:
    return before is not None and _essence(manifest) == _essence(before)


def _essence(manifest: Mapping[str, Any]) -> Any:
    """Return what must be equal, where empty is as absent and defaults are as the API server writes them."""
    kept = {key: value for key, value in manifest["metadata"].items() if key not in COLLECTED | {"namespace"}}
    whole = {**manifest, "metadata": kept, "apiVersion": None}
    if "roleRef" in whole:
        whole["roleRef"] = {"apiGroup": GROUP, **_full(whole["roleRef"])}
        whole["subjects"] = [
            {**({} if one.get("kind") == "ServiceAccount" else {"apiGroup": GROUP}), **_full(one)}
            for one in whole.get("subjects") or []
        ]
    return _full(whole)


def _full(value: Any) -> Any:
    """Return a value without all that is empty in it."""
    if isinstance(value, Mapping):
        return {key: full for key, inner in value.items() if (full := _full(inner)) not in (None, "", [], {})}
    return [_full(inner) for inner in value] if isinstance(value, list) else value
