"""The page and the JSON Schema of the policy file, of whatever models it holds."""

import inspect
import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from docs.rendering import documented, fields, page, table
from signals.policy import Policy


def _models(of: object) -> Iterator[type[BaseModel]]:
    """Yield the models that a type holds, the outer before the inner."""
    if isinstance(of, type) and issubclass(of, BaseModel):
        yield of
        for field in of.model_fields.values():
            yield from _models(field.annotation)
    for part in get_args(of):
        yield from _models(part)


MODELS = tuple(dict.fromkeys(_models(Policy)))


def pages() -> str:
    """Return the page of the policy file."""
    parts = []
    for model in MODELS:
        rows = ((f"`{name}`", default, told) for name, default, told in fields(model))
        head = [] if model is Policy else [f"## {model.__name__}", inspect.cleandoc(str(model.__doc__))]
        parts += [*head, table(("Field", "Default", "Meaning"), rows)]
    intro = (
        "`policy.yaml` is what people decide beforehand. Every field has a default, an unknown field is an error, "
        "and the file's digest stands in every decision and plan. Editors can check it against "
        "[the JSON Schema](policy.schema.json)."
    )
    return page("Policy", intro, *parts)


def schema() -> str:
    """Return the JSON Schema of the policy file, with the meaning of each field."""
    made: dict[str, Any] = Policy.model_json_schema()
    for model in MODELS:
        part = made if model is Policy else made["$defs"][model.__name__]
        for name, told in documented(model).items():
            part["properties"][name].setdefault("description", told)
    return json.dumps(made, indent=2) + "\n"
