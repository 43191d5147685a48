"""Recorded Falco alerts, filled in for a live pod and posted as Falco's own `http_output` would."""

import asyncio
import json
import ssl
import urllib.error
import urllib.request
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from string import Template

from activities.ports import Manifest
from signals.errors import BadInput, Refused, Unavailable
from workers.cli.drill.scenario import Scenario
from workers.cli.patience import patiently
from workers.stack.state import Status

ANSWER_SECONDS = 10.0


def filled(scenario: Scenario, pod: Manifest, now: datetime) -> bytes:
    """Return the scenario's alert as if Falco had seen it in this pod, now."""
    recorded = files("deploy").joinpath("drill", "alerts", f"{scenario.alert}.json").read_text("utf-8")
    nanos = int(now.timestamp()) * 10**9 + now.microsecond * 1000
    moment = now.astimezone(UTC)
    text = Template(recorded).substitute(
        pod=pod["metadata"]["name"],
        namespace=pod["metadata"]["namespace"],
        uid=pod["metadata"]["uid"],
        container=_container(pod),
        node=pod["spec"].get("nodeName", "node-1"),
        nanos=nanos,
        time=f"{moment:%Y-%m-%dT%H:%M:%S}.{nanos % 10**9:09d}Z",
        clock=f"{moment:%H:%M:%S}.{nanos % 10**9:09d}",
        planted=scenario.planted,
    )
    return json.dumps(json.loads(text)).encode()


def _container(pod: Manifest) -> str:
    """Return the short container id as Falco writes it; kwok's containers have none, so the UID stands in."""
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    identity: str = statuses[0].get("containerID", "").rpartition("/")[2]
    return (identity or pod["metadata"]["uid"].replace("-", ""))[:12]


async def post(status: Status, alert: bytes) -> int:
    """Post one alert to the stack's receiver and return the HTTP status.

    Raises:
        Unavailable: the receiver does not answer, or asks to wait.
        Refused: the receiver does not know this sender.
        BadInput: the receiver cannot read the alert.
    """
    if not status.endpoints.falco or not status.falco_token_file:
        raise Unavailable("This stack has no alert receiver: is the runtime-guardian running?")
    url, token = status.endpoints.falco, Path(status.falco_token_file)
    context = ssl.create_default_context(cafile=status.falco_ca_file)
    return await patiently(lambda: asyncio.to_thread(_send, url, token, alert, context))


def _send(url: str, token: Path, alert: bytes, context: ssl.SSLContext) -> int:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token.read_text().strip()}"}
    request = urllib.request.Request(url, alert, headers)  # noqa: S310 - our own stack's
    try:
        plain = None if url.startswith("http:") else context
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS, context=plain) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        reason = error.read().decode("utf-8", "replace")[:300]
        if error.code in {401, 403}:
            raise Refused(f"The alert receiver refused the token: {reason}") from error
        if error.code == 429 or error.code >= 500:
            raise Unavailable(f"The alert receiver asks to wait: {error.code} {reason}") from error
        raise BadInput(f"The alert receiver cannot use the alert: {error.code} {reason}") from error
    except OSError as error:
        raise Unavailable(f"The alert receiver does not answer: {error}") from error
