"""Reads CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, as far as objects say what they mean.

What they deny goes before all that anybody allows; what they allow adds up with NetworkPolicies. Names of the world
outside, services and the like are `unknown`; what is above ports is not looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from activities.graph.manifests import NAME_LABEL
from activities.graph.network_policy import DIRECTIONS, Direction, Object
from activities.graph.policy_parts import block, named, selector, span
from activities.graph.tiers import Block, Effect, Peer, Pods, Policy, Ports, Rule, Tier, Unmodelled
from activities.graph.workloads import DEFAULT

_ALLOWING: Mapping[Direction, str] = {"Ingress": "ingress", "Egress": "egress"}
_SIDE: Mapping[Direction, str] = {"Ingress": "from", "Egress": "to"}
_NAMESPACE = "io.kubernetes.pod.namespace"
_NAMESPACE_LABEL = "io.cilium.k8s.namespace.labels."
_STRANGE = ("io.cilium.", "reserved:", "cidr:", "fqdn:")
_ELSEWHERE = frozenset({"FQDNs", "Groups", "Nodes"})
"""Peers that are outside of pods, and not told by objects."""
_SECTIONS = frozenset({"Endpoints", "CIDR", "CIDRSet", "Entities", "Services", "Requires", *_ELSEWHERE})
_KNOWN = frozenset({"toPorts", "icmps", "authentication"})


def cilium(manifest: Object) -> Sequence[Policy]:
    """Return what one object says: what it denies, what it may deny, and what it allows.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it cannot be understood.
    """
    specs = [*([manifest["spec"]] if manifest.get("spec") else []), *(manifest.get("specs") or [])]
    return [policy for spec in specs for policy in _policies(manifest, spec)]


def _policies(manifest: Object, spec: Object) -> Iterator[Policy]:
    metadata = manifest["metadata"]
    home = (metadata.get("namespace") or DEFAULT) if manifest["kind"] == "CiliumNetworkPolicy" else None
    if spec.get("endpointSelector") is None:
        return  # it is about nodes
    subject = _endpoints(spec["endpointSelector"], home)
    if isinstance(subject, Unmodelled):
        yield _made(manifest, Pods(namespace=home), Tier.UNMODELLED, dict.fromkeys(DIRECTIONS, (_ANYTHING,)))
        return
    denied = {
        way: tuple(_rules(spec, f"{key}Deny", way, home, Effect.DENY)) for way, key in _ALLOWING.items()
    }
    for priority, effect in enumerate((Effect.DENY, Effect.UNKNOWN)):
        rules = {way: tuple(rule for rule in some if rule.effect is effect) for way, some in denied.items()}
        rules = {way: some for way, some in rules.items() if some}
        if rules:
            yield _made(manifest, subject, Tier.DENYING, rules, priority)
    for closes in (True, False):
        allowed = {
            way: tuple(_rules(spec, key, way, home, Effect.ALLOW))
            for way, key in _ALLOWING.items()
            if (spec.get(key) or spec.get(f"{key}Deny")) and _closes(spec, key) is closes
        }
        if allowed:
            yield _made(manifest, subject, Tier.NAMESPACED, allowed, closes=closes)


_ANYTHING = Rule(index=0, effect=Effect.UNKNOWN)


def _made(
    manifest: Object,
    subject: Pods,
    tier: Tier,
    rules: Mapping[Direction, tuple[Rule, ...]],
    priority: int = 0,
    *,
    closes: bool = True,
) -> Policy:
    return Policy(
        kind=manifest["kind"],
        name=named(manifest["metadata"]),
        tier=tier,
        priority=priority,
        subject=subject,
        rules=rules,
        closes=closes,
    )


def _closes(spec: Object, key: str) -> bool:
    """Return whether a policy denies what nobody allows: it does, unless it says otherwise."""
    said = (spec.get("enableDefaultDeny") or {}).get(key)
    return True if said is None else bool(said)


def _rules(spec: Object, key: str, way: Direction, home: str | None, effect: Effect) -> Iterator[Rule]:
    for index, rule in enumerate(spec.get(key) or []):
        yield from _rule(index, rule or {}, way, home, effect)


def _rule(index: int, rule: Object, way: Direction, home: str | None, effect: Effect) -> Iterator[Rule]:
    """Yield what a rule surely does, and behind that what it may do; an empty one does nothing."""
    side = _SIDE[way]
    sections = {
        name.removeprefix(side): rule[name]
        for name in rule
        if name.removeprefix(side) in _SECTIONS and name.startswith(side)
    }
    strange = rule.keys() - _KNOWN - {f"{side}{name}" for name in sections}
    if strange or "Requires" in sections or rule.get("authentication"):
        yield Rule(index=index, effect=Effect.UNKNOWN)
        return
    ports = tuple(port for entry in rule.get("toPorts") or [] for port in _ports(entry))
    if (not sections and not rule.get("toPorts")) or (rule.get("icmps") and not ports):
        return
    peers = [peer for name, given in sections.items() for peer in _peers(name, given or [], home)]
    sure = tuple(peer for peer in peers if not isinstance(peer, Unmodelled))
    unsure = tuple(peer for peer in peers if isinstance(peer, Unmodelled))
    if sure or not sections:
        yield Rule(index=index, effect=effect, peers=sure, ports=ports)
    if unsure:
        yield Rule(index=index, effect=Effect.UNKNOWN, peers=unsure, ports=ports)


def _peers(section: str, given: Sequence[Any], home: str | None) -> Iterator[Peer]:
    for one in given:
        match section:
            case "Endpoints":
                yield _endpoints(one, home)
            case "CIDR":
                yield block(one, pods=False)
            case "CIDRSet" if one.get("cidr"):
                yield block(one["cidr"], one.get("except") or (), pods=False)
            case "Entities":
                yield from _entity(one)
            case "Services":
                yield Unmodelled(outside=False)
            case _:
                yield Unmodelled(outside=True)


_WHOLE: tuple[Block, Block] = (block("0.0.0.0/0", pods=False), block("::/0", pods=False))


def _entity(name: str) -> Iterator[Peer]:
    """Yield whom one of Cilium's own names means."""
    if name in ("all", "cluster"):
        yield Pods()
    if name in ("all", "world", "world-ipv4"):
        yield _WHOLE[0]
    if name in ("all", "world", "world-ipv6"):
        yield _WHOLE[1]
    if name not in ("all", "world", "world-ipv4", "world-ipv6", "none"):
        yield Unmodelled(outside=True)  # nodes and the like, which are addresses to others


def _endpoints(given: Object, home: str | None) -> Pods | Unmodelled:
    """Return the pods that a selector means: of the policy's own namespace, unless it names others."""
    pods: list[Object] = []
    places: list[Object] = []
    terms = [
        *(
            {"key": key, "operator": "In", "values": [value]}
            for key, value in (given.get("matchLabels") or {}).items()
        ),
        *(given.get("matchExpressions") or []),
    ]
    for term in terms:
        key = str(term["key"]).removeprefix("k8s:").removeprefix("any:").removeprefix("k8s.")
        if key == _NAMESPACE:
            places.append({**term, "key": NAME_LABEL})
        elif key.startswith(_NAMESPACE_LABEL):
            places.append({**term, "key": key.removeprefix(_NAMESPACE_LABEL)})
        elif key.startswith(_STRANGE):
            return Unmodelled(outside=False)
        else:
            pods.append({**term, "key": key})
    chosen = selector({"matchExpressions": pods} if pods else None)
    if places:
        return Pods(namespaces=selector({"matchExpressions": places}), pods=chosen)
    return Pods(namespace=home, pods=chosen)


def _ports(entry: Object) -> Iterator[Ports]:
    for port in entry.get("ports") or []:
        text, protocol = str(port.get("port") or "0"), str(port.get("protocol") or "ANY")
        protocols = ("TCP", "UDP", "SCTP") if protocol == "ANY" else (protocol,)
        for one in protocols:
            if not text.isdecimal():
                yield Ports(protocol=one, name=text)
            elif text == "0":
                yield Ports(protocol=one)
            else:
                yield span(one, int(text), int(port.get("endPort") or text))
