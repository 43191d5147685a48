"""What is ours and as it was shipped is told from what somebody changed, by what a real API server gives back."""

import json
from typing import Any

import pytest

import deploy
from signals.audit_detector import AuditDetection, AuditDetector
from signals.catalog import load
from signals.detectors import rbac
from signals.telemetry.audit import AuditEvent, read
from tests.control_plane import ControlPlane, collection, control_plane
from workers.installation import as_shipped

__all__ = ["control_plane"]

pytestmark = pytest.mark.stack

COMPARED = (
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "CustomResourceDefinition",
    "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding",
)  # fmt: skip
DETECTION = AuditDetection(load(rbac, AuditDetector).values())


def path_of(manifest: dict[str, Any]) -> str:
    return f"{collection(manifest)}/{manifest['metadata']['name']}"


def patched(manifest: dict[str, Any], live: dict[str, Any], verb: str = "patch") -> AuditEvent:
    """Return the audit event of a write that left an object as it is now."""
    metadata = manifest["metadata"]
    about = {
        "resource": collection(manifest).rpartition("/")[2],
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
    }
    told = {
        "verb": verb,
        "stage": "ResponseComplete",
        "user": {"username": "somebody"},
        "objectRef": about,
        "responseStatus": {"code": 200},
        "responseObject": live,
    }
    return read(json.dumps(told).encode())


def test_everything_that_was_installed_is_as_it_was_shipped(control_plane: ControlPlane) -> None:
    compared = [one for one in deploy.manifests() if one["kind"] in COMPARED]
    assert len(compared) > 20

    for manifest in compared:
        event = patched(manifest, control_plane.admin.call("GET", path_of(manifest)).body)
        raised = [one.name for one in DETECTION.suspect(event)]
        assert "guard_changed" in raised, manifest["metadata"]
        assert as_shipped(event), manifest["metadata"]
        assert not as_shipped(patched(manifest, {}, "delete"))


def test_no_change_of_a_policy_of_ours_looks_as_shipped(control_plane: ControlPlane) -> None:
    shipped = {
        one["metadata"]["name"]: one for one in deploy.manifests() if one["kind"].startswith("ValidatingAdm")
    }
    policies = [one for one in deploy.manifests() if one["kind"] == "ValidatingAdmissionPolicy"]
    for manifest in policies:
        live = control_plane.admin.call("GET", path_of(manifest)).body
        spec = live["spec"]
        for changed in (
            {**spec, "failurePolicy": "Fail" if spec["failurePolicy"] == "Ignore" else "Ignore"},
            {**spec, "validations": spec["validations"][1:]},
            {
                **spec,
                "matchConditions": [*spec.get("matchConditions", []), {"name": "no", "expression": "false"}],
            },
            {
                **spec,
                "matchConstraints": {
                    **spec["matchConstraints"],
                    "objectSelector": {"matchLabels": {"a": "b"}},
                },
            },
            {
                **spec,
                "matchConstraints": {
                    **spec["matchConstraints"],
                    "excludeResourceRules": [{"resources": ["*"]}],
                },
            },
        ):
            assert not as_shipped(patched(manifest, {**live, "spec": changed}))
    first, second = policies[:2]
    other = control_plane.admin.call("GET", path_of(second)).body
    assert not as_shipped(patched(first, other)), "one policy's text under another's name"
    assert len(shipped) == len(policies)
