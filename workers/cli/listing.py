"""Connections as JSON and as rows for people, and answers to questions about single ones."""

import json
from collections.abc import Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from activities.graph.asking import Asking, Verdict
from activities.graph.connections import Connection
from activities.graph.port_space import FIRST, LAST, PortRange
from activities.ports import (
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Resource,
)
from signals.errors import BadInput

_POLICY = "policy.networking.k8s.io"
KINDS = (
    ("Namespace", NAMESPACES),
    ("Pod", PODS),
    ("ReplicaSet", REPLICA_SETS),
    ("Deployment", DEPLOYMENTS),
    ("StatefulSet", STATEFUL_SETS),
    ("DaemonSet", DAEMON_SETS),
    ("Job", JOBS),
    ("CronJob", CRON_JOBS),
    ("ReplicationController", Resource("", "v1", "replicationcontrollers")),
    ("NetworkPolicy", NETWORK_POLICIES),
    ("AdminNetworkPolicy", Resource(_POLICY, "v1alpha1", "adminnetworkpolicies")),
    ("BaselineAdminNetworkPolicy", Resource(_POLICY, "v1alpha1", "baselineadminnetworkpolicies")),
    ("ClusterNetworkPolicy", Resource(_POLICY, "v1alpha2", "clusternetworkpolicies")),
    ("CiliumNetworkPolicy", Resource("cilium.io", "v2", "ciliumnetworkpolicies")),
    ("CiliumClusterwideNetworkPolicy", Resource("cilium.io", "v2", "ciliumclusterwidenetworkpolicies")),
    ("NetworkPolicy", Resource("crd.projectcalico.org", "v1", "networkpolicies")),
    ("GlobalNetworkPolicy", Resource("crd.projectcalico.org", "v1", "globalnetworkpolicies")),
    ("NetworkPolicy", Resource("crd.antrea.io", "v1beta1", "networkpolicies")),
    ("ClusterNetworkPolicy", Resource("crd.antrea.io", "v1beta1", "clusternetworkpolicies")),
)
"""All that decides about connections, as it is asked of a live cluster; what it does not have is skipped."""

HEADINGS = ("from", "to", "ports")
_ALLOWED = MappingProxyType({True: True, False: False, None: "unknown"})


def encode(connection: Connection) -> str:
    """Return one connection as `-o json` has it; `unknown` is there only where something is."""
    ports = _encoded(connection.ports)
    ends = f'"src": {_quoted(connection.source)}, "dst": {_quoted(connection.destination)}'
    unknown = f', "unknown": {_encoded(connection.unknown)}' if connection.unknown else ""
    return f'{{{ends}, "connections": {ports}{unknown}}}'


_quoted = lru_cache(maxsize=65536)(json.dumps)


@lru_cache(maxsize=65536)
def _encoded(ports: tuple[PortRange, ...]) -> str:
    return json.dumps(_by_protocol(ports))


def _by_protocol(ports: Sequence[PortRange]) -> list[dict[str, Any]]:
    spans: dict[str, list[list[int]]] = {}
    for protocol, first, last in ports:
        spans.setdefault(protocol, []).append([first, last])
    return [{"protocol": protocol, "ports": ranges} for protocol, ranges in spans.items()]


def row(connection: Connection) -> list[str]:
    """Return one connection for people, under `HEADINGS`."""
    parts = [_told(connection.ports)] if connection.ports else []
    if connection.unknown:
        parts.append(f"unknown: {_told(connection.unknown)}")
    return [connection.source, connection.destination, "; ".join(parts)]


def _told(ports: Sequence[PortRange]) -> str:
    spans: dict[str, list[str]] = {}
    for protocol, first, last in ports:
        span = "all" if (first, last) == (FIRST, LAST) else str(first) if first == last else f"{first}-{last}"
        spans.setdefault(protocol, []).append(span)
    if list(spans.values()) == [["all"]] * 3:
        return "all"
    return ", ".join(f"{protocol} {','.join(found)}" for protocol, found in spans.items())


class _Line(msgspec.Struct):
    """One question as it stands in a line."""

    source: str = msgspec.field(name="from")
    to: str
    port: int
    protocol: str | None = None


class Answers:
    """Answers lines about one network, each by a line."""

    def __init__(self, asking: Asking) -> None:
        """Ask `asking`."""
        self._asking = asking
        self.bad = 0
        """Lines that were no questions, or about somebody who is not there."""

    def line(self, line: bytes, place: str) -> str:
        """Return the answer to one line, as ASCII; a bad one is answered too, with an `error` naming its place."""
        try:
            asked = msgspec.json.decode(line, type=_Line)
            verdict = self._asking.ask(asked.source, asked.to, asked.protocol or "TCP", asked.port)
        except (msgspec.MsgspecError, UnicodeDecodeError, BadInput) as error:
            self.bad += 1
            return _ascii({"allowed": _ALLOWED[None], "by": [], "error": f"{place}: {error}"})
        return _ascii(_answered(verdict))


def _ascii(value: Any) -> str:
    return json.dumps(value).replace("\x7f", "\\u007f")


def _answered(verdict: Verdict) -> dict[str, Any]:
    by = [
        {
            "direction": direction.lower(),
            "kind": reason.policy.kind,
            "policy": reason.policy.name,
            "rule": reason.rule,
        }
        for direction, reason in verdict.by
    ]
    return {"allowed": _ALLOWED[verdict.allowed], "by": by}
