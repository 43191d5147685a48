"""Where everything of a node lies, and what it is called on the machine."""

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from workers.stack.layout import PRIVATE_DIR

NODE = "node-1"
NODE_ADDRESS = "10.240.0.1"
POD_RANGE = "10.244.1.0/24"
OUTSIDE_RANGES = ("203.0.113.0/24", "198.51.100.0/24")
"""Addresses of no pod, which something answers: what an intruder calls home to."""
CALLER = "203.0.113.1"
"""The address of no pod from which something outside speaks."""
OUTSIDE_PORTS = (80, 443, 4444, 8080, 9000)
ENFORCER = "network-policies"
"""Name of what enforces NetworkPolicies, as a process and at the API server."""
IMAGE = "firebreak.local/busybox:1"
PAUSE_IMAGE = "firebreak.local/pause:1"
CGROUPS = Path("/sys/fs/cgroup")
HIDDEN = ("/run", "/var/log", "/var/lib")
"""Folders of the machine in whose place the node sees empty ones."""
SWEEP_TRIES, SWEEP_PAUSE = 50, 0.05


@dataclass(frozen=True)
class Place:
    """The paths of the node of one stack."""

    state: Path
    """The state folder of the stack."""

    @property
    def root(self) -> Path:
        """Everything of the node; nothing in it outlives the node but its logs."""
        return self.state / "node"

    @property
    def name(self) -> str:
        """What this node is called on the machine: its cgroup, and the socket of its link."""
        return f"firebreak-{sha256(str(self.state).encode()).hexdigest()[:12]}"

    @property
    def pid(self) -> Path:
        """The pid of the node's first process, as the machine counts; there while the node is."""
        return self.root / "pid"

    @property
    def pki(self) -> Path:
        """Certificates of the control plane and of the node."""
        return self.state / "pki"

    @property
    def cni(self) -> Path:
        """How pods are connected."""
        return self.root / "cni"

    @property
    def scratch(self) -> Path:
        """What containers and kubelet write."""
        return self.root / "scratch"

    @property
    def enforcing(self) -> Path:
        """There while all NetworkPolicies are in force."""
        return self.root / "enforcing"

    @property
    def egress(self) -> Path:
        """How the API server reaches the node."""
        return self.root / "egress.yaml"

    def kubeconfig(self, identity: str) -> Path:
        """Return the kubeconfig of one server of the node."""
        return self.state / "kubeconfig" / f"{identity}.yaml"

    def make(self) -> None:
        """Create the folders."""
        for folder in (self.root, self.cni, self.scratch):
            folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR)

    def cgroups(self) -> tuple[Path, ...]:
        """Return the node's own control group in each hierarchy of the machine."""
        if (CGROUPS / "cgroup.controllers").exists():
            return (CGROUPS / self.name,)
        return tuple(hierarchy / self.name for hierarchy in sorted(CGROUPS.iterdir()) if hierarchy.is_dir())

    def make_cgroups(self) -> None:
        """Create the node's control groups; on version 1, an empty cpuset would take no process."""
        for group in self.cgroups():
            group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            above = CGROUPS / "cpuset" / name
            if above.exists():
                (CGROUPS / "cpuset" / self.name / name).write_text(above.read_text())

    def sweep(self) -> None:
        """Remove what an earlier run left: control groups, which need a moment to be empty, and scratch."""
        for _ in range(SWEEP_TRIES):
            left = [group for group in self.cgroups() if group.exists()]
            if not left:
                break
            for group in left:
                _remove(group)
            time.sleep(SWEEP_PAUSE)
        self.pid.unlink(missing_ok=True)
        shutil.rmtree(self.scratch, ignore_errors=True)


def _remove(group: Path) -> None:
    inner = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
    for folder in (*inner, group):
        with suppress(OSError):
            folder.rmdir()
