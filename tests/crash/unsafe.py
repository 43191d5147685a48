"""Three ways of being wrong that the crash suite must see: each is what an engine without our care does."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from activities import applying, writing
from activities.adapters.kubernetes import KubernetesCluster
from activities.ports import NETWORK_POLICIES, Manifest
from signals.plans import ObjectRef
from workers import intake

LATE_SECONDS = 1.0
"""How long an alert that was answered already waits before it is stored."""


def repeating() -> None:
    """Give every attempt at a policy another name: a retry makes a second one."""
    create = KubernetesCluster.create

    async def named_anew(
        self: KubernetesCluster, ref: ObjectRef, manifest: Manifest, *, dry_run: bool = False
    ) -> Manifest:
        if not dry_run and ref.resource == NETWORK_POLICIES.plural:
            name = f"{ref.name[:50]}-{secrets.token_hex(4)}"
            ref = ref.model_copy(update={"name": name})
            manifest = {**manifest, "metadata": {**manifest["metadata"], "name": name}}
        return await create(self, ref, manifest, dry_run=dry_run)

    KubernetesCluster.create = named_anew  # type: ignore[method-assign]


def hasty() -> None:
    """Answer an alert before it is on disk."""
    accept = intake.Intake.accept
    waiting: set[asyncio.Task[Any]] = set()

    async def answered_first(self: Any, *given: Any) -> intake.Accepted:
        async def later() -> None:
            await asyncio.sleep(LATE_SECONDS)
            await accept(self, *given)

        task = asyncio.create_task(later())
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        return intake.Accepted(1)

    intake.Intake.accept = answered_first  # type: ignore[assignment, method-assign]


def forgetful() -> None:
    """Plan what goes on record, and with it the inverse, after the write: it takes our own change for the past."""
    write = applying.Applying.write

    async def written_first(self: applying.Applying, decision: Any, plan: Any, *rest: Any) -> Any:
        for planned in plan.actions:
            await writing.apply(self._cluster, planned)
        late = await self.plan(decision, {}, plan.policy_digest)
        return await write(self, decision, late, *rest)

    applying.Applying.write = written_first  # type: ignore[assignment, method-assign]


VARIANTS: Mapping[str, Callable[[], None]] = MappingProxyType(
    {"repeating": repeating, "hasty": hasty, "forgetful": forgetful}
)
