"""What is expected of a workload for a while: a rule about it is recorded and counted, and nothing is done.

A person with the right to say so names rule, workload and end in a Command; the liaison signs what it read
there, and the judge believes nothing else. An exception is about what comes while it holds, never about what
was there before.
"""

from datetime import datetime, timedelta

from pydantic import BaseModel

from signals.approvals import Approval
from signals.entities import ClusterRef
from signals.errors import Refused
from signals.threats import ThreatEvent

LONGEST = timedelta(days=30)
"""How long one exception may hold: it is said anew, by a person, or it ends."""
POD = "Pod"


class AlertException(BaseModel, frozen=True):
    """One rule, expected of one workload until then. Signed by the liaison."""

    id: str
    cluster: ClusterRef
    rule: str
    namespace: str
    workload: str = ""
    """`Deployment/web`: what owns the pod, or `Pod/web` where nothing does."""
    image: str = ""
    """The image, by reference or digest, where it is not one workload."""
    incident: str
    """Where somebody saw that it is expected."""
    actor: str
    reason: str
    made_at: datetime
    until: datetime
    ended_at: datetime | None = None
    """When a person ended it before its time."""
    ended_by: str = ""
    signature: str = ""

    @property
    def ends(self) -> datetime:
        """When it holds no more."""
        return min(self.until, self.ended_at or self.until)

    @property
    def whose(self) -> str:
        """Of whom it is expected, in words."""
        return f"{self.namespace}, {self.workload or f'image {self.image}'}"

    def covers(self, event: ThreatEvent) -> bool:
        """Return whether an event is what is expected, and came while it was."""
        subject, came = event.subject, event.accepted_at or event.observed_at
        if subject.kind != POD or subject.namespace != self.namespace:
            return False
        if event.cluster.uid != self.cluster.uid or event.rule != self.rule:
            return False
        if not self.made_at <= came < self.ends:
            return False
        return self.workload == workload(event) if self.workload else self.image in images(event)


def workload(event: ThreatEvent) -> str:
    """Return the workload that an event is about, as an exception names it."""
    owner = event.owner or event.subject
    return f"{owner.kind}/{owner.name}"


def images(event: ThreatEvent) -> tuple[str, ...]:
    """Return the images that an event names."""
    return tuple(entity.name for entity in event.entities if entity.kind == "Image" and entity.name)


def exception(approval: Approval) -> AlertException:
    """Return the exception that a person's command makes, unsigned. The same command makes the same one.

    Raises:
        Refused: it names no rule, no workload, no reason, or no length of time up to `LONGEST`.
    """
    seconds = timedelta(seconds=approval.seconds)
    if not (approval.rule and approval.namespace and bool(approval.workload) != bool(approval.image)):
        raise Refused("an exception names a rule, a namespace, and there either a workload or an image")
    if not approval.reason.strip():
        raise Refused("an exception needs a reason: somebody will ask why nothing was done")
    if not timedelta(0) < seconds <= LONGEST:
        raise Refused(f"an exception holds for {LONGEST.days} days at most")
    return AlertException(
        id=f"exc-{approval.id.replace('-', '')[:8]}",
        cluster=approval.cluster,
        rule=approval.rule,
        namespace=approval.namespace,
        workload=approval.workload,
        image=approval.image,
        incident=approval.incident,
        actor=approval.actor,
        reason=approval.reason,
        made_at=approval.said_at,
        until=approval.said_at + seconds,
    )


class Matched(BaseModel, frozen=True):
    """One exception and what it was good for: `firebreak exceptions -o json`."""

    exception: AlertException
    matched: int = 0
    """How many events it was about, whether or not something else made them count."""
    last: datetime | None = None
    """When the latest came."""
