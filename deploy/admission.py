"""Static admission policies: RBAC grants verbs, these grant shapes.

They come with the installation and vary with nothing: no identity of ours may ever write an admission policy
or binding, because no admission policy sees such a write. Each is matched to one user or one kind of ours, so
that `failurePolicy: Fail` cannot lock anybody else out.
"""

from deploy.identities import EXECUTOR_ROLE
from deploy.impacts import impacts
from deploy.lock import lock
from deploy.people import LEAD
from deploy.shapes import Manifest, policy, rule
from signals.approvals import Verb
from signals.stops import ORDERS
from signals.subjects import (
    CASE,
    DOMAIN,
    LIAISON,
    LIAISON_ROLE,
    MANAGED_BY,
    MANAGER,
    MARK_PREFIX,
    NAMESPACE,
    ORDER,
    REMEDIATION_EXECUTOR,
    service_account,
)

_OLD = ("old", "request.operation == 'CREATE' ? object : oldObject")
"""The object as it is before the write, or as it is created."""


def admission_policies() -> list[Manifest]:
    """Return every policy, each followed by its binding."""
    return [
        *policy(
            "firebreak-command-actor",
            rule=rule(DOMAIN, "*", "commands", "CREATE", "UPDATE"),
            variables=_COMMAND_VARIABLES,
            validations=_command_actor(),
        ),
        *policy(
            "firebreak-liaison-cage",
            rule=rule("rbac.authorization.k8s.io", "v1", "rolebindings", "CREATE", "UPDATE", "DELETE"),
            user=LIAISON,
            variables=[_OLD],
            validations=_liaison_cage(),
        ),
        *policy(
            "firebreak-executor-networkpolicy-cage",
            rule=rule("networking.k8s.io", "v1", "networkpolicies", "CREATE", "UPDATE", "DELETE"),
            user=REMEDIATION_EXECUTOR,
            variables=_NETWORK_POLICY_VARIABLES,
            validations=[_OUTSIDE_OUR_NAMESPACE, *_network_policy_cage()],
        ),
        *policy(
            "firebreak-executor-pod-cage",
            rule=rule("", "v1", "pods", "UPDATE"),
            user=REMEDIATION_EXECUTOR,
            variables=_POD_VARIABLES,
            validations=[_OUTSIDE_OUR_NAMESPACE, *_pod_cage()],
        ),
        *impacts(),
        *lock(),
    ]


_OUTSIDE_OUR_NAMESPACE = (f"request.namespace != '{NAMESPACE}'", f"namespace {NAMESPACE} is never a target")


_COMMAND_VARIABLES = [
    ("elsewhere", "has(object.spec.via)"),
    ("liaison", f"request.userInfo.username == '{service_account(LIAISON)}'"),
]


def _command_actor() -> list[tuple[str, str]]:
    may = (
        f"authorizer.group('{DOMAIN}').resource('commands').subresource(%s)"
        ".namespace(request.namespace).check('create').allowed()"
    )
    return [
        (
            f"request.operation == 'UPDATE' || request.namespace == '{NAMESPACE}'",
            f"commands are spoken in namespace {NAMESPACE}",
        ),
        ("request.operation == 'CREATE' || object.spec == oldObject.spec", "a command is never changed"),
        (
            "request.operation == 'UPDATE' || variables.elsewhere "
            "|| object.spec.actor == request.userInfo.username",
            "the actor must be who speaks",
        ),
        (
            "request.operation == 'UPDATE' || variables.elsewhere == variables.liaison",
            "the liaison, and nobody else, says what a person said elsewhere (via)",
        ),
        (
            f"request.operation == 'UPDATE' || !variables.elsewhere || object.spec.verb != '{Verb.APPROVE_POLICY}'",
            "a policy is approved under one's own credentials: it says who the people are",
        ),
        (
            f"request.operation == 'UPDATE' || variables.elsewhere || {may % 'object.spec.verb'}",
            f"you may not say this: RBAC wants create on commands/VERB of {DOMAIN}",
        ),
        (
            f"request.operation == 'UPDATE' || variables.elsewhere || object.spec.role != '{LEAD}' "
            f"|| {may % repr(LEAD)}",
            "you may not speak as the lead",
        ),
        (
            f"request.operation == 'UPDATE' || !(object.spec.verb in {[str(verb) for verb in ORDERS]}) "
            f"|| object.metadata.?labels[?'{ORDER}'].orValue('') == object.spec.verb",
            f"an order carries its verb as label {ORDER}, by which the executor asks for it",
        ),
    ]


def _liaison_cage() -> list[tuple[str, str]]:
    subject = (
        "size(variables.old.?subjects.orValue([])) == 1 && variables.old.subjects.all(s, "
        f"s.kind == 'ServiceAccount' && s.name in ['{REMEDIATION_EXECUTOR}', '{LIAISON}'] "
        "&& 'firebreak-' + s.name == variables.old.metadata.name "
        f"&& s.?namespace.orValue('') == '{NAMESPACE}')"
    )
    return [
        _OUTSIDE_OUR_NAMESPACE,
        ("request.operation != 'UPDATE'", "the liaison changes no RoleBinding"),
        (
            f"variables.old.metadata.name in ['{EXECUTOR_ROLE}', '{LIAISON_ROLE}']",
            "the liaison binds the executor and itself only",
        ),
        (
            "variables.old.roleRef.kind == 'ClusterRole' "
            "&& variables.old.roleRef.name == variables.old.metadata.name",
            "the liaison grants the role of that name only",
        ),
        (subject, "the liaison grants a role to whose it is only"),
    ]


_NETWORK_POLICY_VARIABLES = [
    _OLD,
    (
        "ours",
        f"variables.old.metadata.?labels[?'{MANAGED_BY}'].orValue('') == '{MANAGER}' "
        f"&& variables.old.metadata.?labels[?'{CASE}'].orValue('') != ''",
    ),
    (
        "expressions",
        "request.operation == 'DELETE' ? [] : object.spec.?podSelector.?matchExpressions.orValue([])",
    ),
]


def _network_policy_cage() -> list[tuple[str, str]]:
    theirs = f"filter(e, !e.key.startsWith('{MARK_PREFIX}'))"
    same = " && ".join(
        f"object.{path} == oldObject.{path}"
        for path in (
            "metadata.?labels",
            "metadata.?finalizers",
            "metadata.?ownerReferences",
            "spec.?ingress",
            "spec.?egress",
            "spec.?policyTypes",
            "spec.?podSelector.?matchLabels",
        )
    )
    old_expressions = "oldObject.spec.?podSelector.?matchExpressions.orValue([])"
    return [
        (
            "request.operation == 'UPDATE' || variables.ours",
            "the executor creates and deletes only NetworkPolicies of its own cases",
        ),
        (
            "request.operation != 'CREATE' || object.spec.?podSelector.?matchLabels.orValue({})"
            f".exists(k, k.startsWith('{MARK_PREFIX}'))",
            "a NetworkPolicy of the executor selects marked pods only",
        ),
        (
            f"request.operation != 'UPDATE' || {same}",
            "the executor changes no rules, labels or selectors of a NetworkPolicy",
        ),
        (
            "request.operation != 'UPDATE' || variables.ours "
            "|| object.metadata.?annotations == oldObject.metadata.?annotations",
            "the executor changes annotations of its own NetworkPolicies only",
        ),
        (
            f"request.operation != 'UPDATE' || variables.expressions.{theirs} == {old_expressions}.{theirs}",
            "the executor adds and removes exclusions of its own only",
        ),
        (
            f"variables.expressions.all(e, !e.key.startsWith('{MARK_PREFIX}') || e.operator == 'NotIn')",
            "an exclusion is a NotIn",
        ),
    ]


_POD_VARIABLES = [
    (name, f"{side}.metadata.?{field}.orValue({{}})")
    for name, side, field in (
        ("newLabels", "object", "labels"),
        ("oldLabels", "oldObject", "labels"),
        ("newAnnotations", "object", "annotations"),
        ("oldAnnotations", "oldObject", "annotations"),
    )
]


def _pod_cage() -> list[tuple[str, str]]:
    def kept(field: str) -> str:
        new, old, foreign = f"variables.new{field}", f"variables.old{field}", f"k.startsWith('{DOMAIN}/')"
        return (
            f"{new}.all(k, {foreign} || (k in {old} && {old}[k] == {new}[k])) "
            f"&& {old}.all(k, {foreign} || k in {new})"
        )

    return [
        ("object.spec == oldObject.spec", "the executor changes only the metadata of a pod"),
        (
            "object.metadata.?finalizers == oldObject.metadata.?finalizers "
            "&& object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences",
            "the executor changes only labels and annotations of a pod",
        ),
        (kept("Labels"), f"the executor changes only labels under {DOMAIN}/"),
        (kept("Annotations"), f"the executor changes only annotations under {DOMAIN}/"),
    ]
