"""The shape of a notifier: one way to reach people, off until the settings that it needs are there."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

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


@dataclass(frozen=True, kw_only=True)
class Notifier:
    """One way to reach people. `connect` is given the settings named in `needs`, and no others."""

    name: str
    reaches: str
    """Whom and how, in one line, for the reference."""
    needs: tuple[str, ...]
    connect: Callable[[Given], Channel]


def connect_all(notifiers: Iterable[Notifier], settings: Given) -> dict[str, Channel]:
    """Return the channels, by name, whose every setting is given."""
    return {
        notifier.name: notifier.connect({name: settings[name] for name in notifier.needs})
        for notifier in notifiers
        if all(settings.get(name) is not None for name in notifier.needs)
    }
