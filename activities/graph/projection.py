"""What is remembered of an object: what decides about reach, without noise, and without values that may be secret.

`project` takes an object apart into its identity and a body that many objects can share; `restore` puts a
manifest together again, which any engine reads like one from a file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from activities.graph.chronology import SECOND
from activities.ports import Manifest
from signals.telemetry.moments import nanoseconds

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation that repeats the whole object, with every value that somebody once applied."""
_IDENTITY = frozenset({"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation"})
_NOISE = frozenset({"managedFields", "selfLink", *_IDENTITY})
_NOISY_ANNOTATIONS = frozenset({APPLIED, "control-plane.alpha.kubernetes.io/leader"})
_STATUS: Mapping[str, frozenset[str]] = {
    "Pod": frozenset({"phase", "podIP", "podIPs", "hostIP", "hostIPs"}),
    "Node": frozenset({"addresses", "nodeInfo", "daemonEndpoints"}),
    "Namespace": frozenset({"phase"}),
    "Service": frozenset({"loadBalancer"}),
}
"""What is kept of a status, by kind; of all others nothing."""
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_CONTAINER_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
_OF_A_CONTAINER = ("name", "imageID", "containerID")

_encoder = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Projected:
    """One object as it is remembered. Moments are microseconds since 1970."""

    uid: str
    namespace: str
    name: str
    revision: str
    created: int | None
    stamp: int | None
    """When the object was last changed, by its own word, to the second."""
    body: bytes


def project(kind: str, manifest: Manifest, *, metadata_only: bool = False) -> Projected:
    """Take one object apart.

    Raises:
        KeyError: it has no metadata, name or UID.
    """
    metadata = manifest["metadata"]
    body: Manifest = {} if metadata_only else {**manifest}
    for name in ("apiVersion", "kind", "status", "data", "stringData", "binaryData"):
        body.pop(name, None)
    body["metadata"] = _metadata(metadata)
    if not metadata_only and (status := _status(kind, manifest.get("status") or {})):
        body["status"] = status
    for path in _pod_specs(kind):
        _without_values(body, path)
    created = _micros(metadata.get("creationTimestamp"))
    return Projected(
        uid=metadata["uid"],
        namespace=metadata.get("namespace") or "",
        name=metadata["name"],
        revision=str(metadata.get("resourceVersion") or ""),
        created=created,
        stamp=_stamp(metadata, created),
        body=_encoder.encode(body),
    )


@dataclass(frozen=True, slots=True)
class Named:
    """Which object it is, by every name that it has."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        """Return `Kind namespace/name`, as people say it."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def restore(named: Named, revision: str, body: bytes) -> Manifest:
    """Put one manifest together."""
    manifest: Manifest = msgspec.json.decode(body)
    metadata = {
        "name": named.name,
        **({"namespace": named.namespace} if named.namespace else {}),
        "uid": named.uid,
        "resourceVersion": revision,
        **manifest["metadata"],
    }
    return {"apiVersion": named.api_version, "kind": named.kind, **manifest, "metadata": metadata}


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in metadata.items() if name not in _NOISE}
    notes = {
        name: value
        for name, value in (metadata.get("annotations") or {}).items()
        if name not in _NOISY_ANNOTATIONS
    }
    kept.pop("annotations", None)
    return {**kept, "annotations": notes} if notes else kept


def _status(kind: str, status: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: status[name] for name in _STATUS.get(kind, ()) if status.get(name)}
    if kind == "Pod":
        for name in _CONTAINER_STATUSES:
            found = [
                {key: one[key] for key in _OF_A_CONTAINER if one.get(key)} for one in status.get(name) or ()
            ]
            if found:
                kept[name] = found
    return kept


def _pod_specs(kind: str) -> Iterator[tuple[str, ...]]:
    """Yield where a kind keeps the spec of pods."""
    if kind == "Pod":
        yield ("spec",)
    elif kind == "CronJob":
        yield ("spec", "jobTemplate", "spec", "template", "spec")
    elif kind in ("ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicationController"):
        yield ("spec", "template", "spec")


def _without_values(body: Manifest, path: tuple[str, ...]) -> None:
    """Leave out the literal values of environment variables: people put passwords there."""
    within = body
    for step in path:
        inner = within.get(step)
        if not isinstance(inner, dict):
            return
        within[step] = inner = {**inner}
        within = inner
    for name in _CONTAINERS:
        if isinstance(found := within.get(name), list):
            within[name] = [_plain(one) for one in found]


def _plain(container: Any) -> Any:
    if not isinstance(container, dict) or not isinstance(container.get("env"), list):
        return container
    named = [
        {key: value for key, value in one.items() if key != "value"} if isinstance(one, dict) else one
        for one in container["env"]
    ]
    return {**container, "env": named}


def _stamp(metadata: Mapping[str, Any], created: int | None) -> int | None:
    """Return the newest moment that the server noted on the object."""
    times = (entry.get("time") for entry in metadata.get("managedFields") or () if isinstance(entry, dict))
    found = [micros for micros in map(_micros, times) if micros is not None]
    return max([*found, created] if created is not None else found, default=None)


def _micros(text: Any) -> int | None:
    found = nanoseconds(text)
    return None if found is None else found * SECOND // 10**9
