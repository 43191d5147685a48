"""Building the control plane with Go, from modules whose content `go.sum` pins. Minutes the first time, once."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from workers import settings
from workers.stack.golang import find
from workers.stack.layout import shipped
from workers.stack.modules import Module
from workers.stack.progress import OnProgress
from workers.stack.watched import Count, run

ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false", "GOWORK": "off"}


async def build(module: Module, binaries: Sequence[str], into: Path, on_progress: OnProgress) -> None:
    """Build some binaries of a module and move them into a folder, each in one step.

    Raises:
        StackError: there is no Go and none can be had, or it fails; the text has the end of what it said.
    """
    go, toolchain = await find(on_progress)
    with tempfile.TemporaryDirectory(dir=into, prefix=".building-") as temporary:
        work = Path(temporary)
        (work / "out").mkdir()
        for file in module.sources:
            shutil.copyfile(shipped("controlplane", module.folder, file), work / file)
        packages = [module.packages[name] for name in binaries]
        environment = {**settings.inherited(), **ENVIRONMENT, **toolchain}
        fetching = Count(
            phase=f"fetching the sources of {module.folder}",
            counts=lambda line: line.startswith("# get ") and line.endswith(".zip"),
            total=len(re.findall(r"^\t\S+ v", (work / "go.mod").read_text(), re.MULTILINE)),
            experience=module.fetch_seconds,
        )
        await run((str(go), "mod", "download", "-x"), work, environment, fetching, on_progress)
        listing = Count(phase=f"counting the packages of {module.folder}", counts=bool)
        total = await run((str(go), "list", "-deps", *packages), work, environment, listing, on_progress)
        building = Count(
            phase=f"building {' and '.join(binaries)}",
            counts=lambda line: " " not in line,
            total=total,
            experience=module.core_seconds / (os.cpu_count() or 1),
        )
        target = f"out/{binaries[0]}" if len(binaries) == 1 else "out/"
        flags = ("-v", "-o", target, "-ldflags", module.linker_flags)
        await run((str(go), "build", *flags, *packages), work, environment, building, on_progress)
        for name in binaries:
            await asyncio.to_thread((work / "out" / name).replace, into / name)
