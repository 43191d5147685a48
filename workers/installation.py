"""Whether a write to one of our own objects left it as it is shipped: an installation, not an attack."""

from functools import cache
from typing import Any

import deploy
from signals.shipped import digest
from signals.telemetry.audit import AuditEvent

_PLURALS = {"ValidatingAdmissionPolicy": "validatingadmissionpolicies"}


def as_shipped(event: AuditEvent) -> bool:
    """Return whether what a write left is what this version ships. A deletion leaves nothing, so it is not."""
    if event.verb not in ("create", "update", "patch") or not event.allowed:
        return False
    said = str(event.body.get("shipped", ""))
    return (event.resource, event.namespace, event.name, said) in _shipped()


@cache
def _shipped() -> frozenset[tuple[str, str, str, str]]:
    """Return resource, namespace, name and hash of everything that the installation brings."""
    return frozenset((*_place(one), digest(one)) for one in deploy.manifests())


def _place(manifest: dict[str, Any]) -> tuple[str, str, str]:
    kind, metadata = manifest["kind"], manifest["metadata"]
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    return plural, metadata.get("namespace", ""), metadata["name"]
