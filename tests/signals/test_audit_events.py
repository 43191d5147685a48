"""Audit events as API servers and clouds send them: read leniently, taken apart, harmless, without secrets."""

import base64
import gzip
import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.audit_detector import AuditDetection, AuditDetector
from signals.catalog import load
from signals.detectors import rbac
from signals.errors import Undecodable
from signals.shipped import digest
from signals.telemetry.audit import POD_UID, TEXT_LIMIT, AuditEvent, read
from signals.telemetry.wrappings import events

DETECTION = AuditDetection(load(rbac, AuditDetector).values())
BINDING: dict[str, Any] = {
    "annotations": {
        "authorization.k8s.io/decision": "allow",
        "authorization.k8s.io/reason": 'RBAC: allowed by ClusterRoleBinding "x"',
    },
    "auditID": "c97244c7-4aec-4714-946a-8204d00ecdca",
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "RequestResponse",
    "objectRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "apiVersion": "v1",
        "name": "some-reader-binding",
        "resource": "clusterrolebindings",
    },
    "requestObject": {
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "some-reader-binding"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "name": "minikube"}],
    },
    "responseStatus": {"code": 201},
    "requestURI": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "sourceIPs": ["192.168.99.1"],
    "stage": "ResponseComplete",
    "user": {"groups": ["system:masters", "system:authenticated"], "username": "minikube-user"},
    "verb": "create",
    "requestReceivedTimestamp": "2026-07-31T10:41:02.202450Z",
}


def raw(**changed: Any) -> bytes:
    return json.dumps({**BINDING, **changed}).encode()


def event(**changed: Any) -> AuditEvent:
    return read(raw(**changed))


def test_a_real_event_is_read() -> None:
    found = event()

    assert (found.user, found.verb, found.thing, found.name) == (
        "minikube-user", "create", "clusterrolebindings", "some-reader-binding",
    )  # fmt: skip
    assert found.body["roleRef"]["name"] == "cluster-admin"
    assert (found.code, found.decision, found.sources) == (201, "allow", ("192.168.99.1",))
    assert found.time == 1785494462202450000
    assert found.allowed
    assert not found.dry_run


def test_the_pod_of_a_token_is_known() -> None:
    extra = {POD_UID: ["7d9f"], "scopes.example/secret": ["x"]}
    user = {"username": "system:serviceaccount:shop:web", "uid": "u-1", "groups": [], "extra": extra}

    found = event(user=user)

    assert (found.uid, found.extra) == ("u-1", {POD_UID: "7d9f"})


def _padded(resource: str, body: dict[str, Any]) -> AuditEvent:
    user = {"username": "system:serviceaccount:shop:web", "groups": ["system:serviceaccounts"]}
    about = {"resource": resource, "name": "x", "namespace": "shop"}
    return event(user=user, objectRef=about, requestObject=body, responseObject=None)


HARMLESS_RULE = {"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["*"]}
JUNK = [f"junk-{number}" for number in range(200)]
EVERYTHING = {"resources": ["*"], "verbs": ["*"]}
LONG_RULE = {"resources": ["x" * 250] * 64, "verbs": JUNK}
CROWD = [*({"name": one} for one in JUNK), {"name": "system:authenticated"}]
NEAR_THE_LIMIT = {"metadata": {"annotations": {"padding": "x" * 1_400_000}}}
PRIVILEGED = {"name": "c", "securityContext": {"privileged": True}}
CAPABLE = {"name": "c", "securityContext": {"capabilities": {"add": ["CHOWN"] * 70 + ["SYS_ADMIN"]}}}


@pytest.mark.parametrize(
    ("detector", "resource", "body"),
    [
        ("wildcard_role", "clusterroles", {"rules": [HARMLESS_RULE] * 200 + [EVERYTHING]}),
        ("wildcard_role", "clusterroles", {"rules": [{"resources": [*JUNK, "*"], "verbs": [*JUNK, "*"]}]}),
        ("wildcard_role", "clusterroles", {"rules": [EVERYTHING], **NEAR_THE_LIMIT}),
        ("wildcard_role", "clusterroles", {"rules": [*([LONG_RULE] * 64), EVERYTHING]}),
        ("admin_binding", "rolebindings", {"roleRef": {"name": "view"}, "subjects": CROWD}),
        ("privileged_pod", "pods", {"spec": {"containers": [{"name": n} for n in JUNK] + [PRIVILEGED]}}),
        ("privileged_pod", "pods", {"spec": {"containers": [CAPABLE]}}),
        (
            "privileged_pod",
            "pods",
            {"spec": {"volumes": [*({"emptyDir": {}} for _ in JUNK), {"hostPath": {"path": "/"}}]}},
        ),
    ],
)  # fmt: skip
def test_no_padding_hides_what_an_object_grants_or_may_do(
    detector: str, resource: str, body: dict[str, Any]
) -> None:
    found = _padded(resource, body)
    assert [one.name for one in DETECTION.suspect(found)] == [detector]
    assert len(msgspec.json.encode(found)) < 512 * 1024


@pytest.mark.parametrize(
    "changed",
    [
        {"user": {"username": "ada", "groups": "developers"}},
        {"responseStatus": {"code": "201"}},
        {"responseStatus": "Success"},
        {"sourceIPs": None},
        {"objectRef": None, "annotations": None, "requestObject": None},
        {"objectRef": []},
        {"requestObject": "text", "responseObject": 5},
        {"requestReceivedTimestamp": 5, "stageTimestamp": "nonsense"},
        {"annotations": {"authorization.k8s.io/decision": None}},
        {"unknown": {"deep": [1, 2, {"er": None}]}},
    ],
    ids=str,
)
def test_what_deviates_is_left_out_and_the_rest_is_read(changed: dict[str, Any]) -> None:
    assert event(**changed).verb == "create"


@pytest.mark.parametrize(
    "item",
    [
        b"{}",
        b"[]",
        b"5",
        b"nonsense",
        b'{"verb": "get"}',
        b'{"user": {"username": "ada"}}',
        b"\xff\xfe",
        b"{" * 9000,
    ],
    ids=lambda item: str(item[:20]),
)
def test_what_is_no_audit_event_is_refused(item: bytes) -> None:
    with pytest.raises(Undecodable):
        read(item)


def test_texts_are_cut_cleaned_and_redacted() -> None:
    found = event(
        userAgent="kubectl\x1b[31m\u202e" + "x" * 5000,
        requestURI="/api/v1/namespaces/a/pods/b/exec?command=mysql&command=-pHunter2Hunter2&command=AKIAIOSFODNN7EXAMPLE",
    )

    assert len(found.client) <= TEXT_LIMIT
    assert "\x1b" not in found.client
    assert "\u202e" not in found.client
    assert "AKIAIOSFODNN7EXAMPLE" not in found.uri


def test_nothing_of_a_pod_is_kept_that_may_hold_a_secret() -> None:
    container = {
        "name": "c",
        "image": "x",
        "env": [{"name": "PASSWORD", "value": "hunter2"}],
        "args": ["--token=s3cret"],
        "securityContext": {"privileged": True},
    }
    pod = {
        "kind": "Pod",
        "metadata": {"uid": "u", "annotations": {"a": "hunter2"}},
        "spec": {"containers": [container], "volumes": [{"hostPath": {"path": "/"}}], "hostPID": True},
    }

    found = event(objectRef={"resource": "pods", "name": "x"}, requestObject=pod)

    assert found.body["containers"] == [{"name": "c", "image": "x", "securityContext": {"privileged": True}}]
    assert (found.body["hostPaths"], found.body["hostPID"]) == (["/"], True)
    assert "hunter2" not in str(found)
    assert "s3cret" not in str(found)


def test_a_secret_in_an_audit_log_that_should_not_hold_it_goes_no_further() -> None:
    found = event(objectRef={"resource": "secrets", "name": "x"}, requestObject={"data": {"a": "c2VjcmV0"}})

    assert found.body == {}


def test_a_huge_body_is_not_looked_into_and_that_is_said() -> None:
    rules = [{"verbs": ["get"], "resources": ["x" * 1000]}] * 5000
    found = event(objectRef={"resource": "roles"}, requestObject={"rules": rules})

    assert (found.body, found.truncated) == ({}, True)


def test_what_was_made_is_believed_before_what_was_asked_for() -> None:
    found = event(
        verb="patch",
        objectRef={"resource": "clusterroles", "name": "x"},
        requestObject=[{"op": "add", "path": "/rules/-", "value": {"verbs": ["*"]}}],
        responseObject={"kind": "ClusterRole", "rules": [{"verbs": ["*"], "resources": ["*"]}]},
    )

    assert found.body == {"rules": [{"verbs": ["*"], "resources": ["*"]}]}


@pytest.mark.parametrize(
    ("uri", "body", "dry"),
    [
        ("/x?dryRun=All", None, True),
        ("/x", {"kind": "DeleteOptions", "dryRun": ["All"]}, True),
        ("/x", None, False),
    ],
)
def test_a_dry_run_is_told_by_the_query_or_by_the_body(uri: str, body: Any, dry: bool) -> None:
    assert event(requestURI=uri, requestObject=body, verb="delete").dry_run is dry


# ---- wrappings ----------------------------------------------------------------------------------------------

GKE = {
    "insertId": "abc",
    "timestamp": "2026-07-31T10:41:02.202450Z",
    "protoPayload": {
        "methodName": "io.k8s.authorization.rbac.v1.clusterrolebindings.create",
        "resourceName": "rbac.authorization.k8s.io/v1/clusterrolebindings/x",
        "authenticationInfo": {"principalEmail": "ada@example.com"},
        "authorizationInfo": [{"granted": True}],
        "requestMetadata": {"callerIp": "198.51.100.7", "callerSuppliedUserAgent": "kubectl"},
        "request": BINDING["requestObject"],
        "response": {"@type": "x", **BINDING["requestObject"]},
    },
}
EXEC = {
    "insertId": "abd",
    "protoPayload": {
        "methodName": "io.k8s.core.v1.pods.exec.create",
        "resourceName": "core/v1/namespaces/shop/pods/web-0/exec",
        "authenticationInfo": {"principalEmail": "system:serviceaccount:shop:web"},
        "status": {"code": 7, "message": "forbidden"},
    },
}


def encoded(value: Any, *, packed: bool = False) -> str:
    data = json.dumps(value).encode()
    return base64.b64encode(gzip.compress(data) if packed else data).decode()


@pytest.mark.parametrize(
    "body",
    [
        BINDING,
        [BINDING],
        {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": [BINDING]},
        {"category": "kube-audit", "properties": {"log": json.dumps(BINDING), "stream": "stdout"}},
        {"records": [{"category": "kube-audit", "properties": {"log": json.dumps(BINDING)}}]},
        {"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "message": json.dumps(BINDING)}]},
        {"records": [{"data": encoded({"logEvents": [{"message": json.dumps(BINDING)}]}, packed=True)}]},
        GKE,
        {"message": {"data": encoded(GKE), "messageId": "1"}, "subscription": "s"},
    ],
    ids=["one", "array", "EventList", "AKS", "Event Hub", "CloudWatch", "Firehose", "GKE", "Pub/Sub"],
)
def test_every_wrapping_holds_the_same_event(body: Any) -> None:
    (item,) = events(json.dumps(body).encode())
    found = read(item)

    assert (found.verb, found.thing, found.body["roleRef"]["name"]) == (
        "create",
        "clusterrolebindings",
        "cluster-admin",
    )
    assert found.allowed


def test_lines_of_a_log_are_events() -> None:
    assert len(events(b"\n".join([raw()] * 3) + b"\n")) == 3


def test_the_items_of_a_list_keep_their_bytes() -> None:
    body = b'{"items":[' + raw() + b"," + raw(auditID="other") + b"]}"

    assert events(body) == [raw(), raw(auditID="other")]


def test_a_refusal_of_gke_is_one_with_its_place() -> None:
    (item,) = events(json.dumps(EXEC).encode())
    found = read(item)

    assert (found.thing, found.namespace, found.name, found.code) == ("pods/exec", "shop", "web-0", 403)


def test_a_packed_bomb_is_not_unpacked() -> None:
    bomb = base64.b64encode(gzip.compress(b"0" * (80 << 20))).decode()
    (item,) = events(json.dumps({"records": [{"data": bomb}]}).encode())

    assert item == b""


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([*BINDING, "items", "message", "data"]), inner)
        ),
        max_leaves=12,
    )
)
def test_nothing_that_is_json_breaks_the_reader(value: Any) -> None:
    with suppress(Undecodable):
        for item in events(json.dumps(value).encode("utf-8", "replace")):
            with suppress(Undecodable):
                read(item)


# ---- what is ours -------------------------------------------------------------------------------------------


def test_what_the_server_adds_changes_nothing_and_what_somebody_adds_does() -> None:
    spec = {
        "matchConstraints": {"resourceRules": [{"resources": ["pods"]}]},
        "validations": [{"expression": "false"}],
    }
    back: dict[str, Any] = {
        **spec,
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "resourceRules": [{"resources": ["pods"], "scope": "*"}],
        },
    }
    narrowed = {**back["matchConstraints"], "namespaceSelector": {"matchLabels": {"a": "b"}}}

    assert digest({"spec": spec}) == digest({"spec": back, "metadata": {"uid": "x"}})
    assert digest({"spec": spec}) != digest({"spec": {**back, "matchConstraints": narrowed}})
    assert digest({"spec": spec}) != digest({"spec": {**spec, "matchConditions": [{"expression": "false"}]}})
