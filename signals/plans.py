"""What will be written, exactly: a plan is data, so it can be dry-run, hashed, shown and undone."""

import hashlib
import json
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from signals.decisions import Inverse, PlannedAction


class ObjectRef(BaseModel, frozen=True):
    """One object of the API server. `resource` is the plural as RBAC names it (`networkpolicies`)."""

    group: str
    version: str
    resource: str
    name: str
    namespace: str | None = None
    uid: str | None = None

    def __str__(self) -> str:
        """Return `resource/namespace/name`."""
        return "/".join(part for part in (self.resource, self.namespace, self.name) if part)


class WriteKind(StrEnum):
    """The few shapes of write that containment needs. Each has one exact inverse of its own, or none."""

    CREATE = "create"
    """Create an object of ours. Inverse: delete it by UID."""
    MARK = "mark"
    """Set labels and annotations of ours on a pod. Inverse: remove those keys."""
    EXCLUDE = "exclude"
    """Add one `NotIn [case]` to a policy's podSelector. Inverse: remove that entry."""
    EVICT = "evict"
    """Evict one pod, that very one, if its disruption budget allows. It has no inverse."""


class Write(BaseModel, frozen=True):
    """One change of one object.

    `before` is the sha256 of the part of the object that this write depends on, without anything of ours:
    an undo that finds another hash has met somebody else's edit.
    """

    kind: WriteKind
    ref: ObjectRef
    manifest: dict[str, Any] | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    key: str = ""
    """EXCLUDE: the label key of the `NotIn`."""
    value: str = ""
    """EXCLUDE: its value, the case."""
    before: str = ""

    def __str__(self) -> str:
        """Return the change in one line, as a person would say it."""
        if self.kind is WriteKind.CREATE:
            return f"create {self.ref}"
        if self.kind is WriteKind.MARK:
            return f"mark {self.ref} with {', '.join(sorted({*self.labels, *self.annotations}))}"
        if self.kind is WriteKind.EVICT:
            return f"evict {self.ref}"
        return f"exclude the pod from {self.ref} by {self.key}"


class ActionPlan(BaseModel, frozen=True):
    """One action, planned against the live API: writes in order; the inverse runs them backwards.

    `blocked` says why this must not be written (a GitOps controller owns it, control-plane impact …).
    """

    action: PlannedAction
    writes: tuple[Write, ...]
    inverse: Inverse
    summary: str
    residual: tuple[str, ...] = ()
    """What stays open although the action is applied, in words."""
    concerns: tuple[str, ...] = ()
    """Control-plane impact that only planning could see (the peer is a node …): a person decides."""
    blocked: str = ""


class DryRun(BaseModel, frozen=True):
    """What the API server answered to one write with `dryRun=All`."""

    write: str
    accepted: bool
    message: str = ""


class Plan(BaseModel, frozen=True):
    """All actions of one decision, with the API server's answer to a dry run of every write."""

    incident: str
    policy_digest: str
    actions: tuple[ActionPlan, ...]
    dry_run: tuple[DryRun, ...] = ()
    hash: str = ""

    def digest(self) -> str:
        """Return the hash that an approval is bound to: what is written to what, under which policy."""
        body = self.model_dump(mode="json", include={"incident", "policy_digest", "actions"})
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
