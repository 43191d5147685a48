"""Plays scenarios through a running stack, from the attack to the last claim about the undo."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from activities.ports import Cluster, Manifest
from signals.approvals import Verb
from signals.errors import FirebreakError
from signals.incidents import Incident, IncidentState, Summary
from signals.words import ACTIONS, STATES, TIERS
from workers.cli import person
from workers.cli.deciding import answer
from workers.cli.drill import acts, alerts, app, besides, earlier, following, reading
from workers.cli.drill.asking import Ask
from workers.cli.drill.board import Board
from workers.cli.drill.looking import Looking, Scene
from workers.cli.drill.scenario import Scenario
from workers.cli.ledger import Ledger
from workers.cli.target import Target
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

    @property
    def looking(self) -> Looking:
        """What looks at the cluster."""
        return Looking(self.cluster, self.board)

    async def prepare(self) -> None:
        """Put up the sample application and enrol its namespace.

        Raises:
            StackError: the pods do not run.
            Refused: the namespace may not be enrolled.
        """
        with self.board.waiting("Starting the sample application: a small web shop …"):
            await app.put_up(self.cluster, memory=self.target.memory)
        message = await self._enrolled(app.NAMESPACE, "auto")
        self.seen = {summary.id for summary in await self.ledger.summaries()}
        self.board.say(f"A small web shop runs in namespace {app.NAMESPACE}; {message}.")

    async def _enrolled(self, namespace: str, mode: str) -> str:
        said = await person.speak(self.target, Verb.ENROL, {"namespace": namespace, "mode": mode}, who="lead")
        return said.answer.message

    async def play(self, scenario: Scenario) -> Incident:
        """Play one scenario to its end; what was claimed stands on the board.

        Raises:
            DrillFailed: it never came to where it should.
        """
        self.board.title(scenario.title)
        async with besides.standing(self.cluster, scenario, memory=self.target.memory):
            if scenario.namespace == app.NAMESPACE:
                return await self._play(scenario)
            await self._enrolled(scenario.namespace, "approve")
            try:
                return await self._play(scenario)
            finally:
                await person.speak(self.target, Verb.UNENROL, {"namespace": scenario.namespace}, who="lead")

    async def _play(self, scenario: Scenario) -> Incident:
        await self._alone(scenario)
        pods = await app.victims(
            self.cluster, scenario.app, scenario.crowd, self.attacked, scenario.namespace
        )
        self.attacked |= {pod["metadata"]["uid"] for pod in pods}
        scene = await self.looking.before(scenario, pods)
        await self._attack(scenario, pods)
        if scenario.killed:
            await acts.kill(self.status, scenario, self.board, lambda: self.looking.touched(scene))
        incident = await self._response(scenario, pods)
        await self.looking.at(scene, incident)
        if scenario.whole:
            await following.looked(self.cluster, self.board, pods[0], incident)
        if scenario.approved:
            incident = await self._approved(scenario, incident)
        if scenario.killed:
            await self.looking.once(self.status, incident)
        if scenario.crowd > 1:
            await acts.counted(self.status, scenario, self.board, await self._crowd(scenario))
        if scenario.meddled:
            await acts.meddle(self.cluster, scenario, self.board)
        return await self._ended(scenario, scene, incident)

    async def _ended(self, scenario: Scenario, scene: Scene, incident: Incident) -> Incident:
        """Let a person decide, and compare everything with how it was."""
        try:
            incident = await self._decision(scenario, incident)
            if incident.summary.state is IncidentState.CLOSED:
                await self._others_closed(scenario)
                await self.looking.restored(scene, incident)
        finally:
            if scenario.meddled:
                await acts.unmeddle(self.cluster)
        return incident

    async def _alone(self, scenario: Scenario) -> None:
        left = await earlier.settled(self.ledger, self.target, scenario.namespace, scenario.app, self.ask)
        if left:
            raise DrillFailed(
                f"An attack now would join {left.id}. End that first: {self.program} close {left.id} --undo"
            )

    async def _attack(self, scenario: Scenario, pods: list[Manifest]) -> None:
        found = [alerts.filled(scenario, pod, datetime.now(UTC)) for pod in pods]
        body = found[0] if len(found) == 1 else b"[" + b",".join(found) + b"]"
        code = await alerts.post(self.status, body)
        self.board.tell(scenario.happened, scenario.meaning, "Nothing yet.")
        what = "the alert is accepted" if len(found) == 1 else f"all {len(found)} alerts are accepted"
        self.board.claim(what, 200 <= code < 300, f"HTTP {code}: stored before the answer")

    async def _response(self, scenario: Scenario, pods: list[Manifest]) -> Incident:
        names = {f"pod/{scenario.namespace}/{pod['metadata']['name']}" for pod in pods}
        with self.board.waiting("Judging, planning, writing …"):
            incident = await self._until(lambda found: self._settled(scenario, found), names)
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
                reading.until_when(receipt),
            )
        if speed := reading.speed(incident):
            self.board.say(f"contained {speed} after the alert was stored", "dim", indent=2)
        if not incident.receipts:
            self.board.tell("Nothing was written to the cluster.", STATES[summary.state])
        return incident

    def _settled(self, scenario: Scenario, incident: Incident) -> bool:
        of_all = scenario.crowd == 1 or len(incident.summary.entities) > 1
        return incident.summary.state in scenario.states and not reading.busy(incident) and of_all

    async def _until(self, wanted: Callable[[Incident], bool], pods: set[str], known: str = "") -> Incident:
        """Return the incident about these pods (or the known one) once it is as wanted."""
        loop = asyncio.get_running_loop()
        deadline, last = loop.time() + SETTLE_SECONDS, "no incident was opened"
        while loop.time() < deadline:
            for summary in await self.ledger.summaries():
                new = summary.id not in self.seen and pods & {*summary.entities}
                if summary.id == known if known else new:
                    found = await self.ledger.find(summary.id)
                    if wanted(found.incident):
                        return found.incident
                    last = reading.why_not(found.incident)
            await asyncio.sleep(LOOK_SECONDS)
        raise DrillFailed(f"It did not come so far within {SETTLE_SECONDS:.0f} s: {last}")

    async def _approved(self, scenario: Scenario, incident: Incident) -> Incident:
        """Let the lead say yes to the plan, and look again."""
        summary = incident.summary
        self.board.tell(
            "A plan waits, with what the API server said to a dry run of it.",
            "Nothing was written. Silence would mean no.",
            f"{self.program} approve {summary.id} --person lead",
        )
        if not await self.ask("Approve the plan?"):
            raise DrillFailed(
                f"It was not approved. Later: {self.program} approve {summary.id} --person lead"
            )
        what = answer(summary, None, scenario.reason)
        said = await person.speak(self.target, Verb.APPROVE, what, who="lead")
        self.board.claim("the approval is obeyed", said.answer.accepted, said.answer.message)
        incident = await self._until(
            lambda found: bool(reading.standing(found)) and not reading.busy(found), set(), summary.id
        )
        self.board.expect(
            "what stands then", ", ".join(reading.standing(incident)), ", ".join(scenario.approved)
        )
        return incident

    async def _decision(self, scenario: Scenario, incident: Incident) -> Incident:
        """Let a person (or the script) decide, through the same command that they would type."""
        summary = incident.summary
        what: dict[str, Any] = {"incident": summary.id, "reason": scenario.reason}
        if scenario.meddled:
            said = await person.speak(self.target, scenario.decision, what)
            self.board.claim("the undo stops, and says why", not said.answer.accepted, said.answer.message)
            what["force"] = True
        command = f"{self.program} {scenario.decision} {summary.id}" + " --force" * scenario.meddled
        self.board.tell(STATES[summary.state], scenario.question, command)
        if not await self.ask(scenario.question):
            self.board.say(f"Left as it is. Later: {command}", indent=2)
            return incident
        said = await person.speak(self.target, scenario.decision, what)
        self.board.claim(f"the {scenario.decision} is obeyed", said.answer.accepted, said.answer.message)
        if scenario.decision is not Verb.CLOSE:
            await self._until(lambda found: not reading.standing(found), set(), summary.id)
            closed = await person.speak(self.target, Verb.CLOSE, {"incident": summary.id})
            self.board.claim("the incident is over", closed.answer.accepted, closed.answer.message)
        return await self._until(lambda found: found.summary.state is IncidentState.CLOSED, set(), summary.id)

    async def _crowd(self, scenario: Scenario) -> list[Summary]:
        """Return every incident about the pods of a crowd, once all of it is contained."""
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while True:
            found = [
                one
                for one in await self.ledger.summaries(scenario.namespace)
                if reading.of_crowd(one, scenario)
            ]
            done = all(one.state in scenario.states for one in found)
            if done or asyncio.get_running_loop().time() > deadline:
                return found
            await asyncio.sleep(LOOK_SECONDS)

    async def _others_closed(self, scenario: Scenario) -> None:
        """Close the incidents of a crowd that opened before it was known to be one."""
        if scenario.crowd == 1:
            return
        left = [one for one in await self._crowd(scenario) if one.state is not IncidentState.CLOSED]
        for one in left:
            what = {"incident": one.id, "undo": True, "reason": scenario.reason}
            said = await person.speak(self.target, Verb.CLOSE, what)
            if not said.answer.accepted:
                self.board.claim(f"{one.id} is closed", False, said.answer.message)
