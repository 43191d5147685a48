"""How a command answers: JSON and YAML for machines, a table for people; one place writes them.

Both machine forms are ASCII: what an attacker wrote into a command line cannot steer the terminal.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Row = TypeVar("Row")


def emit(options: Namespace, document: Any, table: Callable[[], None]) -> None:
    """Print a JSON-able document as `-o` says; `table` prints it for people."""
    if options.output == "json":
        print(json.dumps(document, indent=2).replace("\x7f", "\\u007f"))
    elif options.output == "yaml":
        import yaml

        yaml.safe_dump(document, sys.stdout, sort_keys=False)
    else:
        table()


def emit_rows(
    options: Namespace,
    rows: Iterator[Row],
    encode: Callable[[Row], str],
    table: Callable[[Iterator[Row]], None],
) -> None:
    """Print a list as `emit` does, but element by element, as `encode` says it in JSON: it may be very long."""
    if options.output != "json":
        if options.output == "yaml":
            emit(options, [json.loads(encode(row)) for row in rows], lambda: None)
        else:
            table(rows)
        return
    before = "[\n"
    for row in rows:
        sys.stdout.write(before + encode(row).replace("\x7f", "\\u007f"))
        before = ",\n"
    print("[]" if before == "[\n" else "\n]")


def note(text: str) -> None:
    """Tell a person something that is not part of the answer."""
    print(text, file=sys.stderr)
