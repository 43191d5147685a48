"""NetworkPolicies as nftables: what is written for each shape of a policy."""

from typing import Any

import pytest

from workers.stack.node.rules import Enforcement, Pod, compiled, pods_of, selects

SRV = Pod("shop", {"app": "srv"}, "10.244.1.2", {("web", "TCP"): 8080})
FRONT = Pod("shop", {"app": "front"}, "10.244.1.3", {("web", "TCP"): 80})
OTHER = Pod("blue", {"app": "front"}, "10.244.1.4")
NAMESPACES = {"shop": {"team": "red"}, "blue": {"team": "blue"}}
SELECTED = {"podSelector": {"matchLabels": {"app": "srv"}}}


def rules(spec: dict[str, Any], enforcement: Enforcement = "cut") -> str:
    policy = {"metadata": {"name": "p", "namespace": "shop"}, "spec": spec}
    return compiled((SRV, FRONT, OTHER), NAMESPACES, [policy], enforcement)


def chain(text: str, name: str) -> list[str]:
    lines = text.splitlines()
    begin = lines.index(f"chain {name} {{") + 1
    return lines[begin : lines.index("}", begin)]


def ingress(**rule: Any) -> list[str]:
    return chain(rules({**SELECTED, "ingress": [rule]}), "ingress_10_244_1_2")


def test_no_policy_is_no_chain() -> None:
    text = compiled((SRV,), NAMESPACES, [], "cut")
    assert "jump" not in text
    assert "drop" not in text


def test_a_policy_of_no_rule_lets_nothing_through() -> None:
    text = rules({**SELECTED, "policyTypes": ["Ingress"]})
    assert chain(text, "ingress_10_244_1_2") == ["counter drop"]
    assert "egress_" not in text


def test_an_empty_rule_lets_everybody_through() -> None:
    assert ingress() == ["return", "counter drop"]


def test_a_pod_selector_means_pods_of_the_same_namespace() -> None:
    selector = {"podSelector": {"matchLabels": {"app": "front"}}}
    assert ingress(**{"from": [selector]})[0] == "ct original ip saddr { 10.244.1.3 } return"


def test_a_namespace_selector_beside_it_means_both() -> None:
    both = {"podSelector": {"matchLabels": {"app": "front"}}, "namespaceSelector": {}}
    assert ingress(**{"from": [both]})[0] == "ct original ip saddr { 10.244.1.3, 10.244.1.4 } return"
    blue = {"namespaceSelector": {"matchLabels": {"team": "blue"}}}
    assert ingress(**{"from": [blue]})[0] == "ct original ip saddr { 10.244.1.4 } return"


def test_a_peer_that_selects_nobody_is_no_rule() -> None:
    assert ingress(**{"from": [{"podSelector": {"matchLabels": {"app": "none"}}}]}) == ["counter drop"]


def test_a_block_is_taken_with_its_exceptions() -> None:
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
    assert ingress(**{"from": [block]})[0] == (
        "ct original ip saddr 10.0.0.0/8 ct original ip saddr != { 10.1.0.0/16 } return"
    )


@pytest.mark.parametrize(
    ("port", "written"),
    [
        ({"port": 53, "protocol": "UDP"}, "meta l4proto udp ct reply proto-src 53 return"),
        ({"port": 80}, "meta l4proto tcp ct reply proto-src 80 return"),
        ({"port": 80, "endPort": 90}, "meta l4proto tcp ct reply proto-src 80-90 return"),
        ({"protocol": "TCP"}, "meta l4proto tcp return"),
        ({"port": "web"}, "meta l4proto tcp ct reply proto-src 8080 return"),
    ],
)
def test_ports(port: dict[str, Any], written: str) -> None:
    assert ingress(ports=[port])[0] == written


def test_a_named_port_that_the_pod_does_not_have_is_no_rule() -> None:
    assert ingress(ports=[{"port": "metrics"}]) == ["counter drop"]


def test_a_named_port_on_the_way_out_is_that_of_each_peer() -> None:
    text = rules({**SELECTED, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": "web"}]}]})
    assert chain(text, "egress_10_244_1_2") == [
        "ct reply ip saddr 10.244.1.2 meta l4proto tcp ct reply proto-src 8080 return",
        "ct reply ip saddr 10.244.1.3 meta l4proto tcp ct reply proto-src 80 return",
        "counter drop",
    ]


def test_only_keep_lets_established_flows_through() -> None:
    spec = {**SELECTED, "policyTypes": ["Ingress"]}
    assert "established" in rules(spec, "keep")
    assert "established" not in rules(spec, "cut")


def test_types_that_are_not_written_follow_from_the_rules() -> None:
    assert "egress_" not in rules({**SELECTED, "ingress": []})
    assert "egress_" in rules({**SELECTED, "egress": []})


@pytest.mark.parametrize(
    ("operator", "values", "holds"),
    [
        ("In", ["front"], True),
        ("In", ["back"], False),
        ("NotIn", ["front"], False),
        ("NotIn", ["back"], True),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
    ],
)
def test_expressions(operator: str, values: list[str], holds: bool) -> None:
    expression = {"key": "app", "operator": operator, "values": values}
    assert selects({"matchExpressions": [expression]}, FRONT.labels) is holds


def test_a_label_that_is_absent_is_not_among_any_values() -> None:
    assert selects({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]}, {})
    assert not selects({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["x"]}]}, {})


def test_pods_on_the_hosts_network_and_pods_that_are_over_have_no_packets_of_their_own() -> None:
    def pod(phase: str = "Running", **spec: Any) -> dict[str, Any]:
        spec = {"containers": [{"name": "c"}], **spec}
        status = {"podIP": "10.244.1.9", "phase": phase}
        return {"metadata": {"name": "p", "namespace": "shop"}, "spec": spec, "status": status}

    assert len(pods_of([pod()])) == 1
    assert pods_of([pod("Succeeded"), pod(hostNetwork=True)]) == ()
