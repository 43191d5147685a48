"""Whether Firebreak is stopped, as the API server's own Commands say: no other server is asked."""

from datetime import datetime

from activities.ports import COMMANDS, Cluster
from signals.approvals import Verb
from signals.stops import Halt, Stop
from signals.subjects import NAMESPACE, ORDER
from workers.cli.clusters import ANY, connected
from workers.cli.target import Target


async def standing(target: Target, who: str = "oncall") -> Stop | None:
    """Return the stop that holds, as this person sees it.

    Raises:
        Unavailable, Refused: the API server did not say.
    """
    async with connected(target.person(who), ANY) as cluster:
        return await asked(cluster)


async def asked(cluster: Cluster) -> Stop | None:
    """Return the stop that holds in a cluster."""
    halt = Halt()
    for command in await cluster.list(COMMANDS, NAMESPACE, labels=ORDER):
        metadata, spec = command["metadata"], command["spec"]
        if spec["verb"] == Verb.STOP:
            at = datetime.fromisoformat(metadata["creationTimestamp"])
            halt = halt.stopped(
                Stop(uid=metadata["uid"], actor=spec["actor"], reason=spec.get("reason", ""), at=at)
            )
        elif spec["verb"] == Verb.RESUME:
            halt = halt.resumed(spec.get("stop", ""), spec["actor"], metadata["uid"])
    return halt.standing
