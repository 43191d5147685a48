"""Kubeconfig files: one identity each, everything inside, readable by their owner alone."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import yaml

from signals.errors import BadInput
from workers.stack.layout import write_private


def _data(file: Path) -> str:
    return b64encode(file.read_bytes()).decode()


def by_certificate(file: Path, *, server: str, authority: Path, certificate: Path, key: Path) -> None:
    """Write a kubeconfig of somebody who proves himself with a client certificate."""
    user = {"client-certificate-data": _data(certificate), "client-key-data": _data(key)}
    _write(file, {"server": server, "certificate-authority-data": _data(authority)}, user)


def by_token(file: Path, *, cluster: dict[str, Any], token: str) -> None:
    """Write a kubeconfig of a ServiceAccount. `cluster` is the cluster entry of another kubeconfig."""
    _write(file, cluster, {"token": token})


def cluster_of(file: Path) -> dict[str, Any]:
    """Return the cluster entry of a kubeconfig that this module wrote."""
    document = yaml.safe_load(file.read_bytes())
    cluster: dict[str, Any] = document["clusters"][0]["cluster"]
    return cluster


def one_context(source: Path, context: str, file: Path) -> None:
    """Write a kubeconfig that holds one context of another, so that no other can be meant by mistake.

    Raises:
        BadInput: the source cannot be read, or has no such context.
    """
    try:
        document = yaml.safe_load(source.read_bytes()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"the kubeconfig {source} cannot be read: {error}") from error
    chosen = _named(document, "contexts", context, source)["context"]
    cluster = _absolute(_named(document, "clusters", chosen["cluster"], source)["cluster"], source)
    user = _absolute(_named(document, "users", chosen["user"], source)["user"], source)
    _write(file, cluster, user)


def _named(document: dict[str, Any], kind: str, name: str, source: Path) -> dict[str, Any]:
    entries: list[dict[str, Any]] = document.get(kind) or []
    for entry in entries:
        if entry.get("name") == name:
            return entry
    known = ", ".join(sorted(str(entry.get("name")) for entry in entries)) or "none"
    raise BadInput(f"{source} has no {name!r} among its {kind}; it has: {known}")


def _absolute(entry: dict[str, Any], source: Path) -> dict[str, Any]:
    """Paths inside a kubeconfig are relative to it; ours lies elsewhere."""
    files = {"certificate-authority", "client-certificate", "client-key", "tokenFile"}
    return {
        name: str(source.parent.absolute() / value) if name in files else value
        for name, value in entry.items()
    }


def _write(file: Path, cluster: dict[str, Any], user: dict[str, Any]) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "firebreak", "cluster": cluster}],
        "users": [{"name": "firebreak", "user": user}],
        "contexts": [{"name": "firebreak", "context": {"cluster": "firebreak", "user": "firebreak"}}],
        "current-context": "firebreak",
    }
    write_private(file, yaml.safe_dump(document, sort_keys=False).encode())
