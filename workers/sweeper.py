"""Looks at what stands in the cluster, by labels and expiry alone: no Temporal is needed to put things back.

Each round asks where something of ours stands, and reads the policies and pods there. Where something changed,
each standing action says whether it misses anything now, and its owner is told; now and then it makes sure that
there is an owner. Two minutes after an expiry that nobody acted upon the sweeper does what the stack says: it
releases, or, where silence must not let an intruder go, it holds on. That alone must work with everything else
dead.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

import structlog

from activities import release
from activities.action import Action
from activities.ports import ENROLMENTS, FREEZES, NETWORK_POLICIES, PODS, Cluster
from activities.records import Records
from activities.remains import Standing
from signals.errors import FirebreakError, NotFound, Unavailable
from signals.policy import Policy
from signals.receipts import ActionState, Receipt
from signals.subjects import CASE
from workers.belonging import parts
from workers.overdue import GRACE, Overdue, Owner

log = structlog.get_logger(__name__)


class Sweeper:
    """One executor's sweeper."""

    seconds = 2.0
    """Between two rounds."""
    rounds_between_roll_calls = 10

    def __init__(
        self,
        cluster: Cluster,
        records: Records,
        actions: Mapping[str, Action],
        owner: Owner,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        told: Callable[[str, list[str]], Awaitable[None]] | None = None,
        policy: Policy | None = None,
    ) -> None:
        """Sweep this cluster; the records say what each action would hold, the policy how long silence holds.

        `told` is told each case that was put back or held on, with what was done.
        """
        self._overdue = Overdue(cluster, records, owner, policy or Policy(), now, told)
        self._cases: dict[str, set[str]] = {}
        self._cluster = cluster
        self._records = records
        self._actions = actions
        self._owner = owner
        self._now = now
        self._seen: dict[str, str] = {}
        self._rounds = 0

    async def sweep(self) -> None:
        """Do one round. A namespace or a case that refuses stands in the way of no other.

        Raises:
            Unavailable, Refused: the API server did not say what stands.
        """
        cases: dict[str, list[Standing]] = defaultdict(list)
        for namespace in await self._held():
            try:
                stands = await self._stands(namespace)
                for one in stands:
                    cases[one.case].append(one)
                if await self._changed(namespace, stands):
                    await self._look(namespace, stands)
            except FirebreakError as error:
                log.warning("a namespace could not be swept", namespace=namespace, error=str(error))
        await self._expire_all(cases)
        await self._vanished(cases)
        self._rounds += 1
        if self._rounds % self.rounds_between_roll_calls == 0:
            await self._roll_call([one for stack in cases.values() for one in stack])

    async def _expire_all(self, cases: Mapping[str, list[Standing]]) -> None:
        for case, stack in cases.items():
            try:
                for part in await parts(stack, self._records, self._now() - GRACE):
                    await self._overdue.look(case, part)
            except FirebreakError as error:
                log.warning("a case could not be put back; it will be", case=case, error=str(error))

    async def _vanished(self, cases: Mapping[str, Sequence[Standing]]) -> None:
        """Tell the owner of a case of which nothing is left: its namespace is gone, or somebody released it."""
        now = {case: {one.incident for one in stack if one.incident} for case, stack in cases.items()}
        gone = {case: incidents for case, incidents in self._cases.items() if case not in now}
        try:
            for incident in sorted({incident for incidents in gone.values() for incident in incidents}):
                await self._owner.tell(incident)
        except Unavailable as error:
            log.warning("an owner could not be told; it will be", error=str(error))
            now |= gone
        self._cases = now

    async def _stands(self, namespace: str) -> list[Standing]:
        stands, blind = await release.look(self._cluster, [namespace])
        for why in blind:
            log.warning("part of what stands is out of sight", namespace=namespace, error=why)
        return stands

    async def _held(self) -> list[str]:
        """Return the enrolled namespaces in which something of ours is said to stand: two cheap questions."""
        enrolled, policies, pods = await asyncio.gather(
            self._cluster.list(ENROLMENTS),
            self._cluster.list(NETWORK_POLICIES, labels=CASE),
            self._cluster.list(PODS, labels=CASE),
        )
        allowed = {entry["metadata"]["name"] for entry in enrolled}
        held = {item["metadata"]["namespace"] for item in (*policies, *pods)}
        held |= await self._frozen()
        for namespace in set(self._seen) - held:
            del self._seen[namespace]
        return sorted(held & allowed)

    async def _frozen(self) -> set[str]:
        """Return the namespaces that have a pod whose credentials are frozen, as far as it can be known now."""
        try:
            return {str(one["spec"]["namespace"]) for one in await self._cluster.list(FREEZES, labels=CASE)}
        except FirebreakError:
            return set()

    async def _roll_call(self, stands: list[Standing]) -> None:
        """Make sure that somebody owns everything that stands; without Temporal nobody can be asked."""
        actions: dict[str, list[str]] = defaultdict(list)
        for one in stands:
            if one.incident and one.id:
                actions[one.incident].append(one.id)
        for incident, ids in actions.items():
            try:
                await self._owner.ensure(incident, ids)
            except Unavailable as error:
                log.warning("who owns a containment is not known", incident=incident, error=str(error))
                return

    async def _changed(self, namespace: str, stands: list[Standing]) -> bool:
        """Return whether anything is different around what stands in a namespace since the last round.

        What is new is looked at one round later: its own incident verifies it first.
        """
        policies = await self._cluster.list(NETWORK_POLICIES, namespace)
        versions = sorted((item["metadata"]["uid"], item["metadata"]["resourceVersion"]) for item in policies)
        pods = sorted(str(write) for one in stands for write in one.writes)
        picture = hashlib.sha256(repr((versions, pods)).encode()).hexdigest()
        if namespace not in self._seen:
            self._seen[namespace] = ""
            return False
        before = self._seen[namespace]
        self._seen[namespace] = picture
        return before != picture

    async def _look(self, namespace: str, stands: list[Standing]) -> None:
        """Tell the owners of what misses something now; if they cannot be told, look again next time."""
        try:
            await self._tell_owners(stands)
        except Unavailable as error:
            log.warning("an owner could not be told; it will be", namespace=namespace, error=str(error))
            self._seen[namespace] = ""

    async def _tell_owners(self, stands: list[Standing]) -> None:
        for action_id in sorted({one.id for one in stands if one.id}):
            receipt = await self._records.find(action_id)
            if receipt is None or receipt.state is ActionState.DRIFTED or not receipt.state.stands:
                continue
            action = self._actions[receipt.action.type]
            if await action.hold(self._cluster, receipt) or await self._gone(receipt):
                await self._owner.tell(receipt.incident)

    async def _gone(self, receipt: Receipt) -> bool:
        for target in receipt.action.targets:
            try:
                pod = await self._cluster.get(PODS.ref(target.name, target.namespace))
            except NotFound:
                continue
            if pod["metadata"]["uid"] == target.uid:
                return False
        return True
