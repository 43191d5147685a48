"""What the commands that need no stack print: `firebreak can`, `connections` and `reach`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

STRICT = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, use_attribute_docstrings=True)


class GrantedRight(BaseModel):
    """One rule that allows a request, and how it came to the one who asked."""

    model_config = STRICT
    binding: str
    """`Kind/namespace/name`; without a namespace where it has none."""
    role: str
    """`Kind/namespace/name`."""
    rule: dict[str, Any]
    """The rule as it stands in the role."""


class RightAnswer(BaseModel):
    """What `firebreak can` answers to one question."""

    model_config = STRICT
    allowed: bool
    """Whether the API server's RBAC authorizer allows it."""
    reason: str
    """Why, in words."""
    by: tuple[GrantedRight, ...] = ()
    """Every rule that allows it."""
    error: str | None = None
    """Only in an answer to a line of `--requests` that could not be understood."""
    ignored: tuple[str, ...] | None = None
    """Fields of a line of `--requests` that nobody knows."""


class PortRanges(BaseModel):
    """Ports of one protocol."""

    model_config = STRICT
    protocol: str
    """`TCP`, `UDP` or `SCTP`."""
    ports: tuple[tuple[int, int], ...]
    """First and last port of each range; all ports are `[1, 65535]`."""


class Connected(BaseModel):
    """One end that may talk to another, as `firebreak connections` prints it."""

    model_config = STRICT
    src: str
    """Who opens the connection: `namespace/name[Kind]` of the owner, or a range of addresses `first-last`."""
    dst: str
    """To whom."""
    connections: tuple[PortRanges, ...]
    """What is open for sure."""
    unknown: tuple[PortRanges, ...] | None = None
    """What cannot be said; absent where everything can."""


class GrantedStep(BaseModel):
    """By whose leave a step is possible."""

    model_config = STRICT
    object: str
    """`Kind/namespace/name` of the object that grants it: a binding, a pod, a policy."""
    uid: str | None
    """Its UID, where the data have it."""
    resource_version: str | None
    """Its version, where the data have it."""
    role: str | None
    """The role that a binding gives; null for what is no right."""
    rule: Any
    """The rule of that role, or the part of the object that says so, in words."""


class Step(BaseModel):
    """One step of a way."""

    model_config = STRICT
    edge: str
    """Its kind, as in the table of steps."""
    source: str = Field(alias="from")
    """From what."""
    to: str
    """To what."""
    granted_by: GrantedStep
    """By whose leave."""
    conditions: tuple[str, ...]
    """What else must be so, in words."""


class ReachedEntity(BaseModel):
    """One thing that can be reached, by its best way."""

    model_config = STRICT
    entity: str
    """`pod/NS/NAME`, `sa/NS/NAME`, `user/NAME`, `group/NAME`, `node/NAME`, `secret/NS/NAME`, `ip/RANGE`."""
    tier: str
    """`direct`, `conditional` or `unknown`."""
    hops: int
    """How many steps it takes."""
    path: tuple[Step, ...]
    """The steps."""


class TierChange(BaseModel):
    """What a cut does to one thing."""

    model_config = STRICT
    entity: str
    """What is meant."""
    was: str | None
    """Its tier before; null where it was not reached."""
    now: str | None
    """Its tier with the cut; null where it is not reached any more."""


class CutEffect(BaseModel):
    """What a cut changes."""

    model_config = STRICT
    changes: tuple[str, ...]
    """Each change, in words."""
    closed: tuple[TierChange, ...]
    """What is reached less surely than before, or no longer."""
    opened: tuple[TierChange, ...]
    """What is reached more surely than before."""
    left: int
    """How many things are still reached, in whatever tier."""
    closes: bool
    """Whether the target, or without one anything at all, is not even unknown any more."""


class ReachAnswer(BaseModel):
    """What could be reached from one entity."""

    model_config = STRICT
    source: str = Field(alias="from")
    """What was taken for compromised."""
    at: str | None
    """The moment of the data, RFC 3339; null where files do not say it."""
    cluster_admin: bool
    """Whether everything is reached, directly."""
    cluster_admin_by: ReachedEntity | None
    """The way to everything, in whatever tier; null where there is none."""
    reached: tuple[ReachedEntity, ...]
    """Everything that can be reached, surest and nearest first; with a target only that."""
    missing: tuple[str, ...]
    """What is not in the data: while a line stands here, what is not listed is not safe, but unknown."""
    alternatives: tuple[ReachedEntity, ...] | None = None
    """Other ways to the target, without what the best one needs; only with a target."""
    cut: CutEffect | None = None
    """What the cut changes; only with one."""
