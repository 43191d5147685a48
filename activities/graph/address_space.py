"""All addresses outside of the cluster, cut where any policy cuts: a set of addresses is then a bitset.

IPv4 comes first, then IPv6. A range is written `first-last`, also where it is a block or one address.
"""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from activities.graph.selectors import union

_FAMILIES = ((4, 32), (6, 128))


class AddressSpace:
    """Addresses between which no policy tells a difference are one bit."""

    def __init__(self, blocks: Iterable[str]) -> None:
        """Cut both families at both ends of every block.

        Raises:
            ValueError: a block is none.
        """
        cuts: dict[int, set[int]] = {4: {0}, 6: {0}}
        for block in blocks:
            network = ipaddress.ip_network(block, strict=False)
            first, behind = int(network.network_address), int(network.broadcast_address) + 1
            cuts[network.version] |= {first, behind} - {1 << network.max_prefixlen}
        self._starts = {family: sorted(numbers) for family, numbers in cuts.items()}
        self._offsets = {4: 0, 6: len(self._starts[4])}
        self.everything = (1 << (len(self._starts[4]) + len(self._starts[6]))) - 1

    def block(self, cidr: str, holes: Iterable[str] = ()) -> int:
        """Return the addresses of a block, less its holes.

        Where this space was not cut along the block, all that touches it is returned.

        Raises:
            ValueError: it is no block.
        """
        return self._whole(cidr) & ~union(self._whole(hole) for hole in holes)

    def between(self, text: str) -> int:
        """Return all addresses that are not told apart from one of those in an address, block or `first-last`.

        Raises:
            ValueError: it is none of these.
        """
        first, dash, last = text.partition("-")
        if not dash:
            return self._whole(text)
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
        if low.version != high.version or int(low) > int(high):
            raise ValueError(f"{text} is no range of addresses")
        return (2 << self._place(high.version, int(high))) - (1 << self._place(low.version, int(low)))

    def _whole(self, cidr: str) -> int:
        network = ipaddress.ip_network(cidr, strict=False)
        low = self._place(network.version, int(network.network_address))
        return (2 << self._place(network.version, int(network.broadcast_address))) - (1 << low)

    def _place(self, family: int, number: int) -> int:
        return self._offsets[family] + bisect_right(self._starts[family], number) - 1

    def ranges(self, bits: int) -> Iterator[tuple[int, int, str]]:
        """Yield a set as the fewest ranges: the place of the first and the last bit, and how it is written."""
        for family, size in _FAMILIES:
            starts, offset = self._starts[family], self._offsets[family]
            own = bits >> offset & ((1 << len(starts)) - 1)
            while own:
                low = (own & -own).bit_length() - 1
                filled = own >> low
                high = low + (~filled & (filled + 1)).bit_length() - 1
                own &= -1 << high
                behind = starts[high] if high < len(starts) else 1 << size
                ends = (_written(family, starts[low]), _written(family, behind - 1))
                yield offset + low, offset + high - 1, "-".join(ends)


def _written(family: int, number: int) -> str:
    return str(ipaddress.IPv4Address(number) if family == 4 else ipaddress.IPv6Address(number))
