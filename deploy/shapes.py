"""How a ValidatingAdmissionPolicy and its binding are written: always narrow, and on record.

`failurePolicy: Fail` refuses what cannot be judged, so every policy is matched to the few writes that it is about.
"""

from collections.abc import Sequence
from typing import Any

from signals.subjects import service_account

Manifest = dict[str, Any]

_API = "admissionregistration.k8s.io/v1"


def rule(group: str, version: str, resource: str | Sequence[str], *operations: str) -> Manifest:
    """Return which writes a policy is about."""
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": list(operations),
        "resources": [resource] if isinstance(resource, str) else list(resource),
    }


def policy(
    name: str,
    *,
    rule: Manifest,
    validations: Sequence[tuple[str, str]],
    user: str | None = None,
    conditions: Sequence[tuple[str, str]] = (),
    variables: Sequence[tuple[str, str]] = (),
    actions: Sequence[str] = ("Deny", "Audit"),
) -> list[Manifest]:
    """Return a policy and its binding. `user` is the agent that it cages; `conditions` say what else it is about.

    Each validation is an expression that must hold, and what is said where it does not.
    """
    spec: Manifest = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]}}
    if user:
        conditions = [(user, f"request.userInfo.username == '{service_account(user)}'"), *conditions]
    if conditions:
        spec["matchConditions"] = [{"name": key, "expression": text} for key, text in conditions]
    if variables:
        spec["variables"] = [{"name": key, "expression": text} for key, text in variables]
    spec["validations"] = [{"expression": text, "message": message} for text, message in validations]
    return [
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": spec,
        },
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": list(actions)},
        },
    ]
