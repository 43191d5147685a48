"""Every kind of network policy in one form: who is meant, in which order, and what each rule does.

Tiers decide one after the other, each for itself and for one direction: what administrators insist on, then
NetworkPolicies, then what administrators suggest; what none decides is open. A part that is not modelled keeps
its place and says `unknown`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from activities.graph.network_policy import Direction, Object


class Tier(IntEnum):
    """Who decides first."""

    UNMODELLED = 0
    """Policies that only their own enforcer understands: they may turn every answer about their pods."""
    ADMIN = 1
    DENYING = 2
    """Rules that deny whatever others allow."""
    NAMESPACED = 3
    BASELINE = 4


class Effect(StrEnum):
    """What a rule does with what it matches."""

    ALLOW = "allow"
    DENY = "deny"
    SKIP = "pass"
    """Ask no more in this tier."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Pods:
    """Pods, by their labels, in one namespace or in all whose labels are selected."""

    pods: Object = field(default_factory=dict)
    namespace: str | None = None
    namespaces: Object = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Addresses; whether those of pods count, or only those outside."""

    cidr: str
    holes: tuple[str, ...] = ()
    pods: bool


@dataclass(frozen=True, kw_only=True)
class Unmodelled:
    """Somebody who cannot be told from objects: only outside of pods, or anybody."""

    outside: bool


Peer = Pods | Block | Unmodelled


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Ports of the destination, by number or by name; protocol None is any."""

    protocol: str | None
    first: int = 1
    last: int = 65535
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of a policy, or the part of it that has one effect; no peers are everybody, no ports are all."""

    index: int
    effect: Effect
    peers: tuple[Peer, ...] = ()
    ports: tuple[Ports, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One policy; it has a say in the directions that it has rules for, be it none."""

    kind: str
    name: str
    tier: Tier
    priority: int = 0
    subject: Pods
    rules: Mapping[Direction, tuple[Rule, ...]]
    closes: bool = True
    """Among those that add up: whether what none of them allows is denied because of this one."""
