"""Label selectors as they stand in URLs: `a=b,c!=d,e,!f,g in (h,i),j notin (k)`."""

import re
from collections.abc import Callable, Mapping

from activities.graph.network_policy import matches
from signals.errors import BadInput

_TERM = re.compile(
    r"^\s*(?:"
    r"!\s*(?P<absent>[^\s=!,()]+)"
    r"|(?P<key>[^\s=!,()]+)(?:\s*(?P<equal>==?|!=)\s*(?P<value>[^\s=!,()]*)"
    r"|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?"
    r")\s*$"
)


def parse(text: str) -> Callable[[Mapping[str, str]], bool]:
    """Return what decides whether labels are selected; an empty text selects all.

    Raises:
        BadInput: it is not a label selector.
    """
    terms = [_term(part) for part in re.split(r",(?![^(]*\))", text) if part.strip()]
    return lambda labels: matches({"matchExpressions": terms}, labels)


def _term(part: str) -> dict[str, object]:
    found = _TERM.match(part)
    if not found:
        raise BadInput(f"{part!r} is not a label selector")
    if found["absent"]:
        return {"key": found["absent"], "operator": "DoesNotExist"}
    if found["equal"]:
        operator = "NotIn" if found["equal"] == "!=" else "In"
        return {"key": found["key"], "operator": operator, "values": [found["value"]]}
    if found["set"]:
        values = [value.strip() for value in found["values"].split(",")]
        return {"key": found["key"], "operator": "In" if found["set"] == "in" else "NotIn", "values": values}
    return {"key": found["key"], "operator": "Exists"}
