"""Roles and their rules, compiled for matching; aggregated ClusterRoles filled as the controller fills them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from activities.graph.manifests import Located
from activities.graph.network_policy import matches
from signals.errors import BadInput

FIELDS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
OPERATORS = frozenset({"In", "NotIn", "Exists", "DoesNotExist"})


@dataclass(frozen=True, eq=False)
class Rule:
    """One PolicyRule; `document` is how it stands in the role."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    paths: frozenset[str]
    document: Mapping[str, Any]

    @classmethod
    def parse(cls, document: Any) -> "Rule":
        """Compile a rule.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(document, dict):
            raise ValueError("must be an object")
        verbs, groups, resources, names, paths = (_texts(document, field) for field in FIELDS)
        return cls(verbs, groups, resources, names, paths, document)

    def meets(self, group: str, whole: str, below: str | None, name: str) -> bool:
        """Return whether the rule means a resource: `pods/log` as a whole, `*/log` what is below any."""
        return (
            (group in self.groups or "*" in self.groups)
            and (
                whole in self.resources
                or "*" in self.resources
                or (below is not None and below in self.resources)
            )
            and (not self.names or name in self.names)
        )

    def reaches(self, path: str) -> bool:
        """Return whether the rule means a path of the API server; a `*` at its end stands for any rest."""
        return any(
            own == path or (own.endswith("*") and path.startswith(own.rstrip("*"))) for own in self.paths
        )


@dataclass(frozen=True, eq=False)
class Role:
    """One Role or ClusterRole."""

    id: str
    rules: tuple[Rule, ...]


def parse_rules(manifest: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Return the rules of a role.

    Raises:
        ValueError: they are none; the text says where in the role.
    """
    rules = manifest.get("rules") or []
    if not isinstance(rules, list):
        raise ValueError("rules must be a list")
    parsed: list[Rule] = []
    for index, rule in enumerate(rules):
        try:
            parsed.append(Rule.parse(rule))
        except ValueError as error:
            raise ValueError(f"rules[{index}] {error}") from error
    return tuple(parsed)


def selectors(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the label selectors that a ClusterRole gathers others by; none for an ordinary one.

    Raises:
        ValueError: its aggregationRule is none.
    """
    rule = manifest.get("aggregationRule") or {}
    found = (rule.get("clusterRoleSelectors") or []) if isinstance(rule, dict) else None
    if not isinstance(found, list) or not all(map(_selects, found)):
        raise ValueError("aggregationRule.clusterRoleSelectors must be a list of label selectors")
    return found


def roles(found: Iterable[Located]) -> dict[str, Role]:
    """Return the roles by `Role/namespace/name` and `ClusterRole/name`.

    Aggregated ClusterRoles that a cluster has stored keep the rules that stand in them: these are in force. Those
    of manifests gather what their selectors find, also through each other.

    Raises:
        BadInput: one is no role; the text names its file and line.
    """
    own: dict[str, tuple[Rule, ...]] = {}
    gathering: dict[str, list[Mapping[str, Any]]] = {}
    labels: dict[str, Mapping[str, str]] = {}
    for located in found:
        metadata, kind = located.object["metadata"], located.object["kind"]
        name = (
            f"{kind}/{metadata['namespace']}/{metadata['name']}"
            if kind == "Role"
            else f"{kind}/{metadata['name']}"
        )
        try:
            own[name] = parse_rules(located.object)
            wanted = selectors(located.object) if kind == "ClusterRole" else []
        except ValueError as error:
            raise BadInput(f"{located}: {kind}: {error}") from error
        if kind == "ClusterRole":
            labels[name] = metadata.get("labels") or {}
        if wanted and not (metadata.get("uid") or metadata.get("resourceVersion")):
            gathering[name] = wanted
    sources = {
        name: sorted(other for other, has in labels.items() if any(matches(one, has) for one in wanted))
        for name, wanted in gathering.items()
    }
    return {name: Role(name, tuple(_gathered(name, own, sources))) for name in own}


def _gathered(
    name: str, own: Mapping[str, tuple[Rule, ...]], sources: Mapping[str, list[str]]
) -> Iterator[Rule]:
    """Yield the rules of a role, through all that it gathers; each rule once."""
    seen, given = {name}, list[Mapping[str, Any]]()
    waiting = [name]
    while waiting:
        current = waiting.pop(0)
        if current in sources:
            fresh = [other for other in sources[current] if other not in seen]
            seen.update(fresh)
            waiting += fresh
            continue
        for rule in own[current]:
            if name not in sources:
                yield rule
            elif rule.document not in given:
                given.append(rule.document)
                yield rule


def _texts(document: Mapping[str, Any], field: str) -> frozenset[str]:
    values = document.get(field) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{field} must be a list of text")
    return frozenset(values)


def _selects(selector: Any) -> bool:
    """Return whether this is a label selector."""
    if not isinstance(selector, dict) or not isinstance(selector.get("matchLabels") or {}, dict):
        return False
    terms = selector.get("matchExpressions") or []
    return isinstance(terms, list) and all(
        isinstance(term, dict)
        and isinstance(term.get("key"), str)
        and term.get("operator") in OPERATORS
        and isinstance(term.get("values") or [], list)
        for term in terms
    )
