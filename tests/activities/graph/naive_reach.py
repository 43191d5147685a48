"""The same question answered without cleverness: every pair of things, every rule, until nothing changes.

It shares no code with the engine: requests are matched by its own reading of the rules, sets are sets of names, and
network policies are asked pair by pair. It knows what the random worlds hold, and no more.
"""

from collections.abc import Iterable, Iterator
from typing import Any

Manifest = dict[str, Any]
ORDER = ("direct", "conditional", "unknown")
CONTROLLERS = {"Deployment": "deployments", "DaemonSet": "daemonsets"}
CREATABLE = (
    ("", "pods"),
    ("apps", "deployments"),
    ("apps", "daemonsets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
)
RBAC = "rbac.authorization.k8s.io"
ANY = "a name that nothing has"
FULL: Manifest = {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}


class Naive:
    """One cluster, as a list of manifests."""

    def __init__(self, objects: Iterable[Manifest]) -> None:
        self.objects = list(objects)
        self.grown: dict[str, list[tuple[str | None, Manifest]]] = {}
        self.pods = {f"pod/{self._id(one)}": one for one in self._of("Pod")}
        self.secrets = {f"secret/{self._id(one)}" for one in self._of("Secret")}
        self.accounts = {f"sa/{self._id(one)}": one for one in self._of("ServiceAccount")}
        self.nodes = {f"node/{one['metadata']['name']}": one for one in self._of("Node")}
        bindings = [*self._of("RoleBinding"), *self._of("ClusterRoleBinding")]
        subjects = [subject for one in bindings for subject in one["subjects"]]
        self.users = {f"user/{one['name']}" for one in subjects if one["kind"] == "User"}
        self.users |= {f"user/system:node:{node.removeprefix('node/')}" for node in self.nodes}
        self.groups = {f"group/{one['name']}" for one in subjects if one["kind"] == "Group"}

    def _of(self, kind: str) -> Iterator[Manifest]:
        return (one for one in self.objects if one["kind"] == kind)

    @staticmethod
    def _id(one: Manifest) -> str:
        return f"{one['metadata']['namespace']}/{one['metadata']['name']}"

    # Rights.

    def groups_of(self, identity: str) -> set[str]:
        kind, _, name = identity.partition("/")
        if kind == "group":
            more = {"system:authenticated"} if name != "system:unauthenticated" else set()
            return {
                name,
                *more,
                *({"system:serviceaccounts"} if name.startswith("system:serviceaccounts:") else ()),
            }
        if kind == "sa":
            return {
                "system:authenticated",
                "system:serviceaccounts",
                f"system:serviceaccounts:{name.split('/')[0]}",
            }
        return {"system:authenticated", *({"system:nodes"} if name.startswith("system:node:") else ())}

    def rules(self, identity: str) -> Iterator[tuple[str | None, Manifest]]:
        """Yield (namespace or None for everywhere, rule), with all rights that somebody can take."""
        if identity not in self.grown:
            self.grown[identity] = []
            self.grown[identity] = [*self.bound(identity)]
            while new := [one for one in self.taken(identity) if one not in self.grown[identity]]:
                self.grown[identity] += new
        for place, role in self.grown[identity]:
            yield from ((place, rule) for rule in role["rules"])

    def taken(self, me: str) -> Iterator[tuple[str | None, Manifest]]:
        """Yield the roles that somebody can bind to themselves, or fill although it is theirs."""
        for place in (None, *sorted(self._places())):
            kind = "RoleBinding" if place else "ClusterRoleBinding"
            for role in [*self._of("ClusterRole"), *(self._of("Role") if place else ())]:
                name, home = role["metadata"]["name"], role["metadata"].get("namespace")
                if home not in (None, place):
                    continue
                plural = f"{role['kind'].lower()}s"
                if self.can(me, "bind", RBAC, plural, place, name) and self._binds(me, kind, place, role):
                    yield place, role
        yield from ((place, FULL) for place, role in [*self.bound(me)] if self._fills(me, role))
        yield from self._made(me)

    def _made(self, me: str) -> Iterator[tuple[str | None, Manifest]]:
        """Yield every right where somebody can make a role of any rights, and bind it."""
        for place in sorted(self._places()):
            free = all(self.can(me, verb, RBAC, "roles", place, ANY) for verb in ("escalate", "bind"))
            written = self.can(me, "create", RBAC, "roles", place, "") or self.named(
                me, "update patch", "roles", place
            )
            if free and written and self.can(me, "create", RBAC, "rolebindings", place, ""):
                yield place, FULL

    def _binds(self, me: str, kind: str, place: str | None, role: Manifest) -> bool:
        if self.can(me, "create", RBAC, f"{kind.lower()}s", place, ""):
            return True
        ref = (role["kind"], role["metadata"]["name"])
        return any(
            one["metadata"].get("namespace") == place
            and (one["roleRef"]["kind"], one["roleRef"]["name"]) == ref
            and self.can(me, "update patch", RBAC, f"{kind.lower()}s", place, one["metadata"]["name"])
            for one in self._of(kind)
        )

    def _fills(self, me: str, role: Manifest) -> bool:
        plural, name = f"{role['kind'].lower()}s", role["metadata"]["name"]
        home = role["metadata"].get("namespace")
        return all(self.can(me, verbs, RBAC, plural, home, name) for verbs in ("escalate", "update patch"))

    def named(self, me: str, verbs: str, resource: str, place: str) -> bool:
        """Return whether a verb is allowed on something of a kind in a namespace, whatever it is called."""
        return any(
            where in (None, place)
            and {RBAC, "*"} & {*rule["apiGroups"]}
            and {*verbs.split(), "*"} & {*rule["verbs"]}
            and {resource, "*"} & {*rule["resources"]}
            for where, rule in self.rules(me)
        )

    def bound(self, identity: str) -> Iterator[tuple[str | None, Manifest]]:
        """Yield (namespace or None for everywhere, role) of all bindings."""
        for kind in ("RoleBinding", "ClusterRoleBinding"):
            for binding in self._of(kind):
                if any(self._is(subject, identity) for subject in binding["subjects"]):
                    place = binding["metadata"].get("namespace")
                    for role in self._of(binding["roleRef"]["kind"]):
                        own = role["metadata"].get("namespace")
                        if role["metadata"]["name"] == binding["roleRef"]["name"] and own in (None, place):
                            yield place, role

    def _is(self, subject: Manifest, identity: str) -> bool:
        if subject["kind"] == "Group":
            return subject["name"] in self.groups_of(identity)
        if subject["kind"] == "User":
            return identity == f"user/{subject['name']}"
        return identity == f"sa/{subject['namespace']}/{subject['name']}"

    def can(self, who: str, verbs: str, group: str, resource: str, place: str | None, name: str) -> bool:
        """Return whether any verb is allowed on a resource in a namespace (None: it lives in none)."""
        for where, rule in self.rules(who):
            if where is not None and where != place:
                continue
            if name not in (rule.get("resourceNames") or [name]):
                continue
            if not ({group, "*"} & {*rule["apiGroups"]} and {*verbs.split(), "*"} & {*rule["verbs"]}):
                continue
            below = f"*/{resource.partition('/')[2]}" if "/" in resource else resource
            if {resource, "*", below} & {*rule["resources"]}:
                return True
        return False

    def everything(self, who: str) -> bool:
        return any(
            where is None
            and not rule.get("resourceNames")
            and all("*" in rule[part] for part in ("verbs", "apiGroups", "resources"))
            for where, rule in self.rules(who)
        )

    # Steps, each as (target, tier).

    def steps(self, one: str) -> Iterator[tuple[str, str]]:
        kind = one.partition("/")[0]
        if kind == "pod":
            yield from self._from_pod(one)
        elif kind == "node":
            yield from self._from_node(one)
        elif kind == "cluster-admin":
            for many in (self.pods, self.secrets, self.accounts, self.nodes, self.users, self.groups):
                yield from ((target, "direct") for target in many)
        elif kind in ("sa", "user", "group"):
            yield from self._from_identity(one)

    def _from_pod(self, one: str) -> Iterator[tuple[str, str]]:
        manifest = self.pods[one]
        spec, place = manifest["spec"], manifest["metadata"]["namespace"]
        account = f"sa/{place}/{spec.get('serviceAccountName', 'default')}"
        if account in self.accounts and spec.get(
            "automountServiceAccountToken", self.accounts[account].get("automountServiceAccountToken", True)
        ):
            yield account, "direct"
        for volume in spec.get("volumes", ()):
            if (target := f"secret/{place}/{volume['secret']['secretName']}") in self.secrets:
                yield target, "direct"
        if any((c.get("securityContext") or {}).get("privileged") for c in spec["containers"]):
            yield f"node/{spec['nodeName']}", "direct"

    def _from_node(self, one: str) -> Iterator[tuple[str, str]]:
        name = one.removeprefix("node/")
        yield f"user/system:node:{name}", "direct"
        if "node-role.kubernetes.io/control-plane" in self.nodes[one]["metadata"]["labels"]:
            yield "cluster-admin", "direct"
        for pod, manifest in self.pods.items():
            if manifest["spec"]["nodeName"] == name:
                yield pod, "direct"
                place = manifest["metadata"]["namespace"]
                account = f"sa/{place}/{manifest['spec'].get('serviceAccountName', 'default')}"
                if account in self.accounts:
                    yield account, "direct"
                for volume in manifest["spec"].get("volumes", ()):
                    if (target := f"secret/{place}/{volume['secret']['secretName']}") in self.secrets:
                        yield target, "direct"

    def _from_identity(self, me: str) -> Iterator[tuple[str, str]]:
        for group in self.groups_of(me):
            if f"group/{group}" in self.groups and f"group/{group}" != me:
                yield f"group/{group}", "direct"
        if self.everything(me) or "system:masters" in self.groups_of(me):
            yield "cluster-admin", "direct"
        yield from self._pods_of(me)
        yield from self._objects(me)
        yield from self._people(me)
        if any(self._makes(me, place) and self._lenient(place) for place in self._places()):
            yield from ((node, "direct") for node in self.nodes)

    def _pods_of(self, me: str) -> Iterator[tuple[str, str]]:
        for pod, manifest in self.pods.items():
            place, name = pod.split("/")[1:]
            for verbs, resource in (
                ("create", "pods/exec"),
                ("create", "pods/attach"),
                ("update patch", "pods/ephemeralcontainers"),
                ("update patch", "pods"),
            ):
                if self.can(me, verbs, "", resource, place, name):
                    yield pod, "direct"
            if self.can(me, "get create", "", "nodes/proxy", None, manifest["spec"]["nodeName"]):
                yield pod, "direct"

    def _objects(self, me: str) -> Iterator[tuple[str, str]]:
        for secret in self.secrets:
            place, name = secret.split("/")[1:]
            if self.can(me, "get list watch", "", "secrets", place, name) or self._makes(me, place):
                yield secret, "direct"
        readable = {place for place in self._places() if self._mints(me, place)}
        for account in self.accounts:
            place, name = account.split("/")[1:]
            if (
                self.can(me, "create", "", "serviceaccounts/token", place, name)
                or self.can(me, "impersonate", "", "serviceaccounts", place, name)
                or self._makes(me, place)
                or place in readable
            ):
                yield account, "direct"

    def _people(self, me: str) -> Iterator[tuple[str, str]]:
        users = [
            user
            for user in self.users
            if self.can(me, "impersonate", "", "users", None, user.removeprefix("user/"))
        ]
        yield from ((user, "direct") for user in users)
        somebody = self.can_any(me, "impersonate", "users") or self.can_any(
            me, "impersonate", "serviceaccounts"
        )
        if somebody:
            for group in self.groups:
                if self.can(me, "impersonate", "", "groups", None, group.removeprefix("group/")):
                    yield group, "direct"
            if self.can(me, "impersonate", "", "groups", None, "system:masters"):
                yield "cluster-admin", "direct"

    def can_any(self, me: str, verb: str, resource: str) -> bool:
        """Return whether a verb is allowed on something of a kind, whatever it is called, everywhere."""
        return any(
            where is None
            and {"", "*"} & {*rule["apiGroups"]}
            and {verb, "*"} & {*rule["verbs"]}
            and {resource, "*"} & {*rule["resources"]}
            for where, rule in self.rules(me)
        )

    def _places(self) -> set[str]:
        return {one["metadata"]["name"] for one in self._of("Namespace")}

    def _lenient(self, place: str) -> bool:
        (one,) = (one for one in self._of("Namespace") if one["metadata"]["name"] == place)
        level = one["metadata"]["labels"].get("pod-security.kubernetes.io/enforce", "privileged")
        return bool(level == "privileged")

    def _makes(self, me: str, place: str) -> bool:
        """Return whether somebody can make pods in a namespace, or change what makes them."""
        if any(self.can(me, "create", group, resource, place, "") for group, resource in CREATABLE):
            return True
        return any(
            one["metadata"]["namespace"] == place
            and self.can(me, "update patch", "apps", CONTROLLERS[one["kind"]], place, one["metadata"]["name"])
            for kind in CONTROLLERS
            for one in self._of(kind)
        )

    def _mints(self, me: str, place: str) -> bool:
        if not self.can(me, "create", "", "secrets", place, ""):
            return False
        free = "a name that nothing has"
        if self.can(me, "get list watch", "", "secrets", place, free):
            return True
        names = {
            name
            for _, rule in self.rules(me)
            for name in rule.get("resourceNames") or ()
            if f"secret/{place}/{name}" not in self.secrets
        }
        return any(self.can(me, "get list watch", "", "secrets", place, name) for name in names)

    # The fixpoint.

    def reach(self, start: str) -> dict[str, str]:
        found = {start: "direct"}
        while True:
            before = dict(found)
            for one, tier in before.items():
                for target, step in self.steps(one):
                    worse = max(tier, step, key=ORDER.index)
                    if target not in found or ORDER.index(worse) < ORDER.index(found[target]):
                        found[target] = worse
            if found == before:
                del found[start]
                return found
