"""What networking.k8s.io/v1 means, case by case."""

from typing import Any

import pytest

from activities.graph.carve import Cut, allows_something, carve, close_everything, close_flow
from activities.graph.network_policy import End, World, allowed, directions, in_block, matches

WEB = End(("10.0.0.1",), "shop", {"app": "web"}, {("http", "TCP"): 8080})
DB = End(("10.0.0.2", "fd00::2"), "shop", {"app": "db"}, {("sql", "TCP"): 5432})
FAR = End(("10.0.1.1",), "other", {"app": "web"})
OUTSIDE = End(("203.0.113.7",))
NAMESPACES = {"shop": {"team": "a"}, "other": {"team": "b"}}
TCP80 = ("TCP", 80)


def policy(spec: dict[str, Any], namespace: str = "shop", name: str = "p") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"podSelector": {}, **spec}}


def world(*specs: dict[str, Any]) -> World:
    return World([policy(spec, name=f"p{n}") for n, spec in enumerate(specs)], NAMESPACES)


def ingress(*rules: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"policyTypes": ["Ingress"], "ingress": list(rules), **spec}


def egress(*rules: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"policyTypes": ["Egress"], "egress": list(rules), **spec}


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        (None, {}, False),
        ({}, {}, True),
        ({"matchLabels": {"a": "x"}}, {"a": "x", "b": "y"}, True),
        ({"matchLabels": {"a": "x"}}, {"a": "y"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["x"]}]}, {"a": "x"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["x"]}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]}, {"a": "x"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Unheard"}]}, {"a": ""}, False),
    ],
)
def test_a_selector_selects(selector: Any, labels: dict[str, str], expected: bool) -> None:
    assert matches(selector, labels) is expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ("Ingress",)),
        ({"egress": [{}]}, ("Ingress", "Egress")),
        ({"policyTypes": ["Egress"]}, ("Egress",)),
        ({"policyTypes": ["Egress", "Ingress"]}, ("Ingress", "Egress")),
    ],
)
def test_a_policy_speaks_about_directions(spec: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert directions(policy(spec)) == expected


@pytest.mark.parametrize(
    ("block", "address", "expected"),
    [
        ({"cidr": "10.0.0.0/8"}, "10.1.2.3", True),
        ({"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}, "10.1.2.3", False),
        ({"cidr": "10.0.0.0/8"}, "fd00::1", False),
        ({"cidr": "::/0"}, "fd00::1", True),
    ],
)
def test_a_block_holds_addresses(block: dict[str, Any], address: str, expected: bool) -> None:
    assert in_block(block, address) is expected


def test_without_policies_everything_is_open() -> None:
    assert allowed(world(), WEB, DB, TCP80)
    assert allowed(world(), WEB, OUTSIDE, TCP80)


def test_a_policy_that_selects_closes_its_own_direction_only() -> None:
    closed = world(ingress())
    assert not allowed(closed, FAR, WEB, TCP80)
    assert allowed(closed, WEB, OUTSIDE, TCP80)


def test_policies_add_up() -> None:
    both = world(ingress(), ingress({"from": [{"podSelector": {"matchLabels": {"app": "db"}}}]}))
    assert allowed(both, DB, WEB, TCP80)
    assert not allowed(both, FAR, WEB, TCP80)


def test_both_ends_must_allow() -> None:
    closed = world(egress({"to": [{"podSelector": {"matchLabels": {"app": "db"}}}]}), ingress())
    assert not allowed(closed, WEB, DB, TCP80)


def test_a_pod_selector_without_namespaces_means_the_policys_own() -> None:
    own = world(ingress({"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}))
    assert allowed(own, WEB, DB, TCP80)
    assert not allowed(own, FAR, DB, TCP80)


def test_namespace_and_pod_selectors_of_one_peer_must_both_match() -> None:
    peer = {
        "namespaceSelector": {"matchLabels": {"team": "b"}},
        "podSelector": {"matchLabels": {"app": "db"}},
    }
    assert not allowed(world(ingress({"from": [peer]})), FAR, DB, TCP80)
    assert allowed(
        world(ingress({"from": [{"namespaceSelector": peer["namespaceSelector"]}]})), FAR, DB, TCP80
    )


def test_an_address_outside_is_met_by_blocks_only() -> None:
    assert not allowed(world(egress({"to": [{"namespaceSelector": {}}]})), WEB, OUTSIDE, TCP80)
    assert allowed(world(egress({"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]})), WEB, OUTSIDE, TCP80)


@pytest.mark.parametrize(
    ("entry", "port", "expected"),
    [
        ({"port": 80}, ("TCP", 80), True),
        ({"port": 80}, ("UDP", 80), False),
        ({"port": 80, "endPort": 90}, ("TCP", 85), True),
        ({"port": 80, "endPort": 90}, ("TCP", 91), False),
        ({"protocol": "UDP"}, ("UDP", 9), True),
        ({"port": "sql"}, ("TCP", 5432), True),
        ({"port": "sql"}, ("TCP", 80), False),
        ({"port": "unheard"}, ("TCP", 80), False),
    ],
)
def test_a_port_of_the_destination_is_met(
    entry: dict[str, Any], port: tuple[str, int], expected: bool
) -> None:
    assert allowed(world(egress({"ports": [entry]})), WEB, DB, port) is expected


def test_named_ports_are_those_of_containers_and_sidecars() -> None:
    named = {"ports": [{"name": "http", "containerPort": 80}]}
    pod = {
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "containers": [named],
            "initContainers": [
                {"restartPolicy": "Always", "ports": [{"name": "mesh", "containerPort": 15001}]},
                {"ports": [{"name": "setup", "containerPort": 1}]},
            ],
        },
        "status": {"podIP": "10.0.0.9"},
    }
    end = End.pod(pod)
    assert end.named_ports == {("http", "TCP"): 80, ("mesh", "TCP"): 15001}
    assert end.addresses == ("10.0.0.9",)


def cut(other: End = OUTSIDE, port: tuple[str, int] | None = None, direction: Any = "Egress") -> Cut:
    mark = ("firebreak.dev/p-1", "case") if other.namespace else None
    return Cut(direction=direction, pod=WEB, other=other, mark=mark, port=port)


def test_an_address_is_cut_out_of_every_block_that_holds_it() -> None:
    rule = {"to": [{"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.9/32"]}}]}
    (left,) = carve(rule, cut())
    assert left["to"] == [
        {"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.9/32", "203.0.113.7/32"]}}
    ]


def test_a_block_of_only_that_address_goes() -> None:
    assert carve({"to": [{"ipBlock": {"cidr": "203.0.113.7/32"}}]}, cut()) == []


def test_a_rule_for_everybody_is_written_out_before_it_is_cut() -> None:
    (left,) = carve({}, cut())
    assert {"namespaceSelector": {}} in left["to"]
    assert {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["203.0.113.7/32"]}} in left["to"]
    assert {"ipBlock": {"cidr": "::/0"}} in left["to"]


def test_a_pod_is_cut_by_its_mark_and_by_all_its_addresses() -> None:
    (left,) = carve({}, cut(DB))
    term = {"key": "firebreak.dev/p-1", "operator": "NotIn", "values": ["case"]}
    assert {"namespaceSelector": {}, "podSelector": {"matchExpressions": [term]}} in left["to"]
    assert {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.2/32"]}} in left["to"]
    assert {"ipBlock": {"cidr": "::/0", "except": ["fd00::2/128"]}} in left["to"]


def test_one_port_is_cut_out_of_a_range() -> None:
    rule = {"ports": [{"protocol": "TCP", "port": 80, "endPort": 90}]}
    others, rest = carve(rule, cut(port=("TCP", 85)))
    assert others["ports"] == rule["ports"]
    assert rest == {
        "ports": [
            {"protocol": "TCP", "port": 80, "endPort": 84},
            {"protocol": "TCP", "port": 86, "endPort": 90},
        ]
    }


def test_one_port_is_cut_out_of_all() -> None:
    _, rest = carve({}, cut(port=("TCP", 1)))
    assert rest["ports"] == [
        {"protocol": "TCP", "port": 2, "endPort": 65535},
        {"protocol": "UDP"},
        {"protocol": "SCTP"},
    ]


def test_a_named_port_of_a_pod_is_cut_where_it_is_that_number() -> None:
    rule = {"ports": [{"port": "sql", "protocol": "TCP"}]}
    (left,) = carve(rule, cut(DB, ("TCP", 5432)))
    assert left != rule
    assert carve(rule, cut(DB, ("TCP", 80))) == [rule]


def test_a_named_port_at_an_address_is_closed_and_said() -> None:
    carving = close_flow([policy(egress({"ports": [{"port": "sql", "protocol": "TCP"}]}))], cut(port=TCP80))
    assert carving.unresolved == ("sql",)
    assert len(carving.rules["Egress"]) == 1


def test_what_a_left_policy_said_about_the_other_direction_is_taken_over() -> None:
    both = policy(
        {"policyTypes": ["Ingress", "Egress"], "ingress": [{"ports": [{"port": 80}]}], "egress": [{}]}
    )
    carving = close_flow([both], cut())
    assert carving.types == ("Ingress", "Egress")
    assert carving.rules["Ingress"] == ({"ports": [{"port": 80}]},)


def test_a_policy_that_allows_nothing_is_not_left() -> None:
    deny = policy({"policyTypes": ["Ingress", "Egress"]}, name="deny")
    opening = policy(ingress({}), name="open")
    unspoken = policy({"policyTypes": ["Ingress"], "egress": [{}]}, name="unspoken")
    assert not allows_something(deny)
    assert not allows_something(unspoken)
    assert [p["metadata"]["name"] for p in close_everything([deny, opening, unspoken], [WEB]).leave] == [
        "open"
    ]
    assert close_flow([deny], cut()).leave == ()
    assert close_flow([deny], cut()).rules["Egress"] == ()
