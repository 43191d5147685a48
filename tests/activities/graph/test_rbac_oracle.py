"""RBAC's decision, the checks of role and binding writes, and aggregation, against the real API server."""

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from http.client import HTTPSConnection
from itertools import product
from typing import Any

import pytest

from activities.graph import escalation
from activities.graph.identities import Who, impersonated_groups
from activities.graph.rbac import GROUP, KINDS, Rbac, Request
from tests.activities.graph.rbac_worlds import (
    NAMESPACES,
    USERS,
    VERSION,
    Manifest,
    binding,
    located,
    request,
    role,
    who,
    world,
)
from tests.control_plane import ControlPlane

pytestmark = pytest.mark.stack

QUESTIONS, WRITES = 2400, 540
BASE = f"/apis/{VERSION}"
MARK = "oracle.test/world"
PLURALS = {kind: f"{kind.lower()}s" for kind in KINDS}
WRITER = {"verbs": ["create", "update"], "apiGroups": [GROUP], "resources": [*PLURALS.values()]}


class Server:
    """The API server as its administrator over one connection, also acting as others."""

    def __init__(self, plane: ControlPlane) -> None:
        self._connection = HTTPSConnection(
            plane.url.removeprefix("https://"), context=plane.admin._context, timeout=15
        )

    def call(self, method: str, path: str, body: Any = None, acting: Who | None = None) -> tuple[int, Any]:
        self._connection.putrequest(method, path)
        data = b"" if body is None else json.dumps(body).encode()
        self._connection.putheader("Content-Type", "application/json")
        self._connection.putheader("Content-Length", str(len(data)))
        if acting:
            self._connection.putheader("Impersonate-User", acting.user)
            for group in acting.groups:
                self._connection.putheader("Impersonate-Group", group)
        self._connection.endheaders(data)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())

    def close(self) -> None:
        self._connection.close()

    def create(self, manifest: Manifest) -> None:
        labels = {**manifest["metadata"].get("labels", {}), MARK: "yes"}
        marked = {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}
        status, answer = self.call("POST", path(manifest), marked)
        assert status == 201, answer

    def allows(self, asker: Who, asked: Request) -> bool:
        spec: Manifest = {"user": asker.user, "groups": [*asker.groups]}
        if asked.path is not None:
            spec["nonResourceAttributes"] = {"verb": asked.verb, "path": asked.path}
        else:
            fields = ("verb", "group", "resource", "subresource", "namespace", "name")
            spec["resourceAttributes"] = {field: getattr(asked, field) for field in fields}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        status, answer = self.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        assert status == 201, answer
        return bool(answer["status"]["allowed"])

    def stored(self) -> list[Manifest]:
        return [
            {"apiVersion": VERSION, "kind": kind, **item}
            for kind, plural in PLURALS.items()
            for item in self.call("GET", f"{BASE}/{plural}")[1]["items"]
        ]


def path(manifest: Manifest, name: str = "") -> str:
    namespace = manifest["metadata"].get("namespace")
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{BASE}{place}/{PLURALS[manifest['kind']]}" + (f"/{name}" if name else "")


def eventually(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the control plane did not settle"
        time.sleep(0.05)


@pytest.fixture
def server(control_plane: ControlPlane) -> Iterator[Server]:
    """The API server with three empty namespaces; what the test writes of RBAC is removed after it."""
    with closing(Server(control_plane)) as server:
        for name in NAMESPACES:
            server.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        yield server
        for plural in ("clusterrolebindings", "clusterroles"):
            server.call("DELETE", f"{BASE}/{plural}?labelSelector={MARK}")
        for place in (f"{BASE}/namespaces/{name}" for name in NAMESPACES):
            for plural in ("rolebindings", "roles"):
                server.call("DELETE", f"{place}/{plural}?labelSelector={MARK}")


@pytest.fixture
def seed() -> int:
    """A seed that pytest-randomly's own decides; it is printed when the test fails."""
    chosen = random.getrandbits(32)
    sys.stdout.write(f"seed {chosen}\n")
    return chosen


def build(server: Server, manifests: list[Manifest]) -> list[Manifest]:
    """Write a world, wait until it is in force and aggregated, and return what is stored."""
    for manifest in manifests:
        server.create(manifest)
    last = Who("oracle-last", ())
    for namespace in ("", NAMESPACES[0]):
        place = {"namespace": namespace} if namespace else {}
        named = {"metadata": {"name": "oracle-last", **place}, "apiVersion": VERSION}
        kind = "Role" if namespace else "ClusterRole"
        rules = [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]
        ref = {"apiGroup": GROUP, "kind": kind, "name": "oracle-last"}
        server.create({**named, "kind": kind, "rules": rules})
        subjects = [{"kind": "User", "apiGroup": GROUP, "name": last.user}]
        server.create({**named, "kind": f"{kind}Binding", "roleRef": ref, "subjects": subjects})
        asked = Request(verb="get", resource="pods", namespace=namespace)
        eventually(lambda asked=asked: server.allows(last, asked))  # type: ignore[misc]
    eventually(lambda: aggregated(server.stored(), manifests))
    time.sleep(0.3)  # the authorizer reads what is stored a moment later
    return server.stored()


def unapplied(stored: list[Manifest], written: list[Manifest]) -> list[Manifest]:
    """Return roles as manifests that nobody applied: no server fields, and only the rules that somebody wrote."""
    gone = ("uid", "resourceVersion", "managedFields")
    rules = {one["metadata"]["name"]: one["rules"] for one in written if "aggregationRule" in one}
    return [
        {
            **one,
            "metadata": {key: value for key, value in one["metadata"].items() if key not in gone},
            **({"rules": rules.get(one["metadata"]["name"], [])} if one.get("aggregationRule") else {}),
        }
        for one in stored
        if one["kind"].endswith("Role")
    ]


def aggregated(stored: list[Manifest], written: list[Manifest]) -> bool:
    """Return whether each aggregated ClusterRole holds what we gather for it."""
    ours = Rbac(located(unapplied(stored, written))).roles
    return all(
        same_rules(
            [rule.document for rule in ours[f"ClusterRole/{one['metadata']['name']}"].rules], one["rules"]
        )
        for one in stored
        if one.get("aggregationRule")
    )


def same_rules(some: Any, others: Any) -> bool:
    return Counter(map(canonical, some)) == Counter(map(canonical, others or []))


def canonical(rule: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in rule.items() if value}, sort_keys=True)


def test_decisions_and_aggregation_agree_with_the_api_server(server: Server, seed: int) -> None:
    dice = random.Random(seed)
    manifests = world(dice, roles=30, bindings=50)
    gathers = {
        "clusterRoleSelectors": [{"matchLabels": {"gather": "one"}}, {"matchLabels": {"gather": "two"}}]
    }
    manifests[0] |= {"aggregationRule": gathers, "rules": []}
    stored = build(server, manifests)
    rbac = Rbac(located(stored))
    answers = Counter[bool]()
    for _ in range(QUESTIONS):
        asker, asked = who(dice), request(dice)
        ours = rbac.decide(asker, asked)
        answers[ours.allowed] += 1
        assert ours.allowed == server.allows(asker, asked), (seed, asker, asked, ours)
    assert len(answers) == 2, (seed, answers)
    masters = Who("oracle-alice", ("system:masters",))
    assert rbac.decide(masters, Request(verb="x")).allowed == server.allows(
        masters, Request(verb="x", resource="y")
    )


def test_who_is_acted_as_is_in_the_groups_that_the_api_server_says(server: Server) -> None:
    users = [*USERS[:1], *USERS[3:], "system:anonymous", "system:serviceaccount:one"]
    named = [{"kind": "User", "apiGroup": GROUP, "name": user} for user in users]
    reviewers = {
        "kind": "ClusterRoleBinding",
        "apiVersion": VERSION,
        "metadata": {"name": "oracle-reviewers"},
    }
    ref = {"apiGroup": GROUP, "kind": "ClusterRole", "name": "system:basic-user"}
    server.create({**reviewers, "roleRef": ref, "subjects": named})
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    outsider = Who("system:anonymous", ("system:unauthenticated",))
    eventually(lambda: server.call("POST", path, review, outsider)[0] == 201)
    for user, groups in product(users, ((), ("g",), ("system:unauthenticated",), ("system:authenticated",))):
        status, answer = server.call("POST", path, review, Who(user, groups))
        assert status == 201, answer
        info = answer["status"]["userInfo"]
        ours = impersonated_groups(user, groups)
        assert (info["username"], sorted(info["groups"])) == (user, sorted(ours)), groups


def test_writes_of_roles_and_bindings_agree_with_the_api_server(server: Server, seed: int) -> None:
    dice = random.Random(seed)
    everyone = [{"kind": "User", "apiGroup": GROUP, "name": user} for user in USERS]
    writer = {
        "apiVersion": VERSION,
        "kind": "ClusterRole",
        "metadata": {"name": "oracle-writer"},
        "rules": [WRITER],
    }
    writers = {
        **writer,
        "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "oracle-writer"},
        "subjects": everyone[:-1],
    }
    manifests = world(dice, roles=30, bindings=60)
    for one in (
        one for one in manifests if "subjects" in one
    ):  # what everybody holds leaves nothing to refuse
        one["subjects"] = [some for some in one["subjects"] if some["name"] != "system:authenticated"]
    stored = build(server, [*manifests, writer, writers])
    rbac = Rbac(located(stored))
    answers = Counter[tuple[str, bool]]()
    for number in range(WRITES):
        asker = who(dice)
        verb, manifest = write(dice, stored, f"oracle-new-{number}")
        theirs = dry_run(server, asker, verb, manifest)
        asked = Request(
            verb=verb,
            group=GROUP,
            resource=PLURALS[manifest["kind"]],
            namespace=manifest["metadata"].get("namespace", ""),
            name=manifest["metadata"]["name"],
        )
        acting = Who(asker.user, impersonated_groups(asker.user, asker.groups))
        ours = escalation.decide(rbac, acting, asked, manifest)
        answers[verb, ours.allowed] += 1
        assert ours.allowed == (theirs[0] in (200, 201)), (seed, asker, verb, manifest, ours, theirs)
    assert len(answers) == 4, (seed, answers)


def write(dice: random.Random, stored: list[Manifest], new: str) -> tuple[str, Manifest]:
    """Return a write that the API server could accept: something new, or something of the world changed or not."""
    ours = [one for one in stored if MARK in one["metadata"].get("labels", {})]
    roles = [one for one in ours if one["kind"].endswith("Role")]
    namespace = dice.choice(("", *NAMESPACES))
    if dice.random() < 0.5:
        return "create", role(dice, new, namespace) if dice.random() < 0.5 else binding(
            dice, new, roles, namespace
        )
    changed = json.loads(json.dumps(dice.choice(ours)))
    match dice.randrange(4):
        case 0:
            changed["metadata"]["finalizers"] = ["oracle.test/hold"]
        case 1:
            changed["metadata"]["labels"]["changed"] = "yes"
        case 2 if "rules" in changed or changed["kind"].endswith("Role"):
            changed["rules"] = role(dice, "x", changed["metadata"].get("namespace", ""))["rules"]
        case 3:
            name, place = new, changed["metadata"].get("namespace")
            changed["metadata"] = {"name": name, **({"namespace": place} if place else {})}
    return "update", changed


def dry_run(server: Server, asker: Who, verb: str, manifest: Manifest) -> tuple[int, Any]:
    if verb == "create":
        return server.call("POST", f"{path(manifest)}?dryRun=All", manifest, asker)
    return server.call("PUT", f"{path(manifest, manifest['metadata']['name'])}?dryRun=All", manifest, asker)
