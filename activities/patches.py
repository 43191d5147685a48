"""Writes and their inverses as JSON Patch: pure, from what was just read, with a `test` on all they rely on."""

from collections.abc import Mapping
from typing import Any

from activities.standing import exclusion, own_terms, without_ours
from signals.plans import Write, WriteKind

Operation = dict[str, Any]
TERMS = "/spec/podSelector/matchExpressions"


def forward(write: Write, there: Mapping[str, Any]) -> list[Operation]:
    """Return what does a MARK or an EXCLUDE."""
    if write.kind is WriteKind.EXCLUDE:
        return [same_uid(there), *_leaving(write, there["spec"])]
    return [
        same_uid(there),
        *_setting("labels", write.labels, there),
        *_setting("annotations", write.annotations, there),
    ]


def unread(write: Write) -> list[Operation]:
    """Return what does a MARK on a pod that has labels, and not these, without reading it first.

    To the API server, a `test` for null is a test that nothing is there.
    """
    operations: list[Operation] = [{"op": "test", "path": "/metadata/uid", "value": write.ref.uid}]
    for field, values in (("labels", write.labels), ("annotations", write.annotations)):
        for key, value in values.items():
            path = f"/metadata/{field}/{escaped(key)}"
            operations.append({"op": "test", "path": path, "value": None})
            operations.append({"op": "add", "path": path, "value": value})
    return operations


def _leaving(write: Write, spec: dict[str, Any]) -> list[Operation]:
    """Append our term, if all else is as it was read; other cases may append theirs at the same time."""
    term = exclusion(write.key, write.value)
    terms = spec["podSelector"].get("matchExpressions")
    rest = [
        {"op": "test", "path": f"/spec/{name}", "value": value}
        for name, value in spec.items()
        if name != "podSelector"
    ]
    if not terms:
        same = {"op": "test", "path": "/spec/podSelector", "value": spec["podSelector"]}
        return [*rest, same, {"op": "add", "path": TERMS, "value": [term]}]
    labels = spec["podSelector"].get("matchLabels")
    if labels:
        rest.append({"op": "test", "path": "/spec/podSelector/matchLabels", "value": labels})
    rest += [
        {"op": "test", "path": f"{TERMS}/{place}", "value": foreign}
        for place, foreign in enumerate(without_ours(spec)["podSelector"].get("matchExpressions", []))
        if terms[place] == foreign
    ]
    return [*rest, {"op": "add", "path": f"{TERMS}/-", "value": term}]


def _setting(field: str, values: dict[str, str], there: Mapping[str, Any]) -> list[Operation]:
    """Set keys of a map that may not exist yet; where it does not, nobody else may make it meanwhile."""
    if not values:
        return []
    if not there["metadata"].get(field):
        version = there["metadata"]["resourceVersion"]
        return [
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": f"/metadata/{field}", "value": dict(values)},
        ]
    return [
        {"op": "add", "path": f"/metadata/{field}/{escaped(key)}", "value": value}
        for key, value in values.items()
    ]


def backward(write: Write, there: Mapping[str, Any]) -> list[Operation]:
    """Return what takes a MARK or an EXCLUDE back, whatever of it stands."""
    same = same_uid(there)
    if write.kind is WriteKind.MARK:
        metadata = there["metadata"]
        return [same] + [
            operation
            for field, keys in (("labels", write.labels), ("annotations", write.annotations))
            for key in keys
            if key in (metadata.get(field) or {})
            for operation in _remove(f"/metadata/{field}/{escaped(key)}", metadata[field][key])
        ]
    terms = there["spec"]["podSelector"]["matchExpressions"]
    return [same] + [
        operation
        for place in reversed(own_terms(there, write.key))
        for operation in _remove(f"{TERMS}/{place}", terms[place])
    ]


def _remove(path: str, value: Any) -> list[Operation]:
    return [{"op": "test", "path": path, "value": value}, {"op": "remove", "path": path}]


def same_uid(there: Mapping[str, Any]) -> Operation:
    """Return the test that this is still the very object that was read."""
    return {"op": "test", "path": "/metadata/uid", "value": there["metadata"]["uid"]}


def escaped(key: str) -> str:
    """Return a label or annotation key as one token of a JSON Pointer."""
    return key.replace("~", "~0").replace("/", "~1")
