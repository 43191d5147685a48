"""Whether the executor itself would write this: it trusts no mode, tier or approval that it did not check.

It reads the enrolment again, runs the control-plane predicate over the real plan, counts what stands in the
namespace, and believes a decision only by the orchestrator's signature and an approval only by the liaison's.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from activities.breaker import Breaker
from activities.ports import ENROLMENTS, PODS, Cluster, Manifest
from activities.predicate import impacts, refused_always
from activities.ruling import ANYBODY, LEAD, WRITE, Ruling, asked, followed, part, tier_of, told, unasked
from signals import matters, voices
from signals.approvals import Approval, Verb
from signals.authority import spoken_as
from signals.decisions import Decision, Tier
from signals.envelope import Trust
from signals.errors import NotFound, Refused
from signals.plans import ActionPlan, Plan, WriteKind
from signals.policy import Policy
from signals.receipts import Receipt
from signals.requests import Disposition, Outcome
from signals.subjects import LIAISON, ORCHESTRATOR
from signals.threats import Mode

_OPEN = frozenset({Disposition.APPLIED, Disposition.STAGED})


@dataclass(frozen=True)
class Sight:
    """What the executor sees of the namespaces that it is to write in, at this instant."""

    modes: Mapping[str, Mode | None]
    """None where a namespace is not enrolled."""
    crowds: Mapping[str, Sequence[Manifest]]

    def mode(self, namespaces: Iterable[str]) -> Mode | None:
        """Return the strictest mode of some namespaces; None if one of them is not enrolled."""
        modes = [self.modes[namespace] for namespace in namespaces]
        known = [mode for mode in modes if mode is not None]
        if len(known) != len(modes):
            return None
        return min(known, key=(Mode.SHADOW, Mode.APPROVE, Mode.AUTO).index, default=None)

    def pods(self, one: ActionPlan) -> list[Manifest]:
        """Return the live pods that an action is about or writes on."""
        touched = {target.uid for target in one.action.targets}
        touched |= {write.ref.uid for write in one.writes if write.kind in (WriteKind.MARK, WriteKind.EVICT)}
        everybody = (pod for crowd in self.crowds.values() for pod in crowd)
        return [pod for pod in everybody if pod["metadata"]["uid"] in touched]


def _namespaces(actions: Iterable[ActionPlan]) -> list[str]:
    reached = [target.namespace for one in actions for target in one.action.targets]
    reached += [write.ref.namespace for one in actions for write in one.writes]
    return sorted({namespace for namespace in reached if namespace})


class Authority:
    """The executor's own judgement of what it is asked to do."""

    def __init__(self, cluster: Cluster, trust: Trust, policy: Policy, breaker: Breaker) -> None:
        """Judge by this cluster, these keys, this policy, and what it has had contained."""
        self._breaker = breaker
        self._cluster = cluster
        self._trust = trust
        self._policy = policy

    def prove(self, decision: Decision) -> None:
        """Return if the orchestrator decided this, about this cluster.

        Raises:
            Refused: the signature is not the orchestrator's, or the cluster is another.
        """
        self._trust.check_sealed(ORCHESTRATOR, decision)
        if decision.cluster.uid != self._cluster.ref.uid:
            raise Refused(f"the decision is about cluster {decision.cluster}, not {self._cluster.ref}")

    def prove_command(self, approval: Approval | None, incident: str, verbs: tuple[Verb, ...]) -> Approval:
        """Return the command if a person gave it about this incident.

        Raises:
            Refused: there is none, it is not signed by the liaison, or it says something else.
        """
        if approval is None:
            raise Refused("this needs a person's command")
        self._trust.check_sealed(LIAISON, approval)
        if approval.cluster.uid != self._cluster.ref.uid:
            raise Refused(f"this command is about cluster {approval.cluster}, not {self._cluster.ref}")
        if approval.incident != incident or approval.verb not in verbs:
            raise Refused(f"this command is to {approval.verb} {approval.incident}")
        return approval

    async def rule(self, decision: Decision, plan: Plan, approval: Approval | None) -> dict[str, Ruling]:
        """Return what may be done with each action of this plan now, whatever the decision hoped for."""
        sight = await self._look(plan.actions)
        alone = {
            one.action.id: self._judged(
                one, sight, tier_of(one.action, decision), "" if decision.execute else decision.why_not
            )
            for one in plan.actions
        }
        alone = followed(plan, await self._reserved(plan, sight, alone))
        return alone if approval is None else self._approved(decision, plan, approval, alone)

    async def again(self, receipt: Receipt, one: ActionPlan) -> Ruling:
        """Return whether an action whose turn has come may be written now; what a person approved stays so."""
        sight = await self._look((one,))
        ruling = self._judged(one, sight, receipt.action.tier or Tier.ISOLATE, "")
        return WRITE if receipt.approved_by and ruling.disposition is Disposition.STAGED else ruling

    def _judged(self, one: ActionPlan, sight: Sight, tier: Tier, why_not: str) -> Ruling:
        """Judge one action by itself."""
        namespaces = _namespaces((one,))
        mode = sight.mode(namespaces)
        if mode is None:
            return Ruling(disposition=Disposition.REFUSED, reason="a target's namespace is not enrolled")
        alone = Plan(incident="", policy_digest=self._policy.digest, actions=(one,))
        pods = sight.pods(one)
        forbidden = refused_always(alone, pods)
        if forbidden:
            return Ruling(disposition=Disposition.REFUSED, reason=forbidden)
        if mode is Mode.SHADOW:
            reason = one.blocked or "shadow mode: this would have been written"
            return Ruling(disposition=Disposition.SHADOW, reason=reason)
        if one.blocked and one.action.deferred:
            return Ruling(disposition=Disposition.REFUSED, reason=one.blocked)
        impact = [*impacts(alone, pods, self._policy), *self._protected(pods)]
        why = [one.blocked, *impact, why_not, *unasked(one, mode, self._policy, tier)]
        reasons = [reason for reason in dict.fromkeys(why) if reason]
        if not reasons:
            return WRITE
        roles = LEAD if impact or tier is Tier.ESCALATE else ANYBODY
        return Ruling(disposition=Disposition.STAGED, reason=told(reasons), roles=roles)

    async def _reserved(self, plan: Plan, sight: Sight, alone: dict[str, Ruling]) -> dict[str, Ruling]:
        """Return the rulings once what is written at once has its place in each namespace reserved."""
        for one in plan.actions:
            if one.action.deferred or not alone[one.action.id].may_be_written:
                continue
            uids = {target.uid for target in one.action.targets}
            for crowd in sight.crowds.values():
                limit = await self._breaker.reserve(one.action.id, crowd, uids)
                if limit:
                    staged = Ruling(disposition=Disposition.STAGED, reason=limit.reason, group=limit.group)
                    alone[one.action.id] = staged
        return alone

    def _approved(
        self, decision: Decision, plan: Plan, approval: Approval, alone: dict[str, Ruling]
    ) -> dict[str, Ruling]:
        """Return the rulings after a person's approval, if it is for exactly what is asked, on these targets.

        One that is genuine and fits no more is asked for again, about the plan as it is now; until then
        nothing is written that the person who spoke has not seen.
        """
        theirs = asked(plan, alone)
        whole = part(plan, (one for one in plan.actions if alone[one.action.id].disposition in _OPEN))
        if approval.plan_hash == whole.hash or approval.plan_hash != theirs.hash:
            theirs = whole
        staged = [alone[one.action.id] for one in theirs.actions]
        roles = LEAD if any(ruling.roles == LEAD for ruling in staged) else ANYBODY
        ruling = Ruling(disposition=Disposition.APPLIED, roles=roles, approved=True)
        try:
            self.prove_command(approval, decision.incident, (Verb.APPROVE,))
        except Refused as error:
            ruling = Ruling(disposition=Disposition.REFUSED, reason=str(error))
        else:
            why = _unfit(theirs, approval, roles) or self._undecided(decision, theirs, approval)
            if why:
                ruling = Ruling(disposition=Disposition.STAGED, reason=why, roles=roles)
        return {**alone, **{one.action.id: ruling for one in theirs.actions}}

    def _undecided(self, decision: Decision, theirs: Plan, approval: Approval) -> str:
        """Return why those who approved may not, or are too few; nothing if they may."""
        try:
            voices.check(self._policy, approval, Verb.APPROVE, matters.of_plan(decision, theirs))
        except Refused as error:
            return str(error)
        return ""

    def asking(self, decision: Decision, outcome: Outcome) -> Outcome:
        """Return an outcome with whom, and how many, the policy wants for what waits for a person."""
        theirs = outcome.staged or outcome.plan
        demand = self._policy.authority.asked(Verb.APPROVE, matters.of_plan(decision, theirs))
        roles = tuple(role for role in outcome.roles if not demand.lacks_role(spoken_as(role)))
        return outcome.model_copy(update={"people": demand.people, "roles": roles or LEAD})

    def prove_about(self, approval: Approval, verb: Verb, stack: Sequence[Receipt]) -> None:
        """Return if those who said it may decide about this stack, are enough, and saw it as it is.

        Raises:
            Refused: they may not, are too few, or it has changed since.
        """
        seen = approval.plan_hash if approval.verb not in (Verb.APPROVE, Verb.REJECT) else ""
        if seen and seen != matters.stack_digest(stack):
            raise Refused(matters.LOOK_AGAIN)
        voices.check(self._policy, approval, verb, matters.of_receipts(stack))

    async def _look(self, actions: Sequence[ActionPlan]) -> Sight:
        namespaces = _namespaces(actions)
        modes, crowds = await asyncio.gather(
            asyncio.gather(*(self._mode(namespace) for namespace in namespaces)),
            asyncio.gather(*(self._cluster.list(PODS, namespace) for namespace in namespaces)),
        )
        return Sight(dict(zip(namespaces, modes, strict=True)), dict(zip(namespaces, crowds, strict=True)))

    async def _mode(self, namespace: str) -> Mode | None:
        """Return the mode of a namespace; None if it is not enrolled."""
        try:
            return Mode((await self._cluster.get(ENROLMENTS.ref(namespace)))["spec"]["mode"])
        except NotFound:
            return None

    def _protected(self, pods: list[Manifest]) -> list[str]:
        """Return why a person must decide, for each target that the policy protects."""
        names = [(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods]
        reasons = [(*name, self._policy.protection(*name)) for name in names]
        return [f"{namespace}/{name}: {why}" for namespace, name, why in reasons if why]


def _unfit(theirs: Plan, approval: Approval, roles: tuple[str, ...]) -> str:
    """Return why an approval is not for this, or nothing."""
    blocked = next((one.blocked for one in theirs.actions if one.blocked), "")
    if blocked:
        return blocked
    uids = {target.uid for one in theirs.actions for target in one.action.targets if target.uid}
    if approval.plan_hash != theirs.hash or set(approval.target_uids) != uids:
        return "the cluster has changed since the plan was approved: describe the incident and decide again"
    return "" if approval.role in roles else f"this needs the {' or '.join(roles)}"
