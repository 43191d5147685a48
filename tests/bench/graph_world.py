"""A cluster to measure the graph engines on, as `kubectl get` would print it; the same for the same seed."""

import random
from typing import Any

Object = dict[str, Any]

VERBS = (["get", "list"], ["get"], ["create"], ["update", "patch"], ["get", "list", "watch"], ["delete"])
RESOURCES = (
    ("", "pods"),
    ("", "secrets"),
    ("", "configmaps"),
    ("apps", "deployments"),
    ("", "pods/exec"),
    ("", "serviceaccounts/token"),
    ("", "pods/log"),
    ("", "services"),
)
LABELS = ("app", "tier", "team", "version")


class Maker:
    """Makes the objects of one cluster of a size: 1 is 5,000 pods, 500 namespaces, 10,000 secrets."""

    def __init__(self, size: float = 1, seed: int = 1) -> None:
        """Choose a size and a seed."""
        self._random = random.Random(seed)
        self.namespaces = [f"ns-{n}" for n in range(max(1, int(500 * size)))]
        self._pods, self._secrets = int(5000 * size), int(10_000 * size)
        self._bindings, self._policies = int(3000 * size), int(1500 * size)
        self._nodes = [f"node-{n}" for n in range(max(1, int(200 * size)))]

    def objects(self) -> list[Object]:
        """Return everything."""
        return [
            *self._places(),
            *(self._pod(n) for n in range(self._pods)),
            *(self._secret(n) for n in range(self._secrets)),
            *self._roles(),
            *(self._binding(n) for n in range(self._bindings)),
            *(self._policy(n) for n in range(self._policies)),
        ]

    def _meta(self, kind: str, version: str, name: str, namespace: str = "", **more: Any) -> Object:
        metadata = {"name": name, "uid": f"{kind}-{namespace}-{name}", "resourceVersion": "7", **more}
        if namespace:
            metadata["namespace"] = namespace
        return {"apiVersion": version, "kind": kind, "metadata": metadata}

    def _places(self) -> list[Object]:
        found = []
        for number, name in enumerate(self.namespaces):
            labels = {"kubernetes.io/metadata.name": name, "team": f"t{number % 20}"}
            if number % 3:
                labels["pod-security.kubernetes.io/enforce"] = "restricted"
            found.append(self._meta("Namespace", "v1", name, labels=labels))
            found += [
                self._meta("ServiceAccount", "v1", account, name)
                for account in ("default", "app", "ci", "web", "db")
            ]
        for number, node in enumerate(self._nodes):
            labels = {"node-role.kubernetes.io/control-plane": ""} if number < 3 else {}
            made = self._meta("Node", "v1", node, labels=labels)
            found.append({**made, "status": {"nodeInfo": {"kubeletVersion": "v1.34.1"}}})
        return found

    def _place(self, number: int) -> str:
        return self.namespaces[number % len(self.namespaces)]

    def _pod(self, number: int) -> Object:
        pick = self._random
        labels = {
            "app": f"a{pick.randrange(40)}",
            "tier": pick.choice(("web", "db", "job")),
            "version": f"v{pick.randrange(4)}",
        }
        container: Object = {"name": "main", "image": "x", "ports": [{"containerPort": 8080, "name": "http"}]}
        if pick.random() < 0.01:
            container["securityContext"] = {"privileged": True}
        spec = {
            "serviceAccountName": pick.choice(("default", "app", "ci", "web", "db")),
            "nodeName": pick.choice(self._nodes),
            "containers": [container],
            "volumes": [{"name": "s", "secret": {"secretName": f"s-{number}"}}],
        }
        status = {"phase": "Running", "podIP": f"10.{number >> 16}.{(number >> 8) & 255}.{number & 255}"}
        made = self._meta("Pod", "v1", f"p-{number}", self._place(number), labels=labels)
        return {**made, "spec": spec, "status": status}

    def _secret(self, number: int) -> Object:
        return {**self._meta("Secret", "v1", f"s-{number}", self._place(number)), "type": "Opaque"}

    def _rules(self) -> list[Object]:
        rules = []
        for _ in range(self._random.randrange(1, 4)):
            group, resource = self._random.choice(RESOURCES)
            rules.append({"apiGroups": [group], "resources": [resource], "verbs": self._random.choice(VERBS)})
        return rules

    def _roles(self) -> list[Object]:
        version = "rbac.authorization.k8s.io/v1"
        whole = {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
        found = [
            {
                **self._meta(
                    "ClusterRole", version, "cluster-admin", labels={"kubernetes.io/bootstrapping": ""}
                ),
                **whole,
            }
        ]
        found += [
            {**self._meta("ClusterRole", version, f"c-{n}"), "rules": self._rules()} for n in range(100)
        ]
        found += [
            {**self._meta("Role", version, "r", name), "rules": self._rules()} for name in self.namespaces
        ]
        return found

    def _binding(self, number: int) -> Object:
        pick, version = self._random, "rbac.authorization.k8s.io/v1"
        place = pick.choice(self.namespaces)
        account = pick.choice(("default", "app", "ci", "web", "db"))
        subjects = [{"kind": "ServiceAccount", "name": account, "namespace": place}]
        if number % 50 == 0:
            subjects = [{"kind": "Group", "name": f"system:serviceaccounts:{place}"}]
        wide = number % 6 == 0
        ref = {"kind": "ClusterRole", "name": f"c-{pick.randrange(100)}"}
        if not wide and pick.random() < 0.5:
            ref = {"kind": "Role", "name": "r"}
        made = (
            self._meta("ClusterRoleBinding", version, f"b-{number}")
            if wide
            else self._meta("RoleBinding", version, f"b-{number}", place)
        )
        return {**made, "roleRef": ref, "subjects": subjects}

    def _policy(self, number: int) -> Object:
        pick = self._random
        selector = {"matchLabels": {"app": f"a{pick.randrange(40)}"}} if number % 3 else {}
        peers = [
            {"podSelector": {"matchLabels": {"tier": pick.choice(("web", "db", "job"))}}},
            {"namespaceSelector": {"matchLabels": {"team": f"t{pick.randrange(20)}"}}},
            {"ipBlock": {"cidr": f"10.{pick.randrange(200)}.0.0/16"}},
        ]
        ports = [{"port": pick.choice((80, 443, 5432, 8080))}]
        spec: Object = {"podSelector": selector, "ingress": [{"from": [pick.choice(peers)], "ports": ports}]}
        if number % 2:
            spec["egress"] = [
                {"to": [pick.choice(peers)], "ports": ports},
                {"ports": [{"port": 53, "protocol": "UDP"}]},
            ]
        made = self._meta("NetworkPolicy", "networking.k8s.io/v1", f"n-{number}", self._place(number))
        return {**made, "spec": spec}
