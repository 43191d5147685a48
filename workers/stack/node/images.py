"""Container images without a registry: one layer of a static busybox and our own helper, as an OCI archive."""

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from pathlib import Path

from workers.stack.releases import MACHINES

FOLDERS = ("bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr", "usr/bin", "var")
PEOPLE = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
GROUPS = b"root:x:0:\nnobody:x:65534:\n"
MEDIA = "application/vnd.oci.image"
PROGRAM, TEXT = 0o755, 0o644


def archive(name: str, busybox: Path, applets: Sequence[str], podtool: Path, start: Sequence[str]) -> bytes:
    """Return the archive of one image; the same input gives the same bytes."""
    layer = _layer(busybox.read_bytes(), applets, podtool.read_bytes())
    blobs: dict[str, bytes] = {}

    def keep(content: bytes, media: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": f"{MEDIA}.{media}", "digest": f"sha256:{digest}", "size": len(content)}

    packed = keep(gzip.compress(layer, 1, mtime=0), "layer.v1.tar+gzip")
    config = {
        "architecture": MACHINES.get(platform.machine().lower(), "amd64"),
        "os": "linux",
        "config": {"Env": ["PATH=/bin:/usr/bin"], "Entrypoint": list(start)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": keep(json.dumps(config).encode(), "config.v1+json"),
        "layers": [packed],
    }
    named = {
        **keep(json.dumps(manifest).encode(), "manifest.v1+json"),
        "annotations": {"io.containerd.image.name": name},
    }
    index = {"schemaVersion": 2, "mediaType": f"{MEDIA}.index.v1+json", "manifests": [named]}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
    files |= {f"blobs/sha256/{digest}": content for digest, content in sorted(blobs.items())}
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for path, content in files.items():
            _add(tar, path, content, TEXT)
    return whole.getvalue()


def _layer(busybox: bytes, applets: Sequence[str], podtool: bytes) -> bytes:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for folder in FOLDERS:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else PROGRAM
            tar.addfile(entry)
        _add(tar, "bin/busybox", busybox, PROGRAM)
        _add(tar, "bin/podtool", podtool, PROGRAM)
        for applet in sorted(set(applets) - {"busybox"}):
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        _add(tar, "etc/passwd", PEOPLE, TEXT)
        _add(tar, "etc/group", GROUPS, TEXT)
    return layer.getvalue()


def _add(tar: tarfile.TarFile, path: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
