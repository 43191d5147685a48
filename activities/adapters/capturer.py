"""The kind `Capture` as the executor sees it: to create one is to order it, and its status is what came of it."""

from datetime import UTC, datetime
from uuid import uuid4

from activities.adapters.orders import Ask, carried_out
from activities.ports import Manifest
from activities.refusing import Refusing
from signals.captures import CaptureOrder
from signals.entities import ClusterRef
from signals.envelope import Signer, Trust
from signals.plans import ObjectRef
from signals.subjects import CAPTURER


class Captures(Refusing):
    """Captures, by the hands of the capturer."""

    def __init__(self, ref: ClusterRef, signer: Signer, trust: Trust, ask: Ask) -> None:
        """Order as `signer`, about this cluster, by way of `ask`."""
        super().__init__(ref)
        self._signer = signer
        self._trust = trust
        self._ask = ask

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Have these pods captured, for the action whose id is the name; a dry run orders nothing."""
        if dry_run:
            return manifest
        order = CaptureOrder(
            id=uuid4().hex,
            cluster=self.ref,
            at=datetime.now(UTC),
            incident=manifest["spec"]["incident"],
            action=ref.name,
            targets=manifest["spec"]["targets"],
        )
        result = await carried_out(CAPTURER, order.id, self._signer.seal(order), self._trust, self._ask)
        return {**manifest, "status": result}
