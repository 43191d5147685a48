"""Pages of what people say to the executor itself: a stop and a resume concern everybody, and no incident."""

from datetime import UTC, datetime, timedelta

from activities.notify import Notifying
from activities.ports import Manifest
from signals.approvals import Verb
from signals.entities import ClusterRef
from signals.pages import Page, PageKind
from signals.threats import Severity

FRESH = timedelta(hours=1)
"""What is older was paged before a restart."""

_TITLES = {
    Verb.STOP: "Firebreak was stopped by {actor}: nothing new is contained until two people resume",
    Verb.RESUME: "{actor} said resume: Firebreak goes on when two people have",
    Verb.APPROVE_POLICY: "{actor} approved a policy that loosens what holds",
}


def page(command: Manifest, cluster: ClusterRef) -> Page | None:
    """Return what people are told of one order; nothing of one that is old."""
    metadata, spec = command["metadata"], command["spec"]
    said = datetime.fromisoformat(metadata.get("creationTimestamp") or datetime.now(UTC).isoformat())
    if datetime.now(UTC) - said > FRESH:
        return None
    return Page(
        incident=metadata["name"],
        cluster=cluster,
        kind=PageKind.PAGE,
        severity=Severity.CRITICAL if spec["verb"] == Verb.STOP else Severity.HIGH,
        title=_TITLES[Verb(spec["verb"])].format(actor=spec["actor"]),
        text=spec.get("reason", ""),
        dedup_key=metadata["uid"],
        at=said,
    )


async def tell(notifying: Notifying, command: Manifest, cluster: ClusterRef) -> None:
    """Page one order."""
    told = page(command, cluster)
    if told is not None:
        await notifying.tell_people(told)
