"""The embedded control plane without nodes and agents, our manifests applied, and plain HTTP as any identity."""

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy import manifests
from signals.subjects import BREAK_GLASS_GROUP, NAMESPACE
from workers.settings import inherited
from workers.stack import controlplane, credentials, kubernetes
from workers.stack.layout import Layout
from workers.stack.leash import Leash
from workers.stack.modules import BINARIES
from workers.stack.pki import Authority, Subject
from workers.stack.ports import reserve

JSON_PATCH = "application/json-patch+json"
PLURALS = {"NetworkPolicy": "networkpolicies", "ValidatingAdmissionPolicy": "validatingadmissionpolicies"}
CLUSTER_SCOPED = frozenset(
    {
        "Namespace",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "Enrolment",
        "Freeze",
    }
)


class Answer:
    """One response: status code and body."""

    def __init__(self, status: int, body: dict[str, Any], warnings: Sequence[str] = ()) -> None:
        self.status, self.body, self.warnings = status, body, tuple(warnings)

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))

    def __repr__(self) -> str:
        return f"{self.status} {self.message}"


class Api:
    """The API server as one identity: a client certificate or a bearer token."""

    def __init__(self, url: str, context: ssl.SSLContext, token: str = "") -> None:
        self.url, self._context, self._token = url, context, token

    def call(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Answer:
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=15, context=self._context) as response:
                warnings = response.headers.get_all("Warning") or ()
                return Answer(response.status, json.loads(response.read()), warnings)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, json.loads(error.read()))

    def create(self, manifest: dict[str, Any], namespace: str = "") -> Answer:
        return self.call("POST", collection(manifest, namespace), manifest)

    def patch(self, path: str, *operations: dict[str, Any]) -> Answer:
        return self.call("PATCH", path, list(operations), JSON_PATCH)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)


def collection(manifest: dict[str, Any], namespace: str = "") -> str:
    """Return the URL path that a manifest is posted to."""
    kind, version = manifest["kind"], manifest["apiVersion"]
    root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    plural = PLURALS.get(kind, f"{kind.lower()}s")
    where = "" if kind in CLUSTER_SCOPED else manifest["metadata"].get("namespace") or namespace
    return f"{root}/namespaces/{where}/{plural}" if where else f"{root}/{plural}"


class ControlPlane:
    """One API server. `admin`, `person` and `agent` are who one can be."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder)
        self.layout.make()
        credentials.make(self.layout, embedded=True)
        self.pki = self.layout.pki
        self.authority = Authority(self.pki, "ca")
        self.ports = reserve(self.layout.ports)
        self.url = f"https://{self.ports.address('kube-apiserver')}"
        self.admin = self.person("tests", "system:masters", BREAK_GLASS_GROUP)
        self._tokens: dict[str, Api] = {}

    def person(self, name: str, *groups: str) -> Api:
        """Return the API server as the holder of a client certificate."""
        self.authority.issue(self.pki, name, Subject(name=name, groups=groups))
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        context.load_cert_chain(self.pki / f"{name}.crt", self.pki / f"{name}.key")
        return Api(self.url, context)

    def agent(self, name: str) -> Api:
        """Return the API server as one of our ServiceAccounts, by a token of its own."""
        if name not in self._tokens:
            path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{name}/token"
            body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
            answer = self.admin.call("POST", path, body)
            context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
            self._tokens[name] = Api(self.url, context, answer.body["status"]["token"])
        return self._tokens[name]

    def wait(self, path: str = "/readyz") -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                request = urllib.request.Request(self.url + path)
                urllib.request.urlopen(request, timeout=2, context=self.admin._context).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError(self.layout.log("kube-apiserver").read_text()[-4000:])

    def install(self) -> None:
        for manifest in manifests():
            self._create(manifest)
        for plural in ("commands", "enrolments", "freezes"):
            self.wait(f"/apis/firebreak.dev/v1alpha1/{plural}")
        time.sleep(1.5)  # new admission policies act after up to a second

    def _create(self, manifest: dict[str, Any]) -> None:
        deadline = time.monotonic() + 15
        while True:
            answer = self.admin.create(manifest)
            if answer.status in (200, 201, 409):
                return
            assert time.monotonic() < deadline, (manifest["kind"], manifest["metadata"], answer)
            time.sleep(0.1)


@contextmanager
def running(folder: Path) -> Iterator[ControlPlane]:
    """Start the servers and install our manifests; end both processes afterwards."""
    binaries = {name: found.path for name, found in controlplane.look().items()}
    assert set(BINARIES) <= set(binaries), "the control plane is not built: firebreak doctor --build"
    plane = ControlPlane(folder)
    with ExitStack() as stack, plane.ports.guard:
        servers = kubernetes.servers(plane.layout, plane.ports, binaries, inherited(), durable=False)
        for server in servers[:3]:
            log = stack.enter_context(plane.layout.log(server.name).open("wb"))
            process = subprocess.Popen(
                server.command,
                env=dict(server.environment),
                stdout=log,
                stderr=log,
                preexec_fn=Leash().in_child,
            )
            stack.callback(_end, process)
            if server.name == "kube-apiserver":
                plane.wait()
        plane.install()
        yield plane


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One API server with our manifests, for all tests of a run."""
    with running(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane
