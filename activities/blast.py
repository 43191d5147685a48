"""How far an incident could reach: the reachability engine, over what the investigator may read.

It reads no Secret: that there is one is known from what refers to it. What cannot be read is said, and never
fails an investigation.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

from activities.graph.cut import planned, unplanned
from activities.graph.documents import Document
from activities.graph.manifests import Snapshot, gather
from activities.graph.paths import Reached
from activities.graph.reach import Reach, Result
from activities.graph.world import World
from activities.ports import (
    CLUSTER_ROLE_BINDINGS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    FREEZES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    REPLICA_SETS,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    STATEFUL_SETS,
    Resource,
)
from activities.probe import Reads
from signals.blast import BlastRadius, Reachable
from signals.entities import Entity
from signals.errors import FirebreakError, NotFound
from signals.plans import Plan

PATIENCE = 20.0
"""Seconds for all of it; a cluster that is too large for that is said to be missing."""
MOST_REACHED = 100
"""Things that one incident's history keeps; the rest is counted."""
MOST_MISSING = 50
_RBAC, _POLICY = "rbac.authorization.k8s.io", "policy.networking.k8s.io"
_READ: tuple[tuple[str, Resource], ...] = (
    ("Namespace", NAMESPACES),
    ("Node", NODES),
    ("Pod", PODS),
    ("ServiceAccount", SERVICE_ACCOUNTS),
    ("Role", Resource(_RBAC, "v1", "roles")),
    ("ClusterRole", Resource(_RBAC, "v1", "clusterroles")),
    ("RoleBinding", ROLE_BINDINGS),
    ("ClusterRoleBinding", CLUSTER_ROLE_BINDINGS),
    ("NetworkPolicy", NETWORK_POLICIES),
    ("AdminNetworkPolicy", Resource(_POLICY, "v1alpha1", "adminnetworkpolicies")),
    ("BaselineAdminNetworkPolicy", Resource(_POLICY, "v1alpha1", "baselineadminnetworkpolicies")),
    ("ClusterNetworkPolicy", Resource(_POLICY, "v1alpha2", "clusternetworkpolicies")),
    ("CiliumNetworkPolicy", Resource("cilium.io", "v2", "ciliumnetworkpolicies")),
    ("CiliumClusterwideNetworkPolicy", Resource("cilium.io", "v2", "ciliumclusterwidenetworkpolicies")),
    ("EndpointSlice", ENDPOINT_SLICES),
    ("Deployment", DEPLOYMENTS),
    ("DaemonSet", DAEMON_SETS),
    ("StatefulSet", STATEFUL_SETS),
    ("ReplicaSet", REPLICA_SETS),
    ("CronJob", CRON_JOBS),
    ("Freeze", FREEZES),
)
PERMISSIONS = tuple(
    f"{resource.group}/{resource.plural}: list" if resource.group else f"{resource.plural}: list"
    for _, resource in _READ
)
"""The rights that this takes."""
_KINDS = {
    "Pod": "pod",
    "ServiceAccount": "sa",
    "Node": "node",
    "User": "user",
    "Group": "group",
    "Secret": "secret",
}


async def radius(cluster: Reads, subjects: Sequence[Entity], plan: Plan | None = None) -> BlastRadius:
    """Return what could be reached from the subjects, and what is left of it with the plan carried out."""
    starts = tuple(dict.fromkeys(start for subject in subjects if (start := _start(subject))))
    try:
        async with asyncio.timeout(PATIENCE):
            snapshot, missing = await _snapshot(cluster)
            return await asyncio.to_thread(_radius, snapshot, starts, plan, missing)
    except TimeoutError:
        return _unknown(starts, f"what could be reached was not found out within {PATIENCE:g} s")
    except FirebreakError as error:
        return _unknown(starts, f"what could be reached is not known: {error}")
    except Exception as error:  # noqa: BLE001 (a defect here must not cost the whole investigation)
        return _unknown(starts, f"what could be reached is not known: it failed with {type(error).__name__}")


def _unknown(starts: tuple[str, ...], why: str) -> BlastRadius:
    return BlastRadius(starts=starts, counts={}, missing=(why,))


def _start(subject: Entity) -> str | None:
    """Return how the engine calls a subject; None for a kind that it does not know."""
    kind = _KINDS.get(subject.kind)
    return kind and "/".join(part for part in (kind, subject.namespace, subject.name) if part)


async def _snapshot(cluster: Reads) -> tuple[Snapshot, list[str]]:
    """Return all that may be read, and what may not, in words."""
    found: list[Document] = []
    missing: list[str] = []
    answers = await asyncio.gather(*(cluster.list(resource) for _, resource in _READ), return_exceptions=True)
    for (kind, resource), answer in zip(_READ, answers, strict=True):
        match answer:
            case NotFound():
                continue  # a kind that this cluster does not have
            case FirebreakError():
                missing.append(f"{resource.plural} could not be read: {answer}")
            case BaseException():
                raise answer
            case _:
                version = f"{resource.group}/{resource.version}" if resource.group else resource.version
                found += [
                    Document({**one, "apiVersion": version, "kind": kind}, "the cluster", 0) for one in answer
                ]
    return gather(found), missing


def _radius(
    snapshot: Snapshot, starts: tuple[str, ...], plan: Plan | None, missing: Sequence[str]
) -> BlastRadius:
    actions = plan.actions if plan else ()
    before = _asked(unplanned(snapshot, actions).snapshot, starts, missing)
    after = _asked(planned(snapshot, actions).snapshot, starts, missing) if actions else None
    tiers = _best(after or [])
    rows = sorted(_nearest(before).values(), key=lambda row: (row.certainty, row.hops, row.entity))
    gaps = dict.fromkeys(line for result in before for line in result.missing)
    gone = [
        f"{start} is not there any more" for start in starts if start not in {one.start for one in before}
    ]
    admin = min(
        (one.cluster_admin for one in before if one.cluster_admin),
        key=lambda row: row.certainty,
        default=None,
    )
    told = [*gone, *gaps]
    return BlastRadius(
        starts=starts,
        counts=dict(sorted(Counter(str(row.certainty) for row in rows).items())),
        cluster_admin=admin and str(admin.certainty),
        reached=tuple(_told(row, tiers.get(row.entity)) for row in rows[:MOST_REACHED]),
        planned=after is not None,
        left=dict(sorted(Counter(tiers.values()).items())),
        missing=(
            *told[:MOST_MISSING],
            *([f"{len(told) - MOST_MISSING} more lines"] if len(told) > MOST_MISSING else []),
        ),
    )


def _asked(snapshot: Snapshot, starts: Sequence[str], missing: Sequence[str]) -> list[Result]:
    reach = Reach(
        World(snapshot, missing=missing, extra=[one for one in starts if one.startswith(("user/", "group/"))])
    )
    found = (reach.ask_anyway(start) for start in starts)
    return [result for result in found if result.there]


def _nearest(results: Sequence[Result]) -> dict[str, Reached]:
    """Return everything within the cluster that is reached from any start, by its best way."""
    found: dict[str, Reached] = {}
    starts = {result.start for result in results}
    for result in results:
        for row in result.reached:
            known = found.get(row.entity)
            better = known is None or (row.certainty, row.hops) < (known.certainty, known.hops)
            if better and row.entity not in starts and not row.entity.startswith("ip/"):
                found[row.entity] = row
    return found


def _best(results: Sequence[Result]) -> dict[str, str]:
    return {entity: str(row.certainty) for entity, row in _nearest(results).items()}


def _told(row: Reached, still: str | None) -> Reachable:
    return Reachable(
        entity=row.entity,
        tier=str(row.certainty),
        hops=row.hops,
        steps=tuple(hop.edge.value for hop in row.path),
        by=row.path[-1].granted.object,
        conditions=row.conditions,
        still=still,
    )
