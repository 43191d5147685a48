"""What a policy lets Firebreak do that another did not: act on less, more often, for longer, or on more things.

It also counts as loosening to hear less: a rule that is ignored hides whoever it would have found.
"""

from collections.abc import Callable, Iterator
from typing import Any

from signals.decisions import OnExpiry
from signals.people import Person
from signals.policy import Policy, Tier4

_LOWER_IS_LOOSER = (
    "thresholds.restrict",
    "thresholds.isolate",
    "caps.reinfections",
    "false_alarm_seconds",
)
_HIGHER_IS_LOOSER = (
    "thresholds.escalate",
    "restrict_ttl_seconds",
    "isolate_ttl_seconds",
    "approval_seconds",
    "extensions",
    "stale_seconds",
    "breaker.owners_percent",
    "breaker.floor",
    "caps.per_owner",
    "caps.per_namespace",
    "caps.per_cluster",
    "authority.login_seconds",
)
_FEWER_IS_LOOSER = (
    "protected",
    "freeze_windows",
    "control_plane_namespaces",
    "authority.rules",
    "authority.irreversible",
)
_MORE_IS_LOOSER = ("alone", "isolate_steps")


def loosened(old: Policy, new: Policy) -> tuple[str, ...]:
    """Return in words what the new policy loosens; nothing if it only tightens, or is the same."""
    return (
        *_numbers(old, new, _LOWER_IS_LOOSER, lambda was, will: will < was),
        *_numbers(old, new, _HIGHER_IS_LOOSER, lambda was, will: will > was),
        *_lists(old, new, _FEWER_IS_LOOSER, fewer=True),
        *_lists(old, new, _MORE_IS_LOOSER, fewer=False),
        *_tier4(old, new),
        *_lets_go(old, new),
        *_rules(old, new),
        *_people(old, new),
    )


def _at(policy: Policy, path: str) -> Any:
    found: Any = policy
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _numbers(
    old: Policy, new: Policy, paths: tuple[str, ...], looser: Callable[[float, float], bool]
) -> Iterator[str]:
    for path in paths:
        was, will = _at(old, path), _at(new, path)
        if looser(was, will):
            yield f"{path}: {was} → {will}"


def _lists(old: Policy, new: Policy, paths: tuple[str, ...], *, fewer: bool) -> Iterator[str]:
    for path in paths:
        was, will = _at(old, path), _at(new, path)
        for one in was if fewer else will:
            if one not in (will if fewer else was):
                yield f"{path}: {'no longer' if fewer else 'now'} {_named(one)}"


def _named(one: Any) -> str:
    told = one.model_dump(mode="json", exclude_defaults=True) if hasattr(one, "model_dump") else one
    return ", ".join(f"{key} {value}" for key, value in told.items()) if isinstance(told, dict) else str(told)


def _tier4(old: Policy, new: Policy) -> Iterator[str]:
    if (old.tier4, new.tier4) == (Tier4.STAGE, Tier4.HOLD):
        yield "tier4: stage → hold"


def _lets_go(old: Policy, new: Policy) -> Iterator[str]:
    """Yield what is put back although nobody said so, and was not before."""
    for path in ("on_expiry.restrict", "on_expiry.isolate", "on_expiry.freeze", "after_extensions"):
        was, will = _at(old, path), _at(new, path)
        if was != will and will == OnExpiry.RELEASE:
            yield f"{path}: {was} → {will}"


def _people(old: Policy, new: Policy) -> Iterator[str]:
    """Yield who may speak now and could not, under which account or in which capacity; and who else is let in."""
    if old.people and not new.people:
        yield "people: nobody is named any more, so every account that RBAC lets speak counts as a person"
    before = {person.name: person for person in old.people}
    for person in new.people:
        was = before.get(person.name)
        yield from _person(was, person) if was else (f"people: now {person.name}",)


def _person(was: Person, will: Person) -> Iterator[str]:
    gained = (
        (field, one)
        for field in ("kubernetes", "slack", "oidc", "roles")
        for one in getattr(will, field)
        if one not in getattr(was, field)
    )
    for field, one in gained:
        yield f"people: {will.name} now has {field} {_named(one)}"
    for account in (*was.kubernetes, *was.answers_for):
        if account not in (*will.kubernetes, *will.answers_for) and not will.owns(account):
            yield f"people: {will.name} no longer answers for {account}"


def _rules(old: Policy, new: Policy) -> Iterator[str]:
    """Yield each rule that may do more, or that is heard no more. A detector's own confidence is unknown here."""
    for name in sorted({*old.rules, *new.rules}):
        was, will = old.rules.get(name), new.rules.get(name)
        if will and will.ignore and not (was and was.ignore):
            yield f"rules.{name}: ignored"
        if was and was.ignore and not (will and will.ignore):
            yield f"rules.{name}: no longer ignored"
        before = was.confidence if was else None
        after = will.confidence if will else None
        if before != after and (before is None or after is None or after > before):
            yield f"rules.{name}: confidence {_sure(before)} → {_sure(after)}"


def _sure(confidence: float | None) -> str:
    return "the detector's own" if confidence is None else str(confidence)
