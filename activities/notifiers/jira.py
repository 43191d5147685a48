"""Keep a ticket in Jira Cloud for each incident from Tier 3 on."""

from typing import Any
from urllib.parse import quote

from aiohttp import FormData, encode_basic_auth

from activities.notifier import Channel, Desk, Given, Notifier
from activities.outbound import Outbound, secret
from activities.ticketing import TicketChannel
from signals.channels import ChannelOptions
from signals.pages import Page, PageKind
from signals.threats import Severity

_API = "/rest/api/3"


class JiraTracker:
    """One project of Jira Cloud, by its REST API v3."""

    def __init__(self, jira: Outbound, auth: str, project: str, issue_type: str, closed: str | None) -> None:
        """Write there as this account."""
        self._jira = jira
        self._auth = auth
        self._project = project
        self._issue_type = issue_type
        self._closed = closed

    async def find(self, case: str) -> str | None:
        """Return the issue with this label, or None."""
        query = {
            "jql": f'project = "{self._project}" AND labels = "{case}" ORDER BY created ASC',
            "maxResults": 1,
            "fields": ["key"],
        }
        found = (await self._call("POST", "/search/jql", query)).get("issues") or []
        return str(found[0]["key"]) if found else None

    async def create(self, case: str, title: str, lines: tuple[str, ...], page: Page) -> str:
        """Make an issue and return its key."""
        fields = {
            "project": {"key": self._project},
            "issuetype": {"name": self._issue_type},
            "summary": title,
            "description": _document(lines),
            "labels": ["firebreak", case],
        }
        return str((await self._call("POST", "/issue", {"fields": fields}))["key"])

    async def attach(self, ticket: str, name: str, content: bytes) -> None:
        """Attach a file."""
        form = FormData()
        form.add_field("file", content, filename=name, content_type="text/html")
        path = f"{_API}/issue/{quote(ticket, safe='')}/attachments"
        await self._jira.call(
            "POST", path, data=form, headers={"X-Atlassian-Token": "no-check", "Authorization": self._auth}
        )

    async def comment(self, ticket: str, lines: tuple[str, ...], mark: str) -> None:
        """Write a comment, unless one with this mark is there."""
        path = f"/issue/{quote(ticket, safe='')}/comment"
        there = (await self._call("GET", f"{path}?orderBy=-created&maxResults=100")).get("comments") or []
        if not any(mark in _texts(comment.get("body")) for comment in there):
            await self._call("POST", path, {"body": _document((*lines, mark))})

    async def close(self, ticket: str) -> None:
        """Take the transition that is set up; that the workflow has none of this name now stops nothing."""
        if self._closed is None:
            return
        path = f"/issue/{quote(ticket, safe='')}/transitions"
        there = (await self._call("GET", path)).get("transitions") or []
        wanted = [one["id"] for one in there if one.get("name") == self._closed]
        if wanted:
            await self._call("POST", path, {"transition": {"id": wanted[0]}})

    async def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Authorization": self._auth}
        reply = await self._jira.call(method, _API + path, json=body, headers=headers)
        answer = reply.json() if reply.body else {}
        return answer if isinstance(answer, dict) else {}


def _document(lines: tuple[str, ...]) -> dict[str, Any]:
    """Return lines in the Atlassian Document Format: text nodes only, so nothing in them is a link or a mention."""
    paragraphs = [
        {"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in lines if line
    ]
    return {"type": "doc", "version": 1, "content": paragraphs}


def _texts(node: Any) -> list[str]:
    """Return every text in a document."""
    if isinstance(node, list):
        return [text for one in node for text in _texts(one)]
    if not isinstance(node, dict):
        return []
    own = [node["text"]] if isinstance(node.get("text"), str) else []
    return own + _texts(node.get("content"))


def connect(given: Given, desk: Desk) -> Channel:
    """Open the project."""
    token = secret(given["jira_token_file"], "FIREBREAK_JIRA_TOKEN_FILE")
    credentials = "FIREBREAK_JIRA_USER and FIREBREAK_JIRA_TOKEN_FILE"
    jira = Outbound(given["jira_url"], "FIREBREAK_JIRA_URL", credentials, given["private_hosts"])
    auth = encode_basic_auth(given["jira_user"], token, "utf-8")
    tracker = JiraTracker(jira, auth, given["jira_project"], given["jira_issue_type"], given["jira_closed"])
    return TicketChannel(tracker, desk)


NOTIFIER = Notifier(
    name="jira",
    reaches="a Jira project: one issue an incident from Tier 3 on, with its report and what follows as comments",
    needs=("jira_url", "jira_user", "jira_token_file", "jira_project"),
    uses=("jira_issue_type", "jira_closed", "private_hosts"),
    connect=connect,
    options=ChannelOptions(minimum=Severity.HIGH, kinds=(PageKind.PAGE, PageKind.APPROVAL)),
)
