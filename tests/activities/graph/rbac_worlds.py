"""Random roles, bindings and questions from a seed, and a second opinion on them: RBAC written out naively."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

from activities.graph.identities import Who
from activities.graph.manifests import Located
from activities.graph.rbac import GROUP, Request

Manifest = dict[str, Any]
VERSION = f"{GROUP}/v1"
NAMESPACES = ("oracle-a", "oracle-b", "oracle-c")
USERS = (
    "oracle-alice",
    "oracle-bob",
    "*",
    "system:serviceaccount:oracle-a:builder",
    "system:serviceaccount:oracle-b:web",
)
GROUPS = (
    "oracle-devs", "oracle-ops", "*", "system:serviceaccounts", "system:serviceaccounts:oracle-a",
    "system:authenticated", "system:unauthenticated",
)  # fmt: skip
ACCOUNTS = (("builder", "oracle-a"), ("web", "oracle-b"), ("web", "oracle-a"))
VERBS = ("get", "list", "create", "update", "patch", "delete", "bind", "escalate", "*")
API_GROUPS = ("", "apps", GROUP, "*", "Apps")
RESOURCES = (
    "pods", "pods/log", "pods/*", "*/log", "*/scale", "deployments", "deployments/scale", "secrets", "*", "*/*",
    "roles", "clusterroles", "rolebindings", "clusterrolebindings",
)  # fmt: skip
NAMES = ("web-0", "db", "*", "oracle-r1", "oracle-r2")
PATHS = ("/healthz", "/healthz/*", "/metrics*", "*", "/api", "/logs/", "/apis/**", "/a*b")
ASKED_PATHS = (
    "/healthz",
    "/healthz/",
    "/healthz/etcd",
    "/metrics",
    "/metrics/slis",
    "/api",
    "/apis/x",
    "/a*b",
    "/ab",
    "*",
)
LABELS: tuple[dict[str, str], ...] = (
    {},
    {"gather": "one"},
    {"gather": "two"},
    {"gather": "one", "also": "yes"},
)


def _some(random: Random, pool: Sequence[str], most: int = 3) -> list[str]:
    return random.sample(pool, random.randint(1, min(most, len(pool))))


def rule(random: Random, *, paths: bool) -> Manifest:
    """Return a rule that the API server accepts."""
    if paths and random.random() < 0.25:
        return {"verbs": _some(random, VERBS), "nonResourceURLs": _some(random, PATHS)}
    made: Manifest = {
        "verbs": _some(random, VERBS),
        "apiGroups": _some(random, API_GROUPS),
        "resources": _some(random, RESOURCES, 4),
    }
    return made | ({"resourceNames": _some(random, NAMES)} if random.random() < 0.3 else {})


def _object(kind: str, name: str, namespace: str = "", **fields: Any) -> Manifest:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name, **place}, **fields}


def role(random: Random, name: str, namespace: str = "") -> Manifest:
    """Return a Role, or a ClusterRole where the namespace is empty."""
    rules = [rule(random, paths=not namespace) for _ in range(random.randint(0, 3))]
    made = _object("Role" if namespace else "ClusterRole", name, namespace, rules=rules)
    if not namespace:
        made["metadata"]["labels"] = dict(random.choice(LABELS))
        if random.random() < 0.15:
            made["aggregationRule"] = {"clusterRoleSelectors": _selectors(random)}
            made["rules"] = (
                [] if made["metadata"]["labels"] else rules
            )  # where they gather each other, who was first decides
    return made


def _selectors(random: Random) -> list[Manifest]:
    pool: list[Manifest] = [
        {"matchLabels": {"gather": "one"}},
        {"matchExpressions": [{"key": "gather", "operator": "In", "values": ["two", "three"]}]},
        {"matchLabels": {"gather": "one"}, "matchExpressions": [{"key": "also", "operator": "Exists"}]},
    ]
    return random.sample(pool, random.randint(1, 2))


def _subject(random: Random, *, inside: bool) -> Manifest:
    match random.choice(("User", "Group", "ServiceAccount")):
        case "User":
            return {"kind": "User", "apiGroup": GROUP, "name": random.choice(USERS)}
        case "Group":
            return {"kind": "Group", "apiGroup": GROUP, "name": random.choice(GROUPS)}
    name, namespace = random.choice(ACCOUNTS)
    bare = inside and random.random() < 0.4
    return {"kind": "ServiceAccount", "name": name} | ({} if bare else {"namespace": namespace})


def binding(random: Random, name: str, roles: Sequence[Manifest], namespace: str = "") -> Manifest:
    """Return a binding of one of these roles, or now and then of one that does not exist."""
    fitting = [one for one in roles if one["metadata"].get("namespace") in (None, namespace or None)]
    chosen = random.choice(fitting)
    named = "oracle-missing" if random.random() < 0.1 else chosen["metadata"]["name"]
    subjects = [_subject(random, inside=bool(namespace)) for _ in range(random.randint(0, 3))]
    return _object(
        "RoleBinding" if namespace else "ClusterRoleBinding",
        name,
        namespace,
        roleRef={"apiGroup": GROUP, "kind": chosen["kind"], "name": named},
        subjects=subjects,
    )


def world(random: Random, roles: int = 24, bindings: int = 36) -> list[Manifest]:
    """Return roles and then bindings, of which most lie in namespaces."""
    places = [random.choice(("", *NAMESPACES)) for _ in range(roles)]
    made = [role(random, f"oracle-r{index}", place) for index, place in enumerate(["", *places])]
    return made + [
        binding(random, f"oracle-b{index}", made, random.choice(("", *NAMESPACES)))
        for index in range(bindings)
    ]


def who(random: Random) -> Who:
    """Return somebody with random groups."""
    return Who(random.choice(USERS), tuple(random.sample(GROUPS, random.randint(0, 3))))


def request(random: Random) -> Request:
    """Return a question, of which many are near to some rule."""
    if random.random() < 0.15:
        return Request(verb=random.choice(VERBS), path=random.choice(ASKED_PATHS))
    resource, _, below = random.choice(RESOURCES).partition("/")
    return Request(
        verb=random.choice(VERBS),
        group=random.choice(API_GROUPS),
        resource=resource,
        subresource=below,
        namespace=random.choice(("", *NAMESPACES, "oracle-nowhere")),
        name=random.choice(("", "", *NAMES)),
    )


def located(manifests: Iterable[Manifest]) -> list[Located]:
    """Return manifests as a snapshot has them."""
    return [Located(manifest, "world", line) for line, manifest in enumerate(manifests, 1)]


def naive(manifests: Sequence[Manifest], asker: Who, asked: Request) -> set[tuple[str, int]]:
    """Return the (binding, index of rule) that allow a request: a loop over everything."""
    return {
        (f"{bound['kind']}/{bound['metadata']['name']}", index)
        for bound in manifests
        if bound["kind"].endswith("Binding") and _applies(bound, asker, asked)
        for index, one in enumerate(naive_rules(manifests, bound))
        if _allows(one, asked)
    }


def naive_rules(manifests: Sequence[Manifest], bound: Manifest) -> list[Manifest]:
    """Return the rules of the role that a binding names."""
    ref, home = bound["roleRef"], bound["metadata"].get("namespace")
    for one in manifests:
        same = (one["kind"], one["metadata"]["name"]) == (ref["kind"], ref["name"])
        if same and (ref["kind"] == "ClusterRole" or one["metadata"].get("namespace") == home):
            return _naive_gathered(manifests, one, frozenset()) if "aggregationRule" in one else one["rules"]
    return []


def _naive_gathered(manifests: Sequence[Manifest], one: Manifest, above: frozenset[str]) -> list[Manifest]:
    name = one["metadata"]["name"]
    found: list[Manifest] = []
    for other in manifests:
        if other["kind"] != "ClusterRole" or other["metadata"]["name"] in {name, *above}:
            continue
        labels = other["metadata"]["labels"]
        if any(_selected(selector, labels) for selector in one["aggregationRule"]["clusterRoleSelectors"]):
            nested = "aggregationRule" in other
            found += _naive_gathered(manifests, other, above | {name}) if nested else other["rules"]
    return [rule for index, rule in enumerate(found) if rule not in found[:index]] or one["rules"]


def _selected(selector: Manifest, labels: Mapping[str, str]) -> bool:
    exact = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exact and all(
        labels.get(term["key"]) in term["values"] if term["operator"] == "In" else term["key"] in labels
        for term in selector.get("matchExpressions", [])
    )


def _applies(bound: Manifest, asker: Who, asked: Request) -> bool:
    home = bound["metadata"].get("namespace")
    if home is not None and (asked.path is not None or home != asked.namespace):
        return False
    return any(
        (one["kind"] == "User" and one["name"] == asker.user)
        or (one["kind"] == "Group" and one["name"] in asker.groups)
        or (
            one["kind"] == "ServiceAccount"
            and asker.user == f"system:serviceaccount:{one.get('namespace', home)}:{one['name']}"
        )
        for one in bound["subjects"]
    )


def _allows(one: Manifest, asked: Request) -> bool:
    if asked.verb not in one["verbs"] and "*" not in one["verbs"]:
        return False
    if asked.path is not None:
        return any(
            asked.path == path or (path[-1] == "*" and asked.path.startswith(path.rstrip("*")))
            for path in one.get("nonResourceURLs", [])
        )
    whole = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    return (
        any(group in ("*", asked.group) for group in one.get("apiGroups", []))
        and any(
            resource in ("*", whole) or (asked.subresource != "" and resource == f"*/{asked.subresource}")
            for resource in one.get("resources", [])
        )
        and ("resourceNames" not in one or asked.name in one["resourceNames"])
    )
