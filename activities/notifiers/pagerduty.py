"""Page by PagerDuty's Events API v2: one alert an incident, resolved when the incident is closed."""

import msgspec

from activities.notifier import Channel, Desk, Given, Notifier
from activities.outbound import Outbound, secret
from signals.channels import ChannelOptions
from signals.display import literal
from signals.pages import Page, PageKind
from signals.threats import Severity

SUMMARY, DEDUP_KEY, BODY = 1024, 255, 512 << 10
"""PagerDuty's limits: characters, characters, bytes."""
KEY_CHARACTERS = 32
_TEXT = 4000
_SEVERITY = {
    Severity.INFO: "info",
    Severity.LOW: "info",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "critical",
}


class PagerDutyChannel:
    """One service of PagerDuty. The same event sent twice is one alert there."""

    def __init__(self, service: Outbound, key: str) -> None:
        """Send events under this integration key."""
        self._service = service
        self._key = key

    async def send(self, page: Page) -> None:
        """Trigger, or resolve once it is closed.

        Raises:
            Unavailable, Refused: as `Outbound.call`.
        """
        await self._service.call("POST", json=self._event(page))

    def _event(self, page: Page) -> dict[str, object]:
        about = page.incident or page.dedup_key
        event: dict[str, object] = {
            "routing_key": self._key,
            "event_action": "resolve" if page.kind is PageKind.CLOSED else "trigger",
            "dedup_key": f"firebreak/{page.cluster.name}/{about}"[:DEDUP_KEY],
        }
        if event["event_action"] != "trigger":
            return event
        text = literal(page.text, _TEXT)
        event["payload"] = {
            "summary": literal(f"{page.title}: {page.text}" if page.text else page.title, SUMMARY),
            "source": page.cluster.name,
            "severity": _SEVERITY[page.severity],
            "timestamp": page.at.isoformat(),
            "component": page.incident or "firebreak",
            "group": page.namespace or page.cluster.name,
            "class": page.kind.value,
            "custom_details": {
                "text": text,
                **{name: literal(value, _TEXT) for name, value in list(page.facts.items())[:50]},
            },
        }
        event["links"] = [{"href": href, "text": text} for text, href in page.links.items()]
        event["client"] = "Firebreak"
        if len(msgspec.json.encode(event)) > BODY:
            event["payload"] = {**event["payload"], "custom_details": {"text": text}}  # type: ignore[dict-item]
        return event


def connect(given: Given, desk: Desk) -> Channel:
    """Open the service whose key stands in a file."""
    key = secret(given["pagerduty_key_file"], "FIREBREAK_PAGERDUTY_KEY_FILE", length=KEY_CHARACTERS)
    service = Outbound(
        given["pagerduty_url"],
        "FIREBREAK_PAGERDUTY_URL",
        "FIREBREAK_PAGERDUTY_KEY_FILE",
        given["private_hosts"],
    )
    return PagerDutyChannel(service, key)


NOTIFIER = Notifier(
    name="pagerduty",
    reaches="whoever is on call in PagerDuty: triggered, resolved on close",
    needs=("pagerduty_key_file",),
    uses=("pagerduty_url", "private_hosts"),
    connect=connect,
    options=ChannelOptions(
        minimum=Severity.MEDIUM,
        kinds=(PageKind.PAGE, PageKind.APPROVAL, PageKind.EXPIRY, PageKind.DRIFT, PageKind.BLIND),
    ),
)
