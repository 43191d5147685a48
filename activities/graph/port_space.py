"""All ports of all protocols, cut where any policy cuts: a set of ports is then a few bits of a Python int."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from activities.graph.network_policy import PROTOCOLS

FIRST, LAST = 1, 65535
PortRange = tuple[str, int, int]
"""Protocol, first and last port, both included."""


class PortSpace:
    """Ports between which no policy tells a difference are one bit."""

    def __init__(self, ranges: Iterable[PortRange]) -> None:
        """Cut every protocol at both ends of every range."""
        cuts: dict[str, set[int]] = {protocol: {FIRST} for protocol in PROTOCOLS}
        for protocol, first, last in ranges:
            if protocol in cuts:
                cuts[protocol] |= {number for number in (first, last + 1) if FIRST <= number <= LAST}
        self._starts = {protocol: sorted(numbers) for protocol, numbers in cuts.items()}
        self._offsets: dict[str, int] = {}
        self._spans: list[PortRange] = []
        for protocol, starts in self._starts.items():
            self._offsets[protocol] = len(self._spans)
            ends = [*(start - 1 for start in starts[1:]), LAST]
            self._spans += [(protocol, start, end) for start, end in zip(starts, ends, strict=True)]
        self.everything = (1 << len(self._spans)) - 1
        self._told: dict[int, tuple[PortRange, ...]] = {}

    def bits(self, span: PortRange) -> int:
        """Return the ports of a range along which this space was cut; none where the protocol is unheard of."""
        protocol, first, last = span
        if protocol not in self._starts or first > last:
            return 0
        starts, offset = self._starts[protocol], self._offsets[protocol]
        low, high = bisect_left(starts, first), bisect_right(starts, last)
        return ((1 << high) - (1 << low)) << offset if high > low else 0

    def bit(self, protocol: str, number: int) -> int:
        """Return the set that holds one port, of a known protocol."""
        return 1 << (self._offsets[protocol] + bisect_right(self._starts[protocol], number) - 1)

    def ranges(self, bits: int) -> tuple[PortRange, ...]:
        """Return a set as the fewest ranges, by protocol and number."""
        if bits not in self._told:
            found: list[PortRange] = []
            for place, (protocol, first, last) in enumerate(self._spans):
                if not bits >> place & 1:
                    continue
                if found and found[-1][0] == protocol and found[-1][2] == first - 1:
                    found[-1] = (protocol, found[-1][1], last)
                else:
                    found.append((protocol, first, last))
            self._told[bits] = tuple(found)
        return self._told[bits]
