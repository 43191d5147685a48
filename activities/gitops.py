"""Who else keeps an object as it is: what a GitOps controller manages is never edited, it would be put back."""

from collections.abc import Iterable, Mapping
from typing import Any

_MANAGERS = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "flux": "Flux",
    "helm": "Helm",
}
"""Field managers, as managedFields names them."""

_TRACKING = {
    "argocd.argoproj.io/instance": "Argo CD",
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "meta.helm.sh/release-name": "Helm",
}
"""Labels and annotations by which controllers track what is theirs."""


def managed_by(manifest: Mapping[str, Any]) -> str:
    """Return who manages an object, for people; empty where nobody does."""
    metadata = manifest["metadata"]
    for entry in metadata.get("managedFields") or []:
        name = str(entry.get("manager", "")).lower()
        if name in _MANAGERS:
            return _MANAGERS[name]
    labels = metadata.get("labels") or {}
    for key in (*labels, *(metadata.get("annotations") or {})):
        if key in _TRACKING:
            return _TRACKING[key]
    return "Helm" if labels.get("app.kubernetes.io/managed-by") == "Helm" else ""


def obstacle(policies: Iterable[Mapping[str, Any]]) -> str:
    """Return why these policies must not be edited and what a person can do; empty where nobody manages one."""
    for policy in policies:
        manager = managed_by(policy)
        if manager:
            metadata = policy["metadata"]
            where = f"networkpolicies/{metadata['namespace']}/{metadata['name']}"
            return (
                f"{where} is managed by {manager}, which would put back what is changed: pause {manager} for "
                f"it, or make the change in its source, then approve"
            )
    return ""
