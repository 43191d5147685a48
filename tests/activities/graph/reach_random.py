"""Random small clusters for the reachability engine, the same for the same seed."""

import random
from typing import Any

from tests.activities.graph.reach_worlds import (
    BOOTSTRAP,
    RBAC,
    Manifest,
    account,
    bound,
    node,
    pod,
    role,
    secret,
    thing,
)

PLACES = ("a", "b", "c")
ACCOUNTS = ("default", "x", "y")
SECRETS = ("s", "t")
NODES = ("n1", "n2", "n3")
VERBS = ("get", "list", "create", "update", "patch", "impersonate", "delete", "*")
RESOURCES = (
    ("", "pods"),
    ("", "pods/exec"),
    ("", "pods/attach"),
    ("", "pods/ephemeralcontainers"),
    ("", "*/exec"),
    ("", "pods/*"),
    ("", "secrets"),
    ("", "serviceaccounts"),
    ("", "serviceaccounts/token"),
    ("", "users"),
    ("", "groups"),
    ("", "nodes/proxy"),
    ("apps", "deployments"),
    ("apps", "daemonsets"),
    ("batch", "jobs"),
    ("apps", "pods"),
    ("*", "*"),
)
SUBJECTS = (
    *(f"sa/{place}/{name}" for place in PLACES for name in ACCOUNTS),
    "user/ann",
    "user/bob",
    "user/system:node:n1",
    "group/devs",
    "group/system:serviceaccounts",
    "group/system:serviceaccounts:b",
    "group/system:authenticated",
)
NAMES = ("g0", "g1", "g2", "p0", "p1", "s", "t", "x", "ann", "devs", "system:masters", "n1", "web", "free")


ROLES = (
    *RESOURCES,
    *RESOURCES,
    *((RBAC, plural) for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings") * 4),
)


def objects(seed: int, *, roles: bool = False) -> list[Manifest]:
    """Return one cluster; with `roles`, one in which rights on roles and bindings are frequent."""
    pick = random.Random(seed)
    found: list[Manifest] = []
    for place in PLACES:
        level = pick.choice(({}, {"pod-security.kubernetes.io/enforce": "restricted"}))
        found.append(thing("v1", "Namespace", place, labels=level))
        found += [_known(account(name, place, **_automount(pick))) for name in ACCOUNTS]
        found += [_known(secret(name, place)) for name in SECRETS if pick.random() < 0.8]
        found += [_pod(pick, f"p{number}", place) for number in range(pick.randrange(3))]
        if pick.random() < 0.5:
            kind = pick.choice(("Deployment", "DaemonSet"))
            found.append(
                thing(
                    "apps/v1",
                    kind,
                    "web",
                    place,
                    spec={"replicas": 0, "template": {"spec": {"containers": []}}},
                )
            )
    for name in NODES:
        labels = {"node-role.kubernetes.io/control-plane": ""} if pick.random() < 0.2 else {}
        found.append(node(name, **labels))
    for number in range(pick.randrange(2, 9)):
        found += _granted(pick, number, roles=roles)
    found = [one for one in found if one["kind"] != "DaemonSet"] + [
        one for one in found if one["kind"] == "DaemonSet"
    ]
    found.append(role("default-role", namespace=""))
    assert found[-1]["metadata"]["labels"] == BOOTSTRAP
    return found


def _known(one: Manifest) -> Manifest:
    one["metadata"]["uid"] = f"{one['kind']}-{one['metadata']['namespace']}-{one['metadata']['name']}"
    return one


def _automount(pick: random.Random) -> dict[str, Any]:
    return pick.choice(({}, {}, {"automountServiceAccountToken": False}))


def _pod(pick: random.Random, name: str, place: str) -> Manifest:
    spec: dict[str, Any] = {
        "serviceAccountName": pick.choice(ACCOUNTS),
        "nodeName": pick.choice(NODES),
        **_automount(pick),
    }
    if pick.random() < 0.5:
        spec["volumes"] = [{"name": "v", "secret": {"secretName": pick.choice(SECRETS)}}]
    if pick.random() < 0.2:
        spec["container"] = {"securityContext": {"privileged": True}}
    return pod(name, place, **spec)


def _granted(pick: random.Random, number: int, *, roles: bool = False) -> list[Manifest]:
    verbs, resources = ((*VERBS, "bind", "escalate"), ROLES) if roles else (VERBS, RESOURCES)
    rules = []
    for _ in range(pick.randrange(1, 3)):
        chosen = pick.sample(resources, pick.randrange(1, 4 if roles else 3))
        one: Manifest = {
            "apiGroups": sorted({group for group, _ in chosen}),
            "resources": sorted({resource for _, resource in chosen}),
            "verbs": sorted(pick.sample(verbs, pick.randrange(1, 4 if roles else 3))),
        }
        if pick.random() < 0.35:
            one["resourceNames"] = sorted(pick.sample(NAMES, 2))
        rules.append(one)
    place = pick.choice(("", *PLACES, *PLACES))
    home = pick.choice(("", place))
    kind = "Role" if home else "ClusterRole"
    subjects = pick.sample(SUBJECTS, pick.randrange(1, 3))
    name = f"g{number}"
    return [role(name, *rules, namespace=home), bound(name, f"{kind}/{name}", *subjects, namespace=place)]
