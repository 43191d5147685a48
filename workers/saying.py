"""What a person said elsewhere (a button in Slack, the approval page) becomes a Command like any other.

There is one way to speak: an immutable `Command` object. Whoever receives a click says it for the person whom the
policy names, and then waits for the answer:

    person = People(context.policy.people).of_slack(team, user)     # None: refuse, they are nobody to us
    saying = Saying(person=person, via=Via.SLACK, verb=Verb.APPROVE, nonce=nonce, incident=…, plan_hash=…, …)
    name = await say(context.cluster, saying)                       # at once, and safe to repeat
    answer = await answered(context.cluster, name)                  # within seconds; or look again later

The name follows from who says what about which incident with which nonce: a double click, a retry and a restart in
between are one Command, with one answer. Nothing is checked here: role, number of people, hash and deadline are
looked at where every Command is, so the answer may be a refusal, in words for that person. Only the liaison may
create such Commands; admission refuses `via` from everybody else.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from activities.ports import COMMANDS, Cluster, Manifest
from signals.approvals import Answer, Verb, Via
from signals.errors import Conflict, Unavailable
from signals.people import Person
from signals.stops import ORDERS
from signals.subjects import API_VERSION, DOMAIN, NAMESPACE, ORDER

ANSWER_SECONDS = 15.0
POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Saying:
    """One thing that one person said. Which fields a verb needs is as in the `Command` reference."""

    person: Person
    via: Via
    verb: Verb
    nonce: str
    """Names the question that was shown (at most 128 characters): one per message and question, never per click."""
    incident: str = ""
    group: str = ""
    stop: str = ""
    plan_hash: str = ""
    """APPROVE, REJECT: of the plan that was shown. UNDO, EXTEND, STAND_DOWN, CLOSE: `Summary.stack`, what stood."""
    target_uids: tuple[str, ...] = ()
    reason: str = ""
    seconds: int = 0
    keep: bool = False
    undo: bool = False
    force: bool = False
    namespace: str = ""
    mode: str = ""
    authenticated_at: datetime | None = None
    """PAGE: when this person last logged in; what is irreversible wants a fresh login."""

    @property
    def name(self) -> str:
        """The name of the Command: the same for the same saying."""
        said = "\n".join((self.incident, self.group, self.verb, self.person.name, self.nonce))
        return f"{self.verb}-{self.via}-{hashlib.sha256(said.encode()).hexdigest()[:24]}"

    @property
    def spec(self) -> dict[str, Any]:
        """What the Command says; what is empty is left out."""
        at = self.authenticated_at
        told = {
            "incident": self.incident,
            "group": self.group,
            "stop": self.stop,
            "planHash": self.plan_hash,
            "targetUIDs": list(self.target_uids),
            "reason": self.reason[:1000],
            "seconds": self.seconds,
            "keep": self.keep,
            "undo": self.undo,
            "force": self.force,
            "namespace": self.namespace,
            "mode": self.mode,
            "authenticatedAt": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else "",
        }
        who = {"actor": self.person.name, "role": self.person.role.value}
        how = {"verb": self.verb.value, "via": self.via.value, "nonce": self.nonce}
        return {**how, **who, **{key: value for key, value in told.items() if value}}


async def say(cluster: Cluster, saying: Saying) -> str:
    """Create the Command, once however often this is called, and return its name.

    Raises:
        Unavailable: the API server does not answer; call again.
        Refused, BadInput: it will not take it; the text says why.
    """
    manifest: Manifest = {
        "apiVersion": f"{DOMAIN}/{API_VERSION}",
        "kind": "Command",
        "metadata": {
            "name": saying.name,
            "namespace": NAMESPACE,
            **({"labels": {ORDER: saying.verb.value}} if saying.verb in ORDERS else {}),
        },
        "spec": saying.spec,
    }
    try:
        await cluster.create(COMMANDS.ref(saying.name, NAMESPACE), manifest)
    except Conflict:
        return saying.name
    return saying.name


async def answered(cluster: Cluster, name: str, seconds: float = ANSWER_SECONDS) -> Answer:
    """Return what came of a Command, waiting for it at most so long.

    Raises:
        Unavailable: nobody has answered yet. The Command stands and is answered later: ask again by its name.
        NotFound: somebody deleted it.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        status = (await cluster.get(COMMANDS.ref(name, NAMESPACE))).get("status") or {}
        if "accepted" in status:
            return Answer(accepted=status["accepted"], message=status.get("message", ""))
        if loop.time() + POLL_SECONDS > deadline:
            raise Unavailable(f"command {name} stands and is not answered yet")
        await asyncio.sleep(POLL_SECONDS)
