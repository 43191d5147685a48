"""Plays one scenario through a running stack, and believes nothing that it has not looked at."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from activities.ports import Cluster, Manifest
from signals.approvals import Verb
from signals.errors import FirebreakError
from signals.incidents import Incident, IncidentState
from signals.receipts import ActionState, Receipt
from signals.words import ACTIONS, EXPIRIES, STATES, TIERS
from workers.cli import person
from workers.cli.drill import alerts, app, earlier, picture
from workers.cli.drill.asking import Ask
from workers.cli.drill.board import Board
from workers.cli.drill.scenario import Scenario
from workers.cli.ledger import Ledger
from workers.cli.target import Target
from workers.cli.words import span
from workers.stack.state import Status

SETTLE_SECONDS = 60.0
"""How long the response may take until it is where the scenario says."""
LOOK_SECONDS = 0.2


class DrillFailed(FirebreakError):
    """A scenario did not end as it says."""


@dataclass
class Player:
    """Everything that a scenario is played with."""

    target: Target
    status: Status
    cluster: Cluster
    ledger: Ledger
    board: Board
    ask: Ask
    program: str = "firebreak"
    seen: set[str] = field(default_factory=set)
    """Incidents that are not this scenario's."""
    attacked: set[str] = field(default_factory=set)
    """UIDs of pods that a scenario was played on, and that may still be contained."""

    async def prepare(self) -> None:
        """Put up the sample application and enrol its namespace.

        Raises:
            StackError: the pods do not run.
            Refused: the namespace may not be enrolled.
        """
        with self.board.waiting("Starting the sample application: a small web shop …"):
            await app.put_up(self.cluster, memory=self.target.memory)
        what = {"namespace": app.NAMESPACE, "mode": "auto"}
        said = await person.speak(self.target, Verb.ENROL, what, who="lead")
        self.seen = {summary.id for summary in await self.ledger.summaries()}
        self.board.say(f"A small web shop runs in namespace {app.NAMESPACE}; {said.answer.message}.")

    async def play(self, scenario: Scenario) -> Incident:
        """Play one scenario to its end; what was claimed stands on the board.

        Raises:
            DrillFailed: it never came to where it should.
        """
        board = self.board
        board.title(scenario.title)
        await self._alone(scenario)
        pod = await app.victim(self.cluster, scenario.app, self.attacked)
        self.attacked.add(pod["metadata"]["uid"])
        before = await picture.take(self.cluster, app.NAMESPACE)
        for peer in (*scenario.closed, *scenario.kept):
            board.claim(
                f"before, the pod reaches {peer.address}:{peer.port}",
                await picture.reaches(self.cluster, pod, peer),
            )
        neighbours = await self._free(scenario, pod) if scenario.closed else []
        await self._attack(scenario, pod)
        incident = await self._response(scenario, pod)
        await self._looked_at(scenario, pod, incident, before)
        if neighbours:
            free = await self._free(scenario, pod)
            board.claim(f"the other {scenario.app} pods still reach it", len(free) == len(neighbours))
        incident = await self._decision(scenario, incident)
        if incident.summary.state is IncidentState.CLOSED:
            await self._restored(incident, before)
        return incident

    async def _alone(self, scenario: Scenario) -> None:
        left = await earlier.settled(self.ledger, self.target, scenario.app, self.ask)
        if left:
            raise DrillFailed(
                f"An attack now would join {left.id}. End that first: {self.program} close {left.id} --undo"
            )

    async def _attack(self, scenario: Scenario, pod: Manifest) -> None:
        alert = alerts.filled(scenario, pod, datetime.now(UTC))
        code = await alerts.post(self.status, alert)
        self.board.tell(scenario.happened, scenario.meaning, "Nothing yet.")
        self.board.claim("the alert is accepted", 200 <= code < 300, f"HTTP {code}: stored before the answer")

    async def _response(self, scenario: Scenario, pod: Manifest) -> Incident:
        name = f"pod/{app.NAMESPACE}/{pod['metadata']['name']}"
        with self.board.waiting("Judging, planning, writing …"):
            incident = await self._until(lambda found: self._settled(scenario, found), name)
        summary = incident.summary
        self.seen.add(summary.id)
        sure = "unknown" if summary.confidence is None else f"{summary.confidence:.2f}"
        self.board.tell(
            "One incident was opened.",
            f"Tier {summary.tier} ({TIERS[summary.tier]}), confidence {sure}, {summary.severity}.",
            f"{self.program} explain {summary.id} says why.",
        )
        for receipt in incident.receipts:
            self.board.tell(
                f"{receipt.plan.summary}: {ACTIONS[receipt.state]}.",
                f"Stays open: {'; '.join(receipt.plan.residual)}" if receipt.plan.residual else "",
                _until_when(receipt),
            )
        if speed := _speed(incident):
            self.board.say(f"contained {speed} after the alert was stored", "dim", indent=2)
        if not incident.receipts:
            self.board.tell("Nothing was written to the cluster.", STATES[summary.state])
        return incident

    def _settled(self, scenario: Scenario, incident: Incident) -> bool:
        on_its_way = {ActionState.APPLIED, ActionState.DUE}
        busy = any(action.state in on_its_way for action in incident.summary.actions)
        return incident.summary.state in scenario.states and not busy

    async def _until(self, wanted: Callable[[Incident], bool], pod: str, known: str = "") -> Incident:
        """Return the incident about this pod once it is as wanted."""
        loop = asyncio.get_running_loop()
        deadline, last = loop.time() + SETTLE_SECONDS, "no incident was opened"
        while loop.time() < deadline:
            for summary in await self.ledger.summaries():
                if (
                    (summary.id == known)
                    if known
                    else (pod in summary.entities and summary.id not in self.seen)
                ):
                    found = await self.ledger.find(summary.id)
                    if wanted(found.incident):
                        return found.incident
                    last = _why_not(found.incident)
            await asyncio.sleep(LOOK_SECONDS)
        raise DrillFailed(f"It did not come so far within {SETTLE_SECONDS:.0f} s: {last}")

    async def _looked_at(
        self, scenario: Scenario, pod: Manifest, incident: Incident, before: picture.Picture
    ) -> None:
        """Look at the cluster and the incident while the response stands."""
        board, summary = self.board, incident.summary
        standing = tuple(action.type for action in summary.actions if action.state.stands)
        board.expect("the tier", summary.tier, scenario.tier)
        missing = [action for action in scenario.actions if action not in standing]
        board.claim(
            f"what must stand does: {', '.join(scenario.actions) or 'nothing'}",
            not missing and bool(standing) == bool(scenario.actions),
            ", ".join(standing) or "nothing stands",
        )
        for peer in scenario.closed:
            still = await picture.reaches(self.cluster, pod, peer)
            board.claim(f"the pod cannot reach {peer.address}:{peer.port} any more", not still)
        for peer in scenario.kept:
            board.claim(
                f"it still reaches {peer.address}:{peer.port}",
                await picture.reaches(self.cluster, pod, peer),
            )
        changed = picture.differences(before, await picture.take(self.cluster, app.NAMESPACE))
        board.claim(
            "only what the plan names was touched" if scenario.actions else "nothing was touched",
            bool(changed) == bool(scenario.actions) and _planned(incident, changed),
            ", ".join(changed),
        )
        if scenario.planted:
            kept = json.dumps(incident.model_dump(mode="json"))
            board.claim("the password of the command line is nowhere", scenario.planted not in kept)

    async def _free(self, scenario: Scenario, pod: Manifest) -> list[Manifest]:
        """Return the neighbours that reach now what the pod must not reach any more then."""
        others = await app.others(self.cluster, scenario.app, pod)
        return [
            other
            for other in others
            if all([await picture.reaches(self.cluster, other, peer) for peer in scenario.closed])
        ]

    async def _decision(self, scenario: Scenario, incident: Incident) -> Incident:
        """Let a person (or the script) decide, through the same command that they would type."""
        summary = incident.summary
        command = f"{self.program} {scenario.decision} {summary.id}"
        self.board.tell(STATES[summary.state], scenario.question, command)
        if not await self.ask(scenario.question):
            self.board.say(f"Left as it is. Later: {command}", indent=2)
            return incident
        what = {"incident": summary.id, "reason": scenario.reason}
        said = await person.speak(self.target, scenario.decision, what)
        self.board.claim(f"the {scenario.decision} is obeyed", said.answer.accepted, said.answer.message)
        if scenario.decision is not Verb.CLOSE:
            await self._until(lambda found: found.summary.state is IncidentState.UNDONE, "", summary.id)
            closed = await person.speak(self.target, Verb.CLOSE, what)
            self.board.claim("the incident is over", closed.answer.accepted, closed.answer.message)
        return await self._until(lambda found: found.summary.state is IncidentState.CLOSED, "", summary.id)

    async def _restored(self, incident: Incident, before: picture.Picture) -> None:
        """Compare everything with how it was, and count what is left of ours."""
        changed = picture.differences(before, await picture.take(self.cluster, app.NAMESPACE))
        self.board.claim("everything is byte for byte as it was", not changed, ", ".join(changed))
        left = await picture.ours(self.cluster, incident.summary.id)
        self.board.claim("nothing of ours is left", not left, ", ".join(left))


def _until_when(receipt: Receipt) -> str:
    return f"Nothing. It stands for {span(receipt.action.ttl_seconds)}; then {EXPIRIES[receipt.on_expiry]}."


def _speed(incident: Incident) -> str:
    """Return how long it took from the stored alert to the first containment that was written."""
    stored = [event.accepted_at for event in incident.events if event.accepted_at]
    written = [receipt.applied_at for receipt in incident.receipts if receipt.applied_at]
    if not stored or not written:
        return ""
    return f"{(min(written) - min(stored)).total_seconds() * 1000:.0f} ms"


def _why_not(incident: Incident) -> str:
    """Return where an incident stands instead, and what its own records say about the reason."""
    reasons = [receipt.reason for receipt in incident.receipts if receipt.reason]
    reasons += [decision.why_not for decision in incident.decisions[-1:] if decision.why_not]
    return f"{incident.summary.id} is {incident.summary.state}. {'; '.join(reasons)}".strip()


def _planned(incident: Incident, changed: list[str]) -> bool:
    """Whether every changed object is one that a plan names."""
    writes = [write.ref for receipt in incident.receipts for write in receipt.plan.writes]
    return {*changed} <= {f"{ref.resource}/{ref.name}" for ref in writes}
