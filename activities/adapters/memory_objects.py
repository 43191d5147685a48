"""An object as the API server gives it back: what is empty vanishes, what is left out is filled in."""

from collections.abc import Mapping
from typing import Any

from activities.ports import Manifest

MAPS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData"})
"""Fields that the API server leaves out when they are empty, unlike empty structures such as podSelector."""


def normal(value: Any) -> Any:
    """Return a copy as the API server would give it back: no empty lists, no empty maps, no nulls."""
    if isinstance(value, Mapping):
        pairs = ((key, normal(item)) for key, item in value.items())
        return {
            key: item
            for key, item in pairs
            if not (item is None or item == [] or (item == {} and key in MAPS))
        }
    return [normal(item) for item in value] if isinstance(value, list) else value


def defaulted(resource: str, manifest: Manifest) -> Manifest:
    """Fill in what the API server would."""
    if resource == "networkpolicies":
        spec = manifest.setdefault("spec", {})
        spec.setdefault("podSelector", {})
        both = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
        spec.setdefault("policyTypes", both)
        for rule in [*spec.get("ingress", []), *spec.get("egress", [])]:
            for port in rule.get("ports", []):
                port.setdefault("protocol", "TCP")
    if resource == "namespaces":
        labels = manifest["metadata"].setdefault("labels", {})
        labels.setdefault("kubernetes.io/metadata.name", manifest["metadata"]["name"])
    return manifest
