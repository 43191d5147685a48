"""Reads each kind of network policy into the one form of `tiers`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from activities.graph.cilium import cilium
from activities.graph.network_policy import DIRECTIONS, PEERS, RULES, Direction, Object, directions
from activities.graph.policy_parts import block, named, selector, span
from activities.graph.tiers import Effect, Peer, Pods, Policy, Ports, Rule, Tier, Unmodelled
from activities.graph.workloads import DEFAULT
from signals.errors import BadInput

_EFFECTS: Mapping[str, Effect] = MappingProxyType(
    {"Allow": Effect.ALLOW, "Accept": Effect.ALLOW, "Deny": Effect.DENY, "Pass": Effect.SKIP}
)
LOWEST = 1001
"""Priority behind all that can be given."""


def policies(objects: Iterable[Object]) -> list[Policy]:
    """Return all policies among some objects, in the order in which they decide.

    Raises:
        BadInput: one of them cannot be understood; it is named.
    """
    found = [policy for manifest in objects for policy in _policies(manifest)]
    return sorted(found, key=lambda policy: (policy.tier, policy.priority, policy.name, policy.kind))


def _policies(manifest: Object) -> Sequence[Policy]:
    group, kind = str(manifest.get("apiVersion", "")).rpartition("/")[0], manifest.get("kind", "")
    reader = _READERS.get((group, kind))
    if reader is None:
        return ()
    try:
        made = reader(manifest)
        return (made,) if isinstance(made, Policy) else made
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        name = named(manifest.get("metadata") or {})
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"{kind} {name} cannot be understood: {what}.") from error


def _network_policy(manifest: Object) -> Policy:
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    namespace = metadata.get("namespace") or DEFAULT
    if strange := [one for one in spec.get("policyTypes") or [] if one not in DIRECTIONS]:
        raise ValueError(f"{strange[0]!r} is no policy type: write Ingress or Egress")
    return Policy(
        kind=manifest["kind"],
        name=f"{namespace}/{metadata['name']}",
        tier=Tier.NAMESPACED,
        subject=Pods(namespace=namespace, pods=selector(spec.get("podSelector"))),
        rules={
            direction: tuple(
                _plain_rule(index, namespace, rule or {}, direction)
                for index, rule in enumerate(spec.get(RULES[direction]) or [])
            )
            for direction in directions({"spec": spec})
        },
    )


def _plain_rule(index: int, namespace: str, rule: Object, direction: Direction) -> Rule:
    return Rule(
        index=index,
        effect=Effect.ALLOW,
        peers=tuple(_plain_peer(namespace, peer) for peer in rule.get(PEERS[direction]) or []),
        ports=tuple(_plain_port(port) for port in rule.get("ports") or []),
    )


def _plain_peer(namespace: str, peer: Object) -> Peer:
    if peer.get("ipBlock") is not None:
        if peer.get("podSelector") is not None or peer.get("namespaceSelector") is not None:
            raise ValueError("a peer has an ipBlock and a selector: write two peers")
        return block(peer["ipBlock"]["cidr"], peer["ipBlock"].get("except") or (), pods=False)
    pods = selector(peer.get("podSelector"))
    if peer.get("namespaceSelector") is None:
        if peer.get("podSelector") is None:
            raise ValueError("a peer is empty")
        return Pods(namespace=namespace, pods=pods)
    return Pods(namespaces=selector(peer["namespaceSelector"]), pods=pods)


def _plain_port(port: Object) -> Ports:
    protocol, first = port.get("protocol") or "TCP", port.get("port")
    if first is None:
        return Ports(protocol=protocol)
    if isinstance(first, str):
        return Ports(protocol=protocol, name=first)
    return span(protocol, first, port.get("endPort") or first)


def _cluster_wide(manifest: Object) -> Policy:
    """Read AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy: one shape, few other names."""
    spec = manifest["spec"]
    tier = Tier.BASELINE if manifest["kind"].startswith("Baseline") else Tier.ADMIN
    if manifest["kind"] == "ClusterNetworkPolicy":
        tier = {"Admin": Tier.ADMIN, "Baseline": Tier.BASELINE}[spec["tier"]]
    subject = _cluster_peer(spec["subject"])
    known = isinstance(subject, Pods)
    return Policy(
        kind=manifest["kind"],
        name=manifest["metadata"]["name"],
        tier=tier,
        priority=spec.get("priority", LOWEST),
        subject=subject if isinstance(subject, Pods) else Pods(),
        rules={
            direction: tuple(
                part
                for index, rule in enumerate(spec[RULES[direction]])
                for part in _cluster_rule(index, rule, direction, known)
            )
            for direction in DIRECTIONS
            if spec.get(RULES[direction])
        },
    )


def _cluster_rule(index: int, rule: Object, direction: Direction, known: bool) -> Iterator[Rule]:
    """Yield what a rule surely does, and behind that what it may do."""
    read = [_cluster_peers(peer) for peer in rule[PEERS[direction]]]
    peers = [peer for some in read for peer in some]
    ports = [_cluster_port(port) for port in rule.get("ports") or rule.get("protocols") or []]
    if not known or any(port is None for port in ports):
        yield Rule(index=index, effect=Effect.UNKNOWN, peers=tuple(peers))
        return
    clear = tuple(port for port in ports if port is not None)
    sure = tuple(peer for peer in peers if not isinstance(peer, Unmodelled))
    unsure = tuple(peer for peer in peers if isinstance(peer, Unmodelled))
    effect = _EFFECTS.get(rule["action"], Effect.UNKNOWN)
    if sure:
        yield Rule(index=index, effect=effect, peers=sure, ports=clear)
    if unsure:
        yield Rule(index=index, effect=Effect.UNKNOWN, peers=unsure, ports=clear)


def _cluster_peers(peer: Object) -> tuple[Peer, ...]:
    if peer.get("networks"):
        return tuple(block(cidr, pods=True) for cidr in peer["networks"])
    return (_cluster_peer(peer),)


def _cluster_peer(peer: Object) -> Pods | Unmodelled:
    if peer.get("pods") is not None:
        selected = peer["pods"]
        return Pods(
            namespaces=selected.get("namespaceSelector") or {}, pods=selected.get("podSelector") or {}
        )
    if peer.get("namespaces") is not None:
        return Pods(namespaces=selector(peer["namespaces"]))
    return Unmodelled(outside=peer.get("nodes") is not None or bool(peer.get("domainNames")))


def _cluster_port(port: Object) -> Ports | None:
    """Return one entry of `ports` (v1alpha1) or `protocols` (v1alpha2); None where it is of another shape."""
    name = port.get("namedPort") or port.get("destinationNamedPort")
    if name:
        return Ports(protocol=None, name=name)
    if number := port.get("portNumber"):
        return span(number.get("protocol") or "TCP", number["port"], number["port"])
    if both := port.get("portRange"):
        return span(both.get("protocol") or "TCP", both["start"], both["end"])
    for protocol in ("tcp", "udp", "sctp"):
        if protocol in port:
            return _destination_port(protocol.upper(), (port[protocol] or {}).get("destinationPort"))
    return None


def _destination_port(protocol: str, port: Object | None) -> Ports:
    if port is None:
        return Ports(protocol=protocol)
    both = port.get("range") or {"start": port["number"], "end": port["number"]}
    return span(protocol, both["start"], both["end"])


def _unmodelled(manifest: Object) -> Policy:
    metadata = manifest["metadata"]
    anything = (Rule(index=0, effect=Effect.UNKNOWN),)
    return Policy(
        kind=manifest["kind"],
        name=named(metadata),
        tier=Tier.UNMODELLED,
        subject=Pods(namespace=metadata.get("namespace")),
        rules=dict.fromkeys(DIRECTIONS, anything),
    )


_READERS: Mapping[tuple[str, str], Callable[[Object], Policy | Sequence[Policy]]] = MappingProxyType(
    {
        ("networking.k8s.io", "NetworkPolicy"): _network_policy,
        ("policy.networking.k8s.io", "AdminNetworkPolicy"): _cluster_wide,
        ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"): _cluster_wide,
        ("policy.networking.k8s.io", "ClusterNetworkPolicy"): _cluster_wide,
        ("cilium.io", "CiliumNetworkPolicy"): cilium,
        ("cilium.io", "CiliumClusterwideNetworkPolicy"): cilium,
        ("projectcalico.org", "NetworkPolicy"): _unmodelled,
        ("projectcalico.org", "GlobalNetworkPolicy"): _unmodelled,
        ("crd.projectcalico.org", "NetworkPolicy"): _unmodelled,
        ("crd.projectcalico.org", "GlobalNetworkPolicy"): _unmodelled,
        ("crd.antrea.io", "NetworkPolicy"): _unmodelled,
        ("crd.antrea.io", "ClusterNetworkPolicy"): _unmodelled,
    }
)
KINDS = frozenset(_READERS)
"""(group, kind) of all that is a policy here."""
