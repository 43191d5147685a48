"""The Pod Security Standards, against the API server's own admission."""

import random
import sys
import time
from typing import Any

import pytest

from activities.graph.pod_security import Level, breaches, level
from tests.control_plane import ControlPlane

PODS = 240


def pod(spec: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    """Return a pod with one container, which keeps `restricted` until it is told otherwise."""
    strict = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    given = {"name": "web", "image": "web:1", "securityContext": strict, **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [given], "automountServiceAccountToken": False, **(spec or {})},
    }


def drawn(draw: random.Random) -> dict[str, Any]:
    """Return a random pod that is valid, and mostly near a border of the standards."""

    def perhaps(share: float, *values: Any) -> Any:
        return draw.choice(values) if draw.random() < share else None

    def context() -> dict[str, Any]:
        escalates = perhaps(0.7, False, True)
        seccomp = perhaps(0.5, "RuntimeDefault", "Unconfined")
        added = [draw.choice(["NET_BIND_SERVICE", "CHOWN", "SYS_ADMIN", "NET_RAW"])]
        made = {
            "privileged": perhaps(0.1, True, False) if escalates is not False else None,
            "allowPrivilegeEscalation": escalates if added != ["SYS_ADMIN"] else None,
            "runAsNonRoot": perhaps(0.7, True, True, False),
            "runAsUser": perhaps(0.2, 0, 1000),
            "capabilities": {"drop": perhaps(0.8, ["ALL"]), "add": added if draw.random() < 0.2 else None},
            "seccompProfile": {"type": seccomp} if seccomp else None,
            "procMount": None,
        }
        return {key: value for key, value in made.items() if value is not None}

    volumes = [
        {"emptyDir": {}}, {"hostPath": {"path": "/"}}, {"configMap": {"name": "c"}},
        {"nfs": {"server": "s", "path": "/"}}, {"projected": {"sources": []}},
    ]  # fmt: skip
    volume = perhaps(0.3, *volumes)
    above = {
        "runAsNonRoot": perhaps(0.3, True, False),
        "seccompProfile": perhaps(0.4, {"type": "RuntimeDefault"}),
        "sysctls": perhaps(0.1, [{"name": "net.ipv4.ip_forward", "value": "1"}]),
        "seLinuxOptions": perhaps(0.1, {"type": "container_t"}, {"type": "spc_t"}, {"user": "u"}),
        "appArmorProfile": perhaps(0.1, {"type": "RuntimeDefault"}, {"type": "Unconfined"}),
    }
    spec = {
        "hostPID": perhaps(0.05, True),
        "hostIPC": perhaps(0.05, True),
        "securityContext": {key: value for key, value in above.items() if value is not None},
        "volumes": [{"name": "v", **volume}] if volume else None,
    }
    port = perhaps(0.05, {"containerPort": 80, "hostPort": 80})
    made = pod({key: value for key, value in spec.items() if value is not None}, securityContext=context())
    if port:
        made["spec"]["containers"][0]["ports"] = [port]
    if draw.random() < 0.4:
        made["spec"]["initContainers"] = [{"name": "init", "image": "i:1", "securityContext": context()}]
    return made


def test_a_pod_that_forbids_everything_is_restricted_and_each_step_away_is_named() -> None:
    assert level(pod()) is Level.RESTRICTED
    assert breaches(pod({"hostPID": True}), Level.BASELINE) == ("the pod sets hostPID",)
    assert breaches(pod(securityContext={"privileged": True}), Level.PRIVILEGED) == ()
    assert level(pod(securityContext={})) is Level.BASELINE
    root = {"name": "root", "hostPath": {"path": "/"}}
    assert breaches(pod({"volumes": [root]}), Level.RESTRICTED) == ("volume root is a hostPath",)


@pytest.mark.stack
def test_the_api_server_draws_the_same_lines(control_plane: ControlPlane) -> None:
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    draw, admin = random.Random(seed), control_plane.admin
    spaces = {wanted: f"pod-security-{wanted}-{seed}" for wanted in (Level.BASELINE, Level.RESTRICTED)}
    for wanted, name in spaces.items():
        labels = {"pod-security.kubernetes.io/enforce": wanted}
        made = admin.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        )
        assert made.status == 201, made
    for name in spaces.values():
        _wait_for_the_default_account(control_plane, name)
    answers = {True: 0, False: 0}
    for _ in range(PODS):
        manifest = drawn(draw)
        for wanted, name in spaces.items():
            said = admin.call("POST", f"/api/v1/namespaces/{name}/pods?dryRun=All", manifest)
            assert said.status in (201, 403), (said, manifest)
            kept = not breaches(manifest, wanted)
            assert kept == (said.status == 201), (seed, wanted, said, breaches(manifest, wanted), manifest)
            answers[kept] += 1
    assert min(answers.values()) > PODS / 10, answers


def _wait_for_the_default_account(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    deadline = time.monotonic() + 30
    while control_plane.admin.call("GET", path).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
