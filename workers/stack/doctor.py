"""What a stack needs on this machine, what of it is missing, and how to get it. Nothing is changed."""

import asyncio
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel

from signals.errors import SettingsInvalid, StackError
from workers import settings, slack_doctor
from workers.stack import controlplane, golang, ports, state, wheels
from workers.stack.layout import Layout
from workers.stack.modules import BINARIES, NODE_MODULES
from workers.stack.node import tools

OLDEST_PYTHON = (3, 11)
PACKAGES = ("signals", "activities", "workflows", "workers", "deploy")
STATE_BYTES = 500 << 20
"""Free space for the stores of a stack that is tried out."""
BUILD_BYTES = 5 << 30
"""Free space for building the control plane: sources, Go's own cache and the binaries."""


class Verdict(StrEnum):
    """What a finding means for the next start."""

    GOOD = "good"
    LATER = "later"
    """Missing, and the next start gets it by itself."""
    OPTIONAL = "optional"
    """Missing, and only what must be asked for needs it."""
    BAD = "bad"
    """Missing, and a person must act."""


class Finding(BaseModel, frozen=True):
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    detail: str
    cure: str | None = None


def examine(root: Path) -> list[Finding]:
    """Return what was found for a stack in this state folder."""
    looks: tuple[Callable[[], list[Finding]], ...] = (
        _python,
        _packages,
        _wheels,
        _control_plane,
        _ports,
        lambda: _node(root),
        lambda: _folder("state folder", root, STATE_BYTES),
        lambda: _running(root),
        _slack,
    )
    return [finding for look in looks for finding in look()]


def _good(what: str, detail: str) -> Finding:
    return Finding(what=what, verdict=Verdict.GOOD, detail=detail)


def _bad(what: str, detail: str, cure: str) -> Finding:
    return Finding(what=what, verdict=Verdict.BAD, detail=detail, cure=cure)


def _python() -> list[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return [_bad("python", version, "install Python 3.11 or later")]
    return [_good("python", version)]


def _packages() -> list[Finding]:
    """Other projects have a top-level `workflows` too, and only one of a name can be imported."""
    ours = Path(__file__).parents[2]
    specs = {name: importlib.util.find_spec(name) for name in PACKAGES}
    strange = [
        f"{name} from {spec.origin if spec else 'nowhere'}"
        for name, spec in specs.items()
        if spec is None or spec.origin is None or Path(spec.origin).parents[1] != ours
    ]
    if strange:
        found = f"imported are {', '.join(strange)}"
        return [_bad("packages", found, "install Firebreak into an environment of its own (uv tool, pipx)")]
    return [_good("packages", str(ours))]


def _wheels() -> list[Finding]:
    findings = []
    for name in wheels.WHEELS:
        try:
            findings.append(_good(name, str(wheels.binary(name))))
        except StackError as error:
            findings.append(_bad(name, str(error), f"pip install {wheels.WHEELS[name]}"))
    return findings


def _control_plane() -> list[Finding]:
    found = controlplane.look()
    findings = [_good(name, f"{one.path} ({one.source})") for name, one in found.items()]
    missing = [name for name in BINARIES if name not in found]
    if not missing:
        return findings
    how = golang.available()
    detail = (
        f"not here; fetched, or built with {how}, by the next start" if how else "not here; there is no Go"
    )
    for name in missing:
        verdict = Verdict.LATER if how else Verdict.BAD
        cure = (
            f"install Go {golang.MINOR} (https://go.dev/dl), or name a folder that has them in KUBEBUILDER_ASSETS;"
            " with access to the internet, `firebreak up` fetches what is published for this machine"
        )
        findings.append(Finding(what=name, verdict=verdict, detail=detail, cure=None if how else cure))
    return findings + _folder("cache", settings.cache_dir(), BUILD_BYTES)


def _node(root: Path) -> list[Finding]:
    """Say whether `--cluster node` would work."""
    findings = [
        Finding(what="real node", verdict=Verdict.OPTIONAL, detail=f"needs {one.what}: {one.cure}")
        for one in tools.missing(root)
    ]
    if findings:
        return findings
    built = len(controlplane.look(NODE_MODULES)) == sum(len(module.packages) for module in NODE_MODULES)
    return [_good("real node", f"can run here{'' if built else '; built by the first `up --cluster node`'}")]


def _ports() -> list[Finding]:
    try:
        base = ports.find()
    except StackError as error:
        return [_bad("ports", str(error), "end what occupies them, or allow listening on 127.0.0.1")]
    return [_good("ports", f"{ports.HOST}:{base} to {base + ports.BLOCK - 1} are free")]


def _folder(what: str, folder: Path, needed: int) -> list[Finding]:
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return [
            _bad(what, f"{existing} cannot be written", "choose another with --state, or change its owner")
        ]
    free = shutil.disk_usage(existing).free
    said = f"{folder.absolute()}, {free / (1 << 30):.1f} GiB free"
    if free < needed:
        return [_bad(what, said, f"make room: {needed / (1 << 30):.1f} GiB are needed")]
    return [_good(what, said)]


def _running(root: Path) -> list[Finding]:
    layout = Layout(root.absolute())
    if (pid := state.supervisor(root)) is not None:
        return [_good("stack", f"runs, supervisor pid {pid}")]
    left = [f"{process.name} (pid {process.pid})" for process in state.leftovers(layout)]
    if left:
        return [_bad("stack", f"an earlier one left {', '.join(left)}", "firebreak down")]
    return [_good("stack", "does not run")]


def _slack() -> list[Finding]:
    try:
        connected, wrong = asyncio.run(slack_doctor.examine(settings.read()))
    except SettingsInvalid as error:
        return [_bad("slack", str(error), "correct that variable")]
    if not connected:
        return [_good("slack", "not connected, and not needed: people decide with `firebreak approve`")]
    if wrong:
        return [_bad("slack", one, "see how-to/connect-slack") for one in wrong]
    return [_good("slack", "the app is as it must be")]
