"""What people say to the executor itself, read from the API server with nobody between: stop, resume, and no.

It hears Commands as they are created, and asks for them again before it begins to write: a stop holds from the
moment that the API server has it. What was heard is kept in the executor's own bucket too, and deleting a Command
takes nothing back. An API server that does not answer takes no writes either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from activities.ports import COMMANDS, Cluster, KeyValue, Manifest
from activities.ruling import Ruling, Rulings
from signals import voices
from signals.approvals import Verb, Voice
from signals.authority import Matter
from signals.errors import Conflict, Refused
from signals.people import People
from signals.policy import Policy
from signals.requests import Disposition
from signals.stops import Halt, Stop
from signals.subjects import NAMESPACE, ORDER

NO = (Verb.REJECT, Verb.UNDO, Verb.STAND_DOWN, Verb.CLOSE)
WHOLE_SECOND = timedelta(seconds=1)
"""The API server tells whole seconds: what it dates a second earlier may have been said at its end."""
_STOPS, _POSTPONED = "orders.stops", "orders.postponed"


class Stopped(Refused):
    """Firebreak is stopped: nothing new is written."""


@dataclass(frozen=True)
class No:
    """The last time that somebody said no in an incident."""

    verb: Verb
    actor: str
    at: datetime


class Orders:
    """Everything that was heard. Without a bucket it is forgotten with the process."""

    def __init__(self, bucket: KeyValue | None = None) -> None:
        """Keep what must last in this bucket."""
        self._bucket = bucket
        self._halt = Halt()
        self._kept = Halt()
        self._no: dict[str, No] = {}
        self._stood_down: dict[str, No] = {}
        self._policies: dict[tuple[str, str], dict[str, Voice]] = {}
        self.policy: Policy | None = None
        """The policy in force, once that is known: it says who the people are."""

    @property
    def people(self) -> People:
        """Everybody whom the policy in force names."""
        return People(self.policy.people if self.policy else ())

    @property
    def standing(self) -> Stop | None:
        """The stop that holds, if one does."""
        return self.halt.standing

    @property
    def halt(self) -> Halt:
        """Every stop and resume that was heard; two accounts of one person count once."""
        people = self.people
        return self._halt.counted(lambda actor: people.counted_as(actor) if people.knows(actor) else "")

    def objection(self, command: Manifest) -> str:
        """Return why this order of this person does not count, or nothing."""
        if self.policy is None:
            return "it is not known yet who the people are" if command["spec"].get("via") else ""
        return voices.objection(self.policy, Verb(command["spec"]["verb"]), Matter(), _voice(command))

    def hear(self, command: Manifest) -> None:
        """Take in one Command; one that was heard before changes nothing."""
        metadata, spec = command["metadata"], command["spec"]
        at = datetime.fromisoformat(metadata.get("creationTimestamp") or datetime.now(UTC).isoformat())
        verb, actor = spec["verb"], spec["actor"]
        if verb == Verb.STOP:
            stop = Stop(uid=metadata["uid"], actor=actor, reason=spec.get("reason", ""), at=at)
            self._halt = self._halt.stopped(stop)
        elif verb == Verb.RESUME and not self.objection(command):
            self._halt = self._halt.resumed(spec.get("stop", ""), actor, metadata["uid"])
        elif verb == Verb.APPROVE_POLICY and spec.get("role") == "lead":
            self._approve_policy(command)
        elif verb in NO:
            said = No(verb=Verb(verb), actor=actor, at=at + WHOLE_SECOND)
            incident = spec.get("incident", "")
            self._no[incident] = max(said, self._no.get(incident, said), key=lambda no: no.at)
            if verb == Verb.STAND_DOWN:
                self._stood_down[incident] = said

    def _approve_policy(self, command: Manifest) -> None:
        """Take in an approval; one that was answered with no counts no more."""
        spec, uid = command["spec"], command["metadata"]["uid"]
        known = self._policies.setdefault((spec.get("fromPolicy", ""), spec.get("toPolicy", "")), {})
        if (command.get("status") or {}).get("accepted") is False:
            known.pop(uid, None)
        else:
            known[uid] = _voice(command)

    @property
    def approved_policies(self) -> Mapping[tuple[str, str], Mapping[str, Voice]]:
        """From which policy to which a lead lets Firebreak loosen, by digests, and by which Commands."""
        return self._policies

    def last_no(self, incident: str) -> No | None:
        """Return the last no of a person in an incident."""
        return self._no.get(incident)

    def stood_down(self, incident: str) -> No | None:
        """Return who said that nothing more is written in an incident."""
        return self._stood_down.get(incident)

    async def refresh(self, cluster: Cluster) -> None:
        """Hear every order that the API server has by now.

        Raises:
            Unavailable, Refused: it did not say; so nothing may be written.
        """
        for command in await cluster.list(COMMANDS, NAMESPACE, labels=ORDER):
            self.hear(command)

    async def load(self) -> None:
        """Remember what was heard before a restart.

        Raises:
            Unavailable: the bucket does not answer.
        """
        if self._bucket and (entry := await self._bucket.get(_STOPS)):
            self._kept = Halt.model_validate_json(entry.value)
            self._halt = self._halt.joined(self._kept)

    async def keep(self) -> None:
        """Put on record what was heard; nothing happens where all of it is.

        Raises:
            Unavailable: the bucket does not answer; what was heard holds all the same.
        """
        while self._bucket and self._halt != self._kept:
            entry = await self._bucket.get(_STOPS)
            known = Halt.model_validate_json(entry.value) if entry else Halt()
            self._halt = self._halt.joined(known)
            if await _put(
                self._bucket, _STOPS, self._halt.model_dump_json().encode(), entry.revision if entry else None
            ):
                self._kept = self._halt

    def check(self) -> None:
        """Return if something new may be written.

        Raises:
            Stopped: it may not.
        """
        if stop := self.standing:
            raise Stopped(str(stop))

    def postponed(self, rulings: Rulings) -> dict[str, Ruling]:
        """Return the rulings, where what could be written waits until two people have resumed."""
        stop = self.standing
        return {
            one: replace(ruling, disposition=Disposition.POSTPONED, reason=str(stop))
            if stop and ruling.may_be_written
            else ruling
            for one, ruling in rulings.items()
        }

    async def postpone(self, incident: str) -> None:
        """Remember that an incident waits for the resume."""
        while self._bucket:
            entry = await self._bucket.get(_POSTPONED)
            known = entry.value.decode().split() if entry else []
            if incident in known:
                return
            value = "\n".join((*known, incident)).encode()
            if await _put(self._bucket, _POSTPONED, value, entry.revision if entry else None):
                return

    async def waiting(self) -> tuple[str, ...]:
        """Return the incidents that wait for the resume."""
        entry = await self._bucket.get(_POSTPONED) if self._bucket else None
        return tuple(entry.value.decode().split()) if entry else ()

    async def told(self, incidents: Sequence[str]) -> None:
        """Forget incidents that were told of the resume."""
        while self._bucket:
            entry = await self._bucket.get(_POSTPONED)
            if entry is None:
                return
            left = [one for one in entry.value.decode().split() if one not in incidents]
            if await _put(self._bucket, _POSTPONED, "\n".join(left).encode(), entry.revision):
                return


def _voice(command: Manifest) -> Voice:
    """Return who gave an order, and in which capacity."""
    spec, metadata = command["spec"], command["metadata"]
    return Voice(
        command=metadata["uid"],
        actor=spec["actor"],
        role=spec["role"],
        via=spec.get("via", ""),
        said_at=metadata.get("creationTimestamp") or datetime.now(UTC),
    )


async def _put(bucket: KeyValue, key: str, value: bytes, revision: int | None) -> bool:
    """Write a key; False if somebody else wrote it first."""
    try:
        if revision is None:
            await bucket.create(key, value)
        else:
            await bucket.update(key, value, revision)
    except Conflict:
        return False
    return True
