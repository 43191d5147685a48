"""Has somebody said beforehand that a person decides about this pod?"""

from dataclasses import replace

from activities.judgement import Judgement, Weighing


def weigh(scales: Weighing) -> Weighing:
    """Ask a person where a target stands on the protected list; the executor looks at it again."""
    for target in sorted({target for action in scales.actions for target in action.targets}, key=str):
        why = scales.policy.protection(target.namespace or "", target.name)
        if why:
            reason = f"{target}: {why}"
            scales = replace(scales, asks=(*scales.asks, reason)).explained(
                "protected", "listed", "a person decides", reason
            )
    return scales


JUDGEMENT = Judgement(
    name="protected", order=44, question="Does the policy protect one of the targets?", weigh=weigh
)
