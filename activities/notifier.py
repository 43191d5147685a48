"""The shape of a notifier: one way to reach people, off until the settings that it needs are there."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from activities.ports import Entry, KeyValue
from signals.channels import ChannelOptions
from signals.pages import Page

Given = Mapping[str, Any]
"""Settings by name; None is the same as not given."""


class Channel(Protocol):
    """One open way to reach people."""

    async def send(self, page: Page) -> None:
        """Tell people, once, even if called again with the same `dedup_key`.

        Raises:
            Unavailable: nobody was told, and the same call may work later.
            Refused: nobody was told, and no retry will change that.
        """


@runtime_checkable
class OwnersChannel(Protocol):
    """A channel that reaches owners of workloads too, each where they are."""

    async def tell_owners(self, page: Page, room: str) -> None:
        """Tell whoever reads this room, as `send` does; `room` is what the policy says of their namespace."""


class Drawer:
    """The part of a bucket whose keys begin with a prefix, as `activities.ports.KeyValue`."""

    def __init__(self, bucket: KeyValue, prefix: str) -> None:
        """Keep everything under `prefix/`."""
        self._bucket = bucket
        self._prefix = f"{prefix}/"

    async def get(self, key: str) -> Entry | None:
        """Return the value, or None where there is none."""
        return await self._bucket.get(self._prefix + key)

    async def create(self, key: str, value: bytes) -> int:
        """Write a new key; `Conflict` if it exists."""
        return await self._bucket.create(self._prefix + key, value)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write over one known revision; `Conflict` if it is not the last."""
        return await self._bucket.update(self._prefix + key, value, revision)

    async def delete(self, key: str) -> None:
        """Delete a key; it is no error if there is none."""
        await self._bucket.delete(self._prefix + key)

    async def keys(self) -> list[str]:
        """Return all keys of this part."""
        found = await self._bucket.keys()
        return [key.removeprefix(self._prefix) for key in found if key.startswith(self._prefix)]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What a channel works with, besides its settings."""

    memory: KeyValue
    """What it must know after a restart, such as which ticket is an incident's. No other channel sees it."""
    report: Callable[[str], Awaitable[bytes | None]]
    """The report of an incident as one HTML file, redacted; None when nobody can tell it now."""


@dataclass(frozen=True, kw_only=True)
class Notifier:
    """One way to reach people. `connect` is given the settings named in `needs` and `uses`, and no others."""

    name: str
    reaches: str
    """Whom and how, in one line, for the reference."""
    needs: tuple[str, ...]
    uses: tuple[str, ...] = ()
    """Settings that it takes into account where they are given."""
    connect: Callable[[Given, Desk], Channel]
    options: ChannelOptions | None = None
    """What it is told where the policy says nothing else; None: everything, and no record of it is kept."""


def missing(notifier: Notifier, settings: Given) -> tuple[str, ...]:
    """Return the settings without which this notifier is off."""
    return tuple(name for name in notifier.needs if settings.get(name) is None)


def connect_all(
    notifiers: Iterable[Notifier], settings: Given, desk: Callable[[str], Desk]
) -> dict[str, Channel]:
    """Return the channels, by name, whose every setting is given; `desk` returns the desk of each.

    Raises:
        SettingsInvalid: a setting, or a file that it names, cannot work.
    """
    return {
        notifier.name: notifier.connect(
            {name: settings.get(name) for name in (*notifier.needs, *notifier.uses)}, desk(notifier.name)
        )
        for notifier in notifiers
        if not missing(notifier, settings)
    }
