"""The containment lock: what holds a pod is changed by who put it there, or by break-glass, and by nobody else.

Without it whoever may label pods in a namespace lets an isolated pod go, or marks a healthy one. What others
wrote themselves stays theirs: our exclusions in their policies may be overwritten, which is seen as drift.
Each policy looks at nothing but what is ours, so the lock keeps nobody from other work, and no cluster out.
"""

from deploy.identities import EXECUTOR_ROLE
from deploy.shapes import Manifest, policy, rule
from signals.subjects import (
    BREAK_GLASS_GROUP,
    CASE,
    CREDENTIAL_FREEZER,
    DOMAIN,
    LIAISON,
    NAMESPACE,
    REMEDIATION_EXECUTOR,
    service_account,
)

_SYSTEM = "system:serviceaccount:kube-system"
COLLECTORS = (
    f"{_SYSTEM}:generic-garbage-collector",
    f"{_SYSTEM}:namespace-controller",
    "system:kube-controller-manager",
)
"""Who deletes what is left over of a namespace or an owner: an object of ours goes with its namespace."""

_WAY_OUT = f"the group {BREAK_GLASS_GROUP} may: firebreak release --break-glass"
_OURS = f"k.startsWith('{DOMAIN}/')"
_SIDES = "[object, oldObject].exists(o, o != null && %s)"


def lock() -> list[Manifest]:
    """Return the policies of the lock, each followed by its binding."""
    return [*_marks(), *_bindings_to_nodes(), *_network_policies(), *_role_bindings(), *_own_kinds()]


def _others(*agents: str) -> tuple[str, str]:
    """Return the condition that neither these agents nor break-glass is speaking."""
    names = ", ".join(f"'{service_account(agent)}'" for agent in agents)
    who = f"!(request.userInfo.username in [{names}])"
    group = f"!request.userInfo.?groups.orValue([]).exists(g, g == '{BREAK_GLASS_GROUP}')"
    return "others", f"{who} && {group}"


def _collected() -> tuple[str, str]:
    names = ", ".join(f"'{name}'" for name in COLLECTORS)
    return (
        "not-collected",
        f"!(request.operation == 'DELETE' && request.userInfo.username in [{names}])",
    )


def _elsewhere() -> tuple[str, str]:
    return "elsewhere", f"request.namespace != '{NAMESPACE}'"


def _marks() -> list[Manifest]:
    """Guard labels and annotations of ours on pods, also through subresources that write metadata."""
    maps = ("labels", "annotations")
    marked = " || ".join(f"o.metadata.?{field}.orValue({{}}).exists(k, {_OURS})" for field in maps)
    variables = [
        (f"{when}{field}", f"{side}.?metadata.?{field}.orValue({{}})")
        for when, side in (("new", "object"), ("old", "oldObject"))
        for field in maps
    ]
    return policy(
        "firebreak-lock-pods",
        rule=rule(
            "",
            "v1",
            ("pods", "pods/status", "pods/ephemeralcontainers", "pods/resize"),
            "CREATE",
            "UPDATE",
        ),
        conditions=[_elsewhere(), _others(REMEDIATION_EXECUTOR), ("ours", _SIDES % f"({marked})")],
        variables=variables,
        validations=[
            (_same(field), f"{field} under {DOMAIN}/ hold a pod and are not changed by others; {_WAY_OUT}")
            for field in maps
        ],
    )


def _same(field: str) -> str:
    """Return the expression that nothing of ours in one map was added, changed or taken away."""
    new, old = f"variables.new{field}", f"variables.old{field}"
    return (
        f"{new}.all(k, !{_OURS} || (k in {old} && {old}[k] == {new}[k])) "
        f"&& {old}.all(k, !{_OURS} || k in {new})"
    )


def _bindings_to_nodes() -> list[Manifest]:
    """Guard the way around: the API server copies what a Binding is labelled with onto the pod."""
    ours = " || ".join(
        f"object.metadata.?{field}.orValue({{}}).exists(k, {_OURS})" for field in ("labels", "annotations")
    )
    return policy(
        "firebreak-lock-scheduling",
        rule=rule("", "v1", ("pods/binding", "bindings"), "CREATE"),
        conditions=[_elsewhere(), ("ours", ours)],
        validations=[("false", f"a Binding brings no labels or annotations under {DOMAIN}/ onto a pod")],
    )


def _network_policies() -> list[Manifest]:
    return policy(
        "firebreak-lock-networkpolicies",
        rule=rule("networking.k8s.io", "v1", "networkpolicies", "CREATE", "UPDATE", "DELETE"),
        conditions=[
            _others(REMEDIATION_EXECUTOR),
            _collected(),
            ("ours", _SIDES % f"'{CASE}' in o.metadata.?labels.orValue({{}})"),
        ],
        validations=[("false", f"a NetworkPolicy labelled {CASE} holds a pod; {_WAY_OUT}")],
    )


def _role_bindings() -> list[Manifest]:
    """Guard where our agents may act. Our own namespace is the installer's."""
    return policy(
        "firebreak-lock-rolebindings",
        rule=rule("rbac.authorization.k8s.io", "v1", "rolebindings", "CREATE", "UPDATE", "DELETE"),
        conditions=[
            _elsewhere(),
            _others(LIAISON),
            _collected(),
            ("ours", _SIDES % f"'{EXECUTOR_ROLE}' in [o.metadata.name, o.roleRef.name]"),
        ],
        validations=[
            (
                "false",
                f"this RoleBinding is how Firebreak acts here: enrol or unenrol the namespace, or {_WAY_OUT}",
            )
        ],
    )


def _own_kinds() -> list[Manifest]:
    """Guard what of our own kinds says where Firebreak acts: nobody but its agent writes it."""
    owners = {"enrolments": LIAISON, "freezes": CREDENTIAL_FREEZER}
    return [
        manifest
        for plural, agent in owners.items()
        for manifest in policy(
            f"firebreak-lock-{plural}",
            rule=rule(DOMAIN, "*", plural, "CREATE", "UPDATE", "DELETE"),
            conditions=[_others(agent), _collected()],
            validations=[("false", f"{plural} are written by the {agent} alone; {_WAY_OUT}")],
        )
    ]
