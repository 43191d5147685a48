"""What a node needs of this machine: Linux, root, and some programs of the distribution."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from signals.errors import StackError
from workers import settings
from workers.stack.node.place import CGROUPS, HIDDEN

CURE = "make node-setup (or: apt-get install --no-install-recommends {packages})"
FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
CNI_PLUGINS = ("ptp", "host-local", "loopback")
PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "busybox": "busybox-static",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "mount": "mount",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
"""Program → the Debian or Ubuntu package that has it."""
CONTROLLERS = frozenset({"cpu", "cpuset", "memory", "pids"})


@dataclass(frozen=True)
class Missing:
    """One thing that is not here, and the command that mends it."""

    what: str
    cure: str


def program(name: str) -> str | None:
    """Return where a program is; a user's PATH need not have the administrator's folders."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(FOLDERS))


def cni_folder() -> Path | None:
    """Return the folder that has the CNI plugins."""
    for folder in CNI_FOLDERS:
        if all((folder / plugin).exists() for plugin in CNI_PLUGINS):
            return folder
    return None


def missing(state: Path) -> list[Missing]:
    """Return what a node cannot do without and this machine does not have."""
    if sys.platform != "linux":
        return [Missing("Linux: a node is made of its namespaces", "run it in a Linux machine or container")]
    found = []
    if os.geteuid() != 0:
        found.append(Missing("root", "sudo -E, or run it in a container with --privileged"))
    lacking = {package for name, package in PACKAGES.items() if program(name) is None}
    if cni_folder() is None:
        lacking.add("containernetworking-plugins")
    if lacking:
        packages = " ".join(sorted(lacking))
        found.append(Missing(f"the packages {packages}", CURE.format(packages=packages)))
    return found + _namespaces() + _cgroups() + _hidden(state)


def _namespaces() -> list[Missing]:
    """Try it: a container may be root and may make none all the same."""
    if os.geteuid() != 0 or (unshare := program("unshare")) is None:
        return []
    tried = subprocess.run(  # noqa: S603
        [unshare, "--net", "--mount", "--uts", "--pid", "--fork", "true"], capture_output=True, text=True
    )
    if tried.returncode == 0:
        return []
    return [
        Missing(
            f"namespaces of its own ({tried.stderr.strip()})",
            "run it outside of a container, or with --privileged",
        )
    ]


def _cgroups() -> list[Missing]:
    control = CGROUPS / "cgroup.subtree_control"
    if control.exists():
        lacking = sorted(CONTROLLERS - set(control.read_text().split()))
        order = " ".join(f"+{name}" for name in lacking)
        cure = f"echo '{order}' > {control}"
        return [Missing(f"the cgroup controllers {', '.join(lacking)}", cure)] if lacking else []
    if not (CGROUPS / "cpuset").is_dir() or not os.access(CGROUPS / "cpuset", os.W_OK):
        return [Missing(f"a writable {CGROUPS}", "run it outside of a container, or with --privileged")]
    return []


def _hidden(state: Path) -> list[Missing]:
    return [
        Missing(f"{state} where a node can see it", f"choose a --state that is not below {folder}")
        for folder in HIDDEN
        if state.absolute().is_relative_to(folder)
    ]


def main() -> int:
    """Say what is missing; return whether anything is, for scripts."""
    lacking = missing(settings.state_dir())
    print("\n".join(f"It needs {one.what}: {one.cure}" for one in lacking))  # noqa: T201  # that is its use
    return 1 if lacking else 0


def check(state: Path) -> None:
    """Do nothing if a node can be made here.

    Raises:
        StackError: it cannot; the text says what is missing and the command for each.
    """
    if lacking := missing(state):
        said = "\n".join(f"  {one.what}: {one.cure}" for one in lacking)
        raise StackError(f"a real node cannot be started here. Missing:\n{said}")


if __name__ == "__main__":
    sys.exit(main())
