"""The kubeconfig of an agent that is led through the proxy."""

from pathlib import Path

import yaml


def through(kubeconfig: Path, url: str, copy: Path) -> Path:
    """Write a copy of a kubeconfig that leads through the proxy; return it."""
    document = yaml.safe_load(kubeconfig.read_bytes())
    for entry in document["clusters"]:
        entry["cluster"]["server"] = url
    copy.write_text(yaml.safe_dump(document))
    copy.chmod(0o600)
    return copy
