"""PagerDuty, Jira Cloud, ServiceNow and a webhook's receiver, as far as they are documented, on 127.0.0.1.

The real ones cannot be run. These reproduce: PagerDuty's Events API v2 (202 with the dedup key; 400 for a
wrong form of routing key or a summary above 1,024 characters; events of one key are one alert; 429); Jira's REST
API v3 (basic auth, 401; ADF descriptions, 400 for plain text; labels found by JQL; attachments only with
`X-Atlassian-Token: no-check`, else 403; 413 for a file that is too large; transitions by id); ServiceNow's Table
and Attachment APIs (`result`, 201, 404 for an attachment to no record, journal fields that only grow). Not
reproduced: Jira's search lags behind its writes by a moment.
"""

import asyncio
import base64
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEY, USER, TOKEN = "0123456789abcdef0123456789abcdef", "bot@example.test", "token-of-the-bot"


@dataclass
class Services:
    """All of them on one port."""

    url: str = ""
    alerts: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    issues: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    hooks: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    failures: list[web.Response] = field(default_factory=list)
    """What the next requests get instead of an answer."""
    loses: int = 0
    """How many of the next ticket creations are carried out while their answer gets lost."""
    attachment_status: int = 0
    requests: int = 0

    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests += 1
        if self.failures:
            return self.failures.pop(0)
        if request.path.startswith(("/rest", "/api")) and not self._known(request):
            return web.json_response({"errorMessages": ["You are not authenticated."]}, status=401)
        answer: web.StreamResponse = await handler(request)
        return answer

    def _known(self, request: web.Request) -> bool:
        right = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        return request.headers.get("Authorization") == f"Basic {right}"

    async def enqueue(self, request: web.Request) -> web.Response:
        event = await request.json()
        payload = event.get("payload") or {}
        wrong = len(event.get("routing_key", "")) != 32 or len(payload.get("summary", "")) > 1024
        if wrong or len(await request.read()) > 512 << 10:
            return web.json_response({"status": "invalid event", "errors": ["bad event"]}, status=400)
        self.alerts[event["dedup_key"]].append(event)
        return web.json_response({"status": "success", "dedup_key": event["dedup_key"]}, status=202)

    def _created(self, answer: dict[str, Any]) -> web.Response:
        if self.loses:
            self.loses -= 1
            return web.Response(status=504)
        return web.json_response(answer, status=201)

    async def search(self, request: web.Request) -> web.Response:
        label = re.search(r'labels = "([^"]+)"', (await request.json())["jql"])
        found = [key for key, one in self.issues.items() if label and label[1] in one["fields"]["labels"]]
        return web.json_response({"issues": [{"key": key} for key in found]})

    async def issue(self, request: web.Request) -> web.Response:
        fields = (await request.json())["fields"]
        if not isinstance(fields["description"], dict) or len(fields["summary"]) > 255:
            return web.json_response({"errors": {"description": "must be an ADF document"}}, status=400)
        key = f"SEC-{len(self.issues) + 1}"
        self.issues[key] = {"fields": fields, "comments": [], "files": [], "moved": []}
        return self._created({"id": "1", "key": key})

    async def attachments(self, request: web.Request) -> web.Response:
        if self.attachment_status:
            return web.Response(status=self.attachment_status)
        if request.headers.get("X-Atlassian-Token") != "no-check":
            return web.Response(status=403, text="XSRF check failed")
        part = (await request.post())["file"]
        assert isinstance(part, web.FileField)
        self.issues[request.match_info["key"]]["files"].append((part.filename, part.file.read()))
        return web.json_response([{"id": "1"}])

    async def comments(self, request: web.Request) -> web.Response:
        comments = self.issues[request.match_info["key"]]["comments"]
        if request.method == "POST":
            comments.append(await request.json())
        return web.json_response({"comments": comments}, status=201 if request.method == "POST" else 200)

    async def transitions(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"transitions": [{"id": "31", "name": "Done"}]})
        self.issues[request.match_info["key"]]["moved"].append((await request.json())["transition"]["id"])
        return web.Response(status=204)

    async def table(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            ident = f"sys{len(self.records) + 1}"
            self.records[ident] = {**await request.json(), "sys_id": ident, "work_notes": "", "files": []}
            return self._created({"result": self.records[ident]})
        case = request.query["sysparm_query"].removeprefix("correlation_id=")
        found = [one for one in self.records.values() if one["correlation_id"] == case]
        return web.json_response({"result": [{"sys_id": one["sys_id"]} for one in found]})

    async def record(self, request: web.Request) -> web.Response:
        record = self.records[request.match_info["id"]]
        if request.method == "PATCH":
            said = await request.json()
            notes = said.pop("work_notes", "")
            record.update(said)
            record["work_notes"] = f"{notes}\n{record['work_notes']}"
        told = {name: value for name, value in record.items() if name != "files"}
        return web.json_response({"result": told})

    async def file(self, request: web.Request) -> web.Response:
        if self.attachment_status:
            return web.Response(status=self.attachment_status)
        record = self.records.get(request.query["table_sys_id"])
        if record is None:
            return web.json_response({"error": {"message": "No Record found"}}, status=404)
        record["files"].append((request.query["file_name"], await request.read()))
        return web.json_response({"result": {}}, status=201)

    async def hook(self, request: web.Request) -> web.Response:
        self.hooks.append((dict(request.headers), await request.read()))
        return web.Response(status=204)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Services"]:
        """Serve until the end."""

        @web.middleware
        async def gate(request: web.Request, handler: Any) -> web.StreamResponse:
            return await self._gate(request, handler)

        app = web.Application(client_max_size=64 << 20, middlewares=[gate])
        app.router.add_post("/v2/enqueue", self.enqueue)
        app.router.add_post("/rest/api/3/search/jql", self.search)
        app.router.add_post("/rest/api/3/issue", self.issue)
        app.router.add_post("/rest/api/3/issue/{key}/attachments", self.attachments)
        app.router.add_route("*", "/rest/api/3/issue/{key}/comment", self.comments)
        app.router.add_route("*", "/rest/api/3/issue/{key}/transitions", self.transitions)
        app.router.add_route("*", "/api/now/table/incident", self.table)
        app.router.add_route("*", "/api/now/table/incident/{id}", self.record)
        app.router.add_post("/api/now/attachment/file", self.file)
        app.router.add_post("/hook", self.hook)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        sockets: Any = site._server
        self.url = f"http://127.0.0.1:{sockets.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            await runner.cleanup()
            await asyncio.sleep(0)
