"""What the tests of observability do in a process of its own: a process sets its providers once."""

import asyncio
import io
import logging
import socket
import sys
import urllib.request
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from activities import metrics
from activities.tracing import inject, span
from signals.errors import SettingsInvalid
from signals.subjects import (
    ORCHESTRATOR,
    REMEDIATION_EXECUTOR,
    RUNTIME_GUARDIAN,
    SPAN_ALERT,
    SPAN_APPLY,
    SPAN_CORRELATE,
    SPAN_VERIFY,
)
from workers.observability import about, start
from workers.settings import Settings

EVIL = "rm -rf /\x1b[2J\u202e"


def logged(settings: Settings) -> str:
    """Log as our code and as a library would; return what was written."""
    sys.stderr = written = io.StringIO()
    before = structlog.get_logger("made.before.start")
    observability = start(settings, RUNTIME_GUARDIAN)
    with about("shop-web-0-1"):
        before.info("alert accepted", command=EVIL)
        logging.getLogger("some.library").warning("retrying %s", EVIL)
    logging.getLogger("some.library").debug("chatter")
    password = "hunter2-" + "x" * 3
    try:
        raise ValueError(f"bad input {EVIL}", len(password))
    except ValueError:
        before.exception("failed")
    observability.shutdown()
    return written.getvalue()


def measured(port: int) -> str:
    """Record one of each kind; return what Prometheus would scrape."""
    observability = start(Settings(metrics_port=port), RUNTIME_GUARDIAN)
    metrics.alert("falco")
    metrics.alert("falco", "undecodable")
    metrics.incident()
    metrics.redelivery(RUNTIME_GUARDIAN)
    now = datetime.now(UTC)
    metrics.stage(metrics.Stage.ACCEPTED_TO_WRITE, now - timedelta(milliseconds=30), now)
    metrics.stage(metrics.Stage.ALERT_TO_SIGNAL, now + timedelta(seconds=5), now)
    metrics.stage(metrics.Stage.SIGNAL_TO_DECISION, None, now)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
    observability.shutdown()
    observability.shutdown()
    with closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the port is still open after shutdown"
    return text


def guardian(path: Path) -> dict[str, str]:
    """Take an alert; return the trace context that its message carries."""
    observability = start(Settings(trace_file=path), RUNTIME_GUARDIAN)
    with span(SPAN_ALERT, feed="falco"):
        carried = inject()
    observability.shutdown()
    return carried


def executor(path: Path, carried: dict[str, str]) -> None:
    """Apply and verify what a decision asks for."""
    observability = start(Settings(trace_file=path, replica="7"), REMEDIATION_EXECUTOR)
    with span(SPAN_APPLY, carried, incident="shop-web-0-1"), span(SPAN_VERIFY):
        pass
    observability.shutdown()


def refusing(port: int) -> str:
    """Start on a port that is taken; return what is said."""
    try:
        start(Settings(metrics_port=port), ORCHESTRATOR)
    except SettingsInvalid as error:
        return str(error)
    return "it started"


def orchestrated(path: Path, carried: dict[str, str]) -> None:
    """Send a threat event's trace through a real Temporal server."""
    from temporalio.testing import WorkflowEnvironment
    from temporalio.worker import Worker

    from tests.workers.traced_workflow import Incident, apply_plan

    observability = start(Settings(trace_file=path), ORCHESTRATOR)

    async def scene() -> None:
        async with await WorkflowEnvironment.start_local(
            dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
            dev_server_startup_timeout=timedelta(seconds=30),
            interceptors=observability.interceptors(),
        ) as temporal:
            queue = str(uuid.uuid4())
            async with Worker(
                temporal.client, task_queue=queue, workflows=[Incident], activities=[apply_plan]
            ):
                with span(SPAN_CORRELATE, carried):
                    handle = await temporal.client.start_workflow(
                        Incident.run,
                        id="shop-web-0-1",
                        task_queue=queue,
                        start_signal="events",
                        start_signal_args=[inject()],
                    )
                await handle.result()

    asyncio.run(scene())
    observability.shutdown()
