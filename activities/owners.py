"""Tells the owners of workloads what was done to them: on the workload itself, and where the policy says they are.

No containment waits for this, and what cannot be told stops nothing.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from temporalio import activity

from activities.notifier import Channel, OwnersChannel
from activities.notify import REMEMBERED
from activities.ports import Cluster, Manifest, Resource
from signals.display import terminal
from signals.entities import Entity
from signals.errors import Conflict, FirebreakError, NotFound, Unavailable
from signals.owners import Done, OwnersNews, Touched
from signals.pages import Audience, Page, PageKind
from signals.policy import Policy
from signals.redaction import redact
from signals.subjects import DOMAIN, LIAISON
from signals.threats import Severity

WORKLOAD_EVENTS = Resource("events.k8s.io", "v1", "events")
NOTE = 1024
"""Characters of an Event's text that the API server takes."""
_API = {
    "Pod": "v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
}
_log = logging.getLogger(__name__)


class Owning:
    """Reaches owners as the liaison does."""

    def __init__(self, cluster: Cluster, channels: Mapping[str, Channel], policy: Policy) -> None:
        """Write Events to this cluster, and messages to those of these channels that reach owners."""
        self._cluster, self._policy = cluster, policy
        self._channels = {name: one for name, one in channels.items() if isinstance(one, OwnersChannel)}
        self._told: dict[tuple[str, str], None] = {}

    @activity.defn
    async def tell_owners(self, news: OwnersNews) -> None:
        """Put an Event on each workload that was touched, and tell its owners; each once.

        Raises:
            Unavailable: the API server or a channel did not answer; called again, only that is tried.
        """
        silent: list[str] = []
        for one in news.touched:
            for entity in filter(None, (one.pod, one.owner)):
                await self._tried(self._event(news, one, entity), silent)
        for namespace in dict.fromkeys(one.pod.namespace or "" for one in news.touched):
            room = self._policy.room(namespace)
            if room:
                theirs = [one for one in news.touched if one.pod.namespace == namespace]
                await self._message(_page(news, theirs), room, silent)
        if silent:
            raise Unavailable(f"not every owner was told: {'; '.join(silent)}")

    async def _tried(self, what: Any, silent: list[str]) -> None:
        try:
            await what
        except (Conflict, NotFound):
            return  # it is there already, or the namespace is gone
        except Unavailable as error:
            silent.append(str(error))
        except FirebreakError as error:
            _log.error("an owner could not be told: %s", error)

    async def _event(self, news: OwnersNews, one: Touched, entity: Entity) -> None:
        manifest = event(news, one, entity)
        metadata = manifest["metadata"]
        await self._cluster.create(WORKLOAD_EVENTS.ref(metadata["name"], metadata["namespace"]), manifest)

    async def _message(self, page: Page, room: str, silent: list[str]) -> None:
        for name, channel in self._channels.items():
            if (name, page.dedup_key) in self._told:
                continue
            before = len(silent)
            await self._tried(channel.tell_owners(page, room), silent)
            if len(silent) == before:
                self._told[name, page.dedup_key] = None
        while len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]


def event(news: OwnersNews, one: Touched, entity: Entity) -> Manifest:
    """Return the Event on one object; the same news have the same name."""
    said = f"{news.incident}|{entity.key}|{one.pod.key}|{one.done}|{one.text}"
    regarding = {"kind": entity.kind, "namespace": entity.namespace or one.pod.namespace, "name": entity.name}
    if entity.kind in _API:
        regarding["apiVersion"] = _API[entity.kind]
    if entity.uid:
        regarding["uid"] = entity.uid
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"firebreak.{hashlib.sha256(said.encode()).hexdigest()[:20]}",
            "namespace": regarding["namespace"],
        },
        "eventTime": _micro(news.at),
        "reportingController": f"{DOMAIN}/{LIAISON}",
        "reportingInstance": LIAISON,
        "action": "Contain" if one.done is Done.CONTAINED else "Inform",
        "reason": str(one.done),
        "regarding": regarding,
        "note": terminal(redact(one.text), NOTE),
        "type": "Warning" if one.done is Done.CONTAINED else "Normal",
    }


def _micro(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _page(news: OwnersNews, theirs: Sequence[Touched]) -> Page:
    """Return one message about everything that was touched in one namespace."""
    text = "\n".join(dict.fromkeys(redact(one.text) for one in theirs))
    namespace = theirs[0].pod.namespace or ""
    done = theirs[0].done
    title = (
        "was contained"
        if done is Done.CONTAINED
        else "was put back"
        if done is Done.PUT_BACK
        else "was changed"
    )
    whom = str(theirs[0].owner or theirs[0].pod) if len(theirs) == 1 else f"{len(theirs)} pods of {namespace}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Page(
        incident=news.incident,
        cluster=news.cluster,
        kind=PageKind.INFORMATIONAL,
        severity=Severity.MEDIUM if done is Done.CONTAINED else Severity.INFO,
        title=f"{whom} {title}",
        text=text,
        dedup_key=f"{news.incident}/owners/{namespace}/{digest}",
        at=news.at,
        audience=Audience.OWNERS,
    )
