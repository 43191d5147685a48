"""A bare etcd and kube-apiserver with our manifests applied, and plain HTTP as any identity."""

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
from signals.subjects import NAMESPACE
from tests.nats_server import free_port
from workers.settings import assets_dir
from workers.stack.pki import SERVER, Authority, Subject, service_account_key

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
    }
)


class Answer:
    """One response: status code and body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status, self.body = status, body

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
                return Answer(response.status, json.loads(response.read()))
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
        self.folder, self.pki = folder, folder / "pki"
        self.pki.mkdir()
        self.authority = Authority(self.pki, "ca")
        service_account_key(self.pki)
        hosts, addresses = ("localhost",), ("127.0.0.1",)
        apiserver = Subject(name="kube-apiserver", hosts=hosts, addresses=addresses, usages=(SERVER,))
        self.authority.issue(self.pki, "apiserver", apiserver)
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.admin = self.person("admin", "system:masters")
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
        raise AssertionError((self.folder / "kube-apiserver.log").read_text()[-4000:])

    def install(self) -> None:
        for manifest in manifests():
            self._create(manifest)
        for plural in ("commands", "enrolments"):
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

    def etcd(self, binary: Path, client: int, peer: int) -> Sequence[str]:
        urls = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        return [
            str(binary),
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync=true",
            f"--listen-client-urls={urls[0]}",
            f"--advertise-client-urls={urls[0]}",
            f"--listen-peer-urls={urls[1]}",
            f"--initial-advertise-peer-urls={urls[1]}",
            f"--initial-cluster=default={urls[1]}",
        ]

    def apiserver(self, binary: Path, etcd: int) -> Sequence[str]:
        issuer = "https://kubernetes.default.svc.cluster.local"
        return [
            str(binary),
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self.pki / 'apiserver.crt'}",
            f"--tls-private-key-file={self.pki / 'apiserver.key'}",
            f"--client-ca-file={self.pki / 'ca.crt'}",
            f"--cert-dir={self.pki}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--authorization-mode=Node,RBAC",
            "--disable-admission-plugins=ServiceAccount",
            f"--service-account-issuer={issuer}",
            f"--service-account-key-file={self.pki / 'sa.pub'}",
            f"--service-account-signing-key-file={self.pki / 'sa.key'}",
            f"--api-audiences={issuer}",
            "--enable-priority-and-fairness=false",
        ]


@contextmanager
def running(folder: Path) -> Iterator[ControlPlane]:
    """Start the servers and install our manifests; end both processes afterwards."""
    assets = assets_dir()
    assert assets is not None, "KUBEBUILDER_ASSETS must name the control plane's binaries"
    plane = ControlPlane(folder)
    with ExitStack() as stack:
        client, peer = free_port(), free_port()
        for name, command in (
            ("etcd", plane.etcd(assets / "etcd", client, peer)),
            ("kube-apiserver", plane.apiserver(assets / "kube-apiserver", client)),
        ):
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(_end, process)
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
