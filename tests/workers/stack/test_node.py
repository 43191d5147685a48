"""What of a real node can be told without one."""

import io
import json
import os
import re
import tarfile
from pathlib import Path

import pytest

from signals.errors import StackError
from workers.stack import controlplane
from workers.stack.modules import MODULES, NODE_MODULES
from workers.stack.node import configuration, images, tools
from workers.stack.node.place import Place

ROOT = Path(tools.__file__).parents[3]


def test_an_image_is_the_same_for_the_same_programs(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")

    def made() -> bytes:
        return images.archive("firebreak.local/x:1", program, ["sh", "ls"], program, ["/bin/podtool"])

    first = made()
    assert first == made()
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        index = tar.extractfile("index.json")
        assert index
        [manifest] = json.load(index)["manifests"]
    assert manifest["annotations"]["io.containerd.image.name"] == "firebreak.local/x:1"


def test_the_node_is_built_of_the_kubernetes_of_the_control_plane() -> None:
    versions = {
        module.version for module in (*MODULES, *NODE_MODULES) if module.requires == "k8s.io/kubernetes"
    }
    assert len(versions) == 1


def test_the_nodes_binaries_are_kept_apart_from_the_control_planes() -> None:
    assert controlplane.cache(NODE_MODULES) != controlplane.cache()


def test_two_stacks_have_nodes_of_different_names(tmp_path: Path) -> None:
    assert Place(tmp_path / "a").name != Place(tmp_path / "b").name


def test_what_is_missing_is_said_with_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "program", lambda name: None if name in ("runc", "nft") else f"/bin/{name}")
    with pytest.raises(StackError, match=r"apt-get install .*nftables.* runc"):
        tools.check(tmp_path)


def test_what_make_installs_is_what_is_asked_for() -> None:
    (said,) = re.findall(r"^NODE_PACKAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {*said.split()} == {*tools.PACKAGES.values(), "containernetworking-plugins"}


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root is told of that first")
def test_a_container_in_which_root_may_make_no_namespaces_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unshare = tmp_path / "unshare"
    unshare.write_text("#!/bin/sh\necho unshare failed: Operation not permitted >&2\nexit 1\n")
    unshare.chmod(0o755)
    monkeypatch.setattr(tools, "program", lambda name: str(unshare) if name == "unshare" else f"/bin/{name}")
    with pytest.raises(
        StackError, match=r"namespaces of its own \(unshare failed: Operation not permitted\)"
    ):
        tools.check(tmp_path)


def test_a_state_folder_that_a_node_cannot_see_is_refused() -> None:
    said = [one.cure for one in tools.missing(Path("/var/lib/firebreak"))]
    assert any("--state" in cure for cure in said)


@pytest.mark.parametrize("second", [False, True])
def test_containerd_is_told_by_the_names_of_its_version(tmp_path: Path, second: bool) -> None:
    place = Place(tmp_path)
    configuration.write(place, Path("/usr/lib/cni"), "/usr/sbin/runc", containerd_2=second)
    written = (place.root / "containerd.toml").read_text()
    assert ("io.containerd.cri.v1.runtime" in written) is second
    assert ("io.containerd.grpc.v1.cri" in written) is not second
