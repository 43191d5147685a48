"""Whether the executor itself would write this: it trusts no mode, tier or approval that it did not check.

It reads the enrolment again, runs the control-plane predicate over the real plan, counts what stands in the
namespace, and believes a decision only by the orchestrator's signature and an approval only by the liaison's.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from activities.breaker import Breaker
from activities.ports import ENROLMENTS, PODS, Cluster, Manifest
from activities.predicate import impacts, refused_always
from signals.approvals import Approval, Verb
from signals.decisions import Decision, Tier
from signals.envelope import Trust
from signals.errors import NotFound, Refused
from signals.plans import Plan, WriteKind
from signals.policy import Policy
from signals.requests import Disposition
from signals.subjects import LIAISON, ORCHESTRATOR
from signals.threats import Mode

LEAD = ("lead",)
ANYBODY = ("oncall", "lead")


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What may be done with a plan: `APPLIED` means that it may be written now."""

    disposition: Disposition
    reason: str = ""
    roles: tuple[str, ...] = ANYBODY
    group: str = ""
    """Who waits for the same limit is asked about together: one page, one decision."""


def _unasked(decision: Decision, mode: Mode) -> list[str]:
    """Return why the decision itself, or the namespace, wants a person."""
    why = [] if decision.execute else [decision.why_not]
    if decision.tier is Tier.ESCALATE:
        why.append("Tier 4 writes nothing by itself")
    if mode is Mode.APPROVE:
        why.append("the namespace is in approve mode: everything asks")
    return why


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
        if approval.incident != incident or approval.verb not in verbs:
            raise Refused(f"this command is to {approval.verb} {approval.incident}")
        return approval

    async def rule(self, decision: Decision, plan: Plan, approval: Approval | None) -> Ruling:
        """Return what may be done with this plan now, whatever the decision hoped for."""
        targets = [target for action in plan.actions for target in action.action.targets]
        writes = [write for action in plan.actions for write in action.writes]
        reached = [target.namespace for target in targets] + [write.ref.namespace for write in writes]
        namespaces = sorted({namespace for namespace in reached if namespace})
        mode, crowds = await asyncio.gather(
            self._mode(namespaces),
            asyncio.gather(*(self._cluster.list(PODS, namespace) for namespace in namespaces)),
        )
        if mode is None:
            return Ruling(disposition=Disposition.REFUSED, reason="a target's namespace is not enrolled")
        uids = {target.uid for target in targets}
        touched = uids | {write.ref.uid for write in writes if write.kind is WriteKind.MARK}
        pods = [pod for crowd in crowds for pod in crowd if pod["metadata"]["uid"] in touched]
        forbidden = refused_always(plan, pods)
        if forbidden:
            return Ruling(disposition=Disposition.REFUSED, reason=forbidden)
        blocked = [action.blocked for action in plan.actions if action.blocked]
        if mode is Mode.SHADOW:
            reason = blocked[0] if blocked else "shadow mode: this would have been written"
            return Ruling(disposition=Disposition.SHADOW, reason=reason)
        impact = [*impacts(plan, pods, self._policy), *self._protected(pods)]
        roles = LEAD if impact or decision.tier is Tier.ESCALATE else ANYBODY
        if approval is not None:
            return self._approved(decision, plan, approval, roles, blocked)
        why = [*blocked, *impact, *_unasked(decision, mode)]
        if why:
            return Ruling(disposition=Disposition.STAGED, reason="; ".join(dict.fromkeys(why)), roles=roles)
        return await self._reserved(plan, crowds)

    async def _reserved(self, plan: Plan, crowds: Sequence[Sequence[Manifest]]) -> Ruling:
        """Return that a plan may be written, once its place in each namespace is reserved."""
        for action in plan.actions:
            uids = {target.uid for target in action.action.targets}
            for crowd in crowds:
                limit = await self._breaker.reserve(action.action.id, crowd, uids)
                if limit:
                    return Ruling(disposition=Disposition.STAGED, reason=limit.reason, group=limit.group)
        return Ruling(disposition=Disposition.APPLIED)

    def _approved(
        self, decision: Decision, plan: Plan, approval: Approval, roles: tuple[str, ...], blocked: list[str]
    ) -> Ruling:
        """Return whether a person's approval is for exactly this plan, on exactly these targets.

        One that is genuine and fits no more is asked for again, about the plan as it is now.
        """
        try:
            self.prove_command(approval, decision.incident, (Verb.APPROVE,))
        except Refused as error:
            return Ruling(disposition=Disposition.REFUSED, reason=str(error))
        uids = {target.uid for action in plan.actions for target in action.action.targets if target.uid}
        why = ""
        if blocked:
            why = blocked[0]
        elif approval.plan_hash != plan.hash or set(approval.target_uids) != uids:
            why = (
                "the cluster has changed since the plan was approved: describe the incident and decide again"
            )
        elif approval.role not in roles:
            why = f"this needs the {' or '.join(roles)}"
        if why:
            return Ruling(disposition=Disposition.STAGED, reason=why, roles=roles)
        return Ruling(disposition=Disposition.APPLIED)

    async def _mode(self, namespaces: list[str]) -> Mode | None:
        """Return the strictest mode of these namespaces; None if one is not enrolled."""
        try:
            found = await asyncio.gather(
                *(self._cluster.get(ENROLMENTS.ref(namespace)) for namespace in namespaces)
            )
        except NotFound:
            return None
        strictest = (Mode.SHADOW, Mode.APPROVE, Mode.AUTO)
        return min(
            (Mode(enrolment["spec"]["mode"]) for enrolment in found), key=strictest.index, default=None
        )

    def _protected(self, pods: list[Manifest]) -> list[str]:
        """Return why a person must decide, for each target that the policy protects."""
        names = [(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods]
        reasons = [(*name, self._policy.protection(*name)) for name in names]
        return [f"{namespace}/{name}: {why}" for namespace, name, why in reasons if why]
