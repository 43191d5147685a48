"""What can be reached, as JSON, as rows and as a tree for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from activities.graph.cut import compare
from activities.graph.edges import Certainty
from activities.graph.paths import Hop, Reached
from activities.graph.reach import Result
from activities.graph.steps import Granted
from activities.ports import (
    ENDPOINT_SLICES,
    FREEZES,
    NODES,
    SERVICE_ACCOUNTS,
    SERVICES,
    Resource,
)
from workers.cli import listing, questions

KINDS = (
    *listing.KINDS,
    *questions.KINDS,
    ("ServiceAccount", SERVICE_ACCOUNTS),
    ("Secret", Resource("", "v1", "secrets")),
    ("Node", NODES),
    ("Service", SERVICES),
    ("EndpointSlice", ENDPOINT_SLICES),
    ("Ingress", Resource("networking.k8s.io", "v1", "ingresses")),
    ("Freeze", FREEZES),
)
"""All that says what can be reached, as it is asked of a live cluster."""
HEADINGS = ("entity", "tier", "hops", "by", "leave", "if")
COLOURS: Mapping[Certainty, str] = {
    Certainty.DIRECT: "bold red",
    Certainty.CONDITIONAL: "yellow",
    Certainty.UNKNOWN: "dim",
}


def document(result: Result, at: str | None) -> dict[str, Any]:
    """Return an answer as `-o json` has it."""
    written: dict[int, dict[str, Any]] = {}
    admin = result.cluster_admin
    return {
        "from": result.start,
        "at": at,
        "cluster_admin": admin is not None and admin.certainty is Certainty.DIRECT,
        "cluster_admin_by": admin and _reached(admin, written),
        "reached": [_reached(row, written) for row in result.reached],
        "missing": list(result.missing),
    }


def _reached(row: Reached, written: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Return one row; steps that many ways share are written once."""
    path = [written.get(id(hop)) or written.setdefault(id(hop), _hop(hop)) for hop in row.path]
    return {"entity": row.entity, "tier": str(row.certainty), "hops": row.hops, "path": path}


def way(row: Reached) -> dict[str, Any]:
    """Return one way as `alternatives` have it."""
    return _reached(row, {})


def _hop(hop: Hop) -> dict[str, Any]:
    return {
        "edge": hop.edge.value,
        "from": hop.source,
        "to": hop.target,
        "granted_by": hop.granted._asdict(),
        "conditions": list(hop.conditions),
    }


def rows(found: Sequence[Reached]) -> list[list[str]]:
    """Return one row each, under `HEADINGS`."""
    return [
        [
            row.entity,
            str(row.certainty),
            str(row.hops),
            row.path[-1].edge.value,
            leave(row.path[-1].granted),
            "; ".join(row.conditions),
        ]
        for row in found
    ]


def leave(granted: Granted) -> str:
    """Return who allows a step, in one line."""
    version = f"@{granted.resource_version}" if granted.resource_version else ""
    role = f" of {granted.role}" if granted.role else ""
    rule = granted.rule
    said = rule if isinstance(rule, str) else _rule(rule) if rule else ""
    return f"{granted.object}{version}{role}" + (f": {said}" if said else "")


def _rule(rule: Mapping[str, Any]) -> str:
    parts = [",".join(rule.get(field) or ()) for field in ("verbs", "resources", "nonResourceURLs")]
    names = ",".join(rule.get("resourceNames") or ())
    return " ".join(part for part in (*parts, f"named {names}" if names else "") if part)


def steps(row: Reached) -> Iterator[tuple[str, str, int]]:
    """Yield one way as lines for people: text, style and how far it stands in."""
    yield f"{row.entity}: {row.certainty}, {row.hops} steps", COLOURS[row.certainty], 0
    for hop in row.path:
        yield f"{hop.source} → {hop.target}  {hop.edge.value}", "", 2
        yield leave(hop.granted), "dim", 4
        for condition in hop.conditions:
            yield f"if {condition}", "yellow", 4


def ways(target: str, found: Sequence[Reached]) -> Iterator[tuple[str, str, int]]:
    """Yield all ways to one target as lines for people."""
    for number, one in enumerate(found):
        yield ("another way" if number else "the best way"), "bold", 0
        yield from steps(one)
    if not found:
        yield f"{target} is not reached, as far as the data say.", "", 0


def rest(more: int) -> Iterator[tuple[str, str, int]]:
    """Yield how much is left out, where something is."""
    if more > 0:
        yield f"… and {more} more: narrow it with --to, or take all with -o json.", "", 0


def tree(result: Result, most: int) -> Iterator[tuple[str, str, int]]:
    """Yield everything as a tree: under each thing what is reached from it; at most so many lines."""
    below: dict[str, list[Reached]] = {}
    for row in result.reached:
        below.setdefault(row.path[-1].source if row.path else result.start, []).append(row)
    yield result.start, "bold", 0
    stack = [(row, 1) for row in reversed(below.pop(result.start, []))]
    count = 1
    while stack and count < most:
        row, depth = stack.pop()
        condition = f"  if {row.path[-1].conditions[0]}" if row.path[-1].conditions else ""
        yield f"{row.path[-1].edge.value} {row.entity}{condition}", COLOURS[row.certainty], 2 * depth
        count += 1
        stack += [(one, depth + 1) for one in reversed(below.pop(row.entity, []))]
    if len(result.reached) >= count:
        yield f"… and {len(result.reached) - count + 1} more", "dim", 0


def heads(result: Result, told: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Yield what a person must know before the list: how much, everything, what a cut closes, what is missing."""
    counts = {one: sum(row.certainty is one for row in result.reached) for one in Certainty}
    yield f"{result.start} reaches " + ", ".join(f"{n} {one}" for one, n in counts.items()), "bold", 0
    if result.cluster_admin:
        yield f"cluster-admin: {result.cluster_admin.certainty}", COLOURS[result.cluster_admin.certainty], 0
    if change := told.get("cut"):
        for line in change["changes"]:
            yield f"with: {line}", "", 0
        left = change["left"]
        yield f"the cut closes {len(change['closed'])} and leaves {left}", "bold", 0
    for line in result.missing:
        yield f"missing: {line}", "dim", 0


def closed(before: Result, after: Result, changes: Sequence[str], target: str | None) -> dict[str, Any]:
    """Return what a cut does, as `-o json` has it: what is less sure to be reached than before.

    `closes` is true where the target (or with none, anything at all) is not even unknown any more.
    """
    was, now = _tiers(before), _tiers(after)
    told = [{"entity": entity, "was": old, "now": new} for entity, old, new in compare(was, now)]
    opened = [{"entity": entity, "was": old, "now": new} for entity, old, new in compare(now, was)]
    return {
        "changes": list(changes),
        "closed": told,
        "opened": [{**one, "was": one["now"], "now": one["was"]} for one in opened],
        "left": len(now),
        "closes": (target not in now) if target else not now,
    }


def _tiers(result: Result) -> dict[str, str]:
    found = {row.entity: str(row.certainty) for row in result.reached}
    if result.cluster_admin:
        found["cluster-admin"] = str(result.cluster_admin.certainty)
    return found
