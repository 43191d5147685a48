"""Looks at the cluster before, during and after a containment: nothing is believed that was not looked at."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from activities.ports import Cluster, Manifest
from signals.errors import NotFound
from signals.incidents import Incident
from signals.plans import WriteKind
from signals.subjects import REMEDIATION_EXECUTOR, service_account
from signals.threats import Peer
from workers.cli.drill import app, picture
from workers.cli.drill.board import Board
from workers.cli.drill.scenario import Scenario
from workers.stack.state import Status

CROWD_SECONDS = 30.0
"""How long it may take from the first isolated pods of a crowd to the last."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """How everything was before the attack."""

    scenario: Scenario
    pods: list[Manifest]
    picture: picture.Picture
    neighbours: list[Manifest]
    """Pods of the same workload that reach what the victims must not reach any more then."""


@dataclass(frozen=True)
class Looking:
    """The eyes of a drill."""

    cluster: Cluster
    board: Board

    async def before(self, scenario: Scenario, pods: list[Manifest]) -> Scene:
        """Look before the attack: what will be closed is open."""
        taken = await picture.take(self.cluster, scenario.namespace)
        for peer in (*scenario.closed, *scenario.kept):
            reaches = await self._all_reach(pods[:1], peer)
            self.board.claim(f"before, the pod reaches {peer.address}:{peer.port}", reaches)
        neighbours = await self._free(scenario, pods) if scenario.closed else []
        return Scene(scenario=scenario, pods=pods, picture=taken, neighbours=neighbours)

    async def at(self, scene: Scene, incident: Incident) -> None:
        """Look while the response stands."""
        board, scenario, summary = self.board, scene.scenario, incident.summary
        standing = dict.fromkeys(action.type for action in summary.actions if action.state.stands)
        board.expect("the tier", summary.tier, scenario.tier)
        missing = [action for action in scenario.actions if action not in standing]
        board.claim(
            f"what must stand does: {', '.join(scenario.actions) or 'nothing'}",
            not missing and bool(standing) == bool(scenario.actions),
            ", ".join(standing) or "nothing stands",
        )
        for peer in scenario.closed:
            still = await self._still(scene, peer)
            who = "the pod" if scenario.crowd == 1 else f"none of the {scenario.crowd} pods"
            cannot = "cannot reach" if scenario.crowd == 1 else "can reach"
            board.claim(f"{who} {cannot} {peer.address}:{peer.port} any more", not still)
        for peer in scenario.kept:
            reaches = await self._all_reach(scene.pods, peer)
            board.claim(f"it still reaches {peer.address}:{peer.port}", reaches)
        if scene.neighbours:
            free = await self._free(scenario, scene.pods)
            board.claim(f"the other {scenario.app} pods still reach it", len(free) == len(scene.neighbours))
        if scenario.crowd == 1:
            await self._only_planned(scene, incident)
        if scenario.planted:
            kept = json.dumps(incident.model_dump(mode="json"))
            board.claim("the password of the command line is nowhere", scenario.planted not in kept)

    async def _still(self, scene: Scene, peer: Peer) -> list[Manifest]:
        """Return the pods that still reach an address; the last of a crowd are given time to be isolated."""
        loop = asyncio.get_running_loop()
        end = loop.time() + (CROWD_SECONDS if scene.scenario.crowd > 1 else 0)
        while True:
            still = [pod for pod in scene.pods if await self._all_reach([pod], peer)]
            if not still or loop.time() > end:
                return still
            await asyncio.sleep(0.5)

    async def _only_planned(self, scene: Scene, incident: Incident) -> None:
        changed = await self.changed(scene)
        writes = [write.ref for receipt in incident.receipts for write in receipt.plan.writes]
        planned = {*changed} <= {f"{ref.resource}/{ref.name}" for ref in writes}
        what = "only what the plan names was touched" if scene.scenario.actions else "nothing was touched"
        as_it_should = bool(changed) == bool(scene.scenario.actions) and planned
        self.board.claim(what, as_it_should, ", ".join(changed))

    async def touched(self, scene: Scene) -> bool:
        """Return whether anything is not as it was."""
        return bool(await self.changed(scene))

    async def changed(self, scene: Scene) -> list[str]:
        """Return what is not as it was before."""
        return picture.differences(scene.picture, await picture.take(self.cluster, scene.scenario.namespace))

    async def once(self, status: Status, incident: Incident) -> None:
        """Ask the API server's own audit log whether every policy of ours was created exactly once."""
        if status.endpoints.audit_log is None:
            return
        ours = {
            write.ref.name
            for receipt in incident.receipts
            for write in receipt.plan.writes
            if write.kind is WriteKind.CREATE
        }
        made = await asyncio.to_thread(_created, Path(status.endpoints.audit_log), ours)
        self.board.claim(
            "the API server's audit log knows each policy of ours once",
            sorted(made) == sorted(ours),
            ", ".join(made),
        )

    async def restored(self, scene: Scene, incident: Incident) -> None:
        """Compare everything with how it was, and count what is left of ours."""
        changed = await self.changed(scene)
        if scene.scenario.crowd > 1:  # a pod or two may have been evicted, and replaced
            here = {f"pods/{pod['metadata']['name']}" for pod in await self._part(scene)}
            changed = [name for name in changed if name in here & {*scene.picture}]
        if scene.scenario.meddled:
            self.board.claim(
                "only their edit is left", changed == [f"networkpolicies/{EDITED}"], ", ".join(changed)
            )
        else:
            self.board.claim("everything is byte for byte as it was", not changed, ", ".join(changed))
        left = await picture.ours(self.cluster, incident.summary.id)
        self.board.claim("nothing of ours is left", not left, ", ".join(left))

    async def _part(self, scene: Scene) -> list[Manifest]:
        return await app.part(self.cluster, scene.scenario.app, scene.scenario.namespace)

    async def _free(self, scenario: Scenario, pods: list[Manifest]) -> list[Manifest]:
        """Return the neighbours that reach now what the pods must not reach any more then."""
        others = await app.others(self.cluster, scenario.app, pods, scenario.namespace)
        return [
            other
            for other in others
            if all([await self._all_reach([other], peer) for peer in scenario.closed])
        ]

    async def _all_reach(self, pods: list[Manifest], peer: Peer) -> bool:
        """Return whether all of these reach an address; a pod that is gone reaches nothing."""
        try:
            return all([await picture.reaches(self.cluster, pod, peer) for pod in pods])
        except NotFound:
            return False


EDITED = "web"
"""The policy of the sample application that a person edits in the middle of a containment."""


def _created(log: Path, names: set[str]) -> list[str]:
    """Return the policies of these names that the executor created, as often as it did."""
    executor, made = service_account(REMEDIATION_EXECUTOR), list[str]()
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if '"verb":"create"' not in line or not line.endswith("\n"):
                continue
            record = json.loads(line)
            name = (record.get("objectRef") or {}).get("name")
            real = "dryRun" not in record["requestURI"] and record["responseStatus"]["code"] == 201
            if name in names and real and record["user"]["username"] == executor:
                made.append(name)
    return made
