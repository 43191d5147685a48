"""Keep an incident record in ServiceNow for each incident from Tier 3 on."""

from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import encode_basic_auth

from activities.notifier import Channel, Desk, Given, Notifier
from activities.outbound import Outbound, secret
from activities.ticketing import TicketChannel
from signals.channels import ChannelOptions
from signals.pages import Page, PageKind
from signals.threats import Severity

_TABLE = "/api/now/table/incident"
_RESOLVED = "6"
_URGENCY = {Severity.CRITICAL: "1", Severity.HIGH: "2"}


class ServiceNowTracker:
    """The incident table of one instance, by its Table and Attachment APIs."""

    def __init__(self, instance: Outbound, auth: str, close_code: str | None) -> None:
        """Write there as this account."""
        self._instance = instance
        self._auth = auth
        self._close_code = close_code

    async def find(self, case: str) -> str | None:
        """Return the record with this correlation id, or None."""
        query = {"sysparm_query": f"correlation_id={case}", "sysparm_fields": "sys_id", "sysparm_limit": "1"}
        found = await self._call("GET", f"{_TABLE}?{urlencode(query)}")
        return str(found[0]["sys_id"]) if isinstance(found, list) and found else None

    async def create(self, case: str, title: str, lines: tuple[str, ...], page: Page) -> str:
        """Make a record and return its sys_id."""
        record = {
            "correlation_id": case,
            "correlation_display": "Firebreak",
            "short_description": title[:160],
            "description": "\n".join(lines),
            "urgency": _URGENCY.get(page.severity, "3"),
            "impact": _URGENCY.get(page.severity, "3"),
        }
        return str((await self._call("POST", _TABLE, record))["sys_id"])

    async def attach(self, ticket: str, name: str, content: bytes) -> None:
        """Attach a file."""
        query = urlencode({"table_name": "incident", "table_sys_id": ticket, "file_name": name})
        headers = {"Content-Type": "text/html", "Authorization": self._auth}
        path = f"/api/now/attachment/file?{query}"
        await self._instance.call("POST", path, data=content, headers=headers)

    async def comment(self, ticket: str, lines: tuple[str, ...], mark: str) -> None:
        """Write a work note, unless the newest journal of the record holds this mark."""
        path = f"{_TABLE}/{quote(ticket, safe='')}"
        there = await self._call("GET", f"{path}?sysparm_fields=work_notes&sysparm_display_value=true")
        if mark not in str((there or {}).get("work_notes", "")):
            await self._call("PATCH", path, {"work_notes": "\n".join((*lines, mark))})

    async def close(self, ticket: str) -> None:
        """Resolve the record, where a close code is set up."""
        if self._close_code:
            done = {"state": _RESOLVED, "close_code": self._close_code, "close_notes": "Closed in Firebreak."}
            await self._call("PATCH", f"{_TABLE}/{quote(ticket, safe='')}", done)

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Accept": "application/json", "Authorization": self._auth}
        reply = await self._instance.call(method, path, json=body, headers=headers)
        answer = reply.json()
        return answer.get("result") if isinstance(answer, dict) else None


def connect(given: Given, desk: Desk) -> Channel:
    """Open the instance."""
    password = secret(given["servicenow_password_file"], "FIREBREAK_SERVICENOW_PASSWORD_FILE")
    credentials = "FIREBREAK_SERVICENOW_USER and FIREBREAK_SERVICENOW_PASSWORD_FILE"
    instance = Outbound(
        given["servicenow_url"], "FIREBREAK_SERVICENOW_URL", credentials, given["private_hosts"]
    )
    auth = encode_basic_auth(given["servicenow_user"], password, "utf-8")
    return TicketChannel(ServiceNowTracker(instance, auth, given["servicenow_close_code"]), desk)


NOTIFIER = Notifier(
    name="servicenow",
    reaches="ServiceNow: one incident record from Tier 3 on, with its report and what follows as work notes",
    needs=("servicenow_url", "servicenow_user", "servicenow_password_file"),
    uses=("servicenow_close_code", "private_hosts"),
    connect=connect,
    options=ChannelOptions(minimum=Severity.HIGH, kinds=(PageKind.PAGE, PageKind.APPROVAL)),
)
