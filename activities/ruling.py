"""What may be done with each action of a plan, and how one ruling bears on another. Pure.

An action is judged by itself: what touches the control plane waits for a person, and what does not goes on. Only
what follows on one and the same target follows it: nothing is evicted whose isolation waits for a person.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from signals.decisions import Decision, Inverse, PlannedAction, Tier
from signals.plans import ActionPlan, DryRun, Plan
from signals.policy import Policy, Tier4
from signals.requests import Disposition
from signals.threats import Mode

LEAD = ("lead",)
ANYBODY = ("oncall", "lead")

_ORDER = (
    Disposition.FAILED,
    Disposition.APPLIED,
    Disposition.POSTPONED,
    Disposition.STAGED,
    Disposition.SHADOW,
    Disposition.REFUSED,
)


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What may be done with an action: `APPLIED` means that it may be written now."""

    disposition: Disposition
    reason: str = ""
    roles: tuple[str, ...] = ANYBODY
    group: str = ""
    """Who waits for the same limit is asked about together: one page, one decision."""
    approved: bool = False
    """A person has approved it; it would have waited for one otherwise."""

    @property
    def may_be_written(self) -> bool:
        """Whether nobody has to be asked."""
        return self.disposition is Disposition.APPLIED


Rulings = Mapping[str, Ruling]
"""By the id of the action."""

WRITE = Ruling(disposition=Disposition.APPLIED)


def tier_of(action: PlannedAction, decision: Decision) -> Tier:
    """Return the tier that an action belongs to."""
    return action.tier or decision.tier


def part(plan: Plan, actions: Iterable[ActionPlan]) -> Plan:
    """Return the plan of some of its actions, under a hash of its own, with the dry run of their writes."""
    chosen = tuple(actions)
    writes = {str(write) for one in chosen for write in one.writes}
    dry_run = tuple(answer for answer in plan.dry_run if answer.write in writes)
    plan = plan.model_copy(update={"actions": chosen, "dry_run": dry_run})
    return plan.model_copy(update={"hash": plan.digest()})


def asked(plan: Plan, rulings: Rulings) -> Plan:
    """Return what of a plan a person is asked about."""
    return part(
        plan, (one for one in plan.actions if rulings[one.action.id].disposition is Disposition.STAGED)
    )


def unasked(action: ActionPlan, mode: Mode, policy: Policy, tier: Tier) -> list[str]:
    """Return why an action wants a person, whatever it would write."""
    why = [action.action.asks] if action.action.asks else []
    hold = policy.tier4 is Tier4.HOLD and action.inverse is Inverse.EXACT and not action.action.deferred
    if tier is Tier.ESCALATE and not hold:
        why.append("Tier 4 writes nothing by itself")
    if mode is Mode.APPROVE:
        why.append("the namespace is in approve mode: everything asks")
    return why


def told(reasons: Sequence[str]) -> str:
    """Return reasons as one text; what another of them says already is not said twice."""
    return "; ".join(
        reason
        for place, reason in enumerate(reasons)
        if not any(reason in other for other in (*reasons[:place], *reasons[place + 1 :]))
    )


def followed(plan: Plan, rulings: Rulings) -> dict[str, Ruling]:
    """Return the rulings, where what comes later on a target waits for what comes first on it."""
    ruled = dict(rulings)
    stopped = [
        one for one in plan.actions if not one.action.deferred and not rulings[one.action.id].may_be_written
    ]
    for later in plan.actions:
        if not later.action.deferred or not ruled[later.action.id].may_be_written:
            continue
        before = next((one for one in stopped if _share(one, later)), None)
        if before is not None:
            first = rulings[before.action.id]
            reason = f"it comes after what is not done: {first.reason}"
            ruled[later.action.id] = replace(first, reason=reason)
    return ruled


def _share(one: ActionPlan, other: ActionPlan) -> bool:
    return bool(
        {target.key for target in one.action.targets} & {target.key for target in other.action.targets}
    )


def dried(plan: Plan, rulings: Rulings, answers: Mapping[str, tuple[DryRun, ...]]) -> dict[str, Ruling]:
    """Return the rulings, where the API server would not take a write: then nothing is written at once.

    What is written in its turn is tried again then: a budget that is spent now may be free by then.
    """
    ruled = dict(rulings)
    at_once = [one.action.id for one in plan.actions if not one.action.deferred]
    wanted = [one for one in at_once if ruled[one].disposition is not Disposition.REFUSED]
    no = next((answer for one in wanted for answer in answers[one] if not answer.accepted), None)
    if no is not None:
        for one in wanted:
            ruled[one] = Ruling(disposition=Disposition.FAILED, reason=f"{no.write}: {no.message}")
    return ruled


def overall(plan: Plan, rulings: Rulings) -> Ruling:
    """Return what came of the whole: of what is written at once, where there is such a thing."""
    first = [rulings[one.action.id] for one in plan.actions if not one.action.deferred]
    every = first or [rulings[one.action.id] for one in plan.actions]
    worst = min(every, key=lambda ruling: _ORDER.index(ruling.disposition), default=WRITE)
    reasons = [one.reason for one in rulings.values() if one.reason]
    roles = LEAD if any(one.roles == LEAD for one in rulings.values()) else ANYBODY
    reason = worst.reason or "; ".join(dict.fromkeys(reasons))
    return Ruling(disposition=worst.disposition, reason=reason, roles=roles)
