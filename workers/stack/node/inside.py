"""The first process of a node, in its own namespaces: it makes mounts and addresses, then reaps.

Run by `workers.stack.node.keeper`. Nothing that it does is seen outside: the mounts are private, the addresses
are in the node's network, and kubelet is shown copies of the few kernel settings that it would write.
"""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from workers.stack.node.place import CALLER, HIDDEN, NODE, NODE_ADDRESS, OUTSIDE_RANGES, Place

KERNEL_SETTINGS = {
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What kubelet wants; it would set them for the whole machine."""
SYSTEM = Path("/proc/sys")
GATEWAY, BEYOND = "169.254.1.1", "169.254.1.2"
"""Ends of the wire between the node and what is outside of the cluster."""
OUTSIDE = "outside"


def main(state: str) -> None:
    """Make the node, say so, and reap until we are killed."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    place = Place(Path(state))
    socket.sethostname(NODE)
    _mounts(place)
    _network()
    print("ready", flush=True)  # noqa: T201  # read by the keeper
    while True:
        signal.sigwait({signal.SIGCHLD})
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True, stdout=sys.stderr)  # noqa: S603  # constants of this module


def _mounts(place: Place) -> None:
    _run("mount --make-rshared /")
    _run("mount -t proc proc /proc")
    for folder in HIDDEN:
        _run(f"mount -t tmpfs -o mode=755 tmpfs {folder}")
    for folder in ("/run/netns", "/run/lock", "/var/lib/kubelet"):
        Path(folder).mkdir()
    (SYSTEM / "net/ipv4/ip_forward").write_text("1")
    copies = place.scratch / "settings"
    copies.mkdir()
    _run(f"mount --bind {SYSTEM} {SYSTEM}")
    _run(f"mount -o remount,bind,ro {SYSTEM}")
    _run(f"mount --bind {SYSTEM}/net {SYSTEM}/net")
    _run(f"mount -o remount,bind,rw {SYSTEM}/net")
    for setting, value in KERNEL_SETTINGS.items():
        copy = copies / setting.replace("/", "_")
        copy.write_text(f"{value}\n")
        _run(f"mount --bind {copy} {SYSTEM / setting}")


def _network() -> None:
    """Give the node its address, and beyond a wire something that answers for addresses of no pod."""
    for command in (
        "ip link set lo up",
        "ip link add node0 type bridge",
        f"ip addr add {NODE_ADDRESS}/32 dev node0",
        "ip link set node0 up",
        f"ip netns add {OUTSIDE}",
        f"ip link add {OUTSIDE} type veth peer name eth0 netns {OUTSIDE}",
        f"ip addr add {GATEWAY}/30 dev {OUTSIDE}",
        f"ip link set {OUTSIDE} up",
        f"ip -n {OUTSIDE} link set lo up",
        f"ip -n {OUTSIDE} addr add {BEYOND}/30 dev eth0",
        f"ip -n {OUTSIDE} link set eth0 up",
        f"ip -n {OUTSIDE} addr add {CALLER}/32 dev lo",
        f"ip -n {OUTSIDE} route add default via {GATEWAY} src {CALLER}",
    ):
        _run(command)
    for addresses in OUTSIDE_RANGES:
        _run(f"ip route add {addresses} via {BEYOND}")
        _run(f"ip -n {OUTSIDE} route add local {addresses} dev lo")


if __name__ == "__main__":
    main(sys.argv[1])
