"""What the executor asks of agents that hold rights of their own: signed orders, and signed answers."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from signals.approvals import Approval
from signals.entities import ClusterRef


class FreezeVerb(StrEnum):
    """What can be done with Freeze objects."""

    GET = "get"
    LIST = "list"
    CREATE = "create"
    PATCH = "patch"
    DELETE = "delete"


class FreezeOrder(BaseModel, frozen=True):
    """One call on Freeze objects, signed by the executor. Good once, and for seconds."""

    id: str
    cluster: ClusterRef
    at: datetime
    verb: FreezeVerb
    name: str = ""
    """The UID of the pod whose credentials it is about; empty for a list."""
    uid: str | None = None
    """The UID of the Freeze object itself, where only that very one is meant."""
    labels: str = ""
    """LIST: a label selector."""
    manifest: dict[str, Any] = Field(default_factory=dict)
    """CREATE: the object."""
    operations: tuple[dict[str, Any], ...] = ()
    """PATCH: a JSON Patch."""
    dry_run: bool = False
    approval: Approval | None = None
    """CREATE: a person's word for it, signed by the liaison."""
    signature: str = ""


class Answered(BaseModel, frozen=True):
    """What came of one order, signed by the agent that carried it out."""

    order: str
    result: Any = None
    signature: str = ""
