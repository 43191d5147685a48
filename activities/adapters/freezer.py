"""The kind `Freeze` as the executor sees it: a cluster that holds nothing else, behind the credential-freezer.

Every call becomes an order that the executor signs; the answer counts only if the freezer signed it, about this
very order.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from activities.adapters.orders import Ask, carried_out
from activities.consent import Consents
from activities.ports import Manifest, Resource
from activities.refusing import Refusing
from signals.entities import ClusterRef
from signals.envelope import Signer, Trust
from signals.errors import Refused
from signals.orders import FreezeOrder, FreezeVerb
from signals.plans import ObjectRef
from signals.subjects import CREDENTIAL_FREEZER


class Freezes(Refusing):
    """Freeze objects, by the hands of the credential-freezer."""

    def __init__(self, ref: ClusterRef, signer: Signer, trust: Trust, ask: Ask, consents: Consents) -> None:
        """Order as `signer`, about this cluster, by way of `ask`, on the word of people where they gave it."""
        super().__init__(ref)
        self._signer = signer
        self._trust = trust
        self._ask = ask
        self._consents = consents

    async def get(self, ref: ObjectRef) -> Manifest:
        """Return one freeze."""
        return cast("Manifest", await self._order(FreezeVerb.GET, name=ref.name))

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        """Return all freezes that match a label selector; with a namespace, those of its pods."""
        found: list[Manifest] = await self._order(FreezeVerb.LIST, labels=labels)
        return [one for one in found if namespace in (None, one["spec"]["namespace"])]

    async def create(self, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Freeze one pod, on the word of the person who approved it, if there is one."""
        approval = await self._consents.of(ref.name)
        made = await self._order(
            FreezeVerb.CREATE, name=ref.name, manifest=manifest, dry_run=dry_run, approval=approval
        )
        return cast("Manifest", made)

    async def patch(
        self,
        ref: ObjectRef,
        operations: Sequence[Manifest],
        *,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Manifest:
        """Move the end of one freeze."""
        if subresource:
            raise Refused(f"a freeze has no {subresource}")
        moved = await self._order(
            FreezeVerb.PATCH, name=ref.name, operations=tuple(operations), dry_run=dry_run
        )
        return cast("Manifest", moved)

    async def delete(self, ref: ObjectRef, *, dry_run: bool = False) -> None:
        """Thaw one pod."""
        await self._order(FreezeVerb.DELETE, name=ref.name, uid=ref.uid, dry_run=dry_run)

    async def _order(self, verb: FreezeVerb, **what: Any) -> Any:
        order = FreezeOrder(id=uuid4().hex, cluster=self.ref, at=datetime.now(UTC), verb=verb, **what)
        return await carried_out(
            CREDENTIAL_FREEZER, order.id, self._signer.seal(order), self._trust, self._ask
        )
