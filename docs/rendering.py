"""How code becomes Markdown: members with the text below them, and tables."""

import ast
import inspect
import json
import textwrap
from collections.abc import Iterable, Sequence
from enum import Enum
from types import ModuleType

from pydantic import BaseModel

NOTICE = "<!-- Written by docs/generate.py from the code. Do not edit: `make fix` writes it again. -->"


def documented(of: type | ModuleType) -> dict[str, str]:
    """Return the text that stands below each member of a class or module, on one line; what it inherits too."""
    told: dict[str, str] = {}
    for parent in getattr(of, "__bases__", ()):
        if parent.__module__.partition(".")[0] == of.__module__.partition(".")[0]:
            told |= documented(parent)
    name = ""
    body = ast.parse(textwrap.dedent(inspect.getsource(of))).body
    if not isinstance(of, ModuleType):
        body = next(node for node in body if isinstance(node, ast.ClassDef)).body
    for statement in body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=found)) | ast.Assign(targets=[ast.Name(id=found)]):
                name = found
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                told[name] = " ".join(text.split())
                name = ""
            case _:
                name = ""
    return {name: text.replace("<", "&lt;") for name, text in told.items()}


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(title: str, intro: str, *parts: str) -> str:
    """Return one page."""
    return "\n\n".join((f"# {title}", NOTICE, intro, *parts)) + "\n"


def value(given: object) -> str:
    """Return a default as a person would write it."""
    if given is None or given in ("", (), {}):
        return "none"
    if isinstance(given, tuple):
        return ", ".join(f"`{_written(one)}`" for one in given)
    return f"`{json.dumps(given.value if isinstance(given, Enum) else given, default=str)}`".replace('"', "")


def _written(one: object) -> str:
    """Return one item of a list; of a model what it says beyond its defaults."""
    if not isinstance(one, BaseModel):
        return str(one)
    return json.dumps(one.model_dump(mode="json", exclude_defaults=True)).replace('"', "")


def fields(model: type[BaseModel]) -> Iterable[tuple[str, object, str]]:
    """Return name, default and meaning of each field: its own first, then what it inherits."""
    told, own = documented(model), inspect.get_annotations(model)
    for name, field in sorted(model.model_fields.items(), key=lambda one: one[0] not in own):
        if field.is_required():
            yield name, "required", told.get(name, "")
            continue
        default = field.get_default(call_default_factory=True)
        yield name, "see below" if isinstance(default, BaseModel) else value(default), told.get(name, "")


def permissions(rights: Iterable[str]) -> str:
    """Return rights as one cell."""
    return "<br>".join(f"`{right}`" for right in rights)
