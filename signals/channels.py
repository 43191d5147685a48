"""What each way to reach people is told, and when: the part of the policy that is about nothing but noise."""

from datetime import datetime
from fnmatch import fnmatchcase

from pydantic import BaseModel

from signals.pages import Page, PageKind
from signals.threats import Severity
from signals.windows import Window


class QuietHours(Window, frozen=True, extra="forbid"):
    """A time in which a channel is told of critical things only; the rest is sent as one summary afterwards."""


class ChannelOptions(BaseModel, frozen=True, extra="forbid"):
    """What one channel is told. What belongs to an incident that it knows already always reaches it."""

    minimum: Severity | None = None
    """The least severe page that begins something there; none: the channel's own default."""
    kinds: tuple[PageKind, ...] | None = None
    """Kinds of page that begin something there; none: the channel's own default."""
    namespaces: tuple[str, ...] = ("*",)
    """Namespaces (shell patterns) of which it is told. What concerns the whole cluster always reaches it."""
    quiet: tuple[QuietHours, ...] = ()
    """When it is told of critical things only."""

    def over(self, default: "ChannelOptions") -> "ChannelOptions":
        """Return these options, with a channel's own defaults where they say nothing."""
        minimum = default.minimum if self.minimum is None else self.minimum
        kinds = default.kinds if self.kinds is None else self.kinds
        return self.model_copy(update={"minimum": minimum, "kinds": kinds})

    def wants(self, page: Page) -> bool:
        """Return whether a page may begin something on this channel."""
        severe = self.minimum is None or page.severity.rank >= self.minimum.rank
        kind = self.kinds is None or page.kind in self.kinds
        return severe and kind and self.hears_of(page.namespace)

    def hears_of(self, namespace: str) -> bool:
        """Return whether it is told of this namespace; an empty one is the whole cluster."""
        return not namespace or any(fnmatchcase(namespace, pattern) for pattern in self.namespaces)

    def silent(self, page: Page, at: datetime) -> bool:
        """Return whether a page waits until the quiet hours are over. A critical one never does."""
        critical = page.severity is Severity.CRITICAL
        return not critical and self.sleeps(at)

    def sleeps(self, at: datetime) -> bool:
        """Return whether quiet hours hold at this instant."""
        return any(window.holds(at) for window in self.quiet)

    def __str__(self) -> str:
        """Return them in one line, for `firebreak notify list`."""
        kinds = "every kind" if self.kinds is None else ", ".join(self.kinds)
        hours = ", ".join(f"{w.since:%H:%M}-{w.until:%H:%M} {w.timezone}" for w in self.quiet)
        quiet = f"; quiet {hours}" if hours else ""
        return (
            f"from {self.minimum or Severity.INFO}; {kinds}; namespaces {', '.join(self.namespaces)}{quiet}"
        )
