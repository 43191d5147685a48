"""What a person said: an immutable command, proved by the API server, signed by the liaison."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel

from signals.entities import ClusterRef
from signals.growing import Grown
from signals.threats import Mode
from signals.verdicts import Verdict


class Verb(StrEnum):
    """What a person can say about an incident or a namespace."""

    APPROVE = "approve"
    REJECT = "reject"
    UNDO = "undo"
    EXTEND = "extend"
    STAND_DOWN = "stand-down"
    CLOSE = "close"
    ENROL = "enrol"
    UNENROL = "unenrol"
    STOP = "stop"
    RESUME = "resume"
    APPROVE_POLICY = "approve-policy"
    JUDGE = "judge"
    SNOOZE = "snooze"
    END_EXCEPTION = "end-exception"


class Via(StrEnum):
    """Where a person spoke, if not under their own credentials: the liaison then speaks for them."""

    SLACK = "slack"
    PAGE = "page"


class Approval(Grown, frozen=True):
    """One command of one person, as the liaison read it from the API server.

    `id` is the Command object's UID: single use, and the update id in Temporal. `authenticated` is False
    only on the memory cluster, where nobody proves who speaks.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"verdict", "rule", "workload", "image", "exception"})

    id: str
    cluster: ClusterRef
    verb: Verb
    incident: str = ""
    actor: str
    role: str = "oncall"
    """`oncall` or `lead`: in which capacity, as the API server's RBAC allowed it."""
    authenticated: bool = True
    plan_hash: str = ""
    target_uids: tuple[str, ...] = ()
    reason: str = ""
    seconds: int = 0
    """EXTEND: how much longer. SNOOZE: for how long."""
    keep: bool = False
    """CLOSE: leave what is applied in place."""
    undo: bool = False
    """CLOSE: put everything back first."""
    namespace: str = ""
    """ENROL, UNENROL, SNOOZE: which namespace."""
    mode: Mode = Mode.SHADOW
    """ENROL: what Firebreak may do in it."""
    force: bool = False
    """UNDO: remove our own marks even where somebody else changed the object."""
    verdict: Verdict | None = None
    """CLOSE, JUDGE: what it was, now that it is over."""
    rule: str = ""
    """SNOOZE: which rule is expected."""
    workload: str = ""
    """SNOOZE: of which workload, as `Deployment/web`; or by `image`."""
    image: str = ""
    """SNOOZE: of which image, whatever runs it in that namespace."""
    exception: str = ""
    """END_EXCEPTION: which."""
    said_at: datetime
    signature: str = ""


class Answer(BaseModel, frozen=True):
    """What came of a command, for the person who gave it."""

    accepted: bool
    message: str
