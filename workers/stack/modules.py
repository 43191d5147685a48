"""The pinned Go modules of the control plane: one folder of `deploy/controlplane` each."""

import re
from dataclasses import dataclass

from workers.stack.layout import shipped


@dataclass(frozen=True, kw_only=True)
class Module:
    """One module: what it builds, from which packages, and how many seconds it took elsewhere.

    `fetch_seconds` is for its sources, `core_seconds` for building all of it on one core.
    """

    folder: str
    requires: str
    """The module whose version is the version of the binaries."""
    packages: dict[str, str]
    """Binary → its main package."""
    fetch_seconds: float
    core_seconds: float
    stamp: str = ""
    """Linker flags; `{version}`, `{major}` and `{minor}` are filled in."""
    sources: tuple[str, ...] = ("go.mod", "go.sum")
    """What of its folder is built; more than these two where the program is our own."""

    @property
    def version(self) -> str:
        """The pinned version, with its v."""
        text = shipped("controlplane", self.folder, "go.mod").read_text()
        found = re.search(rf"^(?:require)?\s+{re.escape(self.requires)} (v\S+)", text, re.MULTILINE)
        if found is None:
            raise ValueError(f"deploy/controlplane/{self.folder}/go.mod does not require {self.requires}")
        return found[1]

    @property
    def linker_flags(self) -> str:
        """What the linker is told: no symbols, and the version that the binary says it has."""
        if not self.stamp:
            return "-s -w"
        major, minor, _ = self.version.removeprefix("v").split(".", 2)
        return f"-s -w {self.stamp.format(version=self.version, major=major, minor=minor)}".strip()


_KUBERNETES_VERSION = "-X k8s.io/component-base/version.git"
_KUBERNETES_STAMP = (
    f"{_KUBERNETES_VERSION}Version={{version}} {_KUBERNETES_VERSION}Major={{major}} "
    f"{_KUBERNETES_VERSION}Minor={{minor}}"
)

MODULES = (
    Module(
        folder="etcd",
        requires="go.etcd.io/etcd/server/v3",
        packages={"etcd": "go.etcd.io/etcd/server/v3"},
        fetch_seconds=10,
        core_seconds=100,
    ),
    Module(
        folder="kwok",
        requires="sigs.k8s.io/kwok",
        packages={"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        fetch_seconds=15,
        core_seconds=120,
    ),
    Module(
        folder="kubernetes",
        requires="k8s.io/kubernetes",
        packages={
            "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
            "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        },
        fetch_seconds=35,
        core_seconds=650,
        stamp=_KUBERNETES_STAMP,
    ),
)
BINARIES = tuple(name for module in MODULES for name in module.packages)

NODE_MODULES = (
    Module(
        folder="node",
        requires="k8s.io/kubernetes",
        packages={
            "kubelet": "k8s.io/kubernetes/cmd/kubelet",
            "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
            "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        },
        fetch_seconds=10,
        core_seconds=700,
        stamp=_KUBERNETES_STAMP,
    ),
    Module(
        folder="podtool",
        requires="",
        packages={"podtool": "firebreak.dev/controlplane/podtool"},
        fetch_seconds=1,
        core_seconds=20,
        sources=("go.mod", "main.go"),
    ),
)
"""What a real node needs beside the control plane. Kept apart: who has no such node does not build it."""
