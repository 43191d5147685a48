"""Official release binaries, where they can be reached: fetched once, checked against the published checksum."""

import hashlib
import io
import platform
import re
import tarfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from signals.errors import FirebreakError
from workers.stack.modules import MODULES, NODE_MODULES

CONNECT_SECONDS = 5.0
EXECUTABLE = 0o755
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
KUBERNETES_HOST = "dl.k8s.io"
GITHUB_HOST = "github.com"


class Unreachable(FirebreakError):
    """A release was not fetched; the text says why. The next way is tried, so it is no error of ours."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """One published file: where it is, where its checksum is, and what of it is wanted."""

    url: str
    checksum_url: str
    member: str | None = None
    """The file inside, if it is an archive."""

    @property
    def host(self) -> str:
        """The host that publishes it."""
        return self.url.split("/")[2]

    @property
    def name(self) -> str:
        """The file's own name, as lists of checksums have it."""
        return self.url.rpartition("/")[2]


def release(binary: str) -> Release | None:
    """Return where a binary is published for this machine with a checksum, or None if it is not.

    kwok is published without one, so it is always built.
    """
    architecture = MACHINES.get(platform.machine().lower())
    if platform.system() != "Linux" or architecture is None:
        return None
    module = next(module for module in (*MODULES, *NODE_MODULES) if binary in module.packages)
    if module.requires == "k8s.io/kubernetes":
        url = f"https://{KUBERNETES_HOST}/release/{module.version}/bin/linux/{architecture}/{binary}"
        return Release(url=url, checksum_url=f"{url}.sha256")
    if module.folder != "etcd":
        return None
    version = module.version
    folder = f"https://{GITHUB_HOST}/etcd-io/etcd/releases/download/{version}"
    archive = f"etcd-{version}-linux-{architecture}"
    return Release(
        url=f"{folder}/{archive}.tar.gz",
        checksum_url=f"{folder}/SHA256SUMS",
        member=f"{archive}/etcd",
    )


def fetch(published: Release, file: Path) -> None:
    """Write the checked binary to `file`, in one step.

    Raises:
        Unreachable: it could not be fetched, or its checksum is not the published one.
    """
    wanted = checksum(_read(published.checksum_url).decode(errors="replace"), published.name)
    content = _read(published.url)
    if hashlib.sha256(content).hexdigest() != wanted:
        raise Unreachable(f"{published.url} does not have the published checksum")
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_bytes(content if published.member is None else _unpacked(content, published.member))
    temporary.chmod(EXECUTABLE)
    temporary.replace(file)


def checksum(text: str, name: str) -> str:
    """Return the SHA-256 of one file from a published text: the bare sum, or a list of sums and names.

    Raises:
        Unreachable: the text does not have it.
    """
    for line in text.splitlines():
        found = re.fullmatch(r"([0-9a-f]{64})(?:\s+\*?(\S+))?", line.strip())
        if found and found[2] in (None, name):
            return found[1]
    raise Unreachable(f"no checksum of {name} is published")


def _unpacked(archive: bytes, member: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        file = opened.extractfile(member)
        if file is None:
            raise Unreachable(f"the archive does not hold {member}")
        return file.read()


def _read(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer:  # noqa: S310  # https, built above
            content: bytes = answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise Unreachable(f"{url.split('/')[2]} cannot be reached: {error}") from error
    return content
