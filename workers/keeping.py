"""What is kept of a pod, in the order in which it would be lost: what runs, what was written, what is on record.

The commands are fixed, and of this file alone: nothing of an alert or a pod ever becomes part of one. What they
print comes from a container that may be the intruder's; it is evidence, not truth.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from activities.ports import EVENTS, NETWORK_POLICIES, NODES, PODS, REPLICA_SETS, Cluster, Manifest, Workload
from signals.errors import FirebreakError, Refused
from signals.plans import ObjectRef
from signals.redaction import redact, redact_named

LIMIT = 512 * 1024
"""Most bytes of one piece."""
CONNECTIONS = ("cat", "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6")
PROCESSES = (
    ("ps", "-ef"),
    (
        "sh",
        "-c",
        'for p in /proc/[0-9]*; do echo "${p#/proc/} $(tr "\\0" " " < $p/cmdline) -> $(readlink $p/exe)"; done',
    ),
)
"""How processes are listed: the second way where there is no `ps`."""
COPY = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation that holds the whole object once more, secrets included."""


@dataclass(frozen=True)
class Piece:
    """One piece of evidence: what it is, and how it is had."""

    what: str
    take: Callable[[], Awaitable[bytes]]
    text: bool = True
    """Words of a container, from which secrets are still to be taken; not an object, which has none any more."""


def volatility(cluster: Cluster, workload: Workload, pod: Manifest) -> tuple[list[Piece], ...]:
    """Return all pieces of one pod: what is lost first comes first, what can be had at once stands together."""
    metadata, spec = pod["metadata"], pod["spec"]
    ref = PODS.ref(metadata["name"], metadata["namespace"], metadata["uid"])
    name = metadata["name"]
    running = [
        str(one["name"]) for kind in ("containers", "ephemeralContainers") for one in spec.get(kind) or ()
    ]
    everyone = [*(str(one["name"]) for one in spec.get("initContainers") or ()), *running]
    alive = [
        Piece(f"processes of {name}, container {one}", _processes(workload, ref, one)) for one in running
    ]
    alive.append(Piece(f"connections of {name}", _connections(workload, ref, running)))
    written = [
        Piece(
            f"log of {name}, container {one}{', previous run' if previous else ''}",
            _log(workload, ref, one, previous=previous),
        )
        for one in everyone
        for previous in (False, True)
    ]
    return alive, written, _on_record(cluster, pod)


def _processes(workload: Workload, ref: ObjectRef, container: str) -> Callable[[], Awaitable[bytes]]:
    async def take() -> bytes:
        why: list[str] = []
        for command in PROCESSES:
            try:
                return await workload.output(ref, container, command, limit=LIMIT)
            except Refused as error:
                why.append(str(error))
        raise Refused("; ".join(dict.fromkeys(why)))

    return take


def _connections(
    workload: Workload, ref: ObjectRef, containers: Sequence[str]
) -> Callable[[], Awaitable[bytes]]:
    """Containers of a pod share one network: whichever can be asked."""

    async def take() -> bytes:
        last: FirebreakError = Refused("it has no container that could be asked")
        for container in containers:
            try:
                return await workload.output(ref, container, CONNECTIONS, limit=LIMIT)
            except FirebreakError as error:
                last = error
        raise last

    return take


def _log(
    workload: Workload, ref: ObjectRef, container: str, *, previous: bool
) -> Callable[[], Awaitable[bytes]]:
    async def take() -> bytes:
        return await workload.logs(ref, container, previous=previous, limit=LIMIT)

    return take


def _on_record(cluster: Cluster, pod: Manifest) -> list[Piece]:
    metadata, spec = pod["metadata"], pod["spec"]
    name, namespace, uid = metadata["name"], metadata["namespace"], metadata["uid"]

    async def itself() -> bytes:
        return told(pod)

    async def events() -> bytes:
        found = await cluster.list(EVENTS, namespace)
        return told([one for one in found if (one.get("involvedObject") or {}).get("uid") == uid])

    async def node() -> bytes:
        return told(await cluster.get(NODES.ref(spec["nodeName"])))

    async def policies() -> bytes:
        return told(await cluster.list(NETWORK_POLICIES, namespace))

    sets = [str(one["name"]) for one in metadata.get("ownerReferences") or () if one["kind"] == "ReplicaSet"]
    return [
        Piece(f"pod {name}", itself, text=False),
        Piece(f"events of {name}", events, text=False),
        *(Piece(f"owner {one} of {name}", _owner(cluster, one, namespace), text=False) for one in sets),
        *([Piece(f"node {spec['nodeName']} of {name}", node, text=False)] if spec.get("nodeName") else []),
        Piece(f"network policies of {namespace}", policies, text=False),
    ]


def _owner(cluster: Cluster, name: str, namespace: str) -> Callable[[], Awaitable[bytes]]:
    async def take() -> bytes:
        return told(await cluster.get(REPLICA_SETS.ref(name, namespace)))

    return take


def told(found: Any) -> bytes:
    """Return objects as they are kept: JSON, without secrets and without the server's bookkeeping."""
    return json.dumps(harmless(found), indent=1, sort_keys=True).encode()


def harmless(value: Any) -> Any:
    """Return JSON without secrets: values of variables, arguments, annotations, whatever looks like one."""
    if isinstance(value, dict):
        if isinstance(value.get("name"), str) and isinstance(value.get("value"), str):
            given = f"{value['name']}={value['value']}"
            safe = redact(given)
            return value if safe == given else {**value, "value": safe.partition("=")[2]}
        return {key: _member(key, item) for key, item in value.items() if key != "managedFields"}
    if isinstance(value, list):
        return [harmless(item) for item in value]
    return redact(value) if isinstance(value, str) else value


def _member(key: str, item: Any) -> Any:
    if key == COPY:
        return "[left out: a copy of the object]"
    if key in ("args", "command") and isinstance(item, list):
        joined = " ".join(map(str, item))
        return item if redact(joined) == joined else redact(joined)
    return redact_named(key, item) if isinstance(item, str) else harmless(item)


def readable(content: bytes) -> bytes:
    """Return what was printed or logged, without secrets."""
    return redact(content.decode("utf-8", "replace")).encode("utf-8", "replace")
