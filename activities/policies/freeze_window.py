"""Is this a time in which nothing that cannot be undone is done without a person?

It does not hold an isolation up, which can be put back. What is due later is looked at again by the executor, at
that instant.
"""

from activities.judgement import Judgement, Weighing


def weigh(scales: Weighing) -> Weighing:
    """Say which namespaces are in a freeze window."""
    if scales.at is None:
        return scales
    for namespace in sorted({t.namespace or "" for action in scales.actions for t in action.targets}):
        why = scales.policy.frozen(namespace, scales.at)
        if why:
            scales = scales.explained(
                "freeze window", namespace, "no eviction and no freeze without a person", why
            )
    return scales


JUDGEMENT = Judgement(
    name="freeze_window", order=46, question="May anything be done now that cannot be undone?", weigh=weigh
)
