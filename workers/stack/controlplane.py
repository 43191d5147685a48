"""Where the four binaries of the embedded control plane come from, in the order in which they are looked for.

Those that `KUBEBUILDER_ASSETS` names or PATH has; what was fetched or built before; official releases, where
they can be reached; else a build from the pinned modules. Each is looked for on its own.
"""

import asyncio
import fcntl
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import TextIO

from signals.errors import StackError
from workers import settings
from workers.stack import releases, toolchain
from workers.stack.layout import shipped
from workers.stack.modules import MODULES, Module
from workers.stack.progress import OnProgress, Progress, unheard

LOCK_PAUSE = 1.0
OLDEST_MINOR = 30
"""ValidatingAdmissionPolicy, which holds our agents in their cages, is served from Kubernetes 1.30 on."""
VERSIONED = ("kube-apiserver", "kube-controller-manager", "kubelet", "kube-proxy", "kube-scheduler")


class Source(StrEnum):
    """Where a binary was found."""

    ASSETS = "KUBEBUILDER_ASSETS"
    PATH = "PATH"
    CACHE = "cache"


@dataclass(frozen=True)
class Found:
    """One binary and where it was found."""

    name: str
    path: Path
    source: Source


def cache(modules: Sequence[Module] = MODULES) -> Path:
    """Return the folder of this set of modules on this platform, named after their content."""
    digest = sha256(f"{platform.system()} {platform.machine()}".encode())
    for module in modules:
        for file in module.sources:
            digest.update(shipped("controlplane", module.folder, file).read_bytes())
        digest.update(module.linker_flags.encode())
    return settings.cache_dir() / "controlplane" / digest.hexdigest()[:16]


def look(modules: Sequence[Module] = MODULES) -> dict[str, Found]:
    """Return what is here already, by name. Nothing is fetched or built."""
    folder = cache(modules)
    found = (_look(name, folder) for name in _binaries(modules))
    return {one.name: one for one in found if one}


def _binaries(modules: Sequence[Module]) -> tuple[str, ...]:
    return tuple(name for module in modules for name in module.packages)


def _look(name: str, folder: Path) -> Found | None:
    assets, on_path = settings.assets_dir(), shutil.which(name)
    places = (
        (assets / name if assets else None, Source.ASSETS),
        (Path(on_path) if on_path else None, Source.PATH),
        (folder / name, Source.CACHE),
    )
    for path, source in places:
        if path and os.access(path, os.X_OK) and path.is_file() and _new_enough(name, path):
            return Found(name, path, source)
    return None


def _new_enough(name: str, path: Path) -> bool:
    if name not in VERSIONED:
        return True
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603  # a binary that is about to be run anyway
    except (OSError, subprocess.SubprocessError):
        return False
    minor = re.search(r"v1\.(\d+)\.", said.stdout)
    return bool(minor and int(minor[1]) >= OLDEST_MINOR)


async def resolve(on_progress: OnProgress = unheard, modules: Sequence[Module] = MODULES) -> dict[str, Path]:
    """Return the path of every binary; what is not here is fetched or built, which may take minutes.

    Raises:
        StackError: something is neither here nor could be fetched or built.
    """
    wanted = _binaries(modules)
    found = await asyncio.to_thread(look, modules)
    if len(found) < len(wanted):
        async with _alone(modules, on_progress) as folder:
            found = await asyncio.to_thread(look, modules)  # another may have built it while we waited
            await _fetch([name for name in wanted if name not in found], folder, on_progress)
            found = await asyncio.to_thread(look, modules)
            await _build(modules, [name for name in wanted if name not in found], folder, on_progress)
            found = await asyncio.to_thread(look, modules)
    return {name: one.path for name, one in found.items()}


async def _fetch(names: Sequence[str], folder: Path, on_progress: OnProgress) -> None:
    """Fetch what is published and can be reached; a host that did not answer is not asked again."""
    silent: set[str] = set()
    for name in names:
        published = releases.release(name)
        if published is None or published.host in silent:
            continue
        on_progress(Progress(phase=f"fetching {name}", elapsed=0.0))
        try:
            await asyncio.to_thread(releases.fetch, published, folder / name)
        except releases.Unreachable as reason:
            silent.add(published.host)
            on_progress(Progress(phase=f"{name} is not fetched: {reason}", elapsed=0.0))


async def _build(
    modules: Sequence[Module], names: Sequence[str], folder: Path, on_progress: OnProgress
) -> None:
    for module in modules:
        if wanted := [name for name in module.packages if name in names]:
            await toolchain.build(module, wanted, folder, on_progress)


@asynccontextmanager
async def _alone(modules: Sequence[Module], on_progress: OnProgress) -> AsyncIterator[Path]:
    """Be the only one that fills a folder of the cache; two who start at once build once."""
    folder = cache(modules)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder.with_suffix(".lock").open("w")
    except OSError as error:
        raise StackError(f"the cache {folder} cannot be written: {error}") from error
    began = time.monotonic()
    with lock:
        while not _locked(lock):
            elapsed = time.monotonic() - began
            on_progress(Progress(phase="waiting for another who builds the control plane", elapsed=elapsed))
            await asyncio.sleep(LOCK_PAUSE)
        yield folder


def _locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
