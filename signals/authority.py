"""Who may decide what, and how many it takes: rules as data, and what they ask of one decision. Pure.

Every rule that covers a decision holds; the strictest wins. The liaison asks when somebody speaks, the executor
asks again, by its own records, before it does what was said.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from pydantic import BaseModel, Field

from signals.approvals import Verb
from signals.people import Role

LETS_GO = (Verb.UNDO, Verb.STAND_DOWN)
"""What puts containment back. `close --undo`, and releasing it when its time is up, count as `undo`."""


class AuthorityRule(BaseModel, frozen=True, extra="forbid"):
    """What it takes to decide. What is left out covers everything."""

    verbs: tuple[Verb, ...] = ()
    """Which decisions: `approve`, `undo`, `extend`, `stand-down`, `close`, `enrol`, `resume` …"""
    tiers: tuple[int, ...] = ()
    """In incidents of which tiers."""
    namespaces: tuple[str, ...] = ("*",)
    """In which namespaces (shell patterns); one that is touched is enough."""
    actions: tuple[str, ...] = ()
    """About which actions, by name; one of them is enough."""
    roles: tuple[Role, ...] = ()
    """In which of these capacities one must speak; any where none is named."""
    groups: tuple[str, ...] = ()
    """Ids of Slack user groups: whoever speaks in Slack must be in one of them at that moment."""
    people: int = Field(default=1, ge=1, le=5)
    """How many different people it takes."""

    def covers(self, verb: Verb, matter: "Matter") -> bool:
        """Return whether this rule is about such a decision."""
        return (
            (not self.verbs or verb in self.verbs)
            and (not self.tiers or matter.tier in self.tiers)
            and (not self.actions or bool({*self.actions} & {*matter.actions}))
            and any(
                fnmatchcase(one, wanted) for one in matter.namespaces or ("",) for wanted in self.namespaces
            )
        )


class Authority(BaseModel, frozen=True, extra="forbid"):
    """Who may decide what, over what RBAC and the tiers ask for already."""

    rules: tuple[AuthorityRule, ...] = (
        AuthorityRule(verbs=LETS_GO, actions=("isolate_pod", "freeze_credentials"), people=2),
    )
    """All that cover a decision hold. By default it takes two people to let go of an isolated pod or frozen
    credentials; one is enough for everything else."""
    irreversible: tuple[str, ...] = ("evict_pod",)
    """Actions that are never approved in Slack alone: their button leads to the approval page. An evicted pod takes
    what was in its memory with it, and nothing brings that back."""
    login_seconds: int = Field(default=300, ge=30, le=3600)
    """How old a login at the approval page may be for what is irreversible."""

    def asked(self, verb: Verb, matter: "Matter") -> "Demand":
        """Return what all rules together ask of a decision."""
        holding = [rule for rule in self.rules if rule.covers(verb, matter)]
        return Demand(
            roles=tuple(frozenset(rule.roles) for rule in holding if rule.roles),
            groups=tuple(frozenset(rule.groups) for rule in holding if rule.groups),
            people=max((rule.people for rule in holding), default=1),
        )


def spoken_as(role: str) -> frozenset[str]:
    """Return every capacity that somebody has who speaks in this one."""
    return frozenset({role, Role.ONCALL}) if role == Role.LEAD else frozenset({role})


@dataclass(frozen=True, kw_only=True)
class Matter:
    """What a decision is about."""

    tier: int = 1
    namespaces: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    """Types of the actions that would be written, or put back."""
    implicated: tuple[str, ...] = ()
    """Accounts that did what is under suspicion, or are under it."""

    def with_implicated(self, accounts: Collection[str]) -> "Matter":
        """Return it with more accounts that do not decide."""
        return replace(self, implicated=tuple(sorted({*self.implicated, *accounts})))


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What it takes: of each set of roles and of groups one."""

    roles: tuple[frozenset[Role], ...] = ()
    groups: tuple[frozenset[str], ...] = ()
    people: int = 1

    def lacks_role(self, roles: Iterable[str]) -> str:
        """Return in words which role is missing, or nothing."""
        missing = next((one for one in self.roles if not one & {*roles}), None)
        return f"by policy this needs {' or '.join(sorted(missing))}" if missing else ""

    def lacks_group(self, groups: Collection[str]) -> str:
        """Return in words which Slack user group is missing, or nothing."""
        missing = next((one for one in self.groups if not one & {*groups}), None)
        return f"by policy this needs a member of {' or '.join(sorted(missing))}" if missing else ""
