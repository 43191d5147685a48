"""Every step that an attacker can take in a cluster: its name, what must hold, and how sure it then is.

The one table of them; the documentation's is written from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType


class Certainty(IntEnum):
    """How sure it is that something is reached; each is worse than the one before."""

    DIRECT = 0
    CONDITIONAL = 1
    UNKNOWN = 2

    def __str__(self) -> str:
        """Return the word that is used everywhere."""
        return self.name.lower()


class Edge(StrEnum):
    """One kind of step."""

    RUNS_AS = "RUNS_AS"
    MOUNTS = "MOUNTS"
    TOKEN_FOR = "TOKEN_FOR"
    MEMBER_OF = "MEMBER_OF"
    POD_EXEC = "POD_EXEC"
    POD_ATTACH = "POD_ATTACH"
    EPHEMERAL = "EPHEMERAL"
    PORT_FORWARD = "PORT_FORWARD"
    POD_CREATE = "POD_CREATE"
    POD_CREATE_ESCAPE = "POD_CREATE_ESCAPE"
    WORKLOAD_PATCH = "WORKLOAD_PATCH"
    SECRET_READ = "SECRET_READ"
    TOKEN_REQUEST = "TOKEN_REQUEST"
    SECRET_MINT = "SECRET_MINT"
    IMPERSONATE = "IMPERSONATE"
    ROLE_BIND = "ROLE_BIND"
    ROLE_ESCALATE = "ROLE_ESCALATE"
    NODE_PROXY = "NODE_PROXY"
    ESCAPE = "ESCAPE"
    NODE_TO_POD = "NODE_TO_POD"
    NODE_CRED = "NODE_CRED"
    CONTROL_PLANE = "CONTROL_PLANE"
    SHARE_PID = "SHARE_PID"
    NET_REACH = "NET_REACH"
    EGRESS = "EGRESS"
    EXPOSED_TO = "EXPOSED_TO"
    API_PATH = "API_PATH"
    CLUSTER_ADMIN = "CLUSTER_ADMIN"
    PSA_RELAX = "PSA_RELAX"
    PV_HOSTPATH = "PV_HOSTPATH"
    CSR_FORGE = "CSR_FORGE"
    ADMISSION_CONTROL = "ADMISSION_CONTROL"


@dataclass(frozen=True)
class Meaning:
    """From what to what a step leads, what must hold for it, and how ATT&CK calls it."""

    source: str
    target: str
    holds: str
    technique: str
    certainty: Certainty = Certainty.DIRECT


_D, _C = Certainty.DIRECT, Certainty.CONDITIONAL
MEANINGS: Mapping[Edge, Meaning] = MappingProxyType(
    {
        Edge.RUNS_AS: Meaning(
            "pod",
            "sa",
            "a token is in the pod: automounted (the pod's setting, else the account's, else yes) or projected"
            " for the API server; conditional where the pod cannot reach the API server",
            "T1528",
        ),
        Edge.MOUNTS: Meaning(
            "pod", "secret", "a volume, a projected source or an environment variable names it", "T1552.001"
        ),
        Edge.TOKEN_FOR: Meaning(
            "secret", "sa", "the secret is of the token type and names the account, by its UID too", "T1528"
        ),
        Edge.MEMBER_OF: Meaning("sa, user, node", "group", "the API server puts it there by itself", "T1078"),
        Edge.POD_EXEC: Meaning(
            "identity", "pod", "create pods/exec; before 1.35 get pods/exec is enough", "T1609"
        ),
        Edge.POD_ATTACH: Meaning(
            "identity", "pod", "create pods/attach; before 1.35 get pods/attach is enough", "T1609"
        ),
        Edge.EPHEMERAL: Meaning("identity", "pod", "update or patch pods/ephemeralcontainers", "T1609"),
        Edge.PORT_FORWARD: Meaning(
            "identity",
            "pod",
            "create pods/portforward: reaches every port past all policies; control needs a flaw there",
            "T1090",
            _C,
        ),
        Edge.POD_CREATE: Meaning(
            "identity",
            "sa, secret",
            "create pods or a controller of pods: every account and secret of that namespace",
            "T1610",
        ),
        Edge.POD_CREATE_ESCAPE: Meaning(
            "identity",
            "node",
            "POD_CREATE or WORKLOAD_PATCH where the namespace enforces no Pod Security level, or `privileged`",
            "T1611",
        ),
        Edge.WORKLOAD_PATCH: Meaning(
            "identity",
            "pod, sa, secret",
            "update or patch a controller: every account and secret of its namespace; of a bare pod: that pod",
            "T1609",
        ),
        Edge.SECRET_READ: Meaning("identity", "secret", "get, list or watch secrets", "T1552.007"),
        Edge.TOKEN_REQUEST: Meaning("identity", "sa", "create serviceaccounts/token", "T1528"),
        Edge.SECRET_MINT: Meaning(
            "identity",
            "sa",
            "create secrets and read them: a token secret for any account of the namespace",
            "T1528",
        ),
        Edge.IMPERSONATE: Meaning(
            "identity",
            "user, group, sa",
            "impersonate users, groups (needs a user or account too) or serviceaccounts",
            "T1078",
        ),
        Edge.ROLE_BIND: Meaning(
            "identity",
            "itself, with more rights",
            "write a binding there, and bind on its role",
            "T1098.006",
        ),
        Edge.ROLE_ESCALATE: Meaning(
            "identity",
            "whoever is bound to the role, with every right there",
            "update or patch, and escalate, on one role",
            "T1098.006",
        ),
        Edge.NODE_PROXY: Meaning(
            "identity", "pod", "get or create nodes/proxy: every pod of the node", "T1609"
        ),
        Edge.ESCAPE: Meaning(
            "pod",
            "node",
            "privileged, a capability that leaves the container, the host's PIDs with ptrace, a runtime socket,"
            " or a path of the host that can be written or must not be read",
            "T1611",
        ),
        Edge.NODE_TO_POD: Meaning("node", "pod", "the pod runs there", "T1609"),
        Edge.NODE_CRED: Meaning(
            "node",
            "sa, secret, user",
            "accounts and secrets of the pods that run there, and the kubelet's own user",
            "T1552.004",
        ),
        Edge.CONTROL_PLANE: Meaning(
            "node",
            "cluster-admin",
            "it holds the control plane: by label, or by its static pods",
            "T1552.004",
        ),
        Edge.SHARE_PID: Meaning(
            "container",
            "pod",
            "shareProcessNamespace; a pod is held with all of its containers here, so it is never a step",
            "T1080",
        ),
        Edge.NET_REACH: Meaning(
            "pod",
            "pod",
            "both pods' policies leave a port open; control needs a flaw in what listens there",
            "T1210",
            _C,
        ),
        Edge.EGRESS: Meaning("pod", "ip", "the pod's policies leave a port open", "T1041"),
        Edge.EXPOSED_TO: Meaning(
            "ip",
            "pod",
            "a Service, Ingress or host port leads to it, and its policies let it in; control needs a flaw",
            "T1190",
            _C,
        ),
        Edge.API_PATH: Meaning(
            "pod",
            "ip",
            "policies let the pod reach an address of the API server: what every use of a token from inside needs",
            "T1552.005",
        ),
        Edge.CLUSTER_ADMIN: Meaning(
            "identity", "cluster-admin", "a rule allows everything everywhere, or system:masters", "T1078"
        ),
        Edge.PSA_RELAX: Meaning(
            "identity", "node", "change the namespace's Pod Security level, and POD_CREATE", "T1562", _C
        ),
        Edge.PV_HOSTPATH: Meaning(
            "identity",
            "node",
            "create persistentvolumes, persistentvolumeclaims and pods: a volume of the host",
            "T1611",
            _C,
        ),
        Edge.CSR_FORGE: Meaning(
            "identity",
            "user, group",
            "create and approve certificates of the signer for clients; never system:masters",
            "T1649",
            _C,
        ),
        Edge.ADMISSION_CONTROL: Meaning(
            "identity",
            "cluster-admin",
            "write admission webhooks: they see and change all that is written",
            "T1546",
            _C,
        ),
    }
)
