"""The embedded control plane as servers: etcd, kube-apiserver, kube-controller-manager and kwok."""

from collections.abc import Mapping
from pathlib import Path

from workers.stack import credentials, health, kubeconfig
from workers.stack.layout import Layout, shipped
from workers.stack.node.place import NODE_ADDRESS, Place
from workers.stack.ports import HOST, Ports
from workers.stack.process import Server

NODES = ("node-1", "node-2")
"""Nodes that kwok plays. There is no scheduler: a pod names its node."""
SERVICE_RANGE = "10.96.0.0/16"
POD_RANGE = "10.244.0.0/16"
ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIT_MEGABYTES, AUDIT_BACKUPS = 100, 5
CONTROLLERS = (
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "namespace-controller",
    "garbage-collector-controller",
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "daemonset-controller",
    "job-controller",
    "cronjob-controller",
    "disruption-controller",
    "endpointslice-controller",
    "ttl-after-finished-controller",
    "clusterrole-aggregation-controller",
    "validatingadmissionpolicy-status-controller",
    "resourcequota-controller",
    "taint-eviction-controller",
)
OF_REAL_NODES = ("node-lifecycle-controller", "pod-garbage-collector-controller")
"""The first takes away the taint of a node that has become ready."""


def servers(
    layout: Layout,
    ports: Ports,
    binaries: Mapping[str, Path],
    environment: Mapping[str, str],
    *,
    durable: bool = True,
    real_node: bool = False,
) -> tuple[Server, ...]:
    """Write the control plane's kubeconfigs and return its servers, in the order in which they start.

    `durable=False` lets etcd skip its fsync: for tests whose state nobody wants back. With a real node, kwok
    plays none.
    """
    _kubeconfigs(layout, f"https://{ports.address('kube-apiserver')}")
    return (
        _etcd(layout, ports, binaries["etcd"], environment, durable=durable),
        _apiserver(layout, ports, binaries["kube-apiserver"], environment, real_node=real_node),
        _controller_manager(
            layout, ports, binaries["kube-controller-manager"], environment, real_node=real_node
        ),
        *(() if real_node else (_kwok(layout, ports, binaries["kwok"], environment),)),
    )


def _kubeconfigs(layout: Layout, server: str) -> None:
    for identity in ("admin", "controller-manager", "kwok", *credentials.PEOPLE):
        kubeconfig.by_certificate(
            layout.kubeconfig(identity),
            server=server,
            authority=layout.pki / "ca.crt",
            certificate=layout.pki / f"{identity}.crt",
            key=layout.pki / f"{identity}.key",
        )


def _etcd(
    layout: Layout, ports: Ports, binary: Path, environment: Mapping[str, str], *, durable: bool
) -> Server:
    clients, peers = f"http://{ports.address('etcd')}", f"http://{ports.address('etcd-peer')}"
    command = (
        str(binary),
        f"--data-dir={layout.data / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        f"--unsafe-no-fsync={'false' if durable else 'true'}",
        "--auto-compaction-retention=1",
        "--log-level=warn",
    )
    return Server(
        name="etcd",
        command=command,
        environment=environment,
        probe=health.http(f"{clients}/health"),
        rank=2,
    )


def _apiserver(
    layout: Layout, ports: Ports, binary: Path, environment: Mapping[str, str], *, real_node: bool
) -> Server:
    pki = layout.pki
    command = (
        str(binary),
        f"--etcd-servers=http://{ports.address('etcd')}",
        f"--bind-address={HOST}",
        f"--secure-port={ports['kube-apiserver']}",
        *(_to_the_node(layout) if real_node else ALONE),
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--cert-dir={pki}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction,ServiceAccount,ValidatingAdmissionPolicy,"
        "ValidatingAdmissionWebhook,MutatingAdmissionWebhook",
        *_tokens(pki),
        *_front_proxy(pki),
        *_audit(layout),
        "--enable-priority-and-fairness=false",
        "--event-ttl=1h",
        "--v=1",
    )
    trust = health.trusting(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
    return Server(
        name="kube-apiserver",
        command=command,
        environment=environment,
        probe=health.http(f"https://{ports.address('kube-apiserver')}/readyz", trust),
        after=("etcd",),
        rank=3,
    )


ALONE = (f"--advertise-address={HOST}", "--endpoint-reconciler-type=none")
"""An API server that no pod will look for."""


def _to_the_node(layout: Layout) -> tuple[str, ...]:
    """Return how the API server is found by pods, and how it reaches and believes kubelet."""
    return (
        f"--advertise-address={NODE_ADDRESS}",
        "--endpoint-reconciler-type=lease",
        f"--egress-selector-config-file={Place(layout.root).egress}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={layout.pki / 'ca.crt'}",
        f"--kubelet-client-certificate={layout.pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={layout.pki / 'kubelet-client.key'}",
    )


def _tokens(pki: Path) -> tuple[str, ...]:
    return (
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--api-audiences={ISSUER}",
    )


def _front_proxy(pki: Path) -> tuple[str, ...]:
    return (
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki / 'front-proxy.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy.key'}",
    )


def _audit(layout: Layout) -> tuple[str, ...]:
    return (
        f"--audit-policy-file={shipped('controlplane', 'audit-policy.yaml')}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-format=json",
        "--audit-log-mode=blocking",
        f"--audit-log-maxsize={AUDIT_MEGABYTES}",
        f"--audit-log-maxbackup={AUDIT_BACKUPS}",
    )


def _controller_manager(
    layout: Layout, ports: Ports, binary: Path, environment: Mapping[str, str], *, real_node: bool
) -> Server:
    pki, config = layout.pki, layout.kubeconfig("controller-manager")
    command = (
        str(binary),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
        f"--bind-address={HOST}",
        f"--secure-port={ports['kube-controller-manager']}",
        f"--tls-cert-file={pki / 'controller-manager.crt'}",
        f"--tls-private-key-file={pki / 'controller-manager.key'}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--controllers={','.join(CONTROLLERS + (OF_REAL_NODES if real_node else ()))}",
        "--concurrent-gc-syncs=5",
        "--v=1",
    )
    url = f"https://{ports.address('kube-controller-manager')}/healthz"
    return Server(
        name="kube-controller-manager",
        command=command,
        environment=environment,
        probe=health.http(url, health.trusting(pki / "ca.crt")),
        after=("kube-apiserver",),
        rank=4,
    )


def _kwok(layout: Layout, ports: Ports, binary: Path, environment: Mapping[str, str]) -> Server:
    no_leases = "--node-lease-duration-seconds=0"  # a restarted kwok would wait for those of the killed one
    command = (
        str(binary),
        f"--kubeconfig={layout.kubeconfig('kwok')}",
        f"--config={shipped('controlplane', 'stages.yaml')}",
        "--manage-all-nodes=true",
        f"--cidr={POD_RANGE}",
        f"--node-ip={HOST}",
        f"--server-address={ports.address('kwok')}",
        no_leases,
    )
    return Server(
        name="kwok",
        command=command,
        environment=environment,
        probe=health.http(f"http://{ports.address('kwok')}/healthz"),
        after=("kube-apiserver",),
        rank=5,
    )
