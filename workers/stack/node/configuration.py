"""What the programs of a node read: settings of containerd, kubelet, CNI and of the way to them."""

import json
from pathlib import Path
from typing import Any

import yaml

from workers.stack.node.place import PAUSE_IMAGE, POD_RANGE, Place

KUBELET_PORT = 10250
SOCKET = "/run/containerd/containerd.sock"


def write(place: Place, cni: Path, runc: str, *, containerd_2: bool) -> None:
    """Write all files; containerd's settings have other names from its version 2 on."""
    place.make()
    _json(place.cni / "10-firebreak.conflist", _network(place))
    _yaml(place.root / "kubelet.yaml", _kubelet(place))
    _yaml(place.egress, _egress(place))
    (place.root / "resolv.conf").write_text("")
    written = _containerd_2 if containerd_2 else _containerd_1
    (place.root / "containerd.toml").write_text(written(place, cni, runc))


def _json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1))


def _yaml(file: Path, content: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def _network(place: Place) -> dict[str, Any]:
    """Pods are routed, not bridged: so their packets pass the node's rules whatever the kernel was told."""
    addresses = {
        "type": "host-local",
        "dataDir": str(place.scratch / "addresses"),
        "ranges": [[{"subnet": POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "1.0.0",
        "name": "firebreak",
        "plugins": [{"type": "ptp", "ipMasq": False, "ipam": addresses}],
    }


def _kubelet(place: Place) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{place.name}",
        "protectKernelDefaults": True,
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(place.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(place.pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(place.pki / "kubelet-server.key"),
        "port": KUBELET_PORT,
        "healthzBindAddress": "127.0.0.1",
        "resolvConf": str(place.root / "resolv.conf"),
        "podLogsDir": str(place.scratch / "logs"),
        "failSwapOn": False,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,  # our images cannot be pulled again
        "imageGCLowThresholdPercent": 99,
        "enforceNodeAllocatable": ["pods"],
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "4s",
    }


def _egress(place: Place) -> dict[str, Any]:
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": f"@{place.name}"}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }


_COMMON = """\
version = {version}
root = "{place.scratch}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{socket}"
"""
_RUNTIME = """\
[plugins."{plugin}".cni]
  {bin_dir}
  conf_dir = "{conf_dir}"
[plugins."{plugin}".containerd]
  default_runtime_name = "runc"
[plugins."{plugin}".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."{plugin}".containerd.runtimes.runc.options]
  BinaryName = "{runc}"
  SystemdCgroup = false
"""


def _containerd_1(place: Place, cni: Path, runc: str) -> str:
    plugin = "io.containerd.grpc.v1.cri"
    top = f'[plugins."{plugin}"]\n  sandbox_image = "{PAUSE_IMAGE}"\n  restrict_oom_score_adj = true\n'
    common = _COMMON.format(version=2, place=place, socket=SOCKET)
    return f"{common}{top}" + _RUNTIME.format(
        plugin=plugin, bin_dir=f'bin_dir = "{cni}"', conf_dir=place.cni, runc=runc
    )


def _containerd_2(place: Place, cni: Path, runc: str) -> str:
    images, plugin = "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"
    top = (
        f'[plugins."{images}".pinned_images]\n  sandbox = "{PAUSE_IMAGE}"\n'
        f'[plugins."{plugin}"]\n  restrict_oom_score_adj = true\n'
    )
    common = _COMMON.format(version=3, place=place, socket=SOCKET)
    return f"{common}{top}" + _RUNTIME.format(
        plugin=plugin, bin_dir=f'bin_dirs = ["{cni}"]', conf_dir=place.cni, runc=runc
    )
