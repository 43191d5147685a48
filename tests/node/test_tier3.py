"""Tier 3 on pods that run: evidence from a real kubelet, a token that is refused, a process that is gone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from activities.ports import DEPLOYMENTS, PODS, ROLE_BINDINGS, Manifest
from signals.approvals import Verb
from signals.receipts import ActionState, Result
from tests.node.ground import SERVED, Village, node_of
from tests.vertical.ruled import under
from tests.vertical.scene import REVERSE_SHELL
from tests.vertical.stage import Stage, until
from tests.vertical.test_hands import write
from tests.vertical.test_tier3 import STEPS, by_type, running, states
from workers.stack.node.place import IMAGE

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
LAST_WORDS = "the intruder was here"
CACHED_SECONDS = 20.0
"""A token that was used just now may be believed for another 10 s."""


class Holder:
    """Somebody who has read a pod's token and goes on writing with it."""

    def __init__(self, stage: Stage, here: Village, token: str) -> None:
        self._who = (stage, here, token)
        self.answers: list[int] = []

    async def is_over(self) -> bool:
        return self.answers[-1] == 401

    async def go_on(self) -> None:
        while True:
            answer = await write(*self._who)
            if not self.answers or self.answers[-1] != answer:
                self.answers.append(answer)
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def holding(stage: Stage, here: Village, pod: str) -> AsyncIterator[Holder]:
    token = await here.run(pod, "cat", TOKEN)
    holder = Holder(stage, here, token.strip())
    task = asyncio.create_task(holder.go_on())
    try:
        yield holder
        assert not task.done(), "it goes on to write, whatever it is answered"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def deployed(here: Village) -> list[Manifest]:
    """Run two pods of a Deployment whose account may write."""
    group = "rbac.authorization.k8s.io"
    careless: dict[str, Any] = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "careless"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": here.namespace}],
    }
    await here.cluster.create(ROLE_BINDINGS.ref("careless", here.namespace), careless)
    command = ["sh", "-c", f"echo {LAST_WORDS}; echo loot > /tmp/loot; exec podtool serve"]
    container = {"name": "web", "image": IMAGE, "command": command, "ports": SERVED}
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }
    await here.policy()
    await here.cluster.create(DEPLOYMENTS.ref("web", here.namespace), body)
    return await running(here, 2)


async def test_a_pod_is_looked_at_frozen_and_evicted_while_its_sibling_goes_on(cutting: Stage) -> None:
    async with under(cutting, "authority: {rules: []}\n"), cutting.scene() as scene:
        here = Village(scene.cluster, scene.namespace, node=node_of(cutting))
        victim, sibling = await deployed(here)
        name, uid = victim["metadata"]["name"], victim["metadata"]["uid"]
        assert await here.process(victim)
        async with (
            holding(cutting, here, name) as stolen,
            holding(cutting, here, sibling["metadata"]["name"]) as neighbour,
        ):
            await cutting.post(here.alert(REVERSE_SHELL, victim))
            incident = await cutting.incident(
                here, lambda one: states(one).get("evict_pod") is ActionState.DONE
            )
            assert [one.action.type for one in incident.receipts] == STEPS, "evidence before destruction"
            await until(stolen.is_over, lambda: f"the token was answered {stolen.answers}", CACHED_SECONDS)
            assert stolen.answers == [201, 403, 401], "written, then frozen, then unknown"
            assert neighbour.answers == [201]
        assert await here.process(victim) is None
        evidence = by_type(incident)["capture_evidence"].evidence
        kept = {item.what: item for item in evidence if not item.failed}
        assert {f"log of {name}, container web", f"processes of {name}, container web"} <= set(kept), [
            (item.what, item.failed) for item in evidence
        ]
        checks = by_type(incident)["evict_pod"].checks
        assert [one.result for one in checks if one.what == "object"] == [Result.PASSED], checks
        successors = await running(here, 2, without=uid)
        assert sibling["metadata"]["uid"] in {one["metadata"]["uid"] for one in successors}
        assert (await cutting.say(Verb.CLOSE, incident.summary.id, undo=True)).accepted
        assert {one["metadata"]["uid"] for one in await here.cluster.list(PODS, here.namespace)} == {
            one["metadata"]["uid"] for one in successors
        }
