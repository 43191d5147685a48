"""What detection looks at in the body of an audited request: who is granted what, and what a pod may do.

Everything else of a body is dropped before it is stored: environments, arguments and annotations hold secrets.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from signals.redaction import has_hint, redact
from signals.shipped import SAID, digest
from signals.telemetry.texts import clean

Body = dict[str, Any]

LIST_LIMIT, FEW = 64, 4
"""Members of one list that are kept; those that tell something come first, so that no padding pushes them out."""
KEPT_LIMIT = 256 * 1024
"""Bytes that are kept of one body; of the lists of a larger one only a few members are."""
DEPTH = 8
TEXT_LIMIT = 256
TELLING = frozenset(
    {
        *(
            "*",
            "system:anonymous",
            "system:unauthenticated",
            "system:authenticated",
            "system:serviceaccounts",
        ),
        *("SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "DAC_READ_SEARCH", "BPF", "SYS_RAWIO", "ALL"),
    }
)
"""What detectors look for in a list."""
QUIET = frozenset({"apiGroups", "nonResourceURLs", "resourceNames"})
"""Where a `*` grants nothing by itself."""
OURS = "firebreak"
"""In the names of what we ship: of that a hash is kept, to be compared."""


def pruned(body: Body, resource: str, subresource: str, name: str) -> Body:
    """Return what is kept of one body."""
    find = _KINDS.get(resource)
    found = find(body, subresource) if find else {}
    if not subresource and OURS in name and any(key in body for key in SAID):
        found["shipped"] = digest(body)
    if body.get("kind") == "DeleteOptions" and body.get("dryRun"):
        found["dryRun"] = body["dryRun"]
    return found


def harmless(body: Body) -> Body:
    """Return the same body with clean, short texts and without secrets, and no larger than is kept."""
    kept = _clean_members(body, DEPTH + 1, LIST_LIMIT)
    if len(msgspec.json.encode(kept)) > KEPT_LIMIT:
        return _clean_members(body, DEPTH + 1, FEW)
    return kept


def _rules(body: Body, _: str) -> Body:
    return _members(body, "rules", "aggregationRule")


def _binding(body: Body, _: str) -> Body:
    return _members(body, "roleRef", "subjects")


def _request(body: Body, subresource: str) -> Body:
    """Return of a certificate request who signs it, and of a token request how long and for what it is good."""
    if subresource == "approval":
        states = _listed(_map(body.get("status")).get("conditions"))
        return {"conditions": [_map(state).get("type") for state in states], **_signer(body)}
    return _signer(body)


def _signer(body: Body) -> Body:
    return _members(_map(body.get("spec")), "signerName", "username", "usages", "groups")


def _token(body: Body, subresource: str) -> Body:
    if subresource != "token":
        return {}
    return _members(_map(body.get("spec")), "expirationSeconds", "audiences", "boundObjectRef")


def _pod(body: Body, subresource: str) -> Body:
    if subresource:
        return {}
    spec, metadata = _map(body.get("spec")), _map(body.get("metadata"))
    containers = [
        _members(_map(one), "name", "image", "securityContext")
        for kind in ("initContainers", "containers", "ephemeralContainers")
        for one in _listed(spec.get(kind))
    ]
    paths = [
        str(_map(_map(volume).get("hostPath")).get("path", ""))
        for volume in _listed(spec.get("volumes"))
        if _map(volume).get("hostPath")
    ]
    owners = [_map(owner).get("kind") for owner in _listed(metadata.get("ownerReferences"))]
    kept = _members(spec, "hostNetwork", "hostPID", "hostIPC", "serviceAccountName", "nodeName")
    return {
        **kept,
        "containers": containers,
        "hostPaths": paths,
        "owners": owners,
        "uid": metadata.get("uid", ""),
    }


_KINDS: dict[str, Callable[[Body, str], Body]] = {
    "roles": _rules,
    "clusterroles": _rules,
    "rolebindings": _binding,
    "clusterrolebindings": _binding,
    "certificatesigningrequests": _request,
    "serviceaccounts": _token,
    "pods": _pod,
}


def _members(body: Body, *names: str) -> Body:
    return {name: body[name] for name in names if name in body}


def _map(value: Any) -> Body:
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _clean_members(value: Body, depth: int, most: int) -> Body:
    return {
        clean(str(key), TEXT_LIMIT): _clean(one, depth - 1, most)
        for key, one in list(value.items())[:LIST_LIMIT]
    }


def _clean(value: Any, depth: int, most: int) -> Any:
    """Return a value with clean, short texts and without secrets; what is nested too deeply is left out."""
    if isinstance(value, str):
        text = clean(value, TEXT_LIMIT)
        return redact(text) if has_hint(text) else text
    if depth == 0:
        return None
    if isinstance(value, dict):
        return _clean_members(value, depth, most)
    if isinstance(value, list):
        return [_clean(one, depth - 1, most) for one in _first(value, most)]
    return value


def _first(members: list[Any], most: int) -> list[Any]:
    """Return as many members of a list as are kept, in their order where all are."""
    if len(members) <= most:
        return members
    return sorted(members, key=lambda one: not _tells(one, DEPTH))[:most]


def _tells(value: Any, depth: int) -> bool:
    """Return whether something in it is why a detector would fire."""
    if isinstance(value, str):
        return value in TELLING
    if depth and isinstance(value, list):
        return any(_tells(one, depth - 1) for one in value)
    if depth and isinstance(value, dict):
        if value.get("privileged") is True:
            return True
        return any(_tells(one, depth - 1) for key, one in value.items() if key not in QUIET)
    return False
