"""The past on the whole stack: who changed what is known, an incident keeps its slice, no right is for nothing."""

import asyncio
import json
from pathlib import Path

import pytest

from activities.adapters.version_file import VersionFile
from activities.graph.collected import BUILT_IN, OPTIONAL
from activities.ports import SERVICE_ACCOUNTS
from signals.errors import FirebreakError
from signals.incidents import Incident
from signals.subjects import CONTEXT_STORE, service_account
from tests.vertical.scene import REVERSE_SHELL
from tests.vertical.stage import Stage, until

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]
WATCHING = ("list", "watch")


async def test_the_context_store_knows_who_changed_what_and_uses_every_right_that_it_has(
    stage: Stage,
) -> None:
    file = stage.stack.layout.context / "versions.db"
    async with stage.scene() as scene:
        ref = SERVICE_ACCOUNTS.ref("remembered", scene.namespace)
        manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {}}
        await stage.cluster.create(ref, manifest)
        await asyncio.sleep(0.5)
        await stage.cluster.delete(ref)

        async def told() -> bool:
            try:
                with VersionFile(file) as store:
                    found = store.history("ServiceAccount", scene.namespace, ref.name)
            except FirebreakError:
                return False
            causes = [(one.cause, one.end_cause) for one in found]
            return [(a.user, b.user) for a, b in causes if a and b] == [
                ("firebreak-admin", "firebreak-admin")
            ]

        await until(told, lambda: "who changed it is not known")
    log = await asyncio.to_thread(stage.stack.layout.audit_log.read_text)
    lines = [line for line in log.splitlines() if service_account(CONTEXT_STORE) in line]
    used = {
        (record["objectRef"].get("apiGroup", ""), record["objectRef"]["resource"], record["verb"])
        for record in map(json.loads, lines)
        if record["user"]["username"] == service_account(CONTEXT_STORE)
    }
    kinds = {(resource.group, resource.plural) for _, resource in BUILT_IN}
    asked_for = {(resource.group, resource.plural, "list") for _, resource in OPTIONAL}
    assert {one for one in used if one[:2] in kinds} == {(*kind, verb) for kind in kinds for verb in WATCHING}
    assert {one for one in used if one[:2] not in kinds} == asked_for  # this cluster has none of these kinds


async def test_an_incident_keeps_the_slice_of_the_past_that_it_needs(stage: Stage, tmp_path: Path) -> None:
    async with stage.scene() as scene:
        suspect = await scene.fill()
        assert await stage.post(scene.alert(REVERSE_SHELL, suspect)) == 200

        def investigated(incident: Incident) -> bool:
            return incident.investigation is not None

        incident = await stage.incident(scene, investigated)
        assert incident.investigation
        reached = incident.investigation.blast_radius
        assert reached
        assert reached.at == min(event.observed_at for event in incident.events), reached.missing
        (kept,) = [line for line in incident.investigation.findings if line.startswith("the past since")]
        head = kept.partition("sha256:")[2][:64]
        file = tmp_path / "past.jsonl"
        name = incident.summary.id
        code, _, error = await stage.firebreak("context", "export", "--incident", name, str(file))
        assert code == 0, error
        code, out, error = await stage.firebreak("context", "verify", str(file), "--head", head, "-o", "json")
        assert code == 0, error
        assert json.loads(out)["namespaces"] == [scene.namespace]
        lines = (await asyncio.to_thread(file.read_text)).splitlines()
        names = [json.loads(line).get("version", {}).get("name") for line in lines]
        assert suspect["metadata"]["name"] in names
