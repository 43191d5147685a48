"""What could be reached: each kind of step, how sure it is, and what the way there says."""

from typing import Any

import pytest

from activities.graph.edges import MEANINGS, Edge
from activities.graph.possessions import possession
from activities.graph.projection import Named, project, restore
from activities.graph.reach import Reach
from signals.errors import BadInput
from tests.activities.graph.reach_worlds import (
    RBAC,
    SEALED,
    SERVER,
    Manifest,
    account,
    allowing,
    ask,
    bound,
    direct,
    edges,
    node,
    pod,
    policy,
    role,
    rule,
    secret,
    thing,
    tiers,
    way,
    world,
)

WEB = pod("web", serviceAccountName="web")
ME = "sa/shop/me"
RESTRICTED = thing("v1", "Namespace", "shop", labels={"pod-security.kubernetes.io/enforce": "restricted"})


def test_a_pod_reaches_its_account_and_says_why() -> None:
    result = ask("pod/shop/web", WEB)
    (hop,) = way(result, "sa/shop/web").path
    assert (hop.edge, hop.source, hop.target) == (Edge.RUNS_AS, "pod/shop/web", "sa/shop/web")
    assert (hop.granted.object, hop.granted.resource_version) == ("Pod/shop/web", "5")
    assert hop.conditions == ()


@pytest.mark.parametrize(
    ("in_pod", "in_account", "held"),
    [
        (None, None, True),
        (None, False, False),
        (True, False, True),
        (False, None, False),
        (False, True, False),
    ],
)
def test_a_token_is_mounted_as_the_pod_says_else_as_its_account_says(
    in_pod: bool | None, in_account: bool | None, held: bool
) -> None:
    own: Manifest = {} if in_pod is None else {"automountServiceAccountToken": in_pod}
    said: Manifest = {} if in_account is None else {"automountServiceAccountToken": in_account}
    result = ask("pod/shop/web", pod("web", serviceAccountName="web", **own), account("web", **said))
    assert ("sa/shop/web" in tiers(result)) is held


@pytest.mark.parametrize(("audience", "held"), [(None, True), ("vault", False)])
def test_a_projected_token_counts_where_it_is_for_the_api_server(audience: str | None, held: bool) -> None:
    token = {"path": "t", **({"audience": audience} if audience else {})}
    volume = {"name": "t", "projected": {"sources": [{"serviceAccountToken": token}]}}
    result = ask("pod/shop/web", pod("web", automountServiceAccountToken=False, volumes=[volume]))
    assert ("sa/shop/default" in tiers(result)) is held


@pytest.mark.parametrize(
    "spec",
    [
        {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]},
        {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}]},
        {"container": {"envFrom": [{"secretRef": {"name": "s"}}]}},
        {"container": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}},
    ],
)
def test_secrets_in_a_pod_are_known_from_what_refers_to_them(spec: Any) -> None:
    assert tiers(ask("pod/shop/web", pod("web", **spec)), "secret") == {"secret/shop/s": "direct"}


def test_a_secret_that_only_the_node_reads_is_not_in_the_pod() -> None:
    puller = pod("web", imagePullSecrets=[{"name": "pull"}], nodeName="n")
    assert tiers(ask("pod/shop/web", puller), "secret") == {}
    assert way(ask("node/n", puller, node("n")), "secret/shop/pull").path[-1].edge is Edge.NODE_CRED


@pytest.mark.parametrize(("uid", "held"), [("u1", True), ("u2", False)])
def test_a_token_secret_is_for_the_account_that_still_is_the_same(uid: str, held: bool) -> None:
    own = account("bot")
    own["metadata"]["uid"] = "u1"
    notes = {"kubernetes.io/service-account.name": "bot", "kubernetes.io/service-account.uid": uid}
    token = secret("t", annotations=notes, type="kubernetes.io/service-account-token")
    assert ("sa/shop/bot" in tiers(ask("secret/shop/t", own, token))) is held


POD_STEPS = [
    (rule("create", "pods/exec"), Edge.POD_EXEC),
    (rule("create", "pods/attach"), Edge.POD_ATTACH),
    (rule("patch", "pods/ephemeralcontainers"), Edge.EPHEMERAL),
    (rule("update", "pods"), Edge.WORKLOAD_PATCH),
]


@pytest.mark.parametrize(("given", "edge"), POD_STEPS)
def test_rights_on_pods_reach_pods_and_what_is_in_them(given: Manifest, edge: Edge) -> None:
    result = ask(ME, WEB, *allowing(ME, given))
    row = way(result, "sa/shop/web")
    assert edges(row) == [edge, "RUNS_AS"]
    hop = row.path[0]
    assert (hop.granted.object, hop.granted.role, hop.granted.rule) == (
        "RoleBinding/shop/r",
        "Role/shop/r",
        given,
    )


@pytest.mark.parametrize(("given", "edge"), POD_STEPS)
def test_a_right_on_one_name_reaches_that_one_only(given: Manifest, edge: Edge) -> None:
    result = ask(ME, WEB, pod("db"), *allowing(ME, {**given, "resourceNames": ["db"]}))
    assert direct(result) & {"pod/shop/db", "pod/shop/web"} == {"pod/shop/db"}


def test_a_binding_in_one_namespace_reaches_nothing_in_another() -> None:
    result = ask(ME, WEB, pod("db", "other"), secret("s", "other"), *allowing(ME, rule("*", "*", "*")))
    assert not any("/other/" in entity for entity in direct(result))


def test_rights_come_from_groups_too_and_every_account_is_in_some() -> None:
    mine = [role("r", rule("get", "secrets")), bound("r", "Role/r", "group/system:serviceaccounts:shop")]
    result = ask(ME, account("me"), secret("s"), *mine)
    assert tiers(result) == {"group/system:serviceaccounts:shop": "direct", "secret/shop/s": "direct"}


@pytest.mark.parametrize(("version", "tier"), [((1, 34), "direct"), (None, "conditional"), ((1, 35), None)])
def test_exec_by_get_depends_on_the_version(version: tuple[int, int] | None, tier: str | None) -> None:
    result = ask(ME, WEB, *allowing(ME, rule("get", "pods/exec")), version=version)
    assert tiers(result, "pod").get("pod/shop/web") == tier


def test_the_version_is_that_of_the_newest_node() -> None:
    old, new = node("a"), node("b")
    old["status"] = {"nodeInfo": {"kubeletVersion": "v1.34.1"}}
    new["status"] = {"nodeInfo": {"kubeletVersion": "v1.35.0+k3s1"}}
    result = ask(ME, WEB, old, new, *allowing(ME, rule("get", "pods/exec")))
    assert tiers(result, "pod") == {}


def test_who_makes_pods_has_every_account_and_secret_of_the_namespace() -> None:
    result = ask(ME, secret("s"), secret("t", "other"), *allowing(ME, rule("create", "jobs", "batch")))
    assert way(result, "secret/shop/s").path[-1].edge is Edge.POD_CREATE
    assert "secret/other/t" not in tiers(result)
    assert not tiers(ask(ME, secret("s"), *allowing(ME, rule("create", "jobs", "apps"))), "secret")
    named = allowing(ME, rule("create", "pods", names="x"))
    assert not tiers(ask(ME, secret("s"), *named), "secret"), "a new pod has no name that a rule could mean"


def test_pods_that_leave_their_container_need_a_namespace_that_lets_them() -> None:
    mine = allowing(ME, rule("create", "pods"))
    assert tiers(ask(ME, node("n"), *mine), "node") == {"node/n": "direct"}
    assert tiers(ask(ME, node("n"), RESTRICTED, *mine), "node") == {}
    relaxed = allowing(ME, rule("create", "pods"), rule("patch", "namespaces", names="shop"))
    result = ask(ME, node("n"), RESTRICTED, *relaxed)
    assert tiers(result, "node") == {"node/n": "conditional"}
    assert way(result, "node/n").conditions == ("the namespace's Pod Security level is lowered first",)


def test_a_template_that_can_be_changed_is_as_good_as_making_pods() -> None:
    web = thing("apps/v1", "Deployment", "web", "shop", spec={"template": {"spec": {"containers": []}}})
    mine = allowing(ME, rule("patch", "deployments", "apps", names="web"))
    assert way(ask(ME, web, secret("s"), *mine), "secret/shop/s").path[-1].edge is Edge.WORKLOAD_PATCH
    assert tiers(ask(ME, secret("s"), *mine), "secret") == {}, "there is none that could be changed"


def test_secrets_that_can_be_made_and_read_are_tokens_of_any_account() -> None:
    both = allowing(ME, rule("create get", "secrets"))
    assert way(ask(ME, account("boss"), *both), "sa/shop/boss").path[-1].edge is Edge.SECRET_MINT
    assert tiers(ask(ME, account("boss"), *allowing(ME, rule("create", "secrets"))), "sa") == {}
    apart = [
        *allowing(ME, rule("create", "secrets")),
        *allowing("sa/shop/boss", rule("get", "secrets"), name="q"),
    ]
    assert "sa/shop/boss" not in tiers(ask(ME, account("boss"), *apart)), "nobody holds both"


def test_impersonation_of_a_group_needs_a_user_as_well() -> None:
    admins = [
        role("all", rule("*", "*", "*"), namespace=""),
        bound("all", "ClusterRole/all", "group/admins", namespace=""),
    ]
    group = rule("impersonate", "groups")
    alone = ask(ME, *admins, *allowing(ME, group, namespace=""))
    assert alone.cluster_admin is None
    result = ask(ME, *admins, *allowing(ME, group, rule("impersonate", "users"), namespace=""))
    assert result.cluster_admin is not None
    assert edges(result.cluster_admin) == ["IMPERSONATE"], "system:masters is a group too"


def test_an_account_is_impersonated_as_an_account_never_as_a_user() -> None:
    boss = [account("boss"), bound("b", "Role/r", "sa/shop/boss", namespace="shop")]
    as_user = ask(ME, *boss, *allowing(ME, rule("impersonate", "users"), namespace=""))
    assert "sa/shop/boss" not in tiers(as_user)
    as_account = ask(ME, *boss, *allowing(ME, rule("impersonate", "serviceaccounts")))
    assert tiers(as_account, "sa")["sa/shop/boss"] == "direct"


def test_who_may_bind_takes_what_the_role_gives_and_says_so() -> None:
    reader = role("reader", rule("get", "secrets"), namespace="")
    mine = allowing(ME, rule("create", "rolebindings", RBAC), rule("bind", "clusterroles", RBAC, "reader"))
    row = way(ask(ME, reader, secret("s"), secret("t", "other"), *mine), "secret/shop/s")
    assert edges(row) == ["ROLE_BIND", "SECRET_READ"]
    assert (row.path[0].source, row.path[0].target) == (ME, ME)
    assert "secret/other/t" not in tiers(ask(ME, reader, secret("t", "other"), *mine))
    without = allowing(ME, rule("create", "rolebindings", RBAC))
    assert tiers(ask(ME, reader, secret("s"), *without), "secret") == {}
    unwritten = allowing(ME, rule("bind", "clusterroles", RBAC, "reader"))
    assert tiers(ask(ME, reader, secret("s"), *unwritten), "secret") == {}


def test_rights_that_are_taken_can_be_used_to_take_more() -> None:
    first = role("first", rule("bind", "clusterroles", RBAC, "second"), namespace="")
    second = role("second", rule("get", "secrets"), namespace="")
    mine = allowing(ME, rule("create", "rolebindings", RBAC), rule("bind", "clusterroles", RBAC, "first"))
    assert edges(way(ask(ME, first, second, secret("s"), *mine), "secret/shop/s")) == [
        "ROLE_BIND",
        "ROLE_BIND",
        "SECRET_READ",
    ]


def test_who_may_fill_their_own_role_has_everything_there() -> None:
    mine = allowing(ME, rule("update escalate", "roles", RBAC, "r"))
    result = ask(ME, secret("s"), secret("t", "other"), *mine)
    assert edges(way(result, "secret/shop/s")) == ["ROLE_ESCALATE", "SECRET_READ"]
    assert "secret/other/t" not in tiers(result)
    other = allowing(ME, rule("update escalate", "roles", RBAC, "x"))
    assert tiers(ask(ME, secret("s"), role("x"), *other), "secret") == {}


def test_a_rule_that_allows_everything_is_cluster_admin() -> None:
    result = ask("user/eve", *allowing("user/eve", rule("*", "*", "*"), namespace=""))
    assert result.cluster_admin is not None
    assert edges(result.cluster_admin) == ["CLUSTER_ADMIN"]
    assert ask("user/eve", *allowing("user/eve", rule("*", "*", "*"))).cluster_admin is None


def test_a_binding_to_cluster_admin_counts_though_manifests_do_not_hold_the_role() -> None:
    result = ask("user/eve", bound("b", "ClusterRole/cluster-admin", "user/eve", namespace=""))
    assert result.cluster_admin is not None
    assert any("default roles are not in the data" in line for line in result.missing)


def test_a_role_that_is_bound_and_not_there_is_named_as_missing() -> None:
    result = ask("user/eve", bound("b", "ClusterRole/edit", "user/eve"))
    assert "ClusterRole/edit is bound, and not in the data" in result.missing


@pytest.mark.parametrize(
    "spec",
    [
        {"container": {"securityContext": {"privileged": True}}},
        {"container": {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}},
        {"container": {"securityContext": {"capabilities": {"add": ["CAP_SYS_MODULE"]}}}},
        {"hostPID": True, "container": {"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}},
        {
            "volumes": [{"name": "h", "hostPath": {"path": "/run/containerd/containerd.sock"}}],
            "container": {"volumeMounts": [{"name": "h", "readOnly": True}]},
        },
        {
            "volumes": [{"name": "h", "hostPath": {"path": "/"}}],
            "container": {"volumeMounts": [{"name": "h", "readOnly": True}]},
        },
        {
            "volumes": [{"name": "h", "hostPath": {"path": "/opt/x"}}],
            "container": {"volumeMounts": [{"name": "h"}]},
        },
    ],
)
def test_ways_out_of_a_container_reach_its_node_and_the_pods_there(spec: Any) -> None:
    result = ask(
        "pod/shop/web",
        pod("web", nodeName="n", **spec),
        pod("db", nodeName="n"),
        pod("far", nodeName="m"),
        node("n"),
    )
    assert edges(way(result, "pod/shop/db")) == ["ESCAPE", "NODE_TO_POD"]
    assert tiers(result, "node") == {"node/n": "direct"}


@pytest.mark.parametrize(
    "spec",
    [
        {"hostPID": True},
        {"hostNetwork": True},
        {"container": {"securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}}}},
        {
            "volumes": [{"name": "h", "hostPath": {"path": "/etc/localtime"}}],
            "container": {"volumeMounts": [{"name": "h"}]},
        },
        {
            "volumes": [{"name": "h", "hostPath": {"path": "/opt/x"}}],
            "container": {"volumeMounts": [{"name": "h", "readOnly": True}]},
        },
    ],
)
def test_what_does_not_leave_a_container_does_not_reach_its_node(spec: Any) -> None:
    assert tiers(ask("pod/shop/web", pod("web", nodeName="n", **spec), node("n")), "node") == {}


def test_a_node_of_the_control_plane_is_everything() -> None:
    labelled = ask("node/n", node("n", **{"node-role.kubernetes.io/control-plane": ""}), secret("s"))
    assert labelled.cluster_admin is not None
    assert edges(way(labelled, "secret/shop/s")) == ["CONTROL_PLANE", "SECRET_READ"]
    etcd = pod("etcd-n", "kube-system", labels={"component": "etcd"}, nodeName="n")
    assert ask("node/n", node("n"), etcd).cluster_admin is not None
    assert ask("node/n", node("n")).cluster_admin is None


def test_a_node_that_is_not_in_the_data_may_be_everything() -> None:
    result = ask("node/n", pod("web", nodeName="n"))
    assert result.cluster_admin is not None
    assert str(result.cluster_admin.certainty) == "unknown"


def test_the_proxy_of_a_node_reaches_its_pods_by_get_in_every_version() -> None:
    mine = allowing(ME, rule("get", "nodes/proxy", names="n"), namespace="")
    result = ask(ME, pod("web", nodeName="n"), pod("db", nodeName="m"), *mine, version=(1, 36))
    assert direct(result) & {"pod/shop/db", "pod/shop/web"} == {"pod/shop/web"}


# The network: what a token from inside needs, and what can only be connected to.


def test_a_pod_that_cannot_reach_the_api_server_uses_its_token_elsewhere() -> None:
    mine = [WEB, SERVER, secret("s"), *allowing("sa/shop/web", rule("get", "secrets"))]
    assert tiers(ask("pod/shop/web", *mine), "secret") == {"secret/shop/s": "direct"}
    row = way(ask("pod/shop/web", SEALED, *mine), "secret/shop/s")
    assert str(row.certainty) == "conditional"
    assert "NetworkPolicy shop/sealed denies the pod the way to the API server" in row.conditions[0]


def test_a_way_to_the_api_server_that_a_policy_leaves_open_is_found() -> None:
    open_ = policy(
        "open", {}, egress=[{"to": [{"ipBlock": {"cidr": "172.18.0.0/16"}}], "ports": [{"port": 6443}]}]
    )
    assert tiers(ask("pod/shop/web", WEB, SERVER, open_), "sa") == {"sa/shop/web": "direct"}
    unknown = ask("pod/shop/web", WEB, open_)
    assert tiers(unknown, "sa") == {"sa/shop/web": "unknown"}, "its address is not in the data"
    assert any("the addresses of the API server are not in the data" in line for line in unknown.missing)


@pytest.mark.parametrize(
    ("block", "tier"),
    [({"cidr": "0.0.0.0/0"}, "direct"), ({"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}, "unknown")],
)
def test_where_the_api_server_may_be_is_asked_in_the_pods_own_family(block: Any, tier: str) -> None:
    wide = policy("wide", {}, egress=[{"to": [{"ipBlock": block}]}])
    assert tiers(ask("pod/shop/web", WEB, wide), "sa") == {"sa/shop/web": tier}


def test_a_token_that_somebody_outside_holds_as_well_is_good_there() -> None:
    there = [
        pod(
            "web", serviceAccountName="web", nodeName="n", container={"securityContext": {"privileged": True}}
        )
    ]
    result = ask(
        "pod/shop/web",
        SEALED,
        SERVER,
        node("n"),
        secret("s"),
        *there,
        *allowing("sa/shop/web", rule("get", "secrets")),
    )
    row = way(result, "secret/shop/s")
    assert (str(row.certainty), edges(row)) == ("direct", ["ESCAPE", "NODE_CRED", "SECRET_READ"])


def test_a_secret_that_is_only_held_inside_is_no_token_there() -> None:
    notes = {"kubernetes.io/service-account.name": "bot"}
    token = secret("t", annotations=notes, type="kubernetes.io/service-account-token")
    holder = pod(
        "web", automountServiceAccountToken=False, volumes=[{"name": "t", "secret": {"secretName": "t"}}]
    )
    result = ask("pod/shop/web", holder, token, account("bot"), SERVER, SEALED)
    assert tiers(result) == {"secret/shop/t": "direct", "sa/shop/bot": "conditional"}


def test_tokens_that_are_frozen_are_good_for_reads_and_nothing_surer() -> None:
    spec = {"podUID": "u", "namespace": "shop", "pod": "web", "serviceAccount": "web"}
    freeze = thing("firebreak.dev/v1alpha1", "Freeze", "u", spec=spec)
    row = way(
        ask("pod/shop/web", WEB, freeze, *allowing("sa/shop/web", rule("get", "secrets")), secret("s")),
        "secret/shop/s",
    )
    assert str(row.certainty) == "conditional"
    assert row.conditions[0].startswith("tokens of this pod are frozen")


def test_a_pod_that_can_only_be_connected_to_is_conditional_and_the_walk_ends_there() -> None:
    db = pod("db", container={"ports": [{"containerPort": 5432}]}, serviceAccountName="db")
    result = ask("pod/shop/web", WEB, db)
    row = way(result, "pod/shop/db")
    assert (str(row.certainty), edges(row)) == ("conditional", ["NET_REACH"])
    assert row.conditions == ("what listens on TCP 5432 has a flaw",)
    assert "sa/shop/db" not in tiers(result)
    assert tiers(ask("pod/shop/web", WEB, db, exploit=True), "sa")["sa/shop/db"] == "conditional"


def test_a_policy_that_denies_takes_the_way_and_one_that_allows_is_named() -> None:
    db = pod("db")
    closed = policy("closed", {"matchLabels": {"app": "db"}}, policyTypes=["Ingress"])
    assert tiers(ask("pod/shop/web", WEB, db, closed), "pod") == {}
    opened = policy("opened", {"matchLabels": {"app": "db"}}, ingress=[{"ports": [{"port": 80}]}])
    hop = way(ask("pod/shop/web", WEB, db, closed, opened), "pod/shop/db").path[-1]
    assert (hop.granted.object, hop.granted.resource_version) == ("NetworkPolicy/shop/opened", "5")
    assert hop.granted.rule == "ingress: NetworkPolicy shop/opened, rule 0"


def test_a_policy_that_is_not_modelled_makes_it_unknown() -> None:
    strange = thing("projectcalico.org/v3", "GlobalNetworkPolicy", "strange", spec={})
    result = ask("pod/shop/web", WEB, pod("db"), strange)
    assert tiers(result, "pod") == {"pod/shop/db": "unknown"}
    assert tiers(result, "sa") == {"sa/shop/web": "unknown"}
    assert any("GlobalNetworkPolicy strange is not modelled" in line for line in result.missing)


def test_a_port_that_is_forwarded_passes_all_policies() -> None:
    closed = policy("closed", {}, policyTypes=["Ingress", "Egress"])
    row = way(ask(ME, WEB, closed, *allowing(ME, rule("create", "pods/portforward"))), "pod/shop/web")
    assert (str(row.certainty), edges(row)) == ("conditional", ["PORT_FORWARD"])


def test_addresses_outside_are_reached_as_ranges_and_the_api_server_by_name() -> None:
    only = policy("only", {}, egress=[{"to": [{"ipBlock": {"cidr": "172.18.0.0/16"}}]}])
    result = ask("pod/shop/web", WEB, SERVER, only)
    assert tiers(result, "ip") == {"ip/172.18.0.2": "direct", "ip/172.18.0.0-172.18.255.255": "direct"}
    assert way(result, "ip/172.18.0.2").path[-1].edge is Edge.API_PATH


@pytest.mark.parametrize("type_", ["LoadBalancer", "NodePort"])
def test_an_address_outside_reaches_what_is_exposed_to_it(type_: str) -> None:
    service = thing("v1", "Service", "web", "shop", spec={"type": type_, "selector": {"app": "web"}})
    row = way(ask("ip/203.0.113.9", WEB, pod("db"), service), "pod/shop/web")
    assert (row.path[0].edge, row.path[0].granted.object) == (Edge.EXPOSED_TO, "Service/shop/web")
    closed = policy("closed", {}, ingress=[{"from": [{"ipBlock": {"cidr": "198.51.100.0/24"}}]}])
    assert tiers(ask("ip/203.0.113.9", WEB, service, closed)) == {}


def test_an_ingress_exposes_the_pods_behind_its_service() -> None:
    service = thing("v1", "Service", "web", "shop", spec={"selector": {"app": "web"}})
    paths = {"paths": [{"backend": {"service": {"name": "web", "port": {"number": 80}}}}]}
    entry = thing("networking.k8s.io/v1", "Ingress", "in", "shop", spec={"rules": [{"http": paths}]})
    assert tiers(ask("ip/203.0.113.9", WEB, pod("db"), service, entry)) == {"pod/shop/web": "conditional"}
    assert tiers(ask("ip/203.0.113.9", WEB, service)) == {}


# Ways, targets, and what cannot be asked.


def test_other_ways_do_not_need_what_the_best_one_needs() -> None:
    one = allowing(ME, rule("get", "secrets"), name="one")
    two = allowing(ME, rule("create", "pods"), name="two")
    ways = Reach(world(RESTRICTED, secret("s"), *one, *two)).to(ME, "secret/shop/s")
    assert sorted(edges(one)[-1] for one in ways) == ["POD_CREATE", "SECRET_READ"]


def test_an_address_is_found_in_the_range_that_holds_it() -> None:
    (best, *_) = Reach(world(WEB)).to("pod/shop/web", "ip/8.8.8.8")
    assert best.path[-1].edge is Edge.EGRESS


def test_a_workload_stands_for_the_pod_that_it_would_make() -> None:
    template = {"spec": {"serviceAccountName": "api", "containers": []}}
    deployment = thing("apps/v1", "Deployment", "api", "shop", spec={"template": template})
    assert tiers(ask("pod/shop/api", deployment), "sa") == {"sa/shop/api": "direct"}


def test_the_user_of_an_account_is_the_account() -> None:
    result = ask("user/system:serviceaccount:shop:me", *allowing(ME, rule("get", "secrets")), secret("s"))
    assert (result.start, direct(result)) == (ME, {"secret/shop/s"})


@pytest.mark.parametrize(
    "entity", ["web", "pod/web", "pod/a/b/c", "sa/shop/", "ip/nowhere", "role/shop/r", "pod//x"]
)
def test_what_is_no_entity_is_said(entity: str) -> None:
    with pytest.raises(BadInput):
        ask(entity, WEB)


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(BadInput, match="There is no pod/shop/nobody here"):
        ask("pod/shop/nobody", WEB)


def test_a_pod_that_cannot_be_understood_is_named() -> None:
    with pytest.raises(BadInput, match=r"shop/web\[Pod\] cannot be understood"):
        ask("pod/shop/db", pod("db"), pod("web", volumes=["x"]))


def test_every_step_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Edge)


@pytest.mark.parametrize(
    "made",
    [
        pod("web", volumes=[{"name": "v", "secret": {"secretName": "s"}}], serviceAccountName="x"),
        pod(
            "web",
            container={"envFrom": [{"secretRef": {"name": "s"}}], "securityContext": {"privileged": True}},
        ),
        pod(
            "web",
            container={"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        ),
        pod("web", hostPID=True, automountServiceAccountToken=False, imagePullSecrets=[{"name": "p"}]),
        pod(
            "web",
            volumes=[{"name": "h", "hostPath": {"path": "/"}}],
            container={"volumeMounts": [{"name": "h"}]},
        ),
    ],
)
def test_what_is_remembered_of_a_pod_is_all_that_reach_looks_at(made: Manifest) -> None:
    made["metadata"]["uid"] = "u"
    kept = project("Pod", made)
    named = Named("v1", "Pod", "shop", "web", "u")
    again = restore(named, "5", kept.body)
    assert possession(again, {}) == possession(made, {})
    assert tiers(ask("pod/shop/web", again, node("n"))) == tiers(ask("pod/shop/web", made, node("n")))


@pytest.mark.parametrize(
    "broken",
    [
        thing("discovery.k8s.io/v1", "EndpointSlice", "kubernetes", "default", endpoints=["x"], ports=[1]),
        thing("networking.k8s.io/v1", "Ingress", "in", "shop", spec={"rules": ["x"]}),
        thing("v1", "Service", "web", "shop", spec={"type": "NodePort", "selector": "x"}),
        thing("firebreak.dev/v1alpha1", "Freeze", "f", spec="x"),
        thing("v1", "Node", "n", status="x"),
        thing("v1", "Pod", "p", "shop", spec={"containers": ["x"]}),
    ],
)
def test_what_cannot_be_understood_is_named(broken: Manifest) -> None:
    with pytest.raises(BadInput, match="cannot be understood"):
        ask("ip/203.0.113.9", WEB, broken)


@pytest.mark.parametrize(
    "empty",
    [
        pod("web", volumes=None, container={"env": None, "ports": None, "volumeMounts": None}),
        pod("web", volumes=[{"name": "v", "secret": None}], serviceAccountName=None, nodeName=None),
        pod("web", container={"securityContext": {"capabilities": {"add": None}}}),
    ],
)
def test_what_is_empty_is_as_absent(empty: Manifest) -> None:
    assert tiers(ask("pod/shop/web", empty)) == {"sa/shop/default": "direct"}
