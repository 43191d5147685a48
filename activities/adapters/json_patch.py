"""JSON Patch (RFC 6902) as far as Firebreak writes it: add, remove, replace and test."""

import copy
from collections.abc import Sequence
from typing import Any

from signals.errors import Conflict


def apply(document: Any, operations: Sequence[dict[str, Any]]) -> Any:
    """Return the document after all operations.

    Raises:
        Conflict: a `test` failed, or a path is not there.
    """
    result = copy.deepcopy(document)
    for operation in operations:
        tokens = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        try:
            parent = result
            for token in tokens[:-1]:
                parent = parent[int(token)] if isinstance(parent, list) else parent[token]
            _one(parent, tokens[-1], operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise Conflict(f"{operation['op']} {operation['path']}: the path is not there") from error
    return result


def _one(parent: Any, token: str, operation: dict[str, Any]) -> None:
    key = _position(parent, token)
    match operation["op"]:
        case "add" if isinstance(parent, list):
            parent.insert(key, copy.deepcopy(operation["value"]))
        case "add":
            parent[key] = copy.deepcopy(operation["value"])
        case "replace":
            parent[key] = copy.deepcopy(operation["value"])
        case "remove":
            del parent[key]
        case "test":
            if _value(parent, key) != operation["value"]:
                raise Conflict(f"test {operation['path']}: another value is there")
        case other:
            raise ValueError(other)


def _value(parent: Any, key: Any) -> Any:
    """Return what is there; as for the API server, what is missing in a map is null."""
    return parent.get(key) if isinstance(parent, dict) else parent[key]


def _position(parent: Any, name: str) -> Any:
    if not isinstance(parent, list):
        return name
    return len(parent) if name == "-" else int(name)
