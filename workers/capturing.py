"""Keeps what can be had of a pod before it is gone, by order of the executor; bounded in time and size.

The right to look inside a pod is not the capturer's own: it is a RoleBinding that the executor makes for one
capture and takes away after it. A piece that cannot be had is a result with its reason, and stops nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError

from activities.ports import PODS, Cluster, KeyValue, Manifest, Workload
from signals.captures import CaptureManifest, CaptureOrder
from signals.entities import Entity
from signals.envelope import Signer, Trust
from signals.errors import Conflict, FirebreakError, NotFound, Refused, Undecodable
from signals.orders import Answered
from signals.receipts import Captured
from signals.redaction import redact
from signals.subjects import NAMESPACE
from workers.evidence import Evidence
from workers.keeping import LIMIT, Piece, readable, volatility
from workers.orders import Orders

SECONDS = 30.0
"""How long one capture may take, all pods together."""
PIECE_SECONDS = 10.0
MOST_PODS = 5
RIGHTS_SECONDS, RIGHTS_PAUSE = 2.0, 0.05
"""How long a new RoleBinding may take to be known to every API server."""
AT_ONCE = 8

log = structlog.get_logger(__name__)


class Capturer:
    """One capturer, at one API server."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        workload: Workload,
        signer: Signer,
        trust: Trust,
        bucket: KeyValue,
        seconds: float = SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Look at this cluster as the capturer; keep in this bucket."""
        self._cluster = cluster
        self._workload = workload
        self._signer = signer
        self._evidence = Evidence(bucket)
        self._orders = Orders(cluster.ref, trust, now)
        self._seconds = seconds
        self._now = now

    async def answer(self, payload: bytes) -> bytes:
        """Carry out one order; return what was kept, signed.

        Raises:
            Undecodable: it is no order.
            Refused: nobody may give it.
            Unavailable: nothing can be kept.
        """
        try:
            order = CaptureOrder.model_validate_json(payload)
        except ValidationError as error:
            raise Undecodable(f"this is no order: {error.errors()[0]['msg']}") from error
        self._orders.prove(order, order)
        items = await self._capture(order.targets)
        name = await self._written_down(order, items)
        log.info(
            "captured", incident=order.incident, kept=sum(not one.failed for one in items), of=len(items)
        )
        result = {"manifest": name, "items": [one.model_dump(mode="json") for one in items]}
        return self._signer.seal(Answered(order=order.id, result=result)).model_dump_json().encode()

    async def _capture(self, targets: Sequence[Entity]) -> tuple[Captured, ...]:
        ends = asyncio.get_running_loop().time() + self._seconds
        slots = asyncio.Semaphore(AT_ONCE)
        failed = [
            _failed(str(target), f"only {MOST_PODS} pods are captured at once")
            for target in targets[MOST_PODS:]
        ]
        plans: list[tuple[list[Piece], ...]] = []
        for target in targets[:MOST_PODS]:
            try:
                pod = await self._pod(target)
            except FirebreakError as error:
                failed.append(_failed(str(target), str(error)))
            else:
                plans.append(volatility(self._cluster, self._workload, pod))
        kept: list[Captured] = []
        for together in zip(*plans, strict=True):
            pieces = [piece for pieces in together for piece in pieces]
            kept += await asyncio.gather(*(self._piece(piece, ends, slots) for piece in pieces))
        return *kept, *failed

    async def _pod(self, target: Entity) -> Manifest:
        """Return the pod that is meant, once our right to read it is known."""
        if target.kind != "Pod" or not target.uid or target.namespace in (None, NAMESPACE):
            raise Refused("it is not a pod that may be looked into")
        ends = asyncio.get_running_loop().time() + RIGHTS_SECONDS
        while True:
            try:
                pod = await self._cluster.get(PODS.ref(target.name, target.namespace))
            except Refused:
                if asyncio.get_running_loop().time() > ends:
                    raise
                await asyncio.sleep(RIGHTS_PAUSE)
            else:
                if pod["metadata"]["uid"] != target.uid:
                    raise NotFound("it is another pod now, of the same name")
                return pod

    async def _piece(self, piece: Piece, ends: float, slots: asyncio.Semaphore) -> Captured:
        async with slots:
            left = min(PIECE_SECONDS, ends - asyncio.get_running_loop().time())
            if left <= 0:
                return _failed(piece.what, f"the {self._seconds:.0f} s of this capture are over")
            try:
                async with asyncio.timeout(left):
                    taken = await piece.take()
                    safe = await asyncio.to_thread(readable, taken) if piece.text else taken
                    content = safe[:LIMIT]
                    name = await self._evidence.keep(content)
            except TimeoutError:
                return _failed(piece.what, f"it took longer than {left:.0f} s")
            except FirebreakError as error:
                return _failed(piece.what, str(error))
        cut = f" (cut at {LIMIT // 1024} KiB)" if len(taken) >= LIMIT else ""
        return Captured(name=name, what=f"{piece.what}{cut}", sha256=name, size=len(content))

    async def _written_down(self, order: CaptureOrder, items: tuple[Captured, ...]) -> str:
        """Keep the manifest of this capture behind the incident's latest one; return its name."""
        while True:
            manifest = CaptureManifest(
                incident=order.incident,
                action=order.action,
                cluster=order.cluster,
                at=self._now(),
                previous=await self._evidence.latest(order.incident),
                items=items,
            )
            try:
                return await self._evidence.add(order.incident, self._signer.seal(manifest))
            except Conflict:
                continue


def _failed(what: str, why: str) -> Captured:
    return Captured(name=what, what=what, failed=redact(why)[:500])
