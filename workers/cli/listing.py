"""Connections as JSON and as rows for people, and answers to questions about single ones."""

import json
from collections.abc import Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

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


def answer(asking: Asking, line: str, place: str) -> dict[str, Any]:
    """Return the answer to one question, a line of JSON; `place` is where it stands.

    Raises:
        BadInput: the line is no question.
    """
    try:
        asked = json.loads(line)
        ends = str(asked["from"]), str(asked["to"])
        protocol, port = asked.get("protocol") or "TCP", int(asked["port"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        wanted = '{"from": "ns/pod", "to": "ns/pod" or address, "protocol": "TCP", "port": 80}'
        raise BadInput(f"{place}: a question is {wanted}, in one line.") from error
    try:
        return _answered(asking.ask(*ends, protocol, port))
    except BadInput as error:
        return {"allowed": _ALLOWED[None], "by": [], "missing": f"{place}: {error}"}


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
