"""Tells an object of ours that is as it was shipped from one that somebody changed, by a hash of what it says."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SAID = ("spec", "rules", "roleRef", "subjects")
"""The members of an object that say what it does."""
_DEFAULTS: tuple[tuple[str, Any], ...] = (
    ("matchPolicy", "Equivalent"),
    ("namespaceSelector", {}),
    ("objectSelector", {}),
    ("scope", "*"),
    ("conversion", {"strategy": "None"}),
    ("apiGroup", ""),
)
"""What the API server adds to what it was given, and means nothing."""


def digest(manifest: Mapping[str, Any]) -> str:
    """Return a hash of what an object says, the same whether it was shipped or read back."""
    said = {name: _plain(manifest[name]) for name in SAID if name in manifest}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        kind = str(value.get("kind", ""))
        implied = (*_DEFAULTS, ("listKind", f"{kind}List"), ("singular", kind.lower()))
        return {name: _plain(one) for name, one in value.items() if (name, one) not in implied}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
