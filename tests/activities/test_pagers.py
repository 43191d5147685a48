"""Pagers, tickets and webhooks: each incident once, whatever the service on the other side does."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

import activities.notifiers
from activities.notifier import Channel, Desk, Notifier
from activities.notifiers.webhook import SIGNATURE, TIMESTAMP, signature
from activities.outbound import Outbound
from signals.catalog import load
from signals.errors import Refused, SettingsInvalid, Unavailable
from signals.pages import Page, PageKind
from signals.threats import Severity
from tests.activities.services import KEY, TOKEN, USER, Services
from tests.activities.test_notify import page
from tests.workflows.world import Bucket
from workers.settings import Settings

REPORT = b"<html>the report</html>"
NOTIFIERS = load(activities.notifiers, Notifier)
TICKETS = ("jira", "servicenow")
ALL = ("pagerduty", "webhook", *TICKETS)


@pytest_asyncio.fixture
async def services() -> AsyncIterator[Services]:
    """Run the services."""
    async with Services().running() as running:
        yield running


@pytest.fixture
def desk() -> Desk:
    async def report(incident: str) -> bytes | None:
        return REPORT

    return Desk(memory=Bucket(), report=report)


def channel(name: str, services: Services, desk: Desk, folder: Path, **other: Any) -> Channel:
    """Return a channel to the services, with all settings that it needs."""
    for file, text in (("key", KEY), ("token", TOKEN)):
        (folder / file).write_text(text + "\n")
    given = {
        "pagerduty_key_file": folder / "key", "pagerduty_url": f"{services.url}/v2/enqueue",
        "jira_url": services.url, "jira_user": USER, "jira_token_file": folder / "token",
        "jira_project": "SEC", "jira_closed": "Done", "servicenow_url": services.url, "servicenow_user": USER,
        "servicenow_password_file": folder / "token", "servicenow_close_code": "Solved (Permanently)",
        "webhook_url": f"{services.url}/hook", "webhook_secret_file": folder / "key",
        "private_hosts": "127.0.0.1", **other,
    }  # fmt: skip
    settings = Settings.model_validate(given).model_dump()
    notifier = NOTIFIERS[name]
    return notifier.connect({one: settings[one] for one in (*notifier.needs, *notifier.uses)}, desk)


def closed() -> Page:
    return page("closed", kind=PageKind.CLOSED, severity=Severity.INFO, text="false alarm")


def tickets(services: Services) -> list[dict[str, Any]]:
    return [*services.issues.values(), *services.records.values()]


async def test_an_incident_is_one_alert_of_pagerduty_until_it_is_closed(
    services: Services, desk: Desk, tmp_path: Path
) -> None:
    pager = channel("pagerduty", services, desk, tmp_path)
    await pager.send(page())
    await pager.send(page("again", severity=Severity.CRITICAL, links={"Incident": "http://ui/1"}))
    await pager.send(closed())
    ((key, events),) = services.alerts.items()
    assert key == "firebreak/test/shop-web-0-1"
    assert [event["event_action"] for event in events] == ["trigger", "trigger", "resolve"]
    assert [event["payload"]["severity"] for event in events[:2]] == ["error", "critical"]
    assert events[1]["links"] == [{"href": "http://ui/1", "text": "Incident"}]


async def test_an_event_of_pagerduty_keeps_its_limits(services: Services, desk: Desk, tmp_path: Path) -> None:
    facts = {f"fact {n}": "x" * 100_000 for n in range(500)}
    await channel("pagerduty", services, desk, tmp_path).send(page(text="y" * 900_000, facts=facts))
    assert len(services.alerts) == 1


async def test_a_webhook_is_signed_and_names_each_page_once(
    services: Services, desk: Desk, tmp_path: Path
) -> None:
    hook = channel("webhook", services, desk, tmp_path)
    for _ in range(2):
        await hook.send(page(text="see https://evil.test <!channel>"))
    (headers, body), (again, _) = services.hooks
    assert headers[SIGNATURE] == signature(KEY.encode(), headers[TIMESTAMP], body)
    assert headers["Idempotency-Key"] == again["Idempotency-Key"] == json.loads(body)["id"]
    event = json.loads(body)
    assert event["specversion"] == "1.0"
    assert event["type"] == "dev.firebreak.page.page"
    assert "https://evil" not in event["data"]["text"]


@pytest.mark.parametrize("name", TICKETS)
async def test_an_incident_is_one_ticket_with_its_report_and_what_follows(
    services: Services, desk: Desk, tmp_path: Path, name: str
) -> None:
    tracker = channel(name, services, desk, tmp_path)
    for told in (
        page(),
        page(),
        page("drift", kind=PageKind.DRIFT, text="somebody changed it"),
        closed(),
        closed(),
    ):
        await tracker.send(told)
    (ticket,) = tickets(services)
    assert ticket["files"] == [("shop-web-0-1.html", REPORT)]
    if name == "jira":
        assert len(ticket["comments"]) == 2
        assert set(ticket["moved"]) == {"31"}
    else:
        assert ticket["work_notes"].count("somebody changed it") == 1
        assert ticket["state"] == "6"


@pytest.mark.parametrize("name", TICKETS)
async def test_a_crash_between_making_a_ticket_and_remembering_it_makes_no_second_one(
    services: Services, desk: Desk, tmp_path: Path, name: str
) -> None:
    services.loses = 1
    tracker = channel(name, services, desk, tmp_path)
    with pytest.raises(Unavailable, match="504"):
        await tracker.send(page())
    restarted = Desk(memory=Bucket(), report=desk.report)
    await channel(name, services, restarted, tmp_path).send(page())
    assert len(tickets(services)) == 1


@pytest.mark.parametrize("name", TICKETS)
async def test_a_ticket_stands_although_its_attachment_is_refused_and_says_how_to_get_it(
    services: Services, desk: Desk, tmp_path: Path, name: str
) -> None:
    services.attachment_status = 413
    tracker = channel(name, services, desk, tmp_path)
    for _ in range(2):
        await tracker.send(page())
    (ticket,) = tickets(services)
    said = json.dumps(ticket["comments"]) if name == "jira" else ticket["work_notes"]
    assert said.count("firebreak report shop-web-0-1") == 1


@pytest.mark.parametrize("name", TICKETS)
async def test_an_attachment_that_failed_for_now_is_made_up_for(
    services: Services, desk: Desk, tmp_path: Path, name: str
) -> None:
    services.attachment_status = 503
    tracker = channel(name, services, desk, tmp_path)
    with pytest.raises(Unavailable):
        await tracker.send(page())
    services.attachment_status = 0
    await channel(name, services, desk, tmp_path).send(page())
    (ticket,) = tickets(services)
    assert len(ticket["files"]) == 1


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("status", [500, 503])
async def test_a_service_that_fails_is_asked_again(
    services: Services, desk: Desk, tmp_path: Path, name: str, status: int
) -> None:
    services.failures = [web.Response(status=status)]
    one = channel(name, services, desk, tmp_path)
    with pytest.raises(Unavailable, match=str(status)):
        await one.send(page())
    await one.send(page())
    assert len(services.alerts) + len(services.hooks) + len(tickets(services)) == 1


@pytest.mark.parametrize("name", ALL)
async def test_a_service_that_asks_to_wait_is_left_alone(
    services: Services, desk: Desk, tmp_path: Path, name: str
) -> None:
    services.failures = [web.Response(status=429, headers={"Retry-After": "600"})]
    one = channel(name, services, desk, tmp_path)
    with pytest.raises(Unavailable) as first:
        await one.send(page())
    assert first.value.retry_after == 600
    with pytest.raises(Unavailable, match="asked to wait"):
        await one.send(page())
    assert services.requests == 1


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("status", [401, 403])
async def test_wrong_credentials_are_refused_and_say_which_setting(
    services: Services, desk: Desk, tmp_path: Path, name: str, status: int
) -> None:
    services.failures = [web.Response(status=status)]
    with pytest.raises(Refused, match=f"answers {status}.*Check FIREBREAK_{name.upper()}") as refused:
        await channel(name, services, desk, tmp_path).send(page())
    assert TOKEN not in str(refused.value)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("name", ALL)
async def test_a_redirect_is_not_followed(services: Services, desk: Desk, tmp_path: Path, name: str) -> None:
    services.failures = [web.Response(status=307, headers={"Location": f"{services.url}/hook"})]
    with pytest.raises(Refused, match="redirects are not followed"):
        await channel(name, services, desk, tmp_path).send(page())
    assert services.requests == 1


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.test", "https://127.0.0.1", "https://[::1]/x", "https://169.254.169.254", "https://10.0.0.1",
     "ftp://example.test", "https://user:pw@example.test", "https://"],
)  # fmt: skip
def test_a_destination_inside_is_no_destination_unless_it_is_named(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="FIREBREAK_WEBHOOK_URL"):
        Outbound(url, "FIREBREAK_WEBHOOK_URL", "", "")


async def test_a_name_of_an_address_inside_is_refused() -> None:
    with pytest.raises(Refused, match="localhost is a private address"):
        await Outbound("https://localhost:1", "FIREBREAK_WEBHOOK_URL", "", "").call("POST")


async def test_nobody_there_is_unavailable() -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable, match="does not answer"):
        await Outbound("http://127.0.0.1:1", "FIREBREAK_WEBHOOK_URL", "", "127.0.0.1").call("POST")
    assert time.monotonic() - started < 10


def test_a_secret_that_cannot_be_read_names_its_setting(tmp_path: Path, desk: Desk) -> None:
    given = {"pagerduty_key_file": tmp_path / "none", "pagerduty_url": "https://x.test", "private_hosts": ""}
    with pytest.raises(SettingsInvalid, match="FIREBREAK_PAGERDUTY_KEY_FILE"):
        NOTIFIERS["pagerduty"].connect(given, desk)


async def test_an_answer_that_comes_in_parts_is_read_whole() -> None:
    async def parts(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for part in (b'{"key":', b'"SEC-1"}'):
            await answer.write(part)
            await asyncio.sleep(0.05)
        return answer

    app = web.Application()
    app.router.add_get("/", parts)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        service = Outbound(f"http://127.0.0.1:{port}", "URL", "KEY", "127.0.0.1")
        assert (await service.call("GET", "/")).json() == {"key": "SEC-1"}
    finally:
        await runner.cleanup()
