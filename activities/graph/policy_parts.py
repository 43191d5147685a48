"""Parts that several kinds of network policy are made of, checked while they are read."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any

from activities.graph.network_policy import Object
from activities.graph.selectors import requirements
from activities.graph.tiers import Block, Ports


def named(metadata: Mapping[str, Any]) -> str:
    """Return `namespace/name`, or the name alone."""
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata.get('name')}" if namespace else str(metadata.get("name"))


def selector(given: Object | None) -> Object:
    """Return a label selector, an absent one as the empty one.

    Raises:
        ValueError, KeyError, AttributeError: it is none.
    """
    for one in requirements(given or {}):
        if not all(isinstance(text, str) for text in (one.key, *(one.values or ()))):
            raise ValueError(f"a selector compares {one.key} with something that is no text")
    return given or {}


def block(cidr: str, holes: Iterable[str] = (), *, pods: bool) -> Block:
    """Return a block of addresses.

    Raises:
        ValueError: it, or a hole, is none.
    """
    for text in (cidr, *holes):
        ip_network(text, strict=False)
    return Block(cidr=cidr, holes=tuple(holes), pods=pods)


def span(protocol: str, first: Any, last: Any) -> Ports:
    """Return ports by number.

    Raises:
        ValueError: they are none.
    """
    if not (isinstance(first, int) and isinstance(last, int)):
        raise ValueError(f"{first!r} is no port")
    return Ports(protocol=protocol, first=first, last=last)
