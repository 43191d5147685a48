"""Whether an order is one that the executor gave, about this cluster, just now, and for the first time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pydantic import BaseModel

from signals.entities import ClusterRef
from signals.envelope import Trust
from signals.errors import Refused, Unavailable
from signals.subjects import REMEDIATION_EXECUTOR

FRESH = timedelta(seconds=30)
"""How old an order may be, and how far the executor's clock may be ahead of ours."""


class Order(Protocol):
    """What every order says of itself."""

    @property
    def id(self) -> str:
        """Never used twice."""

    @property
    def cluster(self) -> ClusterRef:
        """Which cluster it is about."""

    @property
    def at(self) -> datetime:
        """When it was given."""


class Orders:
    """The orders that one process has taken."""

    def __init__(
        self, cluster: ClusterRef, trust: Trust, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Take orders about this cluster, by these keys, that are given from now on."""
        self._cluster = cluster
        self._trust = trust
        self._now = now
        self._since = now()
        self._taken: dict[str, datetime] = {}

    def prove(self, order: Order, message: BaseModel) -> None:
        """Return if the executor gave this order; the same one is never taken again.

        Raises:
            Refused: it is not signed by the executor, about another cluster, stale, or was taken already.
            Unavailable: it is from before we started, so it may have been taken then; give it anew.
        """
        self._trust.check_sealed(REMEDIATION_EXECUTOR, message)
        if order.cluster.uid != self._cluster.uid:
            raise Refused(f"the order is about cluster {order.cluster}, not {self._cluster}")
        now = self._now()
        if abs(now - order.at) > FRESH:
            raise Refused(
                f"the order is of {order.at:%H:%M:%S}, now it is {now:%H:%M:%S} UTC: check the clocks"
            )
        if order.at < self._since:
            raise Unavailable("the order is from before this agent started; give it anew")
        self._taken = {known: at for known, at in self._taken.items() if now - at <= FRESH}
        if order.id in self._taken:
            raise Refused("this order was taken already")
        self._taken[order.id] = order.at
