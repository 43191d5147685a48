"""Post each page as a CloudEvent 1.0, signed, to whatever a team has built."""

import hashlib
import hmac
from datetime import UTC, datetime

import msgspec

from activities.notifier import Channel, Desk, Given, Notifier
from activities.outbound import Outbound, secret
from signals.channels import ChannelOptions
from signals.display import literal
from signals.pages import Page

SECRET_CHARACTERS = 32
TIMESTAMP, SIGNATURE = "X-Firebreak-Timestamp", "X-Firebreak-Signature"
_TEXT = 4000


class WebhookChannel:
    """One receiver. The same page sent twice bears the same `Idempotency-Key` and the same id."""

    def __init__(self, receiver: Outbound, key: bytes) -> None:
        """Sign with this key."""
        self._receiver = receiver
        self._key = key

    async def send(self, page: Page) -> None:
        """Post the page.

        Raises:
            Unavailable, Refused: as `Outbound.call`.
        """
        body = msgspec.json.encode(_event(page))
        timestamp = str(int(datetime.now(UTC).timestamp()))
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "Idempotency-Key": _id(page),
            TIMESTAMP: timestamp,
            SIGNATURE: signature(self._key, timestamp, body),
        }
        await self._receiver.call("POST", data=body, headers=headers)


def signature(key: bytes, timestamp: str, body: bytes) -> str:
    """Return `v1=` and the HMAC-SHA256 of `timestamp.body` in hex: what a receiver computes and compares."""
    return f"v1={hmac.new(key, timestamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


def _id(page: Page) -> str:
    return hashlib.sha256(page.dedup_key.encode()).hexdigest()


def _event(page: Page) -> dict[str, object]:
    told = page.model_dump(mode="json")
    told["title"], told["text"] = literal(page.title, _TEXT), literal(page.text, _TEXT)
    told["facts"] = {name: literal(value, _TEXT) for name, value in page.facts.items()}
    return {
        "specversion": "1.0",
        "id": _id(page),
        "source": f"/firebreak/{page.cluster.uid or page.cluster.name}",
        "type": f"dev.firebreak.page.{page.kind}",
        "subject": page.incident or "cluster",
        "time": page.at.isoformat(),
        "datacontenttype": "application/json",
        "data": told,
    }


def connect(given: Given, desk: Desk) -> Channel:
    """Open the receiver."""
    key = secret(given["webhook_secret_file"], "FIREBREAK_WEBHOOK_SECRET_FILE", length=SECRET_CHARACTERS)
    receiver = Outbound(
        given["webhook_url"], "FIREBREAK_WEBHOOK_URL", "FIREBREAK_WEBHOOK_SECRET_FILE", given["private_hosts"]
    )
    return WebhookChannel(receiver, key.encode())


NOTIFIER = Notifier(
    name="webhook",
    reaches="whatever listens there: one signed CloudEvent 1.0 a page",
    needs=("webhook_url", "webhook_secret_file"),
    uses=("private_hosts",),
    connect=connect,
    options=ChannelOptions(),
)
