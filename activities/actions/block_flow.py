"""Closes one flow of a pod, to or from one other end, and no other.

The other end is a pod, told by a label of its own, or an address outside of the cluster. Addresses of pods are
lent, so a pod that is gone is not blocked by the address that it had. When policies come, go or change
meanwhile, `hold` writes a further generation of our policy, so that all but the one flow is as they say.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from activities import gitops
from activities.action import Action, CaseRef
from activities.containment import (
    PERMISSIONS,
    RESIDUAL,
    blocked,
    create,
    exclude,
    later_keys,
    mark,
    mark_key,
    other_case,
    peer_key,
    policy_ref,
)
from activities.graph.carve import Carving, Cut, close_flow, opening
from activities.graph.network_policy import PROTOCOLS, End, selecting
from activities.holding import flow, lost, objects, sights
from activities.ports import NETWORK_POLICIES, PODS, Cluster, Manifest
from activities.surroundings import PEER_PERMISSIONS, peer_concerns
from activities.targets import containable, read
from signals.decisions import Inverse, OnExpiry, PlannedAction, Tier
from signals.entities import ClusterRef, Entity
from signals.plans import ActionPlan, Write, WriteKind
from signals.receipts import Check, Receipt, Result
from signals.subjects import EXPIRES_AT
from signals.threats import Peer

UNRESOLVED = "ports named {names} mean no known number at an address: closed for it whatever their number"
FOREIGN_POD = "if {address} is a pod of another namespace, rules that select it by label still allow it"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The two ends as they are now. `peer` is None where the other end is an address."""

    pod: Manifest
    peer: Manifest | None
    cut: Cut

    def without(self, keys: frozenset[str]) -> Cut:
        """Return the flow as if the pod did not carry these labels."""
        labels = {key: value for key, value in self.cut.pod.labels.items() if key not in keys}
        return replace(self.cut, pod=replace(self.cut.pod, labels=labels))


async def _scene(cluster: Cluster, action: PlannedAction, value: str) -> Scene | str:
    """Read both ends; a text says why the flow cannot be closed."""
    target = containable(await read(cluster, action.target))
    if target.pod is None or target.obstacle:
        return target.obstacle
    if action.peer is None:
        return "the alert names no other end, so there is no flow to close"
    found = await _other_end(cluster, target.pod, action.peer)
    if isinstance(found, str):
        return found
    end, peer = found
    port = action.peer.port
    protocol = action.peer.protocol.upper()
    cut = Cut(
        direction="Ingress" if action.peer.direction == "Ingress" else "Egress",
        pod=End.pod(target.pod),
        other=end,
        mark=(peer_key(action.id), value) if peer else None,
        port=(protocol, port) if port and protocol in PROTOCOLS else None,
    )
    return Scene(pod=target.pod, peer=peer, cut=cut)


async def _other_end(cluster: Cluster, pod: Manifest, peer: Peer) -> tuple[End, Manifest | None] | str:
    try:
        ip = ipaddress.ip_address(peer.address)
    except ValueError:
        return f"{peer.address!r} is not an address"
    address = str(getattr(ip, "ipv4_mapped", None) or ip)
    if peer.pod is not None:
        named = containable(await read(cluster, peer.pod))
        found = [named.pod] if named.pod else []
        if named.obstacle:
            return f"the other end cannot be told apart: {named.obstacle}"
    else:
        near = await cluster.list(PODS, pod["metadata"]["namespace"])
        found = [item for item in near if _lives_at(item, address)]
    if not found:
        return End((address,)), None
    if found[0]["metadata"]["uid"] == pod["metadata"]["uid"]:
        return "a pod's traffic with itself is outside of every policy"
    end = End.pod(found[0])
    return (end, found[0]) if end.addresses else "the other end has no address yet"


def _lives_at(pod: Manifest, address: str) -> bool:
    over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not over and not pod["spec"].get("hostNetwork") and address in End.pod(pod).addresses


async def plan(cluster: Cluster, action: PlannedAction, case: CaseRef) -> ActionPlan:
    """Plan our policy, the marks on both ends and the exclusions."""
    scene = await _scene(cluster, action, case.label)
    if isinstance(scene, str):
        return blocked(action, scene)
    policies = await cluster.list(NETWORK_POLICIES, scene.pod["metadata"]["namespace"])
    key = mark_key(action.id)
    cut = scene.without(frozenset({key}))
    carving = close_flow(policies, cut)
    why = other_case(selecting(policies, cut.pod, cut.direction), case) or gitops.obstacle(carving.leave)
    if why:
        return blocked(action, why)
    residual = list(RESIDUAL)
    if carving.unresolved:
        residual.append(UNRESOLVED.format(names=", ".join(carving.unresolved)))
    if scene.peer is None:
        residual.append(FOREIGN_POD.format(address=cut.other.addresses[0]))
    concerns = [
        concern for address in cut.other.addresses for concern in await peer_concerns(cluster, address)
    ]
    return ActionPlan(
        action=action,
        writes=_writes(action, case, scene, carving, key, carving.leave),
        inverse=Inverse.EXACT,
        summary=action.summary,
        residual=tuple(residual),
        concerns=tuple(concerns),
    )


def _writes(
    action: PlannedAction, case: CaseRef, scene: Scene, carving: Carving, key: str, leave: Sequence[Any]
) -> tuple[Write, ...]:
    """Return one generation of a block: our policy, marks, exclusions."""
    marks = [mark(scene.pod, key, case.label)]
    if scene.peer is not None:
        marks.append(mark(scene.peer, peer_key(action.id), case.label))
    exclusions = [exclude(policy, key, case.label) for policy in leave]
    ref = policy_ref(case, scene.pod["metadata"]["namespace"], action.type, key[-8:])
    spec = carving.spec({key: case.label})
    return create(ref, spec, case, action, [*marks, *exclusions]), *marks, *exclusions


async def _missing(cluster: Cluster, receipt: Receipt) -> tuple[tuple[Write, ...], str]:
    """Return what is missing for the flow to be closed and all others to be as policies say, and why."""
    made = [write for write in receipt.plan.writes if write.kind is WriteKind.CREATE and write.manifest]
    own = {key: value for write in made for key, value in _selector(write).items()}
    scene = await _scene(cluster, receipt.action, next(iter(own.values())))
    if isinstance(scene, str):
        return (), ""
    policies = await cluster.list(NETWORK_POLICIES, made[-1].ref.namespace)
    hidden = later_keys(policies, receipt.action.index)
    bare = scene.without(hidden | frozenset(own))
    carving = close_flow(policies, bare)
    held = replace(bare, pod=replace(bare.pod, labels={**bare.pod.labels, **own}))
    mine = {write.ref.name for write in made}
    loose = [policy for policy in opening(policies, held) if policy["metadata"]["name"] != made[-1].ref.name]
    same = made[-1].manifest is not None and carving.spec(_selector(made[-1])) == made[-1].manifest["spec"]
    if same and not loose:
        return (), ""
    names = sorted(p["metadata"]["name"] for p in loose if p["metadata"]["name"] not in mine)
    why = f"{', '.join(names)} came or changed later" if names else "policies have changed since"
    if gitops.obstacle(loose):
        return (), f"{why}; {gitops.obstacle(loose)}"
    if same:
        [(key, value)] = _selector(made[-1]).items()
        return tuple(exclude(policy, key, value) for policy in loose), why
    case = CaseRef(incident=receipt.incident, expires_at=_expiry(policies, made[-1]))
    seed = hashlib.sha256(f"{receipt.action.id}/{len(made)}".encode()).hexdigest()
    previous = [policy for policy in policies if policy["metadata"]["name"] == made[-1].ref.name]
    return _writes(receipt.action, case, scene, carving, mark_key(seed), [*loose, *previous]), why


def _selector(write: Write) -> dict[str, str]:
    selector: dict[str, str] = (write.manifest or {})["spec"]["podSelector"]["matchLabels"]
    return selector


def _expiry(policies: Sequence[Manifest], write: Write) -> datetime:
    """Return until when a block stands: as it is written on our policy now, or as it was planned."""
    live = (policy for policy in policies if policy["metadata"]["name"] == write.ref.name)
    manifest: Manifest = next(live, write.manifest or {})
    return datetime.fromisoformat(manifest["metadata"]["annotations"][EXPIRES_AT])


async def verify(cluster: Cluster, receipt: Receipt) -> tuple[Check, ...]:
    """Read everything back, and compare our policy with what the others say now."""
    checks = [await objects(cluster, receipt.plan)]
    _, why = await _missing(cluster, receipt)
    if why:
        checks.append(Check(what="object", result=Result.FAILED, how=why))
    return *checks, await flow(cluster)


async def hold(cluster: Cluster, receipt: Receipt) -> tuple[Write, ...]:
    """Return what somebody undid, exclusions from policies that came later, or a further generation."""
    undone = lost(await sights(cluster, receipt.plan), WriteKind.CREATE, WriteKind.MARK)
    return undone or (await _missing(cluster, receipt))[0]


ACTION = Action(
    name="block_flow",
    summary="Close one flow of a pod",
    tier=Tier.RESTRICT,
    permissions=PERMISSIONS,
    surroundings=PEER_PERMISSIONS,
    inverse=Inverse.EXACT,
    on_expiry=OnExpiry.RELEASE,
    ttl="restrict_ttl_seconds",
    example=Entity(cluster=ClusterRef(name="local", uid="c"), kind="Pod", namespace="shop", name="web-0"),
    plan=plan,
    verify=verify,
    hold=hold,
)
