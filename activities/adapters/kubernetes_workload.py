"""Logs and commands of containers, through the API server: the node's kubelet answers, or nobody does."""

import json
from collections.abc import Sequence

from activities.adapters.kubernetes_http import Http, path_of
from signals.errors import Refused
from signals.plans import ObjectRef

OUT, ERROR_OUT, STATUS = 1, 2, 3
"""Channels of a command: what it prints, what it complains of, and how it ended."""
NEWEST_LINES = 20_000


class KubernetesWorkload:
    """What runs inside the pods of one API server."""

    def __init__(self, http: Http) -> None:
        """Ask over this connection."""
        self._http = http

    async def logs(self, pod: ObjectRef, container: str, *, previous: bool, limit: int) -> bytes:
        """Return the newest log lines of a container, or of its run before."""
        query = [
            ("container", container),
            ("previous", str(previous).lower()),
            ("timestamps", "true"),
            ("tailLines", str(NEWEST_LINES)),
            ("limitBytes", str(limit)),
        ]
        return await self._http.text(f"{path_of(pod)}/log", query, limit)

    async def output(self, pod: ObjectRef, container: str, command: Sequence[str], *, limit: int) -> bytes:
        """Return what a command inside a container prints."""
        query = [("container", container), ("stdout", "true"), ("stderr", "true")]
        query += [("command", word) for word in command]
        printed, complaint, ended = b"", b"", b""
        async for channel, data in self._http.channels(f"{path_of(pod)}/exec", query):
            if channel == OUT:
                printed += data
            elif channel == ERROR_OUT:
                complaint = (complaint + data)[:limit]
            elif channel == STATUS:
                ended += data
            if len(printed) >= limit:
                break
        if not printed:
            raise Refused(_why(complaint, ended) or f"{command[0]} printed nothing")
        return printed[:limit]


def _why(complaint: bytes, ended: bytes) -> str:
    """Return why a command printed nothing, as it or the node says; empty where it just had nothing to say."""
    try:
        status = json.loads(ended or b"{}")
    except ValueError:
        status = {}
    message = str(status.get("message", "")) if status.get("status") == "Failure" else ""
    return message or complaint.decode("utf-8", "replace").strip()[:300]
