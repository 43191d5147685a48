"""The context store's memory as a process of its own, to be killed."""

import asyncio
import sys
from pathlib import Path

from activities.adapters.kubernetes import connect
from activities.adapters.version_writer import VersionWriter
from activities.graph.collected import COLLECTED
from signals.entities import ClusterRef
from workers.remembering import Remembering


async def main(kubeconfig: Path, file: Path) -> None:
    """Remember until killed."""
    cluster = await connect(kubeconfig, None, "real", ClusterRef(name="real", uid="real"))
    remembering = Remembering(VersionWriter(file), cluster.following(), dict.fromkeys(COLLECTED, False))
    await remembering.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
