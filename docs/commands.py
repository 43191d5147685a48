"""The reference of the command line, from the verbs themselves."""

from argparse import Action as Argument
from argparse import ArgumentParser
from argparse import _SubParsersAction as Questions
from collections.abc import Iterator

import workers.cli.verbs
from docs.rendering import documented, page, table
from signals.catalog import load
from workers.cli import Exit
from workers.cli.verb import Verb

SHARED = frozenset({"-h", "--state", "-o"})
"""What every command takes."""


def pages() -> str:
    """Return the page of the command line."""
    told = documented(Exit)
    parts = [
        "## Exit codes",
        table(("Code", "Meaning"), ((f"`{code:d}`", told[code.name]) for code in Exit)),
    ]
    for name, verb in sorted(load(workers.cli.verbs, Verb).items()):
        parser = ArgumentParser(add_help=False)
        verb.arguments(parser)
        rows = [*_rows(parser)]
        parts += [f"## firebreak {name.replace('_', '-')}", f"{verb.help[0].upper()}{verb.help[1:]}."]
        parts += [table(("Argument", "Meaning"), rows)] if rows else []
    intro = (
        "`kubectl firebreak VERB` is the same. Every command takes `--state DIR` (else `FIREBREAK_STATE`, else"
        " `~/.local/state/firebreak`) and `-o table|json|yaml`, before or after the verb. What `-o json` prints"
        " is in [its own reference](json.md)."
    )
    return page("Commands", intro, *parts)


def _rows(parser: ArgumentParser, question: str = "") -> Iterator[tuple[str, str]]:
    """Yield what a parser takes; of one with questions of its own, each of them with what it takes."""
    for one in parser._actions:
        if isinstance(one, Questions):
            told = {each.dest: each.help or "" for each in one._choices_actions}
            for name, inner in one.choices.items():
                yield f"`{name}`", told.get(name, "")
                yield from _rows(inner, f"{name} … ")
        elif not SHARED & {*one.option_strings}:
            yield f"`{question}{_typed(one)}`", one.help or ""


def _typed(argument: Argument) -> str:
    """Return an argument as it is typed."""
    names = ", ".join(argument.option_strings)
    value = "|".join(map(str, argument.choices)) if argument.choices else argument.metavar or argument.dest
    if not names:
        return str(value)
    return names if argument.nargs == 0 else f"{names} {value}"
