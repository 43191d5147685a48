"""What our agents wrote, by the API server's own word: its audit log."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signals.subjects import REMEDIATION_EXECUTOR, service_account

WRITING = frozenset({"create", "update", "patch", "delete", "deletecollection"})
OURS = service_account("")


@dataclass(frozen=True)
class Write:
    """One write that took effect: who did what to which object, and with which body."""

    user: str
    verb: str
    thing: str
    body: str

    def __str__(self) -> str:
        return f"{self.verb} {self.thing}"


def written(log: Path, namespace: str, user: str = service_account(REMEDIATION_EXECUTOR)) -> list[Write]:
    """Return every write of an identity in a namespace that was no dry run and that the server carried out."""
    return [write for write in _writes(log, namespace) if write.user == user]


def by_agents(log: Path, namespace: str) -> list[Write]:
    """Return every write of any agent of ours in a namespace."""
    return [write for write in _writes(log, namespace) if write.user.startswith(OURS)]


def doubled(writes: Iterable[Write]) -> list[str]:
    """Return the writes that took effect more than once."""
    return [str(write) for write, times in Counter(writes).items() if times > 1]


def _writes(log: Path, namespace: str) -> Iterator[Write]:
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if namespace not in line:
                continue
            record = json.loads(line)
            place = record.get("objectRef") or {}
            done = record.get("responseStatus", {}).get("code", 0) < 300
            if (
                place.get("namespace") == namespace
                and record["verb"] in WRITING
                and done
                and not _dry(record)
            ):
                yield Write(record["user"]["username"], record["verb"], _thing(place), _body(record))


def _dry(record: dict[str, Any]) -> bool:
    return "dryRun=All" in record["requestURI"] or bool(
        (record.get("requestObject") or {}) and _asked(record)
    )


def _asked(record: dict[str, Any]) -> bool:
    body = record["requestObject"]
    return isinstance(body, dict) and body.get("dryRun") == ["All"]


def _thing(place: dict[str, Any]) -> str:
    return "/".join(filter(None, (place["resource"], place.get("name"), place.get("subresource"))))


def _body(record: dict[str, Any]) -> str:
    return json.dumps(record.get("requestObject"), sort_keys=True)
