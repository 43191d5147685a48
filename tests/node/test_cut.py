"""Containment where the network cuts open connections: new and open ones stop, and no neighbour loses a request."""

import uuid

import pytest

from activities.ports import NETWORK_POLICIES
from signals.approvals import Verb
from tests.node import proofs
from tests.node.ground import village
from tests.vertical.scene import ATTACKER, REVERSE_SHELL
from tests.vertical.stage import Stage, settled

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def test_one_flow_of_five_is_refused_and_four_go_on(cutting: Stage) -> None:
    seen = await proofs.block(cutting)
    assert (seen.refused, seen.ended) == ({"attacker": True}, {"attacker": True})
    assert seen.back == {"attacker": True}
    assert (seen.neighbours, seen.changed) == ([], [])
    cutting.figures["alert to refused connection, one flow"] = f"{seen.seconds * 1000:.0f} ms"


async def test_an_isolated_pod_is_cut_off_both_ways_and_its_neighbours_are_not(cutting: Stage) -> None:
    seen = await proofs.isolate(cutting)
    assert seen.refused == {"out": True, "in": True}
    assert seen.ended == {"out": True, "in": True}
    assert seen.back == {"out": True, "in": True}
    assert (seen.neighbours, seen.changed) == ([], [])
    cutting.figures["alert to refused connection, isolated"] = f"{seen.seconds * 1000:.0f} ms"


async def test_what_another_writer_opens_again_is_closed_again(cutting: Stage) -> None:
    everything = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}
    out = {"out": proofs.outward(ATTACKER.address)}
    async with (
        village(cutting, f"v-{uuid.uuid4().hex[:8]}") as here,
        here.traffic("web-0", out) as own,
        here.traffic("web-1", out) as sibling,
    ):
        await cutting.post(here.alert(REVERSE_SHELL, await here.live("web-0")))
        incident = await cutting.incident(here, settled)
        assert await own.becomes("out", passes=False)
        await here.policy("wide-open", everything)
        assert await own.becomes("out", passes=True), "somebody else's policy opens it, for a moment"
        assert await own.becomes("out", passes=False), "and Firebreak closes it"
        assert (await cutting.say(Verb.UNDO, incident.summary.id)).accepted
        assert await own.becomes("out", passes=True)
        assert sibling.failures() == []
        assert await here.changed() == ["networkpolicies/wide-open"]
        kept = await cutting.cluster.get(NETWORK_POLICIES.ref("wide-open", here.namespace))
        assert kept["spec"] == everything
