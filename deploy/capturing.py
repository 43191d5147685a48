"""The two admission policies about the right to look into pods: the executor alone gives it, to the capturer alone.

RBAC lets the executor bind one ClusterRole. It cannot say to whom, or for what: these do.
"""

from deploy.shapes import Manifest, policy, rule
from signals.subjects import (
    ACTION,
    BREAK_GLASS_GROUP,
    CAPTURE_ACTION,
    CAPTURER,
    CAPTURER_ROLE,
    CASE,
    EXPIRES_AT,
    MANAGED_BY,
    MANAGER,
    NAMESPACE,
    REMEDIATION_EXECUTOR,
    service_account,
)

_RBAC = "rbac.authorization.k8s.io"
_IT = ("it", "request.operation == 'DELETE' ? oldObject : object")


def capturing_policies() -> list[Manifest]:
    """Return both policies, each followed by its binding."""
    return [*_cage(), *_lock()]


def _cage() -> list[Manifest]:
    """Confine the executor to RoleBindings of a case, for the capturer, on its one role."""
    labels = "variables.it.metadata.?labels"
    return policy(
        "firebreak-executor-rolebinding-cage",
        rule=rule(_RBAC, "v1", "rolebindings", "CREATE", "UPDATE", "DELETE"),
        user=REMEDIATION_EXECUTOR,
        variables=[_IT],
        validations=[
            (f"request.namespace != '{NAMESPACE}'", f"namespace {NAMESPACE} is never a target"),
            ("request.operation != 'UPDATE'", "the executor changes no RoleBinding"),
            (
                "variables.it.roleRef.kind == 'ClusterRole' "
                f"&& variables.it.roleRef.name == '{CAPTURER_ROLE}'",
                "the executor grants the capturer's role only",
            ),
            (
                "variables.it.?subjects.orValue([]).size() == 1 && variables.it.subjects.all(s, "
                f"s.kind == 'ServiceAccount' && s.name == '{CAPTURER}' "
                f"&& s.?namespace.orValue('') == '{NAMESPACE}')",
                "the executor grants it to the capturer only",
            ),
            (
                f"{labels}[?'{MANAGED_BY}'].orValue('') == '{MANAGER}' "
                f"&& {labels}[?'{ACTION}'].orValue('') == '{CAPTURE_ACTION}' "
                f"&& {labels}[?'{CASE}'].orValue('') != '' "
                f"&& variables.it.metadata.?annotations[?'{EXPIRES_AT}'].orValue('') != ''",
                "it names its case, and says when it ends",
            ),
        ],
    )


def _lock() -> list[Manifest]:
    """Let nobody else give the right to look into pods, not even to somebody who may bind every role."""
    others = (
        f"request.userInfo.username != '{service_account(REMEDIATION_EXECUTOR)}' "
        f"&& !request.userInfo.?groups.orValue([]).exists(g, g == '{BREAK_GLASS_GROUP}')"
    )
    return policy(
        "firebreak-lock-capturer",
        rule=rule(_RBAC, "v1", ["rolebindings", "clusterrolebindings"], "CREATE", "UPDATE"),
        conditions=[("others", others), ("ours", f"object.roleRef.name == '{CAPTURER_ROLE}'")],
        validations=[("false", "the executor alone lets the capturer look into pods, for one capture")],
    )
