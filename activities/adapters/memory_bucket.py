"""A bucket in a dictionary: for whoever has no server to keep anything in. What it holds ends with the process."""

from activities.ports import Entry
from signals.errors import Conflict


class MemoryBucket:
    """Keeps values as `activities.ports.KeyValue` does, but for durability."""

    def __init__(self) -> None:
        """Begin empty."""
        self.entries: dict[str, Entry] = {}
        self._revision = 0

    async def get(self, key: str) -> Entry | None:
        """Return the value, or None where there is none."""
        return self.entries.get(key)

    async def create(self, key: str, value: bytes) -> int:
        """Write a new key; `Conflict` if it exists."""
        if key in self.entries:
            raise Conflict(f"{key} exists")
        return self._put(key, value)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write over one known revision; `Conflict` if it is not the last."""
        if key not in self.entries or self.entries[key].revision != revision:
            raise Conflict(f"{key} has another revision")
        return self._put(key, value)

    async def delete(self, key: str) -> None:
        """Delete a key; it is no error if there is none."""
        self.entries.pop(key, None)

    async def keys(self) -> list[str]:
        """Return all keys."""
        return list(self.entries)

    def _put(self, key: str, value: bytes) -> int:
        self._revision += 1
        self.entries[key] = Entry(value, self._revision)
        return self._revision
