"""The kind `Freeze` as the executor sees it: a cluster that holds nothing else, behind the credential-freezer.

Every call becomes an order that the executor signs; the answer counts only if the freezer signed it, about this
very order.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from pydantic import ValidationError

from activities.consent import Consents
from activities.ports import Change, Manifest, Resource
from signals.entities import ClusterRef
from signals.envelope import Signer, Trust
from signals.errors import Refused, Unavailable
from signals.orders import Answered, FreezeOrder, FreezeVerb
from signals.plans import ObjectRef
from signals.subjects import CREDENTIAL_FREEZER

Ask = Callable[[bytes], Awaitable[bytes]]
"""Brings an order to the freezer and its answer back; raises what the freezer raised, or `Unavailable`."""


class Freezes:
    """Freeze objects, by the hands of the credential-freezer."""

    def __init__(self, ref: ClusterRef, signer: Signer, trust: Trust, ask: Ask, consents: Consents) -> None:
        """Order as `signer`, about this cluster, by way of `ask`, on the word of people where they gave it."""
        self._ref = ref
        self._signer = signer
        self._trust = trust
        self._ask = ask
        self._consents = consents

    @property
    def ref(self) -> ClusterRef:
        """Which cluster this is."""
        return self._ref

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

    async def evict(self, ref: ObjectRef, *, grace_seconds: int, dry_run: bool = False) -> None:
        """Refuse: a freeze is no pod."""
        raise Refused("only pods can be evicted")

    def watch(self, resource: Resource, namespace: str | None = None) -> AsyncIterator[Change]:
        """Refuse: the freezer answers questions, it does not report."""
        raise Refused("freezes are not watched")

    async def _order(self, verb: FreezeVerb, **what: Any) -> Any:
        order = FreezeOrder(id=uuid4().hex, cluster=self._ref, at=datetime.now(UTC), verb=verb, **what)
        payload = self._signer.seal(order).model_dump_json().encode()
        try:
            answer = Answered.model_validate_json(await self._ask(payload))
            self._trust.check_sealed(CREDENTIAL_FREEZER, answer)
        except ValidationError as error:
            raise Unavailable(f"what came back is no answer of the {CREDENTIAL_FREEZER}") from error
        if answer.order != order.id:
            raise Refused(f"the {CREDENTIAL_FREEZER} answered another order")
        return answer.result
