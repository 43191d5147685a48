"""Our own kinds on a real API server: what a command and an enrolment may hold."""

import uuid
from typing import Any

import pytest

from signals.subjects import NAMESPACE
from tests.control_plane import Answer, ControlPlane

pytestmark = pytest.mark.stack

ROOT = "/apis/firebreak.dev/v1alpha1"


def command(**spec: Any) -> dict[str, Any]:
    given = {"verb": "undo", "incident": "shop-web-1", "actor": "tests", "role": "oncall", **spec}
    return {
        "apiVersion": "firebreak.dev/v1alpha1",
        "kind": "Command",
        "metadata": {"name": f"c-{uuid.uuid4().hex}", "namespace": NAMESPACE},
        "spec": {key: value for key, value in given.items() if value is not None},
    }


def enrolment(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "firebreak.dev/v1alpha1",
        "kind": "Enrolment",
        "metadata": {"name": name},
        "spec": spec,
    }


def test_a_whole_command_is_kept_as_it_was_said(control_plane: ControlPlane) -> None:
    said = command(
        verb="approve",
        planHash="a" * 64,
        targetUIDs=["u-1", "u-2"],
        reason="seen it myself",
        seconds=60,
        keep=False,
        undo=True,
        force=True,
    )

    assert control_plane.admin.create(said).body["spec"] == said["spec"]


@pytest.mark.parametrize(
    "spec",
    [
        {"verb": "dance"},
        {"verb": None},
        {"actor": None},
        {"role": "root"},
        {"role": None},
        {"incident": None},
        {"incident": "x" * 254},
        {"planHash": "x" * 65},
        {"reason": "x" * 1001},
        {"targetUIDs": ["u"] * 501},
        {"targetUIDs": ["u" * 65]},
        {"seconds": -1},
        {"seconds": 30 * 24 * 3600 + 1},
        {"verb": "approve", "group": "breaker/shop/2026-05-04T12"},
        {"verb": "undo", "incident": None, "group": "breaker/shop/2026-05-04T12"},
        {"verb": "approve", "incident": None, "group": "x" * 254},
        {"verb": "enrol", "mode": "auto"},
        {"verb": "enrol", "namespace": "shop", "mode": "maybe"},
        {"verb": "unenrol", "namespace": "x" * 64},
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_command_out_of_bounds_is_refused(control_plane: ControlPlane, spec: dict[str, Any]) -> None:
    assert control_plane.admin.create(command(**spec)).status == 422


def test_a_group_is_said_instead_of_an_incident(control_plane: ControlPlane) -> None:
    said = command(verb="reject", incident=None, group="breaker/shop/2026-05-04T12")
    assert control_plane.admin.create(said).status == 201


def test_enrol_needs_no_incident(control_plane: ControlPlane) -> None:
    said = command(verb="enrol", incident=None, namespace="shop", mode="auto", role="lead")

    assert control_plane.admin.create(said).status == 201


def test_nobody_changes_what_was_said(control_plane: ControlPlane) -> None:
    said = command()
    control_plane.admin.create(said)
    path = f"{ROOT}/namespaces/{NAMESPACE}/commands/{said['metadata']['name']}"

    changed = control_plane.admin.patch(path, {"op": "replace", "path": "/spec/verb", "value": "approve"})
    added = control_plane.admin.patch(path, {"op": "add", "path": "/spec/force", "value": True})

    assert (changed.status, added.status) == (422, 422)


def test_a_command_is_created_without_an_answer_and_answered_by_no_detecting_agent(
    control_plane: ControlPlane,
) -> None:
    said = command() | {"status": {"accepted": True, "message": "sure"}}
    created = control_plane.admin.create(said)
    path = f"{ROOT}/namespaces/{NAMESPACE}/commands/{said['metadata']['name']}/status"
    status = {"accepted": True, "message": "undone", "at": "2026-01-02T03:04:05Z"}
    answer = {"op": "add", "path": "/status", "value": status}

    assert "status" not in created.body
    for agent in ("orchestrator", "rbac-auditor", "runtime-guardian"):
        assert control_plane.agent(agent).patch(path, answer).status == 403
    assert control_plane.person("crd-oncall", "firebreak:oncall").patch(path, answer).status == 403
    assert control_plane.agent("liaison").patch(path, answer).body["status"] == status


def test_an_answer_cannot_smuggle_another_command_in(control_plane: ControlPlane) -> None:
    said = command()
    control_plane.admin.create(said)
    path = f"{ROOT}/namespaces/{NAMESPACE}/commands/{said['metadata']['name']}"
    other = {"op": "replace", "path": "/spec/verb", "value": "approve"}

    assert control_plane.agent("liaison").patch(path, other).status == 403
    assert control_plane.agent("liaison").patch(f"{path}/status", other).body["spec"]["verb"] == "undo"


@pytest.mark.parametrize("mode", ["shadow", "approve", "auto"])
def test_a_namespace_is_enrolled_in_each_mode(control_plane: ControlPlane, mode: str) -> None:
    assert control_plane.admin.create(enrolment(f"crd-{mode}", mode=mode)).status == 201


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("crd-none", {}),
        ("crd-wild", {"mode": "wild"}),
        (NAMESPACE, {"mode": "auto"}),
        ("x" * 64, {"mode": "auto"}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_enrolment_out_of_bounds_is_refused(
    control_plane: ControlPlane, name: str, spec: dict[str, Any]
) -> None:
    refused: Answer = control_plane.admin.create(enrolment(name, **spec))

    assert refused.status == 422
