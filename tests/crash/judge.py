"""Judges one trial by three records that know nothing of each other.

The alerts that were answered 2xx say what must not be lost; the API server's audit log says what was written; the
histories in Temporal say what Firebreak believes it did.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError

from activities.ports import Cluster
from activities.release import standing
from signals.incidents import Incident
from signals.subjects import remediation_id
from tests.vertical.audit import Write, doubled, written
from workers.replaying import replay

EVICTION = "/eviction"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is wrong after one trial; empty where nothing is."""

    lost: tuple[str, ...] = ()
    """Alerts that were answered 2xx and have no incident."""
    doubled: tuple[str, ...] = ()
    """Writes that took effect more than once."""
    unrecorded: tuple[str, ...] = ()
    """Writes of which no receipt tells."""
    inexact: tuple[str, ...] = ()
    """Objects that are not as they were after the undo."""
    left: tuple[str, ...] = ()
    """What of ours still stands after the close."""
    broken: tuple[str, ...] = ()
    """Histories that do not replay."""

    @property
    def fine(self) -> bool:
        """Whether nothing is wrong."""
        return not any(vars(self).values())

    def __str__(self) -> str:
        """Return what is wrong in words."""
        said = (f"{name}: {', '.join(found)}" for name, found in vars(self).items() if found)
        return "; ".join(said) or "nothing lost, doubled, unrecorded, inexact or left"


def lost(accepted: Iterable[str], incidents: Sequence[Incident]) -> tuple[str, ...]:
    """Return the pods, `namespace/name`, whose alert was accepted and that no incident is about."""
    told = {
        f"{event.subject.namespace}/{event.subject.name}"
        for incident in incidents
        for event in incident.events
    }
    return tuple(sorted(set(accepted) - told))


def by_audit(
    log: Path, namespaces: Iterable[str], incidents: Sequence[Incident]
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Return what was written twice, what no receipt tells of, and how many writes there were.

    An action is done twice where a thing that it made was made twice, under whatever name.
    """
    writes = {space: written(log, space) for space in namespaces}
    every = [write for found in writes.values() for write in found]
    known = {
        (ref.namespace, f"{ref.resource}/{ref.name}")
        for incident in incidents
        for receipt in incident.receipts
        for ref in (write.ref for write in receipt.plan.writes)
    }
    unknown = [
        f"{space}: {write}"
        for space, found in writes.items()
        for write in found
        if _strange(space, write, known)
    ]
    twice = [name for found in writes.values() for name in doubled(found)]
    made = sum(len(receipt.plan.writes) > 0 for incident in incidents for receipt in incident.receipts)
    creates = [
        write for write in every if write.verb == "create" and write.thing.startswith("networkpolicies/")
    ]
    if len(creates) > made:
        twice.append(f"{len(creates)} policies were created for {made} actions")
    return tuple(twice), tuple(unknown), len(every)


def _strange(space: str, write: Write, known: set[tuple[str | None, str]]) -> bool:
    return (space, write.thing.removesuffix(EVICTION)) not in known


def evicted(log: Path, namespace: str) -> set[str]:
    """Return the pods of a namespace that were evicted, which no undo brings back, as `pods/NAME`."""
    things = (write.thing for write in written(log, namespace))
    return {thing.removesuffix(EVICTION) for thing in things if thing.endswith(EVICTION)}


async def left(cluster: Cluster, namespaces: Sequence[str]) -> tuple[str, ...]:
    """Return what of ours still stands in these namespaces."""
    return tuple(str(write) for one in await standing(cluster, namespaces) for write in one.writes)


async def histories(temporal: Client, incidents: Sequence[Incident]) -> AsyncIterator[WorkflowHistory]:
    """Yield what the workflows of these incidents have recorded."""
    for incident in incidents:
        for name in (incident.summary.id, remediation_id(incident.summary.id)):
            with suppress(RPCError):  # nothing was written: it has no owner
                yield await temporal.get_workflow_handle(name).fetch_history()


async def replayed(temporal: Client, incidents: Sequence[Incident]) -> tuple[str, ...]:
    """Return the workflows of these incidents whose histories today's code cannot replay."""
    return tuple([one.told() async for one in replay(histories(temporal, incidents)) if one.breach])
