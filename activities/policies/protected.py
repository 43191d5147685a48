"""Has somebody said beforehand that a person decides about this pod?"""

from dataclasses import replace

from activities.judgement import Judgement, Weighing
from signals.decisions import PlannedAction, Term
from signals.entities import Entity
from signals.policy import Policy


def weigh(scales: Weighing) -> Weighing:
    """Ask a person about what has a target on the protected list; the executor looks at it again."""
    actions: list[PlannedAction] = []
    for action in scales.actions:
        known = [(target, _protection(target, scales.policy)) for target in sorted(action.targets, key=str)]
        reasons = [f"{target}: {why}" for target, why in known if why]
        actions.append(action.model_copy(update={"asks": action.asks or reasons[0]}) if reasons else action)
        for reason in reasons:
            term = Term(name="protected", value="listed", effect="a person decides", reason=reason)
            if term not in scales.terms:
                scales = replace(scales, terms=(*scales.terms, term))
    return replace(scales, actions=tuple(actions))


def _protection(target: Entity, policy: Policy) -> str:
    return policy.protection(target.namespace or "", target.name)


JUDGEMENT = Judgement(
    name="protected", order=44, question="Does the policy protect one of the targets?", weigh=weigh
)
