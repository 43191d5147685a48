"""The agents as processes: one each, with its own identity everywhere; on the memory cluster, one for all."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from signals.subjects import CONTEXT_STORE, FORENSIC_INVESTIGATOR, RBAC_AUDITOR, RUNTIME_GUARDIAN
from workers.settings import Settings, cache_dir
from workers.stack import health, nats, temporal
from workers.stack.credentials import ADMINISTRATOR
from workers.stack.layout import Layout, shipped
from workers.stack.ports import Ports
from workers.stack.process import Server

ALL = "agents"
"""Name of the one process that runs all agents on the memory cluster."""
COMMAND = (sys.executable, "-P", "-m", "workers")
"""What runs an agent. `-P`: not the `workers` of the folder in which somebody happens to stand."""
RANK = 6
GIVING_WAY = {FORENSIC_INVESTIGATOR: 10, CONTEXT_STORE: 10}
"""Niceness of those that only look back: on one machine they must not take the processor from a containment."""
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def settings(
    layout: Layout,
    ports: Ports,
    process: str,
    *,
    cluster: Literal["kubernetes", "memory"],
    metrics_port: int,
    given: Mapping[str, Any],
) -> Settings:
    """Return what one process is told; `given` is what this module does not know, or knows otherwise.

    Raises:
        ValidationError: what is given cannot work.
    """
    return Settings.model_validate(
        {
            "cluster": cluster,
            "kubeconfig": layout.kubeconfig(process) if cluster == "kubernetes" else None,
            "temporal_address": ports.address("temporal"),
            "temporal_namespace": temporal.NAMESPACE,
            "temporal_ui": f"http://{ports.address('temporal-ui')}",
            "nats_url": nats.url(ports),
            "memory_dir": layout.root if cluster == "memory" else None,
            "nats_dir": layout.nats,
            "keys_dir": layout.keys,
            "policy_file": layout.policy if layout.policy.exists() else shipped("drill", "policy.yaml"),
            "context_dir": layout.context,
            **(_receiver(layout, ports) if receives_alerts((process,)) else {}),
            **(_audited(layout, ports) if process == RBAC_AUDITOR else {}),
            "pages_file": layout.pages,
            "anchors_file": layout.anchors,
            "trace_file": layout.traces,
            "ready_file": layout.ready / process,
            "metrics_port": metrics_port,
            **given,
        }
    )


def _receiver(layout: Layout, ports: Ports) -> dict[str, Any]:
    return {
        "falco_port": ports["falco"],
        "falco_tokens_file": layout.falco / "tokens.json",
        "falco_cert_file": layout.falco / "server.crt",
        "falco_key_file": layout.falco / "server.key",
    }


def _audited(layout: Layout, ports: Ports) -> dict[str, Any]:
    return {
        "audit_port": ports["audit"],
        "audit_tokens_file": layout.falco / "audit-tokens.json",
        "audit_cert_file": layout.falco / "server.crt",
        "audit_key_file": layout.falco / "server.key",
        "trusted_users": ADMINISTRATOR,
    }


def server(
    process: str,
    told: Settings,
    inherited: Mapping[str, str],
    *,
    command: Sequence[str] = COMMAND,
    after: tuple[str, ...],
) -> Server:
    """Return one agent's process, or that of all of them. `inherited` is what any process gets."""
    ready = told.ready_file
    if ready is None:
        raise ValueError("an agent of a stack needs a ready file")
    argument = "all" if process == ALL else process
    return Server(
        name=process,
        command=(*command, argument),
        environment={**environment(inherited), **told.environment()},
        probe=health.file(ready),
        before=lambda: ready.unlink(missing_ok=True),
        after=after,
        rank=RANK,
        niceness=GIVING_WAY.get(process, 0),
    )


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of processes that run Python, from that of any process.

    Where Python must not write bytecode beside its sources, it keeps it in our cache: otherwise every agent
    would compile everything at every start, which is most of the time that a start takes.
    """
    if NO_BYTECODE not in given:
        return dict(given)
    kept = {name: value for name, value in given.items() if name != NO_BYTECODE}
    return {"PYTHONPYCACHEPREFIX": str(cache_dir() / "bytecode"), **kept}


def receives_alerts(processes: Sequence[str]) -> bool:
    """Say whether one of these processes is the alert receiver."""
    return ALL in processes or RUNTIME_GUARDIAN in processes
