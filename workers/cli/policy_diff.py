"""What another policy would change: field by field, and for each known rule how far its alert would go."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from signals.detector import Detection, Detector
from signals.loosening import loosened
from signals.policy import Policy
from workers.cli.policy_cases import Case, Expected, Given, Verdict, judge

_ANY = Expected(execute=True)


class Change(BaseModel, frozen=True):
    """One field that differs."""

    field: str
    old: Any
    new: Any


class Effect(BaseModel, frozen=True):
    """One rule whose alert about an enrolled pod in mode `auto` would end otherwise."""

    rule: str
    old: str
    new: str


class Difference(BaseModel, frozen=True):
    """`firebreak policy diff -o json`. A stable interface."""

    changes: tuple[Change, ...]
    """Fields that differ, in order of their names."""
    effects: tuple[Effect, ...]
    """Rules whose alert, alone, would end otherwise."""
    loosens: tuple[str, ...] = ()
    """What a lead must approve before it holds, because it lets Firebreak do more or hear less."""


def difference(old: Policy, new: Policy, detectors: Iterable[Detector]) -> Difference:
    """Return what changes from one policy to another."""
    known = list(detectors)
    detection = Detection(known)
    named = {rule for detector in known for rule in detector.rules if not rule.endswith("*")}
    rules = sorted(named | set(old.rules) | set(new.rules))
    ends = ((rule, *(_end(rule, policy, detection) for policy in (old, new))) for rule in rules)
    return Difference(
        changes=tuple(_changes("", old.model_dump(mode="json"), new.model_dump(mode="json"))),
        loosens=loosened(old, new),
        effects=tuple(Effect(rule=rule, old=was, new=will) for rule, was, will in ends if was != will),
    )


def _changes(path: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _changes(f"{path}.{key}".lstrip("."), old.get(key), new.get(key))
    elif old != new:
        yield Change(field=path, old=old, new=new)


def _end(rule: str, policy: Policy, detection: Detection) -> str:
    """Return in words how far an alert of one rule goes."""
    given = Given(rule=rule, peer="203.0.113.9:443")
    verdict: Verdict = judge(Case(name=rule, given=(given,), expect=_ANY), policy, detection)
    what = ", ".join(verdict.actions) or "nothing"
    how = "" if not verdict.actions else " at once" if verdict.execute else " after a person approves"
    return f"Tier {verdict.tier:d}: {what}{how}"
