"""The control-plane predicate a second time, in the API server's language, about what the executor writes.

What nobody may approve is refused here. What a person may approve is let through, because no admission policy sees
an approval: it is marked in the audit log instead, where the RBAC Auditor reads it, whatever the executor says.
Written apart from `activities/predicate.py` on purpose; a test compares the two.
"""

from deploy.shapes import Manifest, policy, rule
from signals.subjects import API_VERSION, DOMAIN, FLAGGED_CONTROL_PLANE, NAMESPACE, REMEDIATION_EXECUTOR

SYSTEM = ("kube-system", "kube-public", "kube-node-lease")
_NAMED = (*SYSTEM, "cert-manager", "kyverno", "argocd", "external-secrets")
_BEGINNING = (
    "openshift-", "gke-", "gmp-", "calico-", "tigera-", "cilium", "istio-", "linkerd", "gatekeeper-", "flux-",
    "monitoring",
)  # fmt: skip
_ADDONS = (
    "kube-dns", "kube-proxy", "calico-node", "calico-kube-controllers", "canal", "cilium", "coredns",
    "konnectivity-agent", "metrics-server", "node-local-dns",
)  # fmt: skip
_COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_URGENT = 2_000_000_000

_LABELS = ("labels", "object.metadata.?labels.orValue({})")
_NOTES = ("notes", "object.metadata.?annotations.orValue({})")


def impacts() -> list[Manifest]:
    """Return the policies, each followed by its binding."""
    return [*_refused(), *_auto(), *_flagged(), *_evictions()]


def _refused() -> list[Manifest]:
    """Refuse what would touch the audit path, approved or not."""
    return policy(
        "firebreak-executor-never",
        rule=rule("", "v1", "pods", "UPDATE"),
        user=REMEDIATION_EXECUTOR,
        variables=[_LABELS],
        validations=[
            (
                "request.namespace != 'kube-system' "
                "|| variables.labels[?'component'].orValue('') != 'kube-apiserver'",
                "this pod carries the audit log: Firebreak never acts on it",
            ),
        ],
    )


def _auto() -> list[Manifest]:
    """Refuse every write in a namespace of the system that is not enrolled so that everything asks.

    It fails open: as long as an API server that has just started does not know its Enrolments, it would refuse
    every write of everybody, before it looks at whose it is.
    """
    made = policy(
        "firebreak-executor-system-asks",
        rule=rule("*", "*", "*", "CREATE", "UPDATE", "DELETE"),
        user=REMEDIATION_EXECUTOR,
        conditions=[("system", f"request.namespace in {[*SYSTEM]}")],
        validations=[
            (
                "params.metadata.name != request.namespace || params.spec.mode != 'auto'",
                "a namespace of the system is contained only where everything asks: enrol it with --mode approve",
            )
        ],
    )
    definition, binding = made
    definition["spec"]["failurePolicy"] = "Ignore"
    definition["spec"]["paramKind"] = {"apiVersion": f"{DOMAIN}/{API_VERSION}", "kind": "Enrolment"}
    binding["spec"]["paramRef"] = {"selector": {}, "parameterNotFoundAction": "Allow"}
    return made


def _flagged() -> list[Manifest]:
    """Mark every write to a pod that the cluster itself may run on."""
    addons, components = [*_ADDONS], [*_COMPONENTS]
    labelled = (
        "'kubernetes.io/bootstrapping' in variables.labels "
        "|| 'addonmanager.kubernetes.io/mode' in variables.labels "
        "|| variables.labels[?'tier'].orValue('') == 'control-plane' "
        f"|| variables.labels[?'component'].orValue('') in {components} "
        f"|| variables.labels[?'k8s-app'].orValue('') in {addons}"
    )
    static = (
        "'kubernetes.io/config.mirror' in variables.notes "
        "|| variables.notes[?'kubernetes.io/config.source'].orValue('api') != 'api'"
    )
    owned = "object.metadata.?ownerReferences.orValue([]).exists(o, o.kind in ['Node', 'DaemonSet'])"
    urgent = (
        "object.spec.?priorityClassName.orValue('').startsWith('system-') "
        f"|| object.spec.?priority.orValue(0) >= {_URGENT}"
    )
    on_host = "object.spec.?hostNetwork.orValue(false) || object.spec.?hostPID.orValue(false)"
    namespace = (
        f"request.namespace in {[*_NAMED]} || {[*_BEGINNING]}.exists(p, request.namespace.startsWith(p))"
    )
    rules = {
        "namespace": namespace,
        "labels": labelled,
        "static": static,
        "owner": owned,
        "priority": urgent,
        "host": on_host,
    }
    return policy(
        FLAGGED_CONTROL_PLANE,
        rule=rule("", "v1", "pods", "UPDATE"),
        user=REMEDIATION_EXECUTOR,
        variables=[_LABELS, _NOTES],
        validations=[(f"!({text})", f"control plane: {name}") for name, text in rules.items()],
        actions=("Warn", "Audit"),
    )


def _evictions() -> list[Manifest]:
    """Let the executor evict only the very pod that it means, and never by force."""
    options = "object.?deleteOptions"
    return policy(
        "firebreak-executor-eviction-cage",
        rule=rule("", "v1", "pods/eviction", "CREATE"),
        user=REMEDIATION_EXECUTOR,
        validations=[
            (f"request.namespace != '{NAMESPACE}'", f"namespace {NAMESPACE} is never a target"),
            ("object.metadata.name == request.name", "an eviction names its pod"),
            (
                f"{options}.?preconditions.?uid.orValue('') != ''",
                "an eviction names the UID of its pod, so that no other of that name goes",
            ),
            (
                f"{options}.?gracePeriodSeconds.orValue(1) > 0",
                "a pod is given time to end: Firebreak kills none by force",
            ),
            (
                "!has(object.deleteOptions) || (!has(object.deleteOptions.propagationPolicy) "
                "&& !has(object.deleteOptions.orphanDependents))",
                "an eviction decides about the pod alone",
            ),
        ],
    )
