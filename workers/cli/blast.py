"""What could be reached from an incident, told as lines."""

from collections.abc import Iterator

from signals.blast import BlastRadius, Reachable, When, counted, moments
from workers.cli.screen import Line

SHOWN = 8
"""Things that are named; the rest is counted."""
_COLOURS = {"direct": "red", "conditional": "yellow", "unknown": "dim"}


def lines(found: BlastRadius) -> Iterator[Line]:
    """Yield what could be reached, what of it the plan closes, and what is not known."""
    if found.cluster_admin:
        yield Line(f"from here everything could be reached: cluster-admin, {found.cluster_admin}", "bold red")
    if found.counts:
        yield Line(f"could reach {counted(found.counts)}")
    if found.at:
        yield Line(moments(found))
    for one in found.reached[:SHOWN]:
        steps, state = " → ".join(one.steps), _state(one, planned=found.planned)
        yield Line(f"{one.entity}  {steps}  by {one.by}{state}", _COLOURS.get(one.tier, ""), 4)
        yield from (Line(f"if {condition}", "dim", 6) for condition in one.conditions[:2])
    if (more := sum(found.counts.values()) - SHOWN) > 0:
        yield Line(f"and {more} more: -o json shows the nearest, `firebreak reach` all", "dim", 4)
    if found.planned:
        yield Line(
            f"with the plan carried out: {counted(found.left) if found.left else 'none of it, as far as is known'}"
        )
    for line in found.missing:
        yield Line(f"what could be reached may be more: {line}", "yellow")


def _state(one: Reachable, *, planned: bool) -> str:
    """Return what has become of it."""
    if one.when is When.THEN:
        return " (then, no more)"
    since = ", only since" if one.when is When.NOW else ""
    if not planned:
        return f" ({since[2:]})" if since else ""
    return f" (closed{since})" if one.still is None else f" (still {one.still}{since})"
