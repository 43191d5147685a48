"""The evidence graph as a picture: columns from who stands behind to what is touched, drawn without a script.

Presentation attributes only, no style: the page's own content policy forbids the rest. Every word goes through
`signals.display` and is escaped.
"""

from collections.abc import Iterable, Mapping
from html import escape

from signals.display import terminal
from signals.incidents import Edge, Incident, Node, Relation

MOST = 40
"""Things drawn; a picture of more shows nothing. The nearest come first in an investigation."""
COLUMN, ROW, WIDTH, HEIGHT = 236, 46, 196, 32
"""Pixels: from column to column, from row to row, and of one box."""

_COLUMNS = (
    ("Ingress", "Service", "NetworkPolicy", "Event"),
    ("Namespace", "CronJob", "Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet"),
    ("Pod",),
    ("ServiceAccount", "Node", "Image", "Secret", "ConfigMap"),
    ("RoleBinding", "ClusterRoleBinding"),
    ("Role", "ClusterRole"),
)
_PLACE = {kind: column for column, kinds in enumerate(_COLUMNS) for kind in kinds}
_ELSE = 3


def picture(incident: Incident) -> str:
    """Return the evidence graph as SVG; nothing where nothing was investigated."""
    found = incident.investigation
    if found is None or not found.nodes:
        return ""
    subjects = {event.subject.key for event in incident.events}
    shown = found.nodes[:MOST]
    places = _places(shown)
    edges = [edge for edge in found.edges if edge.source in places and edge.target in places]
    width = max(x for x, _ in places.values()) + WIDTH + 12
    height = max(y for _, y in places.values()) + HEIGHT + 12
    body = [*(_line(edge, places) for edge in edges), *(_box(node, places, subjects) for node in shown)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img" aria-label="{_label(shown, edges)}" font-family="sans-serif">'
    )
    return "\n".join((head, *body, "</svg>"))


def _places(nodes: Iterable[Node]) -> Mapping[str, tuple[int, int]]:
    """Return where each box stands. Columns without anything take no room."""
    columns: dict[int, list[Node]] = {}
    for node in nodes:
        columns.setdefault(_PLACE.get(node.entity.kind, _ELSE), []).append(node)
    tallest = max(len(column) for column in columns.values())
    places: dict[str, tuple[int, int]] = {}
    for place, (_, column) in enumerate(sorted(columns.items())):
        above = (tallest - len(column)) * ROW // 2
        ordered = sorted(column, key=lambda node: (node.entity.kind, str(node.entity)))
        for row, node in enumerate(ordered):
            places[node.id] = (12 + place * COLUMN, 12 + above + row * ROW)
    return places


def _line(edge: Edge, places: Mapping[str, tuple[int, int]]) -> str:
    """Return one relation as a curve with its name; a relation inside one column bows to the left."""
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    start = (x1 + WIDTH if x2 > x1 else x1, y1 + HEIGHT // 2)
    end = (x2 if x2 > x1 else x2 + WIDTH if x2 < x1 else x2, y2 + HEIGHT // 2)
    bend = (start[0] + end[0]) // 2 if x1 != x2 else x1 - 24
    path = f"M{start[0]},{start[1]} C{bend},{start[1]} {bend},{end[1]} {end[0]},{end[1]}"
    title = f"<title>{_text(str(edge.type), 40)}</title>"
    dashed = ' stroke-dasharray="4 3"' if edge.type in (Relation.SELECTS, Relation.HAPPENED_TO) else ""
    return f'<path d="{path}" fill="none" stroke="#8a94a6" stroke-width="1.2"{dashed}>{title}</path>'


def _box(node: Node, places: Mapping[str, tuple[int, int]], subjects: set[str]) -> str:
    """Return one thing: its kind above its name, whole in the tooltip; a subject stands out."""
    x, y = places[node.id]
    subject = node.id in subjects
    fill, stroke, weight = ("#fde8e8", "#c81e1e", 2) if subject else ("#f3f5f9", "#5b6575", 1)
    return (
        f"<g><title>{_text(str(node.entity), 200)}</title>"
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5" fill="{fill}" stroke="{stroke}"'
        f' stroke-width="{weight}"/>'
        f'<text x="{x + 8}" y="{y + 13}" font-size="9" fill="#5b6575">{_text(node.entity.kind, 24)}</text>'
        f'<text x="{x + 8}" y="{y + 26}" font-size="12" fill="#111827">{_text(node.entity.name, 27)}</text></g>'
    )


def _label(nodes: Iterable[Node], edges: Iterable[Edge]) -> str:
    return f"Evidence graph: {len(list(nodes))} things, {len(list(edges))} relations"


def _text(text: str, limit: int) -> str:
    return escape(terminal(text, limit))
