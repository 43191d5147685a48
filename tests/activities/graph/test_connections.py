"""Who may talk to whom: every documented edge of what policies mean, and who is an end."""

import random
from typing import Any

import pytest

from activities.graph.asking import Asking
from activities.graph.connections import Connections
from activities.graph.network import Network
from activities.graph.universe import HostNetwork
from signals.errors import BadInput

NAMESPACES = {
    "shop": {"team": "a", "kubernetes.io/metadata.name": "shop"},
    "other": {"team": "b", "kubernetes.io/metadata.name": "other"},
}
WEB, DB, FAR = "shop/web[Pod]", "shop/db[Pod]", "other/far[Pod]"
ALL4, ALL6 = "0.0.0.0-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
ALL = "TCP 1-65535 UDP 1-65535 SCTP 1-65535"


def pod(name: str, namespace: str = "shop", **more: Any) -> dict[str, Any]:
    labels = more.pop("labels", {"app": name})
    owner, spec, status = more.pop("owner", []), more.pop("spec", {}), more.pop("status", {})
    ports = [
        {"name": port, "containerPort": number, **({"protocol": rest[0]} if rest else {})}
        for port, (number, *rest) in more.pop("ports", {}).items()
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": owner},
        "spec": {"containers": [{"name": "main", "ports": ports}], **spec},
        "status": status,
    }


PODS = [pod("web", ports={"http": (8080,)}), pod("db", ports={"sql": (5432,)}), pod("far", "other")]


def policy(spec: dict[str, Any], namespace: str = "shop", name: str = "p") -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"app": "db"}}, **spec},
    }


def wide(kind: str, spec: dict[str, Any], name: str = "wide") -> dict[str, Any]:
    version = "v1alpha2" if kind == "ClusterNetworkPolicy" else "v1alpha1"
    spec = {"subject": {"namespaces": {}}, "priority": 10, **spec}
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def admin(*rules: dict[str, Any], way: str = "ingress", name: str = "wide", **spec: Any) -> dict[str, Any]:
    return wide("AdminNetworkPolicy", {way: list(rules), **spec}, name)


def ingress(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return policy({"policyTypes": ["Ingress"], "ingress": list(rules)}, **more)


def egress(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return policy({"policyTypes": ["Egress"], "egress": list(rules)}, **more)


def written(ranges: Any) -> str:
    spans: dict[str, list[str]] = {}
    for protocol, first, last in ranges:
        spans.setdefault(protocol, []).append(str(first) if first == last else f"{first}-{last}")
    return " ".join(f"{protocol} {','.join(found)}" for protocol, found in spans.items())


def table(
    *objects: dict[str, Any], host_network: HostNetwork = HostNetwork.POD, unknown: bool = False
) -> dict[tuple[str, str], str]:
    """Return source and destination → what is open (or unknown) between them, as text."""
    network = Network(objects, NAMESPACES, host_network)
    return {
        (row.source, row.destination): written(row.unknown if unknown else row.ports)
        for row in Connections(network).between()
        if (row.unknown if unknown else row.ports)
    }


def into(end: str, *policies: dict[str, Any]) -> dict[str, str]:
    return {source: ports for (source, there), ports in table(*PODS, *policies).items() if there == end}


def out(end: str, *policies: dict[str, Any]) -> dict[str, str]:
    return {there: ports for (source, there), ports in table(*PODS, *policies).items() if source == end}


def test_without_policies_everybody_may_talk_to_everybody_but_itself() -> None:
    found = table(*PODS)
    assert set(found.values()) == {ALL}
    assert {there for source, there in found if source == WEB} == {DB, FAR, ALL4, ALL6}
    assert {source for source, there in found if there == WEB} == {DB, FAR, ALL4, ALL6}


def test_addresses_outside_do_not_talk_to_each_other() -> None:
    assert not any("[" not in source and "[" not in there for source, there in table(*PODS))


def test_rows_are_sorted_workloads_first_then_addresses() -> None:
    rows = [(row.source, row.destination) for row in Connections(Network(PODS, NAMESPACES)).between()]
    assert [there for source, there in rows if source == WEB] == [FAR, DB, ALL4, ALL6]
    assert list(dict.fromkeys(source for source, _ in rows)) == [FAR, DB, WEB, ALL4, ALL6]


@pytest.mark.parametrize(
    ("spec", "entering", "leaving"),
    [
        ({}, False, True),
        ({"ingress": []}, False, True),
        ({"egress": []}, False, True),
        ({"egress": [{}]}, False, True),
        ({"egress": [{"to": [{"podSelector": {}}]}]}, False, False),
        ({"policyTypes": ["Egress"], "ingress": [{}]}, True, False),
        ({"policyTypes": ["Ingress"], "egress": [{"to": [{"podSelector": {}}]}]}, False, True),
        ({"policyTypes": ["Ingress", "Egress"]}, False, False),
        ({"ingress": [{}]}, True, True),
        ({"ingress": [None]}, True, True),
        ({"ingress": [{"from": [], "ports": []}]}, True, True),
    ],
)
def test_a_policy_closes_the_directions_that_it_speaks_about(
    spec: dict[str, Any], entering: bool, leaving: bool
) -> None:
    found = table(*PODS, policy(spec))
    assert ((FAR, DB) in found) is entering
    assert ((ALL4, DB) in found) is entering
    assert ((DB, FAR) in found) is leaving


@pytest.mark.parametrize(
    ("peer", "sources"),
    [
        ({"podSelector": {}}, {WEB}),
        ({"podSelector": {"matchLabels": {"app": "far"}}}, set()),
        ({"namespaceSelector": {}}, {WEB, FAR}),
        ({"namespaceSelector": {"matchLabels": {"team": "b"}}}, {FAR}),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}, {FAR}),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}, {WEB}),
        (
            {
                "namespaceSelector": {"matchLabels": {"team": "b"}},
                "podSelector": {"matchLabels": {"app": "web"}},
            },
            set(),
        ),
        ({"namespaceSelector": None, "podSelector": {}}, {WEB}),
        ({"namespaceSelector": {}, "podSelector": None}, {WEB, FAR}),
        ({"podSelector": {"matchExpressions": [{"key": "no", "operator": "NotIn", "values": ["x"]}]}}, {WEB}),
        ({"podSelector": {"matchExpressions": [{"key": "no", "operator": "DoesNotExist"}]}}, {WEB}),
        ({"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}, {WEB}),
        ({"podSelector": {"matchExpressions": [{"key": "app", "operator": "Unheard"}]}}, set()),
        ({"ipBlock": {"cidr": "0.0.0.0/0"}}, {ALL4}),
        ({"ipBlock": {"cidr": "::/0"}}, {ALL6}),
    ],
)
def test_a_peer_is(peer: dict[str, Any], sources: set[str]) -> None:
    assert set(into(DB, ingress({"from": [peer]}))) == sources


def test_peers_and_rules_and_policies_add_up() -> None:
    web = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 80}]}
    more = {"from": [{"podSelector": {}}], "ports": [{"port": 81}]}
    assert into(DB, ingress(web, more)) == {WEB: "TCP 80-81"}
    assert into(DB, ingress(web), ingress(more, name="q")) == {WEB: "TCP 80-81"}


def test_both_ends_must_allow_a_common_port() -> None:
    leaving = policy(
        {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": 80, "endPort": 90}]}]},
        name="out",
    )
    assert table(*PODS, leaving, ingress({"ports": [{"port": 85, "endPort": 100}]}))[WEB, DB] == "TCP 85-90"
    assert (WEB, DB) not in table(*PODS, leaving, ingress({"ports": [{"port": 91}]}))


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([{"port": 80}], "TCP 80"),
        ([{"port": 80, "protocol": "UDP"}], "UDP 80"),
        ([{"protocol": "SCTP"}], "SCTP 1-65535"),
        ([{}], "TCP 1-65535"),
        ([{"port": 80, "endPort": 80}], "TCP 80"),
        ([{"port": 80}, {"port": 81}, {"port": 90}], "TCP 80-81,90"),
        ([{"port": 1, "endPort": 65535}, {"protocol": "UDP"}, {"protocol": "SCTP"}], ALL),
        ([{"port": "sql"}], "TCP 5432"),
        ([{"port": "sql"}, {"port": 5433}], "TCP 5432-5433"),
        ([{"port": "sql", "protocol": "UDP"}], None),
        ([{"port": "http"}], None),
        ([{"port": "80"}], None),
        ([{"protocol": "ICMP"}], None),
    ],
)
def test_ports_of_a_rule_are_those_of_the_destination(
    ports: list[dict[str, Any]], expected: str | None
) -> None:
    assert into(DB, ingress({"ports": ports})).get(WEB) == expected


def test_a_named_port_is_another_number_at_each_destination_and_none_outside() -> None:
    pods = [*PODS, pod("late", ports={"http": (9090, "TCP")}), pod("odd", ports={"http": (53, "UDP")})]
    found = table(*pods, egress({"ports": [{"port": "http"}]}))
    assert {there: ports for (source, there), ports in found.items() if source == DB} == {
        WEB: "TCP 8080",
        "shop/late[Pod]": "TCP 9090",
    }


def test_replicas_that_name_a_port_differently_are_each_asked() -> None:
    owner = [{"kind": "ReplicaSet", "name": "old", "controller": True}]
    pods = [pod(f"old-{n}", owner=owner, labels={"app": "old"}, ports={"http": (8080 + n,)}) for n in (0, 1)]
    rule = ingress({"ports": [{"port": "http"}]})
    rule["spec"]["podSelector"] = {}
    assert table(*pods, pod("web"), rule)["shop/web[Pod]", "shop/old[ReplicaSet]"] == "TCP 8080-8081"


def test_an_address_block_selects_addresses_outside_and_no_pods() -> None:
    pods = [*PODS, pod("near", status={"podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}]})]
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.0/16"]}}
    found = table(*pods, ingress({"from": [block]}))
    assert {source for source, there in found if there == DB} == {
        "10.0.0.0-10.0.255.255",
        "10.3.0.0-10.255.255.255",
    }


def test_ranges_that_meet_and_are_told_the_same_are_one() -> None:
    halves = [{"ipBlock": {"cidr": cidr}} for cidr in ("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1")]
    assert into(DB, ingress({"from": halves})) == {ALL4: ALL, ALL6: ALL}


def test_ranges_that_differ_in_ports_are_told_apart() -> None:
    rules = ingress(
        {"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]},
        {"from": [{"ipBlock": {"cidr": "203.0.113.7/32"}}], "ports": [{"port": 80}]},
        {"from": [{"ipBlock": {"cidr": "203.0.114.0/32"}}], "ports": [{"port": 80}]},
        {"from": [{"ipBlock": {"cidr": "2001:db8::/32", "except": ["2001:db8::/33"]}}]},
    )
    assert into(DB, rules) == {
        "203.0.113.0-203.0.113.255": ALL,
        "203.0.114.0-203.0.114.0": "TCP 80",
        "2001:db8:8000::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": ALL,
    }


def test_a_policy_without_a_namespace_is_in_default() -> None:
    nameless = ingress()
    del nameless["metadata"]["namespace"]
    assert (FAR, DB) in table(*PODS, nameless)
    assert ("shop/web[Pod]", "default/db[Pod]") not in table(pod("db", "default"), pod("web"), nameless)


def test_replicas_whose_labels_differ_talk_for_their_owner_together() -> None:
    owner = [{"kind": "ReplicaSet", "name": "old", "controller": True}]
    pods = [pod(f"old-{name}", owner=owner, labels={"role": name}) for name in ("a", "b", "c")]
    rules = [
        policy(
            {
                "podSelector": {"matchLabels": {"role": name}},
                "ingress": [
                    {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": n}]}
                ],
            },
            name=name,
        )
        for n, name in enumerate("abc", 80)
    ]
    found = table(*PODS, *pods, *rules)
    assert found[WEB, "shop/old[ReplicaSet]"] == "TCP 80-82"
    assert ("shop/old[ReplicaSet]", "shop/old[ReplicaSet]") not in found
    assert (FAR, "shop/old[ReplicaSet]") not in found


def test_bare_pods_that_are_alike_are_two_ends() -> None:
    twins = [pod(name, labels={"app": "twin"}) for name in ("a", "b")]
    assert ("shop/a[Pod]", "shop/b[Pod]") in table(*twins)


def test_a_pod_on_its_nodes_network_is_a_pod_or_its_node() -> None:
    host = pod("host", spec={"hostNetwork": True, "nodeName": "n1"}, status={"podIP": "192.0.2.1"})
    mate = pod("mate", spec={"nodeName": "n1"})
    closed = policy({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    as_pod = table(host, mate, *PODS, closed)
    assert not any("shop/" in source and "shop/" in there for source, there in as_pod)
    as_node = table(host, mate, *PODS, closed, host_network=HostNetwork.NODE)
    assert as_node[FAR, "shop/host[Pod]"] == ALL, "no policy selects a node"
    assert as_node["shop/host[Pod]", "shop/mate[Pod]"] == ALL, "nothing stands between a pod and its own node"
    assert ("shop/host[Pod]", "shop/db[Pod]") not in as_node
    by_address = ingress({"from": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}, {"from": [{"podSelector": {}}]})
    by_address["spec"]["podSelector"] = {}
    assert ("shop/host[Pod]", DB) in table(host, *PODS, by_address, host_network=HostNetwork.NODE)


def test_a_node_whose_address_nobody_knows_is_unknown_to_a_block() -> None:
    host = pod("host", spec={"hostNetwork": True})
    rule = ingress({"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 80}]})
    found = table(host, *PODS, rule, host_network=HostNetwork.NODE, unknown=True)
    assert found == {("shop/host[Pod]", DB): "TCP 80"}


ANYBODY: list[dict[str, Any]] = [{"namespaces": {}}]


def test_administrators_decide_before_namespaces_and_pass_leaves_it_to_them() -> None:
    closed = ingress()
    allow = {"action": "Allow", "from": ANYBODY, "ports": [{"portNumber": {"protocol": "TCP", "port": 80}}]}
    assert into(DB, closed, admin(allow)) == {WEB: "TCP 80", FAR: "TCP 80"}
    assert (
        into(DB, closed, admin({"action": "Pass", "from": ANYBODY}, {"action": "Allow", "from": ANYBODY}))
        == {}
    )
    denied = into(DB, ingress({}), admin({"action": "Deny", "from": ANYBODY}))
    assert set(denied) == {ALL4, ALL6}


def test_a_lower_priority_number_decides_first_and_rules_in_their_order() -> None:
    first = admin({"action": "Deny", "from": ANYBODY}, priority=1, name="z")
    second = admin({"action": "Allow", "from": ANYBODY}, priority=2, name="a")
    assert (WEB, DB) not in table(*PODS, first, second)
    both = admin({"action": "Allow", "from": ANYBODY}, {"action": "Deny", "from": ANYBODY})
    assert (WEB, DB) in table(*PODS, both)


def test_equal_priorities_that_disagree_are_unknown_and_only_where_they_do() -> None:
    some = [{"portRange": {"protocol": "TCP", "start": 80, "end": 90}}]
    allow = admin({"action": "Allow", "from": ANYBODY, "ports": some}, name="a")
    deny = admin({"action": "Deny", "from": ANYBODY}, name="b")
    assert table(*PODS, allow, deny, unknown=True)[WEB, DB] == "TCP 80-90"
    assert (WEB, DB) not in table(*PODS, allow, deny)
    agreeing = [allow, admin({"action": "Allow", "from": ANYBODY}, name="c")]
    assert table(*PODS, *agreeing, ingress())[WEB, DB] == ALL
    assert not table(*PODS, *agreeing, ingress(), unknown=True)


def test_equals_decide_nothing_that_was_decided_before_them() -> None:
    deny = admin({"action": "Deny", "from": ANYBODY}, priority=1, name="first")
    equals = [admin({"action": "Allow", "from": ANYBODY}, priority=2, name=name) for name in "ab"]
    assert (WEB, DB) not in table(*PODS, deny, *equals)
    skip = admin({"action": "Pass", "from": ANYBODY}, priority=1, name="first")
    assert (WEB, DB) not in table(*PODS, skip, *equals, ingress())
    torn = [equals[0], admin({"action": "Pass", "from": ANYBODY}, priority=2, name="c")]
    assert not table(*PODS, deny, *torn, unknown=True)


def test_the_baseline_speaks_only_where_no_network_policy_selects() -> None:
    baseline = wide("BaselineAdminNetworkPolicy", {"ingress": [{"action": "Deny", "from": ANYBODY}]})
    assert (DB, WEB) not in table(*PODS, baseline)
    assert (WEB, DB) in table(*PODS, baseline, ingress({"from": [{"podSelector": {}}]}))


def test_a_cluster_network_policy_is_read_with_its_own_words() -> None:
    accept = {
        "action": "Accept",
        "from": ANYBODY,
        "protocols": [
            {"tcp": {"destinationPort": {"range": {"start": 80, "end": 90}}}},
            {"udp": {"destinationPort": {"number": 53}}},
            {"sctp": {}},
            {"destinationNamedPort": "sql"},
        ],
    }
    spec = {"tier": "Admin", "ingress": [accept, {"action": "Deny", "from": ANYBODY}]}
    found = into(DB, wide("ClusterNetworkPolicy", spec))
    assert found[WEB] == "TCP 80-90,5432 UDP 53 SCTP 1-65535"
    lower = wide("ClusterNetworkPolicy", {**spec, "tier": "Baseline"})
    assert into(DB, lower, ingress()) == {}


def test_networks_mean_pods_too_unlike_an_address_block() -> None:
    pods = [*PODS, pod("near", status={"podIP": "10.0.0.9"})]
    deny = admin({"action": "Deny", "to": [{"networks": ["10.0.0.0/8"]}]}, way="egress")
    found, unknown = table(*pods, deny), table(*pods, deny, unknown=True)
    assert (WEB, "shop/near[Pod]") not in found
    assert {there for source, there in found if source == WEB and "[" not in there} == {
        "0.0.0.0-9.255.255.255",
        "11.0.0.0-255.255.255.255",
        ALL6,
    }
    assert unknown[WEB, DB] == ALL, "its address is not known"
    everything = admin({"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}]}, way="egress")
    assert out(WEB, everything) == {ALL6: ALL}


@pytest.mark.parametrize("peer", [{"nodes": {}}, {"domainNames": ["example.org"]}])
def test_nodes_and_names_outside_are_unknown_and_pods_are_not(peer: dict[str, Any]) -> None:
    deny = admin({"action": "Deny", "to": [peer]}, way="egress")
    unknown = table(*PODS, deny, unknown=True)
    assert {there for source, there in unknown if source == WEB} == {ALL4, ALL6}
    assert (WEB, DB) in table(*PODS, deny)


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "Deny", "from": [{}]},
        {"action": "Deny", "from": [{"unheard": {}}]},
        {"action": "Unheard", "from": ANYBODY},
        {"action": "Allow", "from": ANYBODY, "ports": [{"unheard": 1}]},
    ],
)
def test_what_nobody_models_is_unknown(rule: dict[str, Any]) -> None:
    assert table(*PODS, admin(rule), unknown=True)[WEB, DB] == ALL


def test_cluster_wide_policies_never_mean_pods_on_their_nodes_network() -> None:
    host = pod("host", spec={"hostNetwork": True}, labels={"app": "host"})
    deny = admin({"action": "Deny", "from": ANYBODY})
    found = table(host, *PODS, deny)
    assert ("shop/host[Pod]", DB) in found
    assert (WEB, "shop/host[Pod]") in found
    assert (WEB, DB) not in found


def test_policies_of_an_enforcer_that_is_not_modelled_make_their_namespace_unknown() -> None:
    calico = {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "c", "namespace": "shop"},
        "spec": {},
    }
    unknown = table(*PODS, calico, unknown=True)
    assert unknown[FAR, DB] == ALL
    assert (FAR, ALL4) in table(*PODS, calico)
    verdict = Asking(Network([*PODS, calico], NAMESPACES)).ask("other/far", "shop/db", "TCP", 80)
    assert (verdict.allowed, {r.policy.name for _, r in verdict.by}) == (None, {"shop/c"})


def asked(source: str, destination: str, *policies: dict[str, Any], port: int = 80) -> tuple[Any, list[Any]]:
    verdict = Asking(Network([*PODS, *policies], NAMESPACES)).ask(source, destination, "TCP", port)
    return verdict.allowed, [(way, reason.policy.name, reason.rule) for way, reason in verdict.by]


def test_an_answer_names_the_rules_that_allow_or_the_policies_that_do_not() -> None:
    rules = ingress(
        {"from": [{"podSelector": {}}], "ports": [{"port": 443}]}, {"from": [{"podSelector": {}}]}
    )
    assert asked("shop/web", "shop/db", rules) == (True, [("Ingress", "shop/p", 1)])
    assert asked("other/far", "shop/db", rules) == (False, [("Ingress", "shop/p", None)])
    assert asked("shop/db", "shop/web", rules) == (True, [])
    closed = egress(name="q")
    assert asked("shop/db", "203.0.113.7", rules, closed) == (False, [("Egress", "shop/q", None)])
    assert asked("shop/web", "shop/db", rules, ingress({}, name="r"), port=443) == (
        True,
        [("Ingress", "shop/p", 0), ("Ingress", "shop/p", 1), ("Ingress", "shop/r", 0)],
    )


def test_an_answer_names_the_administrator_who_decided() -> None:
    allow = admin(
        {"action": "Pass", "from": [{"namespaces": {"matchLabels": {"team": "b"}}}]}, name="a", priority=1
    )
    deny = admin({"action": "Deny", "from": ANYBODY}, name="b", priority=2)
    assert asked("shop/web", "shop/db", allow, deny) == (False, [("Ingress", "b", 0)])
    assert asked("other/far", "shop/db", allow, deny) == (True, [])


def test_a_pod_talks_to_itself_whatever_policies_say() -> None:
    closed = policy({"policyTypes": ["Ingress", "Egress"]})
    assert asked("shop/db", "shop/db", closed) == (True, [])


def test_the_address_of_a_pod_means_the_pod() -> None:
    near = pod("near", status={"podIP": "10.0.0.9"})
    network = Network([*PODS, near, egress({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})], NAMESPACES)
    assert Asking(network).ask("shop/db", "10.0.0.9", "TCP", 80).allowed is False
    assert Asking(network).ask("shop/db", "10.0.0.8", "TCP", 80).allowed is True


@pytest.mark.parametrize(
    ("source", "destination", "protocol", "port"),
    [
        ("shop/nobody", "shop/db", "TCP", 80),
        ("shop/web", "10.0.0.300", "TCP", 80),
        ("shop/web", "shop/db", "ICMP", 80),
        ("shop/web", "shop/db", "TCP", 0),
        ("shop/web", "shop/db", "TCP", 65536),
        ("203.0.113.7", "203.0.113.8", "TCP", 80),
    ],
)
def test_a_question_about_nobody_is_refused(source: str, destination: str, protocol: str, port: int) -> None:
    with pytest.raises(BadInput):
        Asking(Network(PODS, NAMESPACES)).ask(source, destination, protocol, port)


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("shop/web", {WEB}),
        ("shop/web[Pod]", {WEB}),
        ("10.1.2.3", {"10.0.0.0-10.255.255.255"}),
        ("10.9.9.9", {"shop/near[Pod]"}),
        ("10.0.0.0/8", {"10.0.0.0-10.255.255.255"}),
        ("10.0.0.0-10.255.255.255", {"10.0.0.0-10.255.255.255"}),
        ("11.0.0.0/8", set()),
    ],
)
def test_an_end_is_chosen_by_name_or_address(text: str, sources: set[str]) -> None:
    rules = ingress({"from": [{"podSelector": {}}]}, {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]})
    near = pod("near", status={"podIP": "10.9.9.9"})
    connections = Connections(Network([*PODS, near, rules], NAMESPACES))
    chosen = connections.choose(text)
    assert {row.source for row in connections.between(chosen, connections.choose("shop/db"))} == sources


@pytest.mark.parametrize("text", ["shop/nobody", "10.0.0.300", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", ""])
def test_an_end_that_does_not_exist_is_said(text: str) -> None:
    with pytest.raises(BadInput, match="There is no"):
        Connections(Network(PODS, NAMESPACES)).choose(text)


@pytest.mark.parametrize(
    "broken",
    [
        policy({"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/64"}}]}]}),
        policy({"ingress": [{"from": [{"ipBlock": {}}]}]}),
        policy({"ingress": [{"from": [{}]}]}),
        policy({"ingress": ["x"]}),
        policy({"ingress": [{"ports": [{"port": 1.5}]}]}),
        policy({"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}]}),
        policy({"policyTypes": ["ingress"]}),
        policy({"podSelector": {"matchLabels": {"a": ["x"]}}}),
        policy({"podSelector": {"matchExpressions": [{"key": "a"}]}}),
        admin({"action": "Deny"}),
    ],
)
def test_a_policy_that_cannot_be_understood_is_named(broken: dict[str, Any]) -> None:
    with pytest.raises(
        BadInput, match=f"{broken['kind']} .*{broken['metadata']['name']} cannot be understood"
    ):
        Network([*PODS, broken], NAMESPACES)


def test_a_cluster_without_pods_has_no_connections() -> None:
    assert not table(ingress())


def test_pairs_are_products_of_sets_far_fewer_than_pairs() -> None:
    r = random.Random(1)
    names = [f"ns{n}" for n in range(100)]
    pods = [pod(f"p{n}", names[n % 100], labels={"app": f"a{r.randrange(8)}"}) for n in range(1000)]
    rules = [
        policy(
            {
                "podSelector": {"matchLabels": {"app": f"a{r.randrange(8)}"}},
                "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": r.choice([80, 443])}]}],
            },
            names[n % 100],
            f"p{n}",
        )
        for n in range(300)
    ]
    network = Network([*pods, *rules], {name: {"kubernetes.io/metadata.name": name} for name in names})
    links = [*network.links()]
    assert len(links) < 1500
    pairs = sum(link.sources.bit_count() * link.destinations.bit_count() for link in links)
    assert pairs > 100 * len(links)
