"""Hands that overlap: two attempts of one apply, and the sweeper against a person who extends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

import activities.actions
import activities.policies
from activities.action import Action
from activities.adapters.kubernetes import KubernetesCluster, connect
from activities.judge import Judging
from activities.judgement import Judgement
from activities.ports import ENROLMENTS, KeyValue, Manifest, Resource
from activities.records import Records
from activities.release import standing
from activities.remediate import Remediating
from activities.standing import moment
from signals.approvals import Approval, Verb
from signals.authority import Authority
from signals.catalog import load
from signals.decisions import Decision
from signals.entities import Entity
from signals.envelope import Signer
from signals.errors import Conflict, Refused
from signals.policy import Policy
from signals.requests import (
    ApplyRequest,
    Cause,
    Disposition,
    ExtendRequest,
    JudgeRequest,
    RevertRequest,
    Stack,
    StackRequest,
)
from signals.subjects import LIAISON, ORCHESTRATOR, RECEIPTS_BUCKET, REMEDIATION_EXECUTOR
from signals.threats import Mode, Severity, ThreatEvent
from signals.vouching import Voucher
from tests.vertical.audit import doubled, written
from tests.vertical.crashing import MortalCluster
from tests.vertical.scene import ATTACKER, Scene
from tests.vertical.stage import Stage, until
from workers.__main__ import keys
from workers.bus import Bus
from workers.overdue import GRACE
from workers.settings import Settings
from workers.sweeper import Sweeper

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

ATTEMPTS = 4
ACTIONS = load(activities.actions, Action)


class Here(MortalCluster):
    """The executor's cluster, with one enrolled namespace: a sweeper with a wrong clock harms no other test."""

    def __init__(self, cluster: KubernetesCluster, fate: Path, namespace: str) -> None:
        super().__init__(cluster, fate)
        self._namespace = namespace

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str = ""
    ) -> list[Manifest]:
        found = await super().list(resource, namespace, labels)
        if resource != ENROLMENTS:
            return found
        return [one for one in found if one["metadata"]["name"] == self._namespace]


class Nobody:
    """The owner of no stack."""

    async def tell(self, incident: str) -> None:
        """Hear nothing."""

    async def page(self, incident: str, text: str) -> None:
        """Page nobody."""

    async def ensure(self, incident: str, action_ids: list[str]) -> None:
        """Do nothing."""


POLICY = Policy(isolate_steps=(), authority=Authority(rules=()))
VOUCHER = Voucher(b"a secret of the tests")


@dataclass(frozen=True, kw_only=True)
class Hands:
    """The executor's identity everywhere, in the test's own process."""

    stage: Stage
    scene: Scene
    records: KeyValue
    opened: AsyncExitStack

    def signer(self, agent: str) -> Signer:
        """Return an agent's key."""
        return keys(Settings(keys_dir=self.stage.stack.layout.keys), agent)[0]

    async def cluster(self, name: str = "free") -> Here:
        """Return a connection of its own, whose writes may be held under a name."""
        layout = self.stage.stack.layout
        file = layout.kubeconfig(REMEDIATION_EXECUTOR)
        real = await connect(file, None, "local", ref=self.stage.cluster.ref)
        self.opened.push_async_callback(real.close)
        return Here(real, self.stage.fates / f"{name}.json", self.scene.namespace)

    async def executor(self, name: str = "free") -> Remediating:
        """Return the activities of one process."""
        trust = keys(Settings(keys_dir=self.stage.stack.layout.keys), REMEDIATION_EXECUTOR)[1]
        return Remediating(
            actions=ACTIONS,
            cluster=await self.cluster(name),
            records=self.records,
            trust=trust,
            policy=POLICY,
        )

    async def decision(self, pod: Manifest, confidence: float) -> Decision:
        """Return what the judge decides about a pod."""
        metadata, cluster = pod["metadata"], self.stage.cluster.ref
        subject = Entity(
            cluster=cluster,
            kind="Pod",
            namespace=self.scene.namespace,
            name=metadata["name"],
            uid=metadata["uid"],
        )
        now = datetime.now(UTC)
        event = ThreatEvent(
            id=uuid4().hex,
            cluster=cluster,
            agent="runtime-guardian",
            detector="reverse_shell",
            rule="a rule",
            title="a suspicion",
            severity=Severity.HIGH,
            confidence=confidence,
            subject=subject,
            mode=Mode.AUTO,
            enrolled=True,
            peer=ATTACKER,
            observed_at=now,
            accepted_at=now,
        )
        judging = Judging(load(activities.policies, Judgement), POLICY, self.signer(ORCHESTRATOR), VOUCHER)
        incident = f"{self.scene.namespace}-case"
        request = JudgeRequest(
            incident=incident,
            cluster=cluster,
            revision=1,
            events=(VOUCHER.vouched(event, incident),),
        )
        decided: Decision = await ActivityEnvironment().run(judging.judge, request)
        return decided

    def undo(self, stack: StackRequest) -> RevertRequest:
        """Return what a person says who puts a stack back."""
        approval = Approval(
            id=uuid4().hex,
            cluster=stack.cluster,
            verb=Verb.UNDO,
            incident=stack.incident,
            actor="oncall",
            said_at=datetime.now(UTC),
        )
        return RevertRequest(stack=stack, cause=Cause.PERSON, approval=self.signer(LIAISON).seal(approval))

    def extension(self, stack: StackRequest) -> ExtendRequest:
        """Return what a person says who lets a stack stand for a day longer."""
        approval = Approval(
            id=uuid4().hex,
            cluster=stack.cluster,
            verb=Verb.EXTEND,
            incident=stack.incident,
            actor="oncall",
            said_at=datetime.now(UTC),
        )
        return ExtendRequest(stack=stack, seconds=86400, approval=self.signer(LIAISON).seal(approval))


@asynccontextmanager
async def hands(stage: Stage, scene: Scene) -> AsyncIterator[Hands]:
    """Yield the executor's hands."""
    told = Settings(nats_url=stage.status.endpoints.nats or "", nats_dir=stage.stack.layout.nats)
    async with AsyncExitStack() as opened:
        bus = await Bus.connect(told, REMEDIATION_EXECUTOR)
        opened.push_async_callback(bus.close)
        yield Hands(stage=stage, scene=scene, records=bus.kv(RECEIPTS_BUCKET), opened=opened)


async def test_overlapping_attempts_of_one_apply_write_once_and_agree(stage: Stage) -> None:
    async with stage.scene() as here, hands(stage, here) as ours:
        pod = await here.fill()
        request = ApplyRequest(decision=await ours.decision(pod, 0.9))
        executors = [await ours.executor() for _ in range(ATTEMPTS)]
        outcomes = await asyncio.gather(
            *(ActivityEnvironment().run(executor.apply_plan, request) for executor in executors)
        )
        assert {outcome.disposition for outcome in outcomes} == {Disposition.APPLIED}
        assert len({outcome.receipts[0].model_dump_json() for outcome in outcomes}) == 1
        writes = written(stage.stack.layout.audit_log, here.namespace)
        assert [write.verb for write in writes] == ["create", "patch", "patch"]

        stack = StackRequest(
            incident=request.decision.incident, cluster=stage.cluster.ref, receipts=outcomes[0].receipts
        )
        back = ours.undo(stack)
        await asyncio.gather(
            *(ActivityEnvironment().run(executor.revert_stack, back) for executor in executors)
        )
        assert await here.changed() == []
        assert doubled(written(stage.stack.layout.audit_log, here.namespace)) == []


@dataclass(frozen=True, kw_only=True)
class Contest:
    """A blocked flow whose time is up, the sweeper that comes to release it, and a person who extends it."""

    here: Scene
    stack: StackRequest
    person: Remediating
    sweeper: Sweeper
    hands: Hands

    @classmethod
    async def of(cls, here: Scene, ours: Hands) -> "Contest":
        decision = await ours.decision(await here.fill(), 0.7)
        person = await ours.executor("person")
        outcome = await ActivityEnvironment().run(person.apply_plan, ApplyRequest(decision=decision))
        late = max(one.expires_at for one in outcome.receipts if one.expires_at) + 2 * GRACE
        swept = await ours.cluster("sweeper")
        sweeper = Sweeper(swept, Records(ours.records), ACTIONS, Nobody(), lambda: late)
        stack = StackRequest(incident=decision.incident, cluster=decision.cluster, receipts=outcome.receipts)
        return cls(here=here, stack=stack, person=person, sweeper=sweeper, hands=ours)

    async def extend(self) -> Stack:
        extended: Stack = await ActivityEnvironment().run(
            self.person.extend_stack, self.hands.extension(self.stack)
        )
        return extended

    async def check_extended(self, done: Stack) -> None:
        stands = await standing(self.here.cluster, [self.here.namespace])
        longer = {moment(receipt.expires_at) for receipt in done.receipts if receipt.expires_at}
        assert {moment(one.expires_at) for one in stands if one.expires_at} == longer
        assert {one.action for one in stands if one.action} == {"block_flow", "annotate_pod"}
        await ActivityEnvironment().run(self.person.revert_stack, self.hands.undo(self.stack))
        assert await self.here.changed() == []


@pytest.mark.parametrize("write", [1, 2])
async def test_who_extends_what_the_sweeper_is_releasing_is_told_so(stage: Stage, write: int) -> None:
    async with stage.scene() as here, hands(stage, here) as ours:
        contest = await Contest.of(here, ours)
        fate = stage.doom("sweeper", here, write, "after", "hold")
        sweeping = asyncio.create_task(contest.sweeper.sweep())
        await until(stage.held("sweeper"), lambda: "the sweeper writes nothing")
        with pytest.raises(Conflict, match="being released"):
            await contest.extend()
        fate.unlink()
        await sweeping
        assert await here.changed() == []
        with pytest.raises(Refused, match="nothing of this stack stands"):
            await contest.extend()


@pytest.mark.parametrize("write", [1, 2])
async def test_the_sweeper_leaves_what_a_person_extends_in_this_moment(stage: Stage, write: int) -> None:
    async with stage.scene() as here, hands(stage, here) as ours:
        contest = await Contest.of(here, ours)
        fate = stage.doom("person", here, write, "after", "hold")
        extending = asyncio.create_task(contest.extend())
        await until(stage.held("person"), lambda: "the person's word is not written")
        await contest.sweeper.sweep()
        fate.unlink()
        await contest.check_extended(await extending)


async def test_the_sweeper_leaves_what_was_extended_since_it_looked(stage: Stage) -> None:
    async with stage.scene() as here, hands(stage, here) as ours:
        contest = await Contest.of(here, ours)
        fate = stage.doom("sweeper", here, 1, "before", "hold")
        sweeping = asyncio.create_task(contest.sweeper.sweep())
        await until(stage.held("sweeper"), lambda: "the sweeper writes nothing")
        done = await contest.extend()
        fate.unlink()
        await sweeping
        await contest.check_extended(done)
