"""Roles and their rules, compiled for matching; aggregated ClusterRoles filled as the controller fills them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from activities.graph.manifests import Located
from activities.graph.selectors import matches
from signals.errors import BadInput

FIELDS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
REMEMBERED = 1000
"""Answers that one role keeps."""
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

    def meets(self, verb: str, group: str, whole: str, below: str | None) -> bool:
        """Return whether it means a verb on a resource: `pods/log` as a whole, `*/log` what is below any.

        Names are left out: a rule with names means only these.
        """
        return (
            (verb in self.verbs or "*" in self.verbs)
            and (group in self.groups or "*" in self.groups)
            and (
                whole in self.resources
                or "*" in self.resources
                or (below is not None and below in self.resources)
            )
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
    _known: dict[tuple[str, str, str, str | None], tuple[Rule, ...]] = field(default_factory=dict, repr=False)

    def about(self, asked: tuple[str, str, str, str | None]) -> tuple[Rule, ...]:
        """Return the rules that meet (verb, group, whole, below); remembered, for the same is asked often."""
        found = self._known.get(asked)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[asked] = tuple(rule for rule in self.rules if rule.meets(*asked))
        return found


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
    of manifests gather what their selectors find, also through each other; what stands in them stays only where
    they find nothing, as the controller leaves it.

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
    return {name: Role(name, rules) for name, rules in _gathered(own, sources).items()}


def _gathered(
    own: Mapping[str, tuple[Rule, ...]], sources: Mapping[str, list[str]]
) -> dict[str, tuple[Rule, ...]]:
    """Return the rules of all roles as they stand when each has gathered until nothing changes any more."""
    now = dict(own)
    for _ in range(len(sources) + 1):
        before = dict(now)
        for name, others in sorted(sources.items()):
            now[name] = (
                _distinct(rule for other in others if other != name for rule in now[other]) or now[name]
            )
        if before == now:
            break
    return now


def _distinct(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    kept: list[Rule] = []
    for rule in rules:
        if all(rule.document != other.document for other in kept):
            kept.append(rule)
    return tuple(kept)


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
