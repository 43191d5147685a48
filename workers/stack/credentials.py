"""Who is who in one stack: every certificate, key and token, and which server believes it."""

import json
import secrets
from datetime import timedelta
from pathlib import Path

from deploy.bus import client_certificates
from deploy.people import LEAD_GROUP, ONCALL_GROUP
from signals.subjects import AGENTS, BREAK_GLASS_GROUP, OPERATOR
from workers.stack.layout import Layout, write_private
from workers.stack.node.place import ENFORCER, NODE, NODE_ADDRESS
from workers.stack.pki import CLIENT, SERVER, Authority, Subject, service_account_key, signing_key

PEOPLE = {"oncall": ONCALL_GROUP, "lead": LEAD_GROUP}
"""People of the embedded stack, and the group that their certificate says."""
ADMINISTRATORS = ("system:masters",)
ADMINISTRATOR = "firebreak-admin"
"""User name of the stack's own administrator, who installs and makes tokens for agents."""
OUR_ADMINISTRATORS = (*ADMINISTRATORS, BREAK_GLASS_GROUP)
"""Being an administrator opens no containment lock: the stack's own may, and says so by a second group."""
LOOPBACK = ("127.0.0.1",)
SERVICE_ADDRESS = "10.96.0.1"
"""Address of the `kubernetes` Service: the first of the service range."""
FALCO_SENDER = "falco"
AUDIT_SENDER = "kube-apiserver"
TOKEN_BYTES = 32
SHORT_LIFE = timedelta(days=1)
"""Life of what is made anew while the stack runs: see `workers.stack.rotation`."""


def make(layout: Layout, *, embedded: bool, real_node: bool = False) -> None:
    """Make what the bus, the envelopes, the alert receiver, an embedded control plane and its node need.

    Raises:
        StackError: an authority of an earlier run cannot be read.
    """
    bus(layout)
    for agent in (*AGENTS, OPERATOR):
        signing_key(layout.keys, agent)
    falco(layout)
    if embedded:
        _control_plane(layout)
    if real_node:
        _node(Authority(layout.pki, "ca"), layout.pki)


def _control_plane(layout: Layout) -> None:
    folder = layout.pki
    cluster = Authority(folder, "ca")
    hosts = ("localhost", "kubernetes.default.svc")
    addresses = (*LOOPBACK, SERVICE_ADDRESS)
    cluster.issue(
        folder,
        "apiserver",
        Subject(name="kube-apiserver", hosts=hosts, addresses=addresses, usages=(SERVER,)),
    )
    cluster.issue(
        folder,
        "controller-manager",
        Subject(name="system:kube-controller-manager", addresses=LOOPBACK, usages=(CLIENT, SERVER)),
    )
    cluster.issue(folder, "admin", Subject(name=ADMINISTRATOR, groups=OUR_ADMINISTRATORS))
    cluster.issue(folder, "kwok", Subject(name="kwok", groups=ADMINISTRATORS))
    for person, group in PEOPLE.items():
        cluster.issue(folder, person, Subject(name=person, groups=(group,)))
    Authority(folder, "front-proxy-ca").issue(folder, "front-proxy", Subject(name="front-proxy-client"))
    service_account_key(folder)


def _node(cluster: Authority, folder: Path) -> None:
    """Make the certificates of the node's servers, and the one with which the API server speaks to kubelet."""
    kubelet = Subject(name=f"system:node:{NODE}", groups=("system:nodes",))
    cluster.issue(folder, "kubelet", kubelet)
    server = Subject(name=kubelet.name, hosts=(NODE,), addresses=(NODE_ADDRESS,), usages=(SERVER,))
    cluster.issue(folder, "kubelet-server", server)
    cluster.issue(folder, "kubelet-client", Subject(name="kube-apiserver", groups=ADMINISTRATORS))
    cluster.issue(folder, "kube-proxy", Subject(name="system:kube-proxy"))
    cluster.issue(folder, ENFORCER, Subject(name=ENFORCER, groups=ADMINISTRATORS))
    scheduler = Subject(name="system:kube-scheduler", addresses=LOOPBACK, usages=(CLIENT, SERVER))
    cluster.issue(folder, "scheduler", scheduler)


def bus(layout: Layout) -> None:
    """Make every certificate of the bus, or make it anew: the server's and one for each client."""
    authority = Authority(layout.pki, "nats-ca")
    write_private(layout.nats / "ca.crt", authority.certificate_file.read_bytes())
    server = Subject(name="nats", hosts=("localhost",), addresses=LOOPBACK, usages=(SERVER,))
    authority.issue(layout.nats, "server", server, SHORT_LIFE)
    for identity, uri in client_certificates().items():
        authority.issue(layout.nats, identity, Subject(name=identity, uris=(uri,)), SHORT_LIFE)


def falco(layout: Layout) -> None:
    """Make the alert receiver's certificate, or make it anew; its token stays."""
    authority = Authority(layout.pki, "falco-ca")
    write_private(layout.falco / "ca.crt", authority.certificate_file.read_bytes())
    server = Subject(name="falco-receiver", hosts=("localhost",), addresses=LOOPBACK, usages=(SERVER,))
    authority.issue(layout.falco, "server", server, SHORT_LIFE)
    _token(layout, "token", "tokens.json", FALCO_SENDER)
    _token(layout, "audit-token", "audit-tokens.json", AUDIT_SENDER)


def _token(layout: Layout, file: str, table: str, sender: str) -> None:
    """Make one sender's token, once, and the table by which its receiver knows it."""
    token = layout.falco / file
    if not token.exists():
        write_private(token, secrets.token_urlsafe(TOKEN_BYTES).encode())
    known = {sender: token.read_text().strip()}
    write_private(layout.falco / table, json.dumps(known).encode())
