"""The two admission policies about frozen credentials: what a `Freeze` object does, and who may make which.

Both are static. What varies is the `Freeze` object, so a pod's credentials are frozen and thawed within
milliseconds, and the identity that does it needs no right over admission policies, which nothing could cage.
"""

from typing import Any

from deploy.crds import UNFREEZABLE
from signals.subjects import (
    ACTION,
    API_VERSION,
    CASE,
    CREDENTIAL_FREEZER,
    DOMAIN,
    EXPIRES_AT,
    FREEZE_ACTION,
    FREEZES,
    FROZEN_CREDENTIALS,
    INVERSE,
    MANAGED_BY,
    MANAGER,
    ON_EXPIRY,
    WORKFLOW,
    service_account,
)

Manifest = dict[str, Any]

FREEZE_SHAPE = "firebreak-freeze-shape"
_API = "admissionregistration.k8s.io/v1"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_NEVER = ("system:masters", "system:nodes", *(f"system:serviceaccounts:{name}" for name in UNFREEZABLE))
"""Groups whose writes no Freeze object can refuse, whatever it says: our own, and the control plane's."""


def freezing_policies() -> list[Manifest]:
    """Return both policies, each followed by its binding."""
    return [*_frozen(), *_shape()]


def _frozen() -> list[Manifest]:
    """Refuse every write with a token that is bound to a frozen pod.

    It is asked about each write of every pod in the cluster, so it fails open: were the kind `Freeze` taken
    away under it, nothing would be frozen, instead of everything.
    """
    spec = {
        "failurePolicy": "Ignore",
        "paramKind": {"apiVersion": f"{DOMAIN}/{API_VERSION}", "kind": "Freeze"},
        "matchConstraints": {"resourceRules": [_rule("*", "*/*", "CREATE", "UPDATE", "DELETE", "CONNECT")]},
        "matchConditions": [
            {"name": "token-of-a-pod", "expression": f"'{_POD_UID}' in request.userInfo.extra"},
            {
                "name": "never-ours-nor-the-control-planes",
                "expression": f"!request.userInfo.groups.exists(g, g in {[*_NEVER]})",
            },
        ],
        "validations": [
            {
                "expression": f"!(params.spec.podUID in request.userInfo.extra['{_POD_UID}'])",
                "messageExpression": "'the credentials of pod ' + params.spec.namespace + '/' + "
                f"params.spec.pod + ' are frozen by case ' + params.metadata.?labels[?'{CASE}'].orValue('?')",
                "message": "the credentials of this pod are frozen",
                "reason": "Forbidden",
            }
        ],
    }
    binding = {
        "policyName": FROZEN_CREDENTIALS,
        "validationActions": ["Deny", "Audit"],
        "paramRef": {"selector": {}, "parameterNotFoundAction": "Allow"},
    }
    return _pair(FROZEN_CREDENTIALS, spec, binding)


def _shape() -> list[Manifest]:
    """Let only the freezer make Freeze objects, and only of a case, one for each pod.

    What CEL cannot know, the freezer checks: that the pod exists with this UID, that its namespace is enrolled,
    what the policy file calls control plane, and how many there are.
    """
    labels = "object.metadata.?labels.orValue({})"
    annotations = "object.metadata.?annotations.orValue({})"
    old = "oldObject.metadata.?annotations.orValue({})"
    told = [EXPIRES_AT, ON_EXPIRY, WORKFLOW, INVERSE]
    exact = {MANAGED_BY: f"'{MANAGER}'", ACTION: f"'{FREEZE_ACTION}'", CASE: ""}
    kept = f"all(k, k == '{EXPIRES_AT}' || (k in {old} && {old}[k] == {annotations}[k]))"
    validations = [
        (f"request.userInfo.username == '{service_account(CREDENTIAL_FREEZER)}'", "only the freezer freezes"),
        (
            f"{labels}.size() == {len(exact)}"
            + "".join(f" && '{key}' in {labels}" for key in exact)
            + "".join(f" && {labels}['{key}'] == {value}" for key, value in exact.items() if value)
            + f" && {labels}['{CASE}'] != ''",
            "a freeze names its case and nothing else",
        ),
        (
            f"{annotations}.size() == {len(told)} && {told}.all(k, k in {annotations})",
            "a freeze says when it ends and how it is undone",
        ),
        (
            "!has(object.metadata.finalizers) && !has(object.metadata.ownerReferences)",
            "nothing holds a freeze, and nothing takes it away",
        ),
        (
            f"!(object.spec.namespace in {[*UNFREEZABLE]})",
            "pods of Firebreak and of the control plane are never frozen",
        ),
        (
            "request.operation == 'CREATE' || (object.metadata.?labels == oldObject.metadata.?labels "
            f"&& {annotations}.{kept})",
            "only the end of a freeze is moved",
        ),
    ]
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [_rule(DOMAIN, FREEZES, "CREATE", "UPDATE")]},
        "validations": [{"expression": text, "message": message} for text, message in validations],
    }
    return _pair(FREEZE_SHAPE, spec, {"policyName": FREEZE_SHAPE, "validationActions": ["Deny", "Audit"]})


def _rule(group: str, resource: str, *operations: str) -> Manifest:
    return {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": [resource],
    }


def _pair(name: str, spec: Manifest, binding: Manifest) -> list[Manifest]:
    kind = "ValidatingAdmissionPolicy"
    return [
        {"apiVersion": _API, "kind": kind, "metadata": {"name": name}, "spec": spec},
        {"apiVersion": _API, "kind": f"{kind}Binding", "metadata": {"name": name}, "spec": binding},
    ]
