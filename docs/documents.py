"""The reference of what commands print with `-o json`: one JSON Schema a document, from the models themselves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, TypeAdapter

from activities.release import Released
from docs.rendering import documented, page, table
from signals.asked import Connected, ReachAnswer, ReachedEntity, RightAnswer, Step
from signals.decisions import Decision
from signals.incidents import Incident, Summary
from signals.report import InvestigationReport
from workers.cli.kept import Kept
from workers.cli.policy_cases import Verdict
from workers.cli.policy_diff import Difference
from workers.cli.speaking import Conclusion
from workers.stack.doctor import Finding
from workers.stack.state import Status


@dataclass(frozen=True, kw_only=True)
class Document:
    """What some commands print: the model, and whether it is a list of it."""

    verbs: str
    model: type
    many: bool = False


DOCUMENTS: Mapping[str, Document] = MappingProxyType(
    {
        "incidents": Document(verbs="incidents", model=Summary, many=True),
        "incident": Document(verbs="describe", model=Incident),
        "report": Document(verbs="report", model=InvestigationReport),
        "policy-difference": Document(verbs="policy diff", model=Difference),
        "policy-verdicts": Document(verbs="policy test", model=Verdict, many=True),
        "judgements": Document(verbs="explain", model=Decision, many=True),
        "answer": Document(
            verbs="approve, reject, undo, extend, stand-down, close, enrol, unenrol", model=Conclusion
        ),
        "evidence": Document(verbs="evidence list", model=Kept, many=True),
        "released": Document(verbs="release", model=Released, many=True),
        "can": Document(verbs="can", model=RightAnswer),
        "connections": Document(verbs="connections", model=Connected, many=True),
        "reach": Document(verbs="reach", model=ReachAnswer),
        "status": Document(verbs="status, up --detach", model=Status),
        "findings": Document(verbs="doctor", model=Finding, many=True),
    }
)


def schema(name: str) -> str:
    """Return the JSON Schema of one document, with the meaning of each field."""
    document = DOCUMENTS[name]
    kind: Any = list[document.model] if document.many else document.model  # type: ignore[name-defined]
    made = TypeAdapter(kind).json_schema(mode="serialization")
    return json.dumps(made, indent=2) + "\n"


def pages() -> str:
    """Return the page that names all documents."""
    rows = (
        (
            ", ".join(f"`{verb.strip()}`" for verb in document.verbs.split(",")),
            f"{'a list of ' if document.many else ''}{document.model.__name__}",
            f"[{name}.schema.json](schemas/{name}.schema.json)",
        )
        for name, document in DOCUMENTS.items()
    )
    parts = [table(("Command", "Prints", "JSON Schema"), rows)]
    told = (Summary, Incident, InvestigationReport, Conclusion, Status, Kept, Released, Finding)
    for model in (*told, ReachAnswer, ReachedEntity, Step):
        parts += [f"## {model.__name__}", str(model.__doc__), _fields(model)]
    intro = (
        "`-o json` and `-o yaml` print the same document, in ASCII: nothing in it can steer a terminal. Times are"
        " RFC 3339 in UTC. What does not exist is null. Fields are added, never taken away; the values of"
        " [closed lists](states.md) are all that there are. `drill` and `demo` print a list of `scenario`,"
        " `incident`, `passed`, `failure` and `checks` (`what`, `passed`, `detail`); `down` prints `state_dir` and"
        " `stopped`."
    )
    return page("What -o json prints", intro, *parts)


def _fields(model: type) -> str:
    told = documented(model)
    if issubclass(model, BaseModel):
        names = {name: field.serialization_alias or name for name, field in model.model_fields.items()}
    else:
        names = {name: name for name in getattr(model, "__dataclass_fields__", {})}
    return table(("Field", "Meaning"), ((f"`{said}`", told.get(name, "")) for name, said in names.items()))
