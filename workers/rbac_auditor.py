"""The RBAC Auditor: reads the API server's audit events, and says which requests are suspicious.

It receives them by HTTP, as an audit webhook sends them, and follows a log file on its own machine. Of most
requests nothing would come: those are not kept. The others are durable before anybody hears yes.
"""

from signals.audit_detector import AuditDetection, AuditDetector
from signals.catalog import load
from signals.detectors import rbac
from signals.subjects import RBAC_AUDITOR, state_bucket
from workers.agent import Agent, Context
from workers.audit_suspicion import Audits
from workers.detecting import Detecting
from workers.doors import audit_door
from workers.pod_index import PodIndex
from workers.sources import audits
from workers.tail import Tail


async def run(context: Context) -> None:
    """Receive, detect and publish until told to stop."""
    settings = context.settings
    trusted = [name.strip() for name in settings.trusted_users.split(",") if name.strip()]
    detection = AuditDetection(load(rbac, AuditDetector).values(), trusted)
    index = PodIndex(context.cluster.ref)
    detecting = Detecting(context, audits(detection), Audits(detection, index), index)
    doors = [audit_door(settings)] if settings.audit_tokens_file else []
    if settings.audit_log_file is None:
        await detecting.run(doors)
        return
    tail = Tail(settings.audit_log_file, context.bus.kv(state_bucket(RBAC_AUDITOR)), detecting.intake)
    await detecting.run(doors, tail.follow())


AGENT = Agent(name=RBAC_AUDITOR, run=run, uses_temporal=False)
