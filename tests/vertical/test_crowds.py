"""Many at once: a storm, what waits for the same limit, and two orchestrators that share one stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from activities.ports import NETWORK_POLICIES, PODS, REPLICA_SETS, Manifest
from signals.approvals import Verb
from signals.subjects import ORCHESTRATOR
from tests.vertical.scene import ATTACKER, REVERSE_SHELL, TERMINAL, Scene
from tests.vertical.stage import Stage, settled, until
from workers.stack.kubernetes import NODES
from workers.stack.leash import Leash

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

STORM = 30
SINGLE = 9
"""Subjects of a storm that get an incident of their own, before it is one."""
WORKLOADS, FLOOR = 5, 3
"""Workloads of a small namespace, and how many of them may be contained before the breaker asks."""
SENSITIVE_FILE = "Read sensitive file untrusted"


async def all_settled(stage: Stage, here: Scene, count: int) -> list[str]:
    """Return the ids of all incidents of a namespace once so many pods are contained, each by one of them."""
    contained: dict[str, int] = {}

    async def look() -> bool:
        contained.clear()
        for one in await stage.summaries(here):
            incident = await stage.ledger.ask(one.id)
            targets = {t.uid for r in incident.receipts if r.state.stands for t in r.action.targets}
            contained[one.id] = len(targets) if settled(incident) else 0
        return sum(contained.values()) == count

    await until(look, lambda: f"contained are {contained}", seconds=60)
    return list(contained)


async def test_a_storm_is_nine_incidents_and_one_of_the_rest_with_one_policy(stage: Stage) -> None:
    async with stage.scene() as here:
        await here.fill()
        pods = await asyncio.gather(*(here.pod(f"pod-{number}") for number in range(STORM)))
        await here.running()
        here.before = await here.picture()
        assert await stage.post(*(here.alert(REVERSE_SHELL, pod) for pod in pods)) == 200
        incidents = await all_settled(stage, here, STORM)
        assert len(incidents) == SINGLE + 1
        storm = [await stage.ledger.ask(one) for one in incidents if "-storm-" in one]
        assert [len(one.summary.entities) for one in storm] == [STORM - SINGLE]
        policies = await stage.cluster.list(NETWORK_POLICIES, here.namespace)
        ours = [
            one["metadata"]["labels"]["firebreak.dev/case"] for one in policies if "labels" in one["metadata"]
        ]
        assert sorted(ours) == sorted(incidents)
        web = next(one for one in policies if one["metadata"]["name"] == "web")
        assert len(web["spec"]["podSelector"]["matchExpressions"]) == SINGLE + 1
        assert not any([await here.reaches(pod, ATTACKER) for pod in pods])

        answers = await asyncio.gather(*(stage.say(Verb.CLOSE, one, undo=True) for one in incidents))
        assert all(answer.accepted for answer in answers), answers
        assert await here.changed() == []


async def workloads(here: Scene) -> list[Manifest]:
    """Return one running pod of each of some ReplicaSets."""
    for number in range(WORKLOADS):
        labels = {"app": "web", "workload": str(number)}
        container = {"name": "web", "image": "registry.example/shop/web:1"}
        pods = {
            "metadata": {"labels": labels},
            "spec": {"nodeName": NODES[0], "containers": [container]},
        }
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pods}
        body = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": f"web-{number}"}}
        await here.cluster.create(REPLICA_SETS.ref(f"web-{number}", here.namespace), {**body, "spec": spec})

    async def made() -> bool:
        return len(await here.cluster.list(PODS, here.namespace)) == WORKLOADS

    await until(made, lambda: "the ReplicaSets have not made their pods")
    await here.running()
    return await here.cluster.list(PODS, here.namespace)


async def test_what_waits_for_the_same_limit_is_approved_by_one_command(stage: Stage) -> None:
    async with stage.scene() as here:
        await here.policy()
        pods = await workloads(here)
        here.before = await here.picture()
        assert await stage.post(*(here.alert(REVERSE_SHELL, pod) for pod in pods)) == 200
        groups: dict[str, str] = {}

        async def asked() -> bool:
            listed = await stage.summaries(here)
            groups.update({one.id: one.waiting_for.group for one in listed if one.waiting_for})
            return len(groups) == WORKLOADS - FLOOR

        await until(asked, lambda: f"waiting are {groups}")
        (group,) = set(groups.values())
        assert group.startswith(f"breaker/{here.namespace}/")
        code, said, _ = await stage.firebreak("approve", "--group", group, "--reason", "all of them")
        assert (code, "approved 2 of 2 incidents" in said) == (0, True), said
        incidents = await all_settled(stage, here, WORKLOADS)
        approved = [r.approved_by for one in groups for r in (await stage.ledger.ask(one)).receipts]
        assert set(approved) == {"oncall"}
        assert not any([await here.reaches(pod, ATTACKER) for pod in pods])
        answers = await asyncio.gather(*(stage.say(Verb.CLOSE, one, undo=True) for one in incidents))
        assert all(answer.accepted for answer in answers), answers
        assert await here.changed() == []


@asynccontextmanager
async def another(stage: Stage, agent: str, folder: Path) -> AsyncIterator[None]:
    """Run a second replica of an agent."""
    pid = stage.status.process(agent).pid
    environ = await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_text)
    environment = dict(pair.split("=", 1) for pair in environ.split("\0") if "=" in pair)
    environment.pop("FIREBREAK_METRICS_PORT", None)
    ready = folder / "ready"
    environment |= {"FIREBREAK_READY_FILE": str(ready), "FIREBREAK_REPLICA": "1"}
    command = stage.stack.options.agent_command
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, agent, env=environment, stdout=log, stderr=log, preexec_fn=Leash().in_child
        )
    try:

        async def is_ready() -> bool:
            return await asyncio.to_thread(ready.exists)

        await until(is_ready, lambda: (folder / "log").read_text()[-2000:])
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_two_orchestrators_open_one_incident_for_each_pod(stage: Stage, tmp_path: Path) -> None:
    async with stage.scene() as here, another(stage, ORCHESTRATOR, tmp_path):
        pods = await asyncio.gather(*(here.pod(f"web-{number}") for number in range(SINGLE - 1)))
        await here.running()
        alerts = [here.alert(rule, pod) for pod in pods for rule in (TERMINAL, SENSITIVE_FILE)]
        assert await asyncio.gather(*(stage.post(alert) for alert in alerts)) == [200] * len(alerts)
        seen: dict[str, list[str]] = {}

        async def all_seen() -> bool:
            seen.clear()
            for one in await stage.summaries(here):
                incident = await stage.ledger.ask(one.id)
                seen[one.id] = sorted(event.rule for event in incident.events)
            return sum(map(len, seen.values())) == len(alerts)

        await until(all_seen, lambda: f"seen is {seen}")
        assert list(seen.values()) == [[SENSITIVE_FILE, TERMINAL]] * len(pods)
