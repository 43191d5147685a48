"""Who is at the other end of the connection that an alert shows.

Falco names it in several ways, most of them optional: `fd.rip`, `fd.sip`, `fd.name` as `client->server`, or only
inside the text of its output.
"""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from signals.telemetry.falco import Alert
from signals.threats import Peer

_PAIR = re.compile(
    r"(?:^|[\s=(])\[?([0-9A-Fa-f.:]{2,45}?)\]?:(\d{1,5})->\[?([0-9A-Fa-f.:]{2,45}?)\]?:(\d{1,5})(?![\d.:\]])"
)
_PROTOCOLS = frozenset({"TCP", "UDP", "SCTP"})


@dataclass(frozen=True)
class _End:
    """One end of a connection; no address where it is not known, or is none that one could block."""

    address: str
    port: int | None


_UNKNOWN = _End("", None)


def peer(alert: Alert, own: Collection[str] = ()) -> Peer | None:
    """Return the end of the connection that is not ours, None where the alert names none that is outside.

    `own` are the addresses of the pod that the alert is about, where they are known. The port is always that of
    the server: what a policy is about in either direction.
    """
    client, server = _ends(alert)
    remote, local = _address(alert.text("fd.rip")), _address(alert.text("fd.lip"))
    called = bool(client.address) and remote == client.address != server.address
    serving = bool(server.address) and (server.address in own or server.address == local or called)
    if serving:
        return _peer(alert, client.address or remote, server.port, "Ingress")
    return _peer(alert, server.address or remote, server.port or _port(alert.text("fd.rport")), "Egress")


def _peer(alert: Alert, address: str, port: int | None, direction: str) -> Peer | None:
    if not address:
        return None
    protocol = alert.text("fd.l4proto").upper()
    return Peer(
        address=address,
        port=port,
        protocol=protocol if protocol in _PROTOCOLS else "TCP",
        direction=direction,
    )


def _ends(alert: Alert) -> tuple[_End, _End]:
    """Return client and server, from the fields, else from the pair in `fd.name` or in the output."""
    pair = _PAIR.search(alert.text("fd.name")) or _PAIR.search(alert.output)
    client = _End(_address(pair[1]), _port(pair[2])) if pair else _UNKNOWN
    server = _End(_address(pair[3]), _port(pair[4])) if pair else _UNKNOWN
    return (
        _End(_address(alert.text("fd.cip")) or client.address, _port(alert.text("fd.cport")) or client.port),
        _End(_address(alert.text("fd.sip")) or server.address, _port(alert.text("fd.sport")) or server.port),
    )


@lru_cache(maxsize=4096)
def _address(text: str) -> str:
    """Return an address as it is written canonically, nothing where it is none or leads nowhere else."""
    if not text:
        return ""
    try:
        found = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback or found.is_unspecified or found.is_multicast:
        return ""
    return str(found)


def _port(text: str) -> int | None:
    return int(text) if text.isdecimal() and 0 < int(text[:6]) < 65536 else None
