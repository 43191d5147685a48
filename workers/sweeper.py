"""Looks at what stands in the cluster, by labels and expiry alone: no Temporal is needed to put things back.

Each round asks where something of ours stands, and in which versions. Where a version is another than before it
reads the policies and pods; where something changed, each standing action says whether it misses anything now, and
its owner is told; now and then it reads everything, and makes sure that there is an owner. Two minutes after an
expiry that nobody acted upon the sweeper does what the stack says: it releases, or, where silence must not let an
intruder go, it holds on. That alone must work with everything else dead.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from activities import release
from activities.action import Action
from activities.ports import ENROLMENTS, FREEZES, NETWORK_POLICIES, PODS, Cluster, Manifest
from activities.records import Records
from activities.remains import Standing
from signals.errors import FirebreakError, NotFound, Unavailable
from signals.policy import Policy
from signals.receipts import ActionState, Receipt
from signals.subjects import CASE
from workers.belonging import parts
from workers.overdue import GRACE, Overdue, Owner

TOGETHER = 8
"""Namespaces that are read at once."""

log = structlog.get_logger(__name__)


class Versions(NamedTuple):
    """What is there in a namespace: every policy, and the pods and freezes of ours."""

    policies: tuple[str, ...]
    ours: tuple[str, ...]


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
        self._read: dict[str, tuple[Versions, list[Standing]]] = {}
        self._rounds = 0

    async def sweep(self) -> None:
        """Do one round. A namespace or a case that refuses stands in the way of no other.

        Raises:
            Unavailable, Refused: the API server did not say what stands.
        """
        cases: dict[str, list[Standing]] = defaultdict(list)
        versions = await self._held()
        stale = [one for one in versions if self._stale(one, versions[one])]
        for first in range(0, len(stale), TOGETHER):
            await self._read_all(stale[first : first + TOGETHER], versions)
        for namespace in versions:
            for one in self._read.get(namespace, (None, ()))[1]:
                cases[one.case].append(one)
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

    def _stale(self, namespace: str, versions: Versions) -> bool:
        """Return whether to read a namespace: now and then any, for not all of ours need be labelled still."""
        whole = self._rounds % self.rounds_between_roll_calls == 0
        return whole or not self._seen.get(namespace) or self._read[namespace][0] != versions

    async def _read_all(self, namespaces: Sequence[str], versions: Mapping[str, Versions]) -> None:
        """Read some namespaces at once; where one of them refuses, each by itself."""
        try:
            stands = await self._stands(namespaces)
        except FirebreakError as error:
            if len(namespaces) == 1:
                log.warning("a namespace could not be swept", namespace=namespaces[0], error=str(error))
                self._read.pop(namespaces[0], None)
                self._seen.pop(namespaces[0], None)
                return
            for namespace in namespaces:
                await self._read_all([namespace], versions)
            return
        for namespace in namespaces:
            here = [one for one in stands if one.namespace == namespace]
            self._read[namespace] = (versions[namespace], here)
            if self._changed(namespace, versions[namespace], here):
                await self._look(namespace, here)

    async def _stands(self, namespaces: Sequence[str]) -> list[Standing]:
        stands, blind = await release.look(self._cluster, namespaces)
        for why in blind:
            log.warning("part of what stands is out of sight", namespaces=namespaces, error=why)
        return stands

    async def _held(self) -> dict[str, Versions]:
        """Return the enrolled namespaces in which something of ours is said to stand, and what is there."""
        enrolled, ours, pods = await asyncio.gather(
            self._cluster.list(ENROLMENTS),
            self._cluster.list(NETWORK_POLICIES, labels=CASE),
            self._cluster.list(PODS, labels=CASE),
        )
        allowed = {entry["metadata"]["name"] for entry in enrolled}
        frozen = await self._frozen()
        held = {item["metadata"]["namespace"] for item in (*ours, *pods)} | set(frozen)
        for namespace in set(self._seen) - held:
            del self._seen[namespace]
            self._read.pop(namespace, None)
        here = sorted(held & allowed)
        policies = _by_namespace(await self._cluster.list(NETWORK_POLICIES) if here else ())
        marked = _by_namespace(pods)
        return {
            one: Versions(policies.get(one, ()), (*sorted(frozen.get(one, ())), *marked.get(one, ())))
            for one in here
        }

    async def _frozen(self) -> dict[str, list[str]]:
        """Return, by namespace, the pods whose credentials are frozen, as far as it can be known now."""
        frozen: dict[str, list[str]] = defaultdict(list)
        try:
            for one in await self._cluster.list(FREEZES, labels=CASE):
                version = one["metadata"].get("resourceVersion", "")
                frozen[str(one["spec"]["namespace"])].append(f"{one['metadata']['name']} {version}")
        except FirebreakError:
            return {}
        return frozen

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

    def _changed(self, namespace: str, versions: Versions, stands: list[Standing]) -> bool:
        """Return whether anything is different around what stands in a namespace since the last time.

        What is new is looked at one round later: its own incident verifies it first.
        """
        marks = sorted(str(write) for one in stands for write in one.writes)
        picture = hashlib.sha256(repr((versions.policies, marks)).encode()).hexdigest()
        before = self._seen.get(namespace)
        self._seen[namespace] = "" if before is None else picture
        return before is not None and before != picture

    async def _look(self, namespace: str, stands: list[Standing]) -> None:
        """Tell the owners of what misses something now; where that fails, look again next time."""
        try:
            await self._tell_owners(stands)
        except FirebreakError as error:
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


def _by_namespace(items: Iterable[Manifest]) -> dict[str, tuple[str, ...]]:
    """Return the versions of some objects, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for item in items:
        metadata = item["metadata"]
        found[metadata["namespace"]].append(f"{metadata['uid']} {metadata['resourceVersion']}")
    return {namespace: tuple(sorted(versions)) for namespace, versions in found.items()}
