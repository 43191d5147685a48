"""Verdicts on incidents, in the liaison's bucket: Temporal forgets an incident, and its rules are judged later."""

from pydantic import TypeAdapter
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.ports import KeyValue
from signals.approvals import Answer, Approval
from signals.errors import Conflict, Refused, Unavailable
from signals.incidents import Summary
from signals.subjects import MEMO
from signals.verdicts import Judged

LISTED = TypeAdapter(tuple[Judged, ...])
MOST = 5_000
"""Verdicts in one answer, the latest."""
_KEY = "verdict."


class Hindsight:
    """Keeps verdicts."""

    def __init__(self, temporal: Client, bucket: KeyValue) -> None:
        """Look incidents up in this Temporal, keep what they were in this bucket."""
        self._temporal, self._bucket = temporal, bucket

    async def keep(self, approval: Approval) -> Answer:
        """Keep the verdict of a command; a later one of the same incident takes its place.

        Raises:
            Refused: there is no such incident (any more), or no verdict.
            Unavailable: Temporal or the bucket does not answer; the same command may come again.
        """
        if approval.verdict is None:
            raise Refused("say what it was: true, benign, false or drill")
        summary = await self._summary(approval.incident)
        judged = Judged(
            incident=approval.incident,
            verdict=approval.verdict,
            actor=approval.actor,
            reason=approval.reason,
            at=approval.said_at,
            command=approval.id,
            title=summary.title,
            tier=summary.tier,
            suspicions=summary.suspicions,
        )
        await self._put(judged)
        return Answer(accepted=True, message=f"kept: {approval.incident} was {approval.verdict}")

    async def _put(self, judged: Judged) -> None:
        key, value = _KEY + judged.incident, judged.model_dump_json().encode()
        while True:
            entry = await self._bucket.get(key)
            if entry and Judged.model_validate_json(entry.value).at > judged.at:
                return
            try:
                if entry is None:
                    await self._bucket.create(key, value)
                else:
                    await self._bucket.update(key, value, entry.revision)
            except Conflict:
                continue
            return

    async def _summary(self, incident: str) -> Summary:
        try:
            found = await self._temporal.get_workflow_handle(incident).describe()
            summary: Summary | None = await found.memo_value(MEMO, None, type_hint=Summary)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise Unavailable(f"Temporal does not answer: {error}") from error
            summary = None
        if summary is None:
            raise Refused(f"there is no incident “{incident}”: `firebreak incidents` lists all")
        return summary

    async def answer(self, _: bytes) -> bytes:
        """Return all verdicts, the latest first.

        Raises:
            Unavailable: the bucket does not answer.
        """
        found = []
        for key in await self._bucket.keys():
            entry = await self._bucket.get(key) if key.startswith(_KEY) else None
            if entry is not None:
                found.append(Judged.model_validate_json(entry.value))
        return LISTED.dump_json(tuple(sorted(found, key=lambda one: one.at, reverse=True)[:MOST]))
