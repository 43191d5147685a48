"""The reachability engine against packets: random pods and policies, and every flow tried with a real connection.

`make fuzz-node` plays more worlds. A failure names its seed; `--node-seed` plays that one again.
"""

import asyncio
import json
import random
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from activities.graph.network_policy import End, World, allowed
from activities.ports import NAMESPACES, NETWORK_POLICIES, PODS, Manifest
from tests.node.ground import Village, node_of
from tests.vertical.stage import Stage
from workers.stack.node.place import CALLER, ENFORCER, IMAGE

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(3600)]

PORTS = (80, 81, 90, 91, 8080)
BEYOND = ("203.0.113.7", "203.0.113.8", "198.51.100.1")
BEYOND_PORTS = (80, 8080)
DIAL_MILLISECONDS = "300"
SECONDS = 6.0
Flow = tuple[str, str, int]


def selector(r: random.Random) -> dict[str, Any]:
    term = {"key": r.choice("abc"), "operator": r.choice(["In", "NotIn"]), "values": [r.choice("xy")]}
    presence = {"key": r.choice("abc"), "operator": r.choice(["Exists", "DoesNotExist"])}
    labels = {r.choice("abc"): r.choice("xy")}
    shapes: list[dict[str, Any]] = [
        {},
        {"matchLabels": labels},
        {"matchExpressions": [presence]},
        {"matchLabels": labels, "matchExpressions": [term]},
    ]
    return r.choice(shapes)


def peer(r: random.Random, addresses: Sequence[str]) -> dict[str, Any]:
    """Return a peer; blocks hold `addresses`, and addresses outside."""
    everywhere = "192.0.0.0/3" if addresses is BEYOND else "0.0.0.0/0"
    environment = {"matchLabels": {"env": r.choice("pq")}}
    shapes: list[dict[str, Any]] = [
        {"podSelector": selector(r)},
        {"namespaceSelector": r.choice([{}, environment])},
        {"namespaceSelector": r.choice([{}, environment]), "podSelector": selector(r)},
        {"ipBlock": {"cidr": everywhere, "except": [f"{r.choice(addresses)}/32"]}},
        {"ipBlock": {"cidr": f"{r.choice(addresses)}/32"}},
        {"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.8/32"]}},
        {"ipBlock": {"cidr": "203.0.113.0/29"}},
    ]
    return r.choice(shapes)


def port(r: random.Random) -> dict[str, Any]:
    shapes: list[dict[str, Any]] = [
        {"port": r.choice(PORTS)},
        {"protocol": "TCP", "port": 80, "endPort": r.choice([81, 90])},
        {"protocol": "TCP"},
        {"protocol": "UDP", "port": 80},
        {"protocol": "TCP", "port": "http"},
    ]
    return r.choice(shapes)


def policy(r: random.Random, addresses: Sequence[str]) -> Manifest:
    spec: dict[str, Any] = {"podSelector": selector(r), "policyTypes": []}
    sides = [("Ingress", "ingress", "from"), ("Egress", "egress", "to")]
    for direction, rules, key in r.choice([sides, sides[:1], sides[1:]]):
        spec["policyTypes"].append(direction)
        spec[rules] = [
            {
                **({key: [peer(r, addresses) for _ in range(r.randrange(1, 3))]} if r.random() < 0.8 else {}),
                **({"ports": [port(r) for _ in range(r.randrange(1, 3))]} if r.random() < 0.6 else {}),
            }
            for _ in range(r.randrange(0, 3))
        ]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": spec}


def blocks_hold_pods(seed: int) -> bool:
    """Say whether blocks of this world hold pods: what they mean then, clusters do not agree on.

    `firebreak connections` says that a block never means a pod, as Cilium does; our node compares addresses.
    """
    return bool(seed % 2)


@dataclass
class Town:
    """Two namespaces with pods whose labels change from world to world."""

    stage: Stage
    places: tuple[Village, Village]
    addresses: dict[str, str]
    """`namespace/name` → address."""

    async def world(self, seed: int) -> None:
        """Label the pods and write policies as the seed says."""
        r = random.Random(seed)
        for name in self.addresses:
            namespace, _, pod = name.partition("/")
            labels = {key: r.choice("xy") for key in "abc" if r.random() < 0.7}
            put = [{"op": "add", "path": "/metadata/labels", "value": labels}]
            await self.stage.cluster.patch(PODS.ref(pod, namespace), put)
        for number in range(r.randrange(1, 6)):
            made = policy(r, list(self.addresses.values()) if blocks_hold_pods(seed) else BEYOND)
            where = r.choice(self.places).namespace
            made["metadata"] = {"name": f"p{number}", "namespace": where}
            await self.stage.cluster.create(NETWORK_POLICIES.ref(f"p{number}", where), made)

    async def clear(self) -> None:
        for place in self.places:
            for one in await self.stage.cluster.list(NETWORK_POLICIES, place.namespace):
                await self.stage.cluster.delete(
                    NETWORK_POLICIES.ref(one["metadata"]["name"], place.namespace)
                )

    def flows(self) -> list[Flow]:
        """Return every flow with a pod at one end."""
        pods = list(self.addresses)
        inner = [(a, b, p) for a in pods for b in pods if a != b for p in PORTS]
        out = [(a, b, p) for a in pods for b in BEYOND for p in BEYOND_PORTS]
        return inner + out + [(CALLER, b, p) for b in pods for p in PORTS]

    async def tried(self) -> dict[Flow, bool]:
        """Return which flows a real connection gets through."""
        sources = (*self.addresses, CALLER)
        answers = await asyncio.gather(*(self._dialled(source) for source in sources))
        return {flow: passes for answer in answers for flow, passes in answer.items()}

    async def _dialled(self, source: str) -> dict[Flow, bool]:
        mine = [flow for flow in self.flows() if flow[0] == source]
        targets = [f"{self.addresses.get(to, to)}:{number}" for _, to, number in mine]
        command = ("podtool", "dial", DIAL_MILLISECONDS, *targets)
        if source == CALLER:
            podtool = await self.places[0].entering("pod-0")
            pid = podtool[2]
            program = f"/proc/{pid}/root/bin/podtool"
            _, said = await self.places[0].node.run("ip", "netns", "exec", "outside", program, *command[1:])
        else:
            namespace, _, name = source.partition("/")
            here = next(place for place in self.places if place.namespace == namespace)
            said = await here.run(name, *command)
        opened = json.loads(said)
        return {flow: opened[target] for flow, target in zip(mine, targets, strict=True)}

    async def planned(self) -> dict[Flow, bool]:
        """Return what the rules say by which a containment is planned: addresses are compared, of pods too."""
        pods = {
            f"{one['metadata']['namespace']}/{one['metadata']['name']}": one for one in await self._pods()
        }
        found = await self.stage.cluster.list(NAMESPACES)
        labels = {one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in found}
        world = World(await self.stage.cluster.list(NETWORK_POLICIES), labels)
        ends = {name: End.pod(pod) for name, pod in pods.items()}

        def end(name: str) -> End:
            return ends.get(name) or End((name,))

        return {flow: allowed(world, end(flow[0]), end(flow[1]), ("TCP", flow[2])) for flow in self.flows()}

    async def _pods(self) -> list[Manifest]:
        return [one for place in self.places for one in await self.stage.cluster.list(PODS, place.namespace)]

    async def explained(self) -> str:
        """Return what stands, and what the enforcer said last, for people."""
        policies = [one["spec"] for one in await self.stage.cluster.list(NETWORK_POLICIES)]
        log = await asyncio.to_thread(self.stage.stack.layout.log(ENFORCER).read_text)
        return f"policies {json.dumps(policies)}, the enforcer said {log[-2000:]}"

    async def foretold(self, folder: Path) -> dict[Flow, bool | None]:
        """Return what `firebreak connections` says of every flow, of the live cluster."""
        asked = folder / "questions"
        lines = [
            json.dumps({"from": source, "to": to, "protocol": "TCP", "port": number})
            for source, to, number in self.flows()
        ]
        asked.write_text("\n".join(lines))
        code, out, said = await self.stage.firebreak("connections", "--probe", str(asked))
        assert code == 0, said
        told = [json.loads(line) for line in out.splitlines()]
        return {flow: one["allowed"] for flow, one in zip(self.flows(), told, strict=True)}


@asynccontextmanager
async def town(stage: Stage) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        places = []
        for environment in "pq":
            name = f"e-{environment}-{uuid.uuid4().hex[:6]}"
            manifest = {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": {"env": environment}},
            }
            await stage.cluster.create(NAMESPACES.ref(name), manifest)
            scene = await stack.enter_async_context(stage.scene(None, name))
            places.append(Village(stage.cluster, scene.namespace, node=node_of(stage)))
        names = [(place, f"pod-{number}") for place in places for number in range(3)]
        await asyncio.gather(*(_pod(stage, place, name) for place, name in names))
        for place in places:
            await place.running()
        found = {f"{place.namespace}/{name}": await place.address(name) for place, name in names}
        yield Town(stage, (places[0], places[1]), found)


async def _pod(stage: Stage, place: Village, name: str) -> None:
    named = {
        "pod-0": [{"name": "http", "containerPort": 80}],
        "pod-1": [{"name": "http", "containerPort": 8080}],
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "main",
                    "image": IMAGE,
                    "command": ["podtool", "serve", *map(str, PORTS)],
                    "ports": named.get(name, []),
                }
            ],
        },
    }
    await stage.cluster.create(PODS.ref(name, place.namespace), manifest)


async def test_the_engine_and_the_packets_agree_on_every_flow(
    cutting: Stage, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    given = request.config.getoption("--node-seed")
    worlds = 1 if given is not None else request.config.getoption("--node-worlds")
    first = random.SystemRandom().randrange(1 << 32) if given is None else given
    flows = 0
    async with town(cutting) as here:
        for seed in range(first, first + worlds):
            await here.world(seed)
            foretold = await here.planned()
            if not blocks_hold_pods(seed):
                assert await here.foretold(tmp_path) == foretold, f"seed {seed}: the engines differ"
            differ: dict[Flow, bool] = {}
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                tried = await here.tried()
                differ = {flow: passes for flow, passes in tried.items() if foretold[flow] is not passes}
                if not differ:
                    break
            assert not differ, f"seed {seed}: packets say {differ}; {await here.explained()}"
            flows += len(foretold)
            await here.clear()
    cutting.figures["engine against packets"] = (
        f"{flows} flows in {worlds} worlds from seed {first}, all agree"
    )
