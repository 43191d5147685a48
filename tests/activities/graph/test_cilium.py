"""What Cilium's policies mean, alone and beside NetworkPolicies."""

from typing import Any

import pytest

from activities.graph.asking import Asking
from activities.graph.network import Network
from signals.errors import BadInput

NAMESPACES = {
    "shop": {"team": "a", "kubernetes.io/metadata.name": "shop"},
    "other": {"team": "b", "kubernetes.io/metadata.name": "other"},
}
OUT = "203.0.113.7"


def pod(name: str, namespace: str = "shop") -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "ports": [{"name": "sql", "containerPort": 5432}]}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": spec,
    }


PODS = [pod("web"), pod("db"), pod("far", "other")]
DB = {"matchLabels": {"app": "db"}}
WEB = {"matchLabels": {"app": "web"}}


def cilium(kind: str = "CiliumNetworkPolicy", selector: Any = DB, **spec: Any) -> dict[str, Any]:
    place = {} if "Clusterwide" in kind else {"namespace": "shop"}
    body = {"endpointSelector": selector, **spec}
    return {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": {"name": "c", **place}, "spec": body}


def plain(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "p", "namespace": "shop"}
    body = {"podSelector": {"matchLabels": {"app": "db"}}, **spec}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": body}


def open_(
    source: str, *policies: dict[str, Any], to: str = "shop/db", port: int = 80, protocol: str = "TCP"
) -> bool | None:
    return Asking(Network([*PODS, *policies], NAMESPACES)).ask(source, to, protocol, port).allowed


def test_a_deny_alone_denies_the_rest_as_well() -> None:
    deny = cilium(ingressDeny=[{"fromEndpoints": [WEB]}])
    assert open_("shop/web", deny) is False
    assert open_("other/far", deny) is False
    assert open_("shop/db", deny, to="other/far") is True, "the other direction is not meant"


def test_a_deny_that_closes_nothing_else_denies_only_whom_it_means() -> None:
    deny = cilium(
        ingressDeny=[{"fromEndpoints": [WEB]}], enableDefaultDeny={"ingress": False, "egress": False}
    )
    assert open_("shop/web", deny) is False
    assert open_("other/far", deny) is True


def test_a_deny_beats_every_allow_of_both_kinds() -> None:
    both = cilium(ingress=[{"fromEndpoints": [{}]}], ingressDeny=[{"fromEndpoints": [WEB]}])
    assert open_("shop/web", both, plain(ingress=[{}])) is False
    port = cilium(
        ingressDeny=[{"fromEndpoints": [WEB], "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}]}]
    )
    assert open_("shop/web", port, plain(ingress=[{}])) is False
    assert open_("shop/web", port, plain(ingress=[{}]), port=81) is True


def test_allows_of_both_kinds_add_up() -> None:
    allow = cilium(ingress=[{"fromEndpoints": [WEB]}])
    assert open_("shop/web", allow) is True
    assert open_("other/far", allow) is False
    far = plain(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]}])
    assert open_("other/far", allow, far) is True


def test_an_empty_rule_allows_nobody_and_an_empty_selector_everybody_of_the_namespace() -> None:
    assert open_("shop/web", cilium(ingress=[{}])) is False
    assert open_("shop/web", cilium(ingress=[])) is True, "no rule at all closes nothing"
    everybody = cilium(ingress=[{"fromEndpoints": [{}]}])
    assert open_("shop/web", everybody) is True
    assert open_("other/far", everybody) is False
    assert (
        open_("other/far", cilium("CiliumClusterwideNetworkPolicy", ingress=[{"fromEndpoints": [{}]}]))
        is True
    )


@pytest.mark.parametrize(
    "labels",
    [
        {"k8s:io.kubernetes.pod.namespace": "other"},
        {"io.kubernetes.pod.namespace": "other", "k8s:app": "far"},
        {"k8s:io.cilium.k8s.namespace.labels.team": "b"},
    ],
)
def test_pods_of_other_namespaces_are_named_by_labels(labels: dict[str, str]) -> None:
    allow = cilium(ingress=[{"fromEndpoints": [{"matchLabels": labels}]}])
    assert open_("other/far", allow) is True
    assert open_("shop/web", allow) is False


def test_blocks_mean_the_world_and_never_pods() -> None:
    web = pod("web")
    web["status"] = {"podIP": "10.0.0.9"}
    allow = cilium(ingress=[{"fromCIDRSet": [{"cidr": "0.0.0.0/0", "except": ["198.51.100.0/24"]}]}])
    network = Asking(Network([web, *PODS[1:], allow], NAMESPACES))
    assert network.ask(OUT, "shop/db", "TCP", 80).allowed is True
    assert network.ask("198.51.100.1", "shop/db", "TCP", 80).allowed is False
    assert network.ask("shop/web", "shop/db", "TCP", 80).allowed is False


@pytest.mark.parametrize(
    ("entity", "outside", "inside"),
    [
        ("all", True, True),
        ("world", True, False),
        ("cluster", None, True),
        ("host", None, False),
        ("none", False, False),
    ],
)
def test_entities_mean_whom_they_say_or_are_unknown(entity: str, outside: bool | None, inside: bool) -> None:
    allow = cilium(ingress=[{"fromEntities": [entity]}])
    assert open_(OUT, allow) is outside
    assert open_("shop/web", allow) is inside


@pytest.mark.parametrize(
    "rule", [{"toFQDNs": [{"matchName": "a.example"}]}, {"toServices": [{}]}, {"toGroups": [{}]}]
)
def test_what_objects_do_not_tell_is_unknown(rule: dict[str, Any]) -> None:
    assert open_("shop/db", cilium(egress=[rule]), to=OUT) is None


@pytest.mark.parametrize(
    "rule",
    [
        {"fromEndpoints": [WEB], "authentication": {"mode": "required"}},
        {"fromRequires": [{}]},
        {"fromMoon": []},
    ],
)
def test_a_rule_of_another_shape_is_unknown(rule: dict[str, Any]) -> None:
    assert open_("shop/web", cilium(ingress=[rule])) is None


@pytest.mark.parametrize(
    ("port", "number", "protocol", "allowed"),
    [
        ({"port": "80"}, 80, "UDP", True),
        ({"port": "80", "protocol": "TCP"}, 80, "UDP", False),
        ({"port": "80", "endPort": 90, "protocol": "TCP"}, 85, "TCP", True),
        ({"port": "sql", "protocol": "TCP"}, 5432, "TCP", True),
        ({"port": "sql", "protocol": "TCP"}, 80, "TCP", False),
        ({"port": "0", "protocol": "UDP"}, 9, "UDP", True),
        ({"port": "0", "protocol": "UDP"}, 9, "TCP", False),
    ],
)
def test_ports_are_numbers_names_and_ranges(
    port: dict[str, Any], number: int, protocol: str, allowed: bool
) -> None:
    allow = cilium(ingress=[{"toPorts": [{"ports": [port], "rules": {"http": [{}]}}]}])
    assert open_("other/far", allow, port=number, protocol=protocol) is allowed


def test_rules_about_icmp_open_no_port() -> None:
    assert open_("shop/web", cilium(ingress=[{"icmps": [{"fields": [{"type": 8}]}]}])) is False


def test_a_policy_about_nodes_says_nothing_about_pods() -> None:
    host = cilium("CiliumClusterwideNetworkPolicy", ingress=[{"fromEndpoints": [WEB]}])
    host["spec"]["nodeSelector"] = host["spec"].pop("endpointSelector")
    assert open_("other/far", host) is True


def test_several_specs_of_one_object_all_count() -> None:
    both = cilium(ingress=[{"fromEndpoints": [WEB]}])
    both["specs"] = [{"endpointSelector": DB, "ingressDeny": [{"fromEndpoints": [WEB]}]}]
    assert open_("shop/web", both) is False


def test_what_cannot_be_understood_is_named() -> None:
    with pytest.raises(BadInput, match="CiliumNetworkPolicy shop/c cannot be understood"):
        open_("shop/web", cilium(ingress=[{"fromCIDR": ["nowhere"]}]))


def test_the_one_who_decides_is_named() -> None:
    asking = Asking(Network([*PODS, cilium(ingressDeny=[{"fromEndpoints": [WEB]}])], NAMESPACES))
    ((direction, reason),) = asking.ask("shop/web", "shop/db", "TCP", 80).by
    assert (direction, reason.policy.kind, reason.policy.name, reason.rule) == (
        "Ingress",
        "CiliumNetworkPolicy",
        "shop/c",
        0,
    )
