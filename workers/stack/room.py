"""How much room the servers have: on the file systems on which they store, and in their streams.

What is full refuses, and nothing that was accepted is lost; but nobody sees it who does not look. So the supervisor
looks, and tells people once, each time that something begins to be short of room.
"""

from collections.abc import Mapping

from pydantic import BaseModel

MIB = 1 << 20
OUT_BYTES = 4 * MIB
"""Free space below which a server can be held to be out of it."""
LOW_SHARE, LOW_BYTES = 0.05, 1024 * MIB
"""A file system runs low below this share of its size, or these bytes, whichever is less."""
NEARLY_FULL = 0.8
"""Share of its limit from which on a stream is held to be nearly full."""
GOES_ON = "Nothing that was accepted is lost; it goes on by itself once there is room."


class Store(BaseModel, frozen=True):
    """Where one server stores, and how much room its file system has."""

    server: str
    path: str
    free_bytes: int
    size_bytes: int

    @property
    def out(self) -> bool:
        """Whether next to nothing can be written any more."""
        return self.free_bytes < OUT_BYTES

    @property
    def low(self) -> bool:
        """Whether that is near."""
        return self.free_bytes < min(LOW_SHARE * self.size_bytes, LOW_BYTES)

    def told(self) -> str:
        """Return what a person has to know, and what to do."""
        free = f"{self.free_bytes // MIB} of {self.size_bytes // MIB} MiB are free at {self.path}"
        if self.out:
            return f"{self.server} is out of space: {free}. Free some there. {GOES_ON}"
        return f"{self.server} runs out of space soon: {free}. Free some there, or move the state folder."


class Room(BaseModel, frozen=True):
    """How much room there is, on file systems and in streams."""

    stores: tuple[Store, ...]
    streams: Mapping[str, float] | None
    """Share of its limit, 0 to 1, that each stream holds of those that refuse when full; None: nobody says."""

    @property
    def troubles(self) -> dict[str, str]:
        """Return what a person has to see to, by what it is about. What was low and is full begins anew."""
        short = {store.server: store.told() for store in self.stores if store.out or store.low}
        out = {f"{store.server}, full": store.told() for store in self.stores if store.out and store.low}
        full = {
            stream: f"The stream {stream} is {_percent(share)} full, and refuses what is new once it is full."
            f" {_advice(stream)}"
            for stream, share in (self.streams or {}).items()
            if share >= NEARLY_FULL
        }
        return short | out | full


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _advice(stream: str) -> str:
    if stream.startswith("DEAD_"):
        return "See `firebreak deadletters list`: replay or drop what lies there."
    return "See `firebreak status` whether the agent that reads it is ready, and its log why it lags behind."
