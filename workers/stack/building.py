"""What a stack of some kind has to have built, or fetched, before it can start."""

import asyncio
from pathlib import Path

from workers.stack import controlplane
from workers.stack.modules import NODE_MODULES
from workers.stack.node import tools
from workers.stack.options import Options
from workers.stack.progress import OnProgress


async def resolved(options: Options, on_progress: OnProgress) -> dict[str, Path]:
    """Return the binaries that the stack runs; what is not here is fetched or built.

    Raises:
        StackError: this machine cannot run such a stack, or a binary cannot be had.
    """
    if not options.embedded:
        return {}
    if options.real_node:  # before minutes are spent on a build
        await asyncio.to_thread(tools.check, options.state_dir)
    binaries = await controlplane.resolve(on_progress)
    return binaries | (await controlplane.resolve(on_progress, NODE_MODULES) if options.real_node else {})
