"""Why an incident was judged so, as lines for a person."""

from collections.abc import Iterator

from signals.decisions import Decision
from signals.words import TIERS
from workers.cli.screen import Line


def terms(decision: Decision) -> Iterator[Line]:
    """Yield the steps of a judgement: the value, what it is and does, and why."""
    for term in decision.terms:
        yield Line(f"{term.value}  {term.name}: {term.effect}")
        yield Line(term.reason, "dim", 6)


def decisive(decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
    """Return the last judgement that asked for an action; where none did, the last."""
    asking = tuple(decision for decision in decisions if decision.actions)
    return (asking or decisions)[-1:]


def verdict(decision: Decision) -> str:
    """Return what the steps come to, in one sentence."""
    confidence = "unknown" if decision.confidence is None else f"{decision.confidence:.3f}"
    actions = ", ".join(action.type for action in decision.actions)
    judged = f"Confidence {confidence} is tier {decision.tier:d} ({TIERS[decision.tier]})"
    if not decision.actions:
        return f"{judged}: nothing is asked for{f': {decision.why_not}' if decision.why_not else ''}."
    how = "by itself" if decision.execute else f"not by itself: {decision.why_not or 'a person is asked'}"
    return f"{judged}: {actions}, {how}."
