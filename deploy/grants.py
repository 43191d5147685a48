"""One right at the API server: as a plug-in writes it, and as RBAC does."""

from collections.abc import Iterable
from dataclasses import dataclass

from signals.errors import BadInput

_NAMED_GROUPS = frozenset({"apps", "autoscaling", "batch", "policy"})
"""API groups without a dot; any other first segment of `a/b` is a resource with a subresource."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One RBAC rule over one resource. `names` limits it to objects of those names."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def rule(self) -> dict[str, list[str]]:
        """Return the rule as RBAC spells it."""
        rule = {"apiGroups": [self.group], "resources": [self.resource], "verbs": list(self.verbs)}
        return {**rule, "resourceNames": list(self.names)} if self.names else rule


def grant(permission: str) -> Grant:
    """Read `networking.k8s.io/networkpolicies: get, list` (or `pods: get`, `pods/eviction: create`).

    Raises:
        BadInput: it has no resource or no verb, or uses `*`.
    """
    path, _, verbs = permission.partition(":")
    first, _, rest = path.strip().partition("/")
    grouped = bool(rest) and ("." in first or first in _NAMED_GROUPS)
    group, resource = (first, rest) if grouped else ("", path.strip())
    named = tuple(verb.strip() for verb in verbs.split(",") if verb.strip())
    if not resource or not named or "*" in permission:
        raise BadInput(f"not a permission: {permission!r}; write it as 'group/resource: verb, verb'")
    return Grant(group=group, resource=resource, verbs=named)


def union(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """Return one grant for each resource, with all its verbs, in a stable order."""
    verbs: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
    for one in grants:
        verbs.setdefault((one.group, one.resource, one.names), set()).update(one.verbs)
    return tuple(
        Grant(group=group, resource=resource, names=names, verbs=tuple(sorted(found)))
        for (group, resource, names), found in sorted(verbs.items())
    )
