"""The detached supervisor, which `firebreak up --detach` runs: `python -m workers.stack OPTIONS` (JSON)."""

import asyncio
import sys

from signals.errors import FirebreakError
from workers.stack.options import Options
from workers.stack.serve import foreground


def main(argument: str) -> int:
    """Run a stack until it is told to stop; return the exit code."""
    try:
        asyncio.run(foreground(Options.model_validate_json(argument)))
    except FirebreakError as error:
        print(f"firebreak: {error}", file=sys.stderr)  # noqa: T201  # its log
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
