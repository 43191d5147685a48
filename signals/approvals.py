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


class Voice(BaseModel, frozen=True):
    """One person's word, as the liaison took it."""

    command: str
    """UID of the Command."""
    actor: str
    """With `via` the name of a person, else a user name of the API server."""
    person: str = ""
    """The one name of whoever speaks, whatever the account."""
    role: str = "oncall"
    via: str = ""
    groups: tuple[str, ...] | None = None
    """Slack user groups that they were in at that moment; null where nobody asked Slack."""
    authenticated_at: datetime | None = None
    """When they last logged in at the approval page."""
    said_at: datetime


class Approval(Grown, frozen=True):
    """One command of one person, as the liaison read it from the API server.

    `id` is the Command object's UID: single use, and the update id in Temporal. `authenticated` is False
    only on the memory cluster, where nobody proves who speaks.
    """

    LATER: ClassVar[frozenset[str]] = frozenset(
        {
            "verdict", "rule", "workload", "image", "exception",
            "via", "groups", "authenticated_at", "person", "seconded",
        }
    )  # fmt: skip

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
    via: str = ""
    """Where it was said, if not under their own credentials."""
    groups: tuple[str, ...] | None = None
    """Slack user groups that they were in when they spoke; null where nobody asked Slack."""
    authenticated_at: datetime | None = None
    """When they last logged in at the approval page."""
    person: str = ""
    """The one name of whoever speaks, whatever the account; empty where the policy names nobody."""
    seconded: tuple[Voice, ...] = ()
    """The others who said the same before, where it takes several."""
    signature: str = ""

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Everybody who said it, whoever spoke last first."""
        mine = Voice(
            command=self.id,
            actor=self.actor,
            person=self.person or self.actor,
            role=self.role,
            via=self.via,
            groups=self.groups,
            authenticated_at=self.authenticated_at,
            said_at=self.said_at,
        )
        return (mine, *self.seconded)

    @property
    def by(self) -> str:
        """Who said it, for the record."""
        return " and ".join(dict.fromkeys(voice.actor for voice in reversed(self.voices)))


class Answer(BaseModel, frozen=True):
    """What came of a command, for the person who gave it."""

    accepted: bool
    message: str
    waits: bool = False
    """It counts, and nothing is done before another person has said it too."""
