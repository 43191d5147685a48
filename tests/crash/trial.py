"""One trial: incidents of every tier while alerts keep coming, one blow, people who decide, and the judge."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Any

from activities.ports import PODS, Manifest
from signals.approvals import Verb
from signals.incidents import Incident, IncidentState, Summary
from tests.crash import judge
from tests.crash.judge import Findings
from tests.crash.kills import APPROVAL, RESPONSE, UNDO, Kill
from tests.crash.outcome import Outcome
from tests.crash.proxy import Proxy
from tests.crash.weather import Weather
from tests.vertical.scene import EGRESS, REVERSE_SHELL, TERMINAL, Scene
from tests.vertical.stage import Stage, until
from workers.cli.deciding import answer

CERTAIN = "Crash suite: certain"
"""A rule that the policy of the suite is so sure of that it is Tier 4."""
BYSTANDERS = 12
EVERY = 0.15
"""Seconds between two alerts of the stream that goes on."""
PATIENCE = 40.0
"""Seconds that a phase may take; recovery is measured, and is far below."""
MISSED_SECONDS = 15.0
"""How long a point may be waited for before the process is killed all the same."""


class Trial:
    """One trial on a running stage."""

    def __init__(
        self,
        stage: Stage,
        number: int,
        seed: str,
        blow: Kill | Weather | None,
        *,
        proxy: Proxy | None = None,
        before: Sequence[Outcome] = (),
    ) -> None:
        """Play on this stage; what came before on it tells how long a phase takes that nothing disturbs."""
        self._stage = stage
        self._proxy = proxy
        self._before = before
        self.outcome = Outcome(number=number, seed=seed, blow=blow)
        prefix = f"c-{uuid.uuid4().hex[:8]}"
        self._auto = Scene(stage.cluster, f"{prefix}-auto")
        self._asks = Scene(stage.cluster, f"{prefix}-asks")
        self._scenes = (self._auto, self._asks)
        self._prefix = prefix
        self._accepted: list[str] = []

    async def run(self) -> Outcome:
        """Play, and judge; a phase that does not come to its end says so, and is judged all the same."""
        await self._begin()
        firing = asyncio.create_task(self._keep_firing())
        await self._phase(RESPONSE, self._respond)
        await self._phase(APPROVAL, self._approve)
        await self._tried(lambda: firing)
        await self._phase(UNDO, self._undo)
        await self._tried(self._close)
        await self._judge()
        return self.outcome

    async def _tried(self, play: Callable[[], Awaitable[None]]) -> None:
        try:
            await play()
        except AssertionError as error:
            self.outcome.failure = self.outcome.failure or f"it did not end: {str(error)[:300]}"

    async def _begin(self) -> None:
        await asyncio.gather(*(self._made(scene) for scene in self._scenes))
        await self._stage.enrol(self._auto.namespace, "auto")
        await self._stage.enrol(self._asks.namespace, "approve")

    async def _made(self, scene: Scene) -> None:
        await scene.make()
        await asyncio.gather(
            scene.policy(),
            *(scene.pod(name) for name in ("web-0", "web-1", "out-0", "sure-0")),
            *(scene.pod(f"by-{number}", "by") for number in range(BYSTANDERS)),
        )
        await scene.running()
        scene.before = await scene.picture()

    async def _fire(self, scene: Scene, rule: str, name: str) -> None:
        """Send one alert until it is answered 2xx, as a sender that does not give up."""
        pod: Manifest = await self._patiently(
            lambda: self._stage.cluster.get(PODS.ref(name, scene.namespace))
        )
        code = await self._patiently(lambda: self._stage.post(scene.alert(rule, pod)))
        assert code == 200, code
        self._accepted.append(f"{scene.namespace}/{name}")

    async def _patiently(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        found: list[Any] = []

        async def answered() -> bool:
            found[:] = [await ask()]
            return True

        await until(answered, lambda: "no answer", PATIENCE)
        return found[0]

    async def _keep_firing(self) -> None:
        for number in range(BYSTANDERS):
            await self._fire(self._auto, TERMINAL, f"by-{number}")
            await asyncio.sleep(EVERY)

    async def _phase(self, name: str, play: Callable[[], Awaitable[None]]) -> None:
        """Play one phase, and measure it; what is to happen in it happens in it."""
        blow, began = self.outcome.blow, time.monotonic()
        if blow is None or blow.phase != name:
            await self._tried(play)
            self.outcome.phases[name] = time.monotonic() - began
            return
        playing = asyncio.ensure_future(self._tried(play))
        try:
            down, ready = await self._strike(blow, playing)
            await playing
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
        done = time.monotonic()
        usual = [one.phases[name] for one in self._before if name in one.phases]
        worked = done - began - down - median(usual) if usual else done - ready
        self.outcome.recovery = max(0.0, min(worked, done - ready))

    async def _strike(self, blow: Kill | Weather, playing: "asyncio.Future[None]") -> tuple[float, float]:
        """Kill, or let requests fail; return for how long something was away, and when all was well again."""
        if isinstance(blow, Kill):
            died, restarts = await self._kill(blow, playing)
            ready = await self._stage.back(blow.process, restarts)
            self.outcome.restart = ready - died
            return ready - died, ready
        assert self._proxy, "requests can only be failed by a proxy"
        await asyncio.sleep(blow.delay)
        self._proxy.turn(blow, self.outcome.seed)
        await asyncio.sleep(blow.seconds)
        self._proxy.clear()
        self.outcome.met, self.outcome.failed = self._proxy.failed > 0, self._proxy.failed
        return blow.seconds, time.monotonic()

    async def _kill(self, kill: Kill, playing: "asyncio.Future[None]") -> tuple[float, int]:
        """Kill one process; return when it died, and how often it had been started again before."""
        restarts = self._stage.status.process(kill.process).restarts
        if kill.point:
            fate = self._stage.fates / f"{kill.process}.json"
            told = {"point": kill.point, "moment": kill.moment, "nth": kill.nth, "prefix": self._prefix}
            fate.with_suffix(".new").write_text(json.dumps(told))
            fate.with_suffix(".new").rename(fate)
            deadline = time.monotonic() + MISSED_SECONDS
            while await asyncio.to_thread(fate.exists):
                if time.monotonic() > deadline or playing.done():
                    fate.unlink(missing_ok=True)
                    break
                await asyncio.sleep(0.01)
            else:
                self.outcome.met = True
                return time.monotonic(), restarts
        else:
            await asyncio.sleep(kill.delay)
            self.outcome.met = True
        self._stage.kill(kill.process)
        return time.monotonic(), restarts

    async def _respond(self) -> None:
        """Attack pods in every way; the phase is done once what may be contained is, and the rest asks."""
        await asyncio.gather(
            self._fire(self._auto, REVERSE_SHELL, "web-0"),
            self._fire(self._auto, EGRESS, "out-0"),
            self._fire(self._auto, CERTAIN, "sure-0"),
            self._fire(self._asks, REVERSE_SHELL, "web-0"),
            self._fire(self._asks, EGRESS, "out-0"),
        )
        await self._until_all(5, lambda one: not _busy(one))

    async def _approve(self) -> None:
        """Say yes to whatever asks, until nothing does."""

        async def approved() -> bool:
            waiting = [one for one in await self._summaries() if one.waiting_for is not None]
            answers = [answer(one, None, "") for one in waiting]
            await asyncio.gather(*(self._say(Verb.APPROVE, one.pop("incident"), **one) for one in answers))
            return not waiting

        await until(approved, lambda: "an incident still asks", PATIENCE)
        await self._until_all(5, lambda one: not _busy(one))

    async def _undo(self) -> None:
        """Put everything back that stands."""
        standing = [one for one in await self._summaries() if any(a.state.stands for a in one.actions)]
        await asyncio.gather(*(self._say(Verb.UNDO, one.id) for one in standing))
        await self._until_all(0, lambda one: not any(action.state.stands for action in one.actions))

    async def _close(self) -> None:
        for one in await self._summaries():
            if one.state is not IncidentState.CLOSED:
                await self._say(Verb.CLOSE, one.id)

    async def _say(self, verb: Verb, incident: str, **what: Any) -> None:
        await self._patiently(lambda: self._stage.say(verb, incident, who="lead", **what))

    async def _summaries(self) -> list[Summary]:
        """Return the incidents about pods that were attacked, not the bystanders'."""
        found = [one for scene in self._scenes for one in await self._stage.summaries(scene)]
        return [one for one in found if not any("/by-" in entity for entity in one.entities)]

    async def _until_all(self, least: int, holds: Callable[[Summary], bool]) -> None:
        latest: list[Summary] = []

        async def all_hold() -> bool:
            latest[:] = await self._summaries()
            return len(latest) >= least and all(map(holds, latest))

        await until(all_hold, lambda: "; ".join(_told(one) for one in latest if not holds(one)), PATIENCE)

    async def _judge(self) -> None:
        stage, out = self._stage, self.outcome
        incidents: list[Incident] = []

        async def all_told() -> bool:
            listed = [one for scene in self._scenes for one in await stage.summaries(scene)]
            incidents[:] = [await stage.ledger.ask(one.id) for one in listed]
            return not judge.lost(self._accepted, incidents)

        await self._bounded(all_told)
        spaces = [scene.namespace for scene in self._scenes]
        twice, unknown, out.writes = judge.by_audit(stage.stack.layout.audit_log, spaces, incidents)
        changed = [
            f"{scene.namespace}/{name}"
            for scene in self._scenes
            for name in {*await scene.changed()}
            - judge.evicted(stage.stack.layout.audit_log, scene.namespace)
        ]
        out.alerts, out.incidents = len(self._accepted), len(incidents)
        out.findings = Findings(
            lost=judge.lost(self._accepted, incidents),
            doubled=twice,
            unrecorded=unknown,
            inexact=tuple(changed),
            left=await judge.left(stage.cluster, spaces),
            broken=await judge.replayed(stage.temporal, incidents),
        )
        if not out.fine:
            await self._leave(incidents)

    async def _leave(self, incidents: Sequence[Incident]) -> None:
        """Leave the histories of a failed trial beside the fates, before the next trial goes on."""
        folder = self._stage.fates.parent / f"trial-{self.outcome.number}"
        folder.mkdir(exist_ok=True)
        async for history in judge.histories(self._stage.temporal, incidents):
            name = history.workflow_id.replace("/", ".")
            (folder / f"{name}.json").write_text(history.to_json())

    async def _bounded(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait a while for something that the judge looks at again himself."""
        try:
            await until(holds, lambda: "not yet", 20)
        except AssertionError:
            return


def _told(summary: Summary) -> str:
    """Return an incident in few words, for a trial that waits for it in vain."""
    actions = ", ".join(f"{action.type} {action.state.value}" for action in summary.actions)
    return f"{summary.id} {summary.state.value}: {actions}"


def _busy(summary: Summary) -> bool:
    """Whether something about an incident is still to come by itself."""
    pending = any(action.state in ("applied", "due") for action in summary.actions)
    return pending or summary.state is IncidentState.INVESTIGATING
