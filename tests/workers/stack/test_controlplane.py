"""Where the binaries of the control plane come from."""

import hashlib
import http.server
import io
import os
import re
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from signals.errors import StackError
from workers.stack import controlplane, releases, toolchain
from workers.stack.controlplane import Source
from workers.stack.modules import BINARIES, MODULES, Module
from workers.stack.progress import Progress, unheard
from workers.stack.releases import Release, Unreachable
from workers.stack.watched import Count, run

FAKE_GO = """#!/bin/sh
echo "$@" >> {diary}
case "$1" in
  env) echo go1.26.8 ;;
  mod) echo "# get https://proxy/a/@v/v1.zip" >&2 ;;
  list) echo a/b; echo c/d ;;
  build) grep -q firebreak.dev go.mod || exit 9
         [ {fails} = 0 ] || {{ echo "a/b: undefined: x" >&2; exit 1; }}
         echo a/b; mkdir -p out
         for package in {packages}; do printf '#!/bin/sh\\n' > out/$package; chmod +x out/$package; done ;;
esac
"""


def program(file: Path, text: str = "#!/bin/sh\n") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def kubernetes(file: Path, version: str) -> Path:
    return program(file, f"#!/bin/sh\necho Kubernetes {version}\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing is: its PATH, its assets and its cache are empty folders."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:{os.defpath}")
    return tmp_path


def fake_go(machine: Path, *packages: str, fails: int = 0) -> Path:
    diary = machine / "diary"
    program(machine / "path/go", FAKE_GO.format(diary=diary, packages=" ".join(packages), fails=fails))
    return diary


def test_what_is_named_comes_before_path_and_path_before_the_cache(machine: Path) -> None:
    folders = {
        Source.CACHE: controlplane.cache(),
        Source.PATH: machine / "path",
        Source.ASSETS: machine / "assets",
    }
    for source, folder in folders.items():
        program(folder / "etcd")
        found = controlplane.look()["etcd"]
        assert (found.source, found.path) == (source, folder / "etcd")


def test_each_binary_is_looked_for_on_its_own(machine: Path) -> None:
    program(machine / "assets/etcd")
    program(machine / "path/kwok")
    found = controlplane.look()
    assert {name: one.source for name, one in found.items()} == {"etcd": Source.ASSETS, "kwok": Source.PATH}


def test_an_api_server_that_does_not_know_our_admission_policies_is_passed_over(machine: Path) -> None:
    kubernetes(machine / "assets/kube-apiserver", "v1.29.9")
    kubernetes(machine / "path/kube-apiserver", "v1.30.0")
    assert controlplane.look()["kube-apiserver"].source is Source.PATH


def test_a_file_that_cannot_be_run_is_no_binary(machine: Path) -> None:
    program(machine / "assets/etcd").chmod(0o644)
    assert controlplane.look() == {}


def test_the_cache_is_named_after_the_content_of_the_modules(machine: Path) -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", controlplane.cache().name)
    assert controlplane.cache().parent == machine / "cache/firebreak/controlplane"


async def test_nothing_is_fetched_or_built_when_all_is_here(machine: Path) -> None:
    for name in BINARIES:
        kubernetes(machine / "assets" / name, "v1.36.2")
    heard: list[Progress] = []
    paths = await controlplane.resolve(heard.append)
    assert paths == {name: machine / "assets" / name for name in BINARIES}
    assert heard == []


def module(folder: str) -> Module:
    return next(module for module in MODULES if module.folder == folder)


async def test_a_build_leaves_its_binaries_and_nothing_else(machine: Path) -> None:
    diary = fake_go(machine, "kube-apiserver", "kube-controller-manager")
    built = machine / "built"
    built.mkdir()
    await toolchain.build(module("kubernetes"), ("kube-apiserver", "kube-controller-manager"), built, unheard)
    assert sorted(os.listdir(built)) == ["kube-apiserver", "kube-controller-manager"]
    assert "gitVersion=v1.36.2" in diary.read_text()


async def test_a_build_that_fails_says_what_go_said_and_leaves_nothing(machine: Path) -> None:
    fake_go(machine, "etcd", fails=1)
    built = machine / "built"
    built.mkdir()
    with pytest.raises(StackError, match=r"(?s)building etcd failed.*undefined: x"):
        await toolchain.build(module("etcd"), ("etcd",), built, unheard)
    assert os.listdir(built) == []


async def test_what_is_missing_is_built_when_no_release_can_be_reached(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "KUBERNETES_HOST", "releases.invalid")
    monkeypatch.setattr(releases, "GITHUB_HOST", "releases.invalid")
    for name in ("kwok", "kube-apiserver", "kube-controller-manager"):
        kubernetes(machine / "assets" / name, "v1.36.2")
    fake_go(machine, "etcd")
    heard: list[Progress] = []
    paths = await controlplane.resolve(heard.append)
    assert paths["etcd"] == controlplane.cache() / "etcd"
    phases = [progress.phase for progress in heard]
    assert any(re.match("etcd is not fetched: releases.invalid cannot be reached", phase) for phase in phases)
    assert "building etcd" in phases


def test_what_is_published_without_a_checksum_is_never_fetched() -> None:
    assert releases.release("kwok") is None
    for name in ("etcd", "kube-apiserver", "kube-controller-manager"):
        published = releases.release(name)
        assert published is None or published.checksum_url.startswith(f"https://{published.host}/")


async def test_progress_is_told_by_what_is_done(tmp_path: Path) -> None:
    count = Count(phase="building", counts=lambda line: line.startswith("a"), total=10, experience=100)
    heard: list[Progress] = []
    script = "for i in 1 2 3 4 5; do echo a$i; done; sleep 1.2; echo noise"
    counted = await run(("/bin/sh", "-c", script), tmp_path, {}, count, heard.append)
    assert counted == 5
    assert heard[0].estimate == 100
    last = heard[-1]
    assert last.estimate == pytest.approx(2 * last.elapsed)


@pytest.mark.parametrize(
    "text",
    [
        f"{'a' * 64}",
        f"{'a' * 64}\n",
        f"{'b' * 64}  other.tar.gz\n{'a' * 64}  file.tar.gz\n",
        f"{'a' * 64} *file.tar.gz\n",
    ],
)
def test_a_published_checksum_is_read_bare_or_from_a_list(text: str) -> None:
    assert releases.checksum(text, "file.tar.gz") == "a" * 64


def test_a_list_without_our_file_is_no_checksum() -> None:
    with pytest.raises(Unreachable, match="no checksum"):
        releases.checksum(f"{'b' * 64}  other.tar.gz", "file.tar.gz")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server over a folder."""
    root = tmp_path / "published"
    root.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, request: object, address: object, where: object) -> None:
            super().__init__(request, address, where, directory=str(root))  # type: ignore[arg-type]  # as given

        def log_message(self, *_: object) -> None:
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}", root
    listening.shutdown()
    thread.join()
    listening.server_close()


def published(url: str, root: Path, content: bytes, checksum_of: bytes) -> Release:
    (root / "kwok").write_bytes(content)
    (root / "kwok.sha256").write_text(hashlib.sha256(checksum_of).hexdigest())
    return Release(url=f"{url}/kwok", checksum_url=f"{url}/kwok.sha256")


def test_a_release_with_its_published_checksum_is_kept(server: tuple[str, Path], tmp_path: Path) -> None:
    releases.fetch(published(*server, b"binary", b"binary"), tmp_path / "kwok")
    assert (tmp_path / "kwok").read_bytes() == b"binary"
    assert os.access(tmp_path / "kwok", os.X_OK)


def test_a_release_with_another_checksum_is_not_kept(server: tuple[str, Path], tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="does not have the published checksum"):
        releases.fetch(published(*server, b"tampered", b"binary"), tmp_path / "kwok")
    assert not (tmp_path / "kwok").exists()


def test_a_binary_is_taken_out_of_its_archive(server: tuple[str, Path], tmp_path: Path) -> None:
    url, root = server
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("etcd-v3/etcd")
        entry.size = len(b"binary")
        archive.addfile(entry, io.BytesIO(b"binary"))
    release = published(url, root, packed.getvalue(), packed.getvalue())
    releases.fetch(
        Release(url=release.url, checksum_url=release.checksum_url, member="etcd-v3/etcd"), tmp_path / "etcd"
    )
    assert (tmp_path / "etcd").read_bytes() == b"binary"


def test_a_release_that_is_not_published_is_unreachable(server: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = server
    with pytest.raises(Unreachable, match="cannot be reached"):
        releases.fetch(Release(url=f"{url}/none", checksum_url=f"{url}/none.sha256"), tmp_path / "none")
