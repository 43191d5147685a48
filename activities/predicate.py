"""Whether an action touches what the cluster itself runs on: then a person decides, at any confidence.

Default deny over kinds and targets: what is not known to be harmless is an impact. The admission policies of
the installer say the same a second time, in another language, where this code cannot reach.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from activities.ports import FREEZES, NETWORK_POLICIES, PODS, ROLE_BINDINGS, Resource
from signals.plans import Plan, Write, WriteKind
from signals.policy import Policy
from signals.subjects import CAPTURER, CAPTURER_ROLE, DOMAIN, MARK_PREFIX, NAMESPACE

Pod = Mapping[str, Any]

ALLOWED: Mapping[WriteKind, Resource] = {
    WriteKind.CREATE: NETWORK_POLICIES,
    WriteKind.EXCLUDE: NETWORK_POLICIES,
    WriteKind.MARK: PODS,
    WriteKind.EVICT: PODS,
}
"""What may be written without a person; everything else is an impact."""

LABELS: Mapping[str, frozenset[str] | None] = {
    "kubernetes.io/bootstrapping": None,
    "addonmanager.kubernetes.io/mode": None,
    "tier": frozenset({"control-plane"}),
    "component": frozenset({"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}),
    "k8s-app": frozenset(
        {"kube-dns", "kube-proxy", "calico-node", "calico-kube-controllers", "canal", "cilium", "coredns"}
        | {"konnectivity-agent", "metrics-server", "node-local-dns"}
    ),
}
"""Labels of control-plane pods; None stands for any value."""

AUDIT_PATH = frozenset({"kube-apiserver"})
"""Components through which every audit record goes."""

SYSTEM_PRIORITY = 2_000_000_000


def _labels(pod: Pod) -> Mapping[str, str]:
    return pod["metadata"].get("labels") or {}


def _labelled(pod: Pod) -> str:
    for key, values in LABELS.items():
        value = _labels(pod).get(key)
        if value is not None and (values is None or value in values):
            return f"it is labelled {key}={value}"
    return ""


def _static(pod: Pod) -> str:
    annotations = pod["metadata"].get("annotations") or {}
    if "kubernetes.io/config.mirror" in annotations:
        return "it is a static pod: the node runs it, not the API server"
    if annotations.get("kubernetes.io/config.source", "api") != "api":
        return "its source is the node, not the API server"
    return ""


def _owned(pod: Pod) -> str:
    owners = {owner["kind"] for owner in pod["metadata"].get("ownerReferences") or []}
    return next((f"a {kind} owns it" for kind in ("Node", "DaemonSet") if kind in owners), "")


def _urgent(pod: Pod) -> str:
    spec = pod["spec"]
    name = str(spec.get("priorityClassName") or "")
    if name.startswith("system-"):
        return f"its priority is {name}"
    urgent = (spec.get("priority") or 0) >= SYSTEM_PRIORITY
    return f"its priority is {spec['priority']}" if urgent else ""


def _on_host(pod: Pod) -> str:
    return next((f"it has {name}" for name in ("hostNetwork", "hostPID") if pod["spec"].get(name)), "")


POD_RULES: Sequence[Callable[[Pod], str]] = (_labelled, _static, _owned, _urgent, _on_host)
"""Each returns why a pod is part of the control plane, or nothing."""


def _freeze(write: Write) -> Iterator[str]:
    """Yield what is unusual about a freeze: it is of one pod, by its UID."""
    spec = (write.manifest or {}).get("spec") or {}
    if not spec.get("namespace") or spec.get("podUID") != write.ref.name:
        yield f"{write.ref} would not freeze one pod by its UID"


def _right_to_look(write: Write) -> Iterator[str]:
    """Yield what is unusual about a RoleBinding: it lets the capturer look into pods, and no more."""
    given = write.manifest or {}
    role = {"apiGroup": ROLE_BINDINGS.group, "kind": "ClusterRole", "name": CAPTURER_ROLE}
    subject = {"kind": "ServiceAccount", "name": CAPTURER, "namespace": NAMESPACE}
    if given.get("roleRef") != role or given.get("subjects") != [subject]:
        yield f"{write.ref} would give a right that is not the capturer's"


SHAPES: Mapping[tuple[str, str], Callable[[Write], Iterator[str]]] = {
    (FREEZES.group, FREEZES.plural): _freeze,
    (ROLE_BINDINGS.group, ROLE_BINDINGS.plural): _right_to_look,
}
"""What else may be created without a person, of one shape each."""


def _shape(write: Write) -> Iterator[str]:
    """Yield what is unusual about one write: a kind that is not on the list, a selector that is not ours."""
    shape = SHAPES.get((write.ref.group, write.ref.resource))
    if shape and write.kind is WriteKind.CREATE:
        yield from shape(write)
        return
    allowed = ALLOWED.get(write.kind)
    if allowed is None or (write.ref.group, write.ref.resource) != (allowed.group, allowed.plural):
        yield f"to {write.kind} {write.ref} is not on the list of what may be done alone"
        return
    if write.kind is WriteKind.CREATE:
        selector = ((write.manifest or {}).get("spec") or {}).get("podSelector") or {}
        if not any(key.startswith(MARK_PREFIX) for key in selector.get("matchLabels") or {}):
            yield f"{write.ref} would select pods that are not marked"
    if write.kind is WriteKind.EXCLUDE and not write.key.startswith(MARK_PREFIX):
        yield f"{write.ref} would be left by a label that is not ours"
    foreign = [key for key in (*write.labels, *write.annotations) if not _ours(key)]
    if foreign:
        yield f"{foreign[0]} on {write.ref} is not a label of ours"


def _ours(key: str) -> bool:
    return key.startswith(f"{DOMAIN}/")


def _place(write: Write) -> str:
    """Return the namespace that a write is about; a freeze belongs to none, and is about its pod's."""
    if (write.ref.group, write.ref.resource) == (FREEZES.group, FREEZES.plural):
        return str(((write.manifest or {}).get("spec") or {}).get("namespace") or "")
    return write.ref.namespace or ""


def _namespaces(plan: Plan, pods: Sequence[Pod]) -> list[str]:
    written = {_place(write) for action in plan.actions for write in action.writes}
    return sorted(written | {pod["metadata"]["namespace"] for pod in pods})


def impacts(plan: Plan, pods: Sequence[Pod], policy: Policy) -> list[str]:
    """Return every reason why this plan touches the control plane; none means that it does not.

    `pods` are the targets as they are now. The cluster's addresses that a blocked peer must not be, and the
    webhooks that a pod serves, are found while planning (`ActionPlan.concerns`).
    """
    reasons = [concern for action in plan.actions for concern in action.concerns]
    for action in plan.actions:
        for write in action.writes:
            reasons += _shape(write)
    for namespace in _namespaces(plan, pods):
        if not namespace:
            reasons.append("it writes what belongs to no namespace")
        elif any(fnmatchcase(namespace, pattern) for pattern in policy.control_plane_namespaces):
            reasons.append(f"namespace {namespace} is part of the control plane")
    for pod in pods:
        name = f"pod/{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        reasons += [f"{name}: {why}" for why in (rule(pod) for rule in POD_RULES) if why]
    return list(dict.fromkeys(reasons))


def refused_always(plan: Plan, pods: Sequence[Pod]) -> str:
    """Return why nobody may approve this, or nothing: Firebreak never acts on itself or on the audit path."""
    if NAMESPACE in _namespaces(plan, pods):
        return f"namespace {NAMESPACE} is Firebreak's own: it never acts on itself"
    for pod in pods:
        if pod["metadata"]["namespace"] == "kube-system" and _labels(pod).get("component") in AUDIT_PATH:
            return f"{pod['metadata']['name']} carries the audit log: Firebreak never acts on it"
    return ""
