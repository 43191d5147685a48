"""The Runtime Guardian: takes Falco's alerts in and says what is suspicious. It has no access to Temporal.

An alert is durable before its sender hears yes; it is acknowledged in the feed only after what it means is
published. Whatever dies in between, it comes again, and nothing is said twice.
"""

from collections.abc import Mapping

import structlog

from activities import metrics
from signals.catalog import load
from signals.detector import Detection, Detector
from signals.detectors import runtime
from signals.errors import Unavailable
from signals.subjects import RUNTIME_GUARDIAN
from signals.telemetry.falco import Alert
from workers.agent import Agent, Context
from workers.alerts import Alerts
from workers.detecting import Detecting
from workers.doors import falco_door
from workers.intake import Intake
from workers.pod_index import PodIndex
from workers.sources import ALERTS, FALCO

SIDEKICK = "falco.>"
"""Subjects on which falcosidekick publishes, on core NATS: stored by nobody but us."""
STORE_TRIES = 5
"""How often an alert that came over core NATS is stored again before it is given up, and that is logged."""

log = structlog.get_logger(__name__)


async def _overhear(context: Context, intake: Intake[Alert]) -> None:
    """Take what falcosidekick publishes on core NATS: it does not wait for an answer, so we try for it."""

    async def heard(subject: str, payload: bytes, headers: Mapping[str, str]) -> None:
        for _ in range(STORE_TRIES):
            try:
                await intake.accept(payload, subject, headers)
                return
            except Unavailable as error:
                log.warning("an alert on core NATS is not stored yet", subject=subject, error=str(error))
        log.error("an alert on core NATS was lost: it could not be stored", subject=subject)
        metrics.alert(FALCO, "lost")

    await context.bus.subscribe(SIDEKICK, RUNTIME_GUARDIAN, heard)


async def run(context: Context) -> None:
    """Receive, detect and publish until told to stop."""
    index = PodIndex(context.cluster.ref)
    reading = Alerts(Detection(load(runtime, Detector).values()), index)
    detecting = Detecting(context, ALERTS, reading, index)
    await _overhear(context, detecting.intake)
    await detecting.run([falco_door(context.settings)])


AGENT = Agent(name=RUNTIME_GUARDIAN, run=run, uses_temporal=False)
