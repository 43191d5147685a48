"""Draws what can be reached as one page: no script, nothing from outside, and every name harmless.

Left to right, one column a step. What is reached alike from one place is one box, so that a thousand pods are
still a picture.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from activities.graph.edges import Certainty
from activities.graph.paths import Reached
from activities.graph.reach import Result
from signals.display import terminal
from workers.cli.reaching import leave

ALIKE = 4
"""Things that are reached alike become one box when they are more."""
MOST_BOXES = 400
MOST_ROWS = 2000
_ROW, _WIDTH, _GAP, _TALL = 30, 250, 130, 22
_CHARACTERS = 32

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --paper: #fbfbf9; --line: #b9bec9; --soft: #6b7280;
  --direct: #b4232a; --conditional: #9a6700; --unknown: #5b6472; --box: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --paper: #14171d; --line: #3c4350;
  --soft: #98a1b0; --direct: #ff7b72; --conditional: #e3b341; --unknown: #9aa4b2; --box: #1c2129; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 24px 28px; background: var(--paper); color: var(--ink);
  font: 14px/1.45 system-ui, sans-serif; }
h1 { font-size: 20px; margin: 0 0 2px; } h2 { font-size: 15px; margin: 28px 0 8px; }
p { margin: 4px 0; } code, td, text { font-family: ui-monospace, monospace; font-size: 12px; }
.soft { color: var(--soft); } .direct { color: var(--direct); } .conditional { color: var(--conditional); }
.unknown { color: var(--unknown); }
.tile { display: inline-block; margin: 10px 22px 4px 0; } .tile b { display: block; font-size: 24px; }
.alarm { border-left: 4px solid var(--direct); padding: 6px 12px; margin: 12px 0; }
.picture { overflow: auto; border: 1px solid var(--line); border-radius: 8px; padding: 12px; margin-top: 10px; }
svg rect { fill: var(--box); stroke: var(--line); } svg text { fill: var(--ink); }
svg .direct rect { stroke: var(--direct); } svg .conditional rect { stroke: var(--conditional);
  stroke-dasharray: 5 3; } svg .unknown rect { stroke: var(--unknown); stroke-dasharray: 2 3; }
svg path { fill: none; stroke: var(--line); } svg text.edge { fill: var(--soft); font-size: 10px;
  stroke: var(--paper); stroke-width: 3px; paint-order: stroke; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; color: var(--soft); font-weight: 500; }
td, th { padding: 3px 14px 3px 0; vertical-align: top; border-bottom: 1px solid var(--line); }
td { overflow-wrap: anywhere; } td.direct, td.conditional, td.unknown { white-space: nowrap; }
"""


@dataclass
class _Box:
    """One thing that is reached, or many alike; and what is reached from there."""

    text: str
    title: str
    edge: str = ""
    tier: str = "start"
    below: list["_Box"] = field(default_factory=list)
    row: float = 0


def page(result: Result, ways: Sequence[Reached], told: Mapping[str, Any]) -> str:
    """Return the page; with ways to one target it draws only these."""
    digest = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = _safe(f"What {result.start} reaches")
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{title}</h1>",
            *_head(result, told),
            f'<div class="picture">{_drawn(_tree(result, ways))}</div>',
            *_missing(result),
            *_listed(result, ways),
            "</body></html>\n",
        )
    )


def _safe(text: str, limit: int = 400) -> str:
    return escape(terminal(text, limit))


def _head(result: Result, told: Mapping[str, Any]) -> Iterator[str]:
    at = told.get("at")
    yield f'<p class="soft">{_safe(f"as it was at {at}") if at else "as the files have it"}</p>'
    for one in Certainty:
        count = sum(row.certainty is one for row in result.reached)
        yield f'<span class="tile {one}"><b>{count}</b>{one}</span>'
    admin = result.cluster_admin
    if admin is not None:
        said = f"Everything could be reached: cluster-admin, {admin.certainty}."
        yield f'<p class="alarm {admin.certainty}">{said}</p>'
    for line in (told.get("cut") or {}).get("changes", ()):
        yield f"<p>With: <code>{_safe(line)}</code></p>"


def _missing(result: Result) -> Iterator[str]:
    if result.missing:
        yield "<h2>What the data do not say</h2>"
        yield from (f"<p>{_safe(line)}</p>" for line in result.missing)


def _listed(result: Result, ways: Sequence[Reached]) -> Iterator[str]:
    rows = [*ways] or [*result.reached]
    yield "<h2>Every step</h2><table><tr><th>reached</th><th>tier</th><th>by</th><th>leave</th><th>if</th></tr>"
    for row in rows[:MOST_ROWS]:
        for hop in row.path if ways else row.path[-1:]:
            said = _safe("; ".join(hop.conditions if ways else row.conditions))
            yield (
                f'<tr><td>{_safe(hop.target)}</td><td class="{row.certainty}">{row.certainty}</td>'
                f"<td>{hop.edge.value}<br>from {_safe(hop.source)}</td><td>{_safe(leave(hop.granted))}</td>"
                f"<td>{said}</td></tr>"
            )
    yield "</table>"
    if len(rows) > MOST_ROWS:
        yield f"<p>… and {len(rows) - MOST_ROWS} more: <code>-o json</code> has all.</p>"


def _tree(result: Result, ways: Sequence[Reached]) -> _Box:
    """Return the boxes: all ways, or everything with what is alike in one box."""
    root = _Box(result.start, result.start)
    if ways:
        for row in ways:
            place = root
            for hop in row.path:
                place.below.append(_box(hop.target, hop.edge.value, row))
                place = place.below[-1]
        return root
    rows = [*result.reached, *([result.cluster_admin] if result.cluster_admin else [])]
    children: dict[str, list[Reached]] = {}
    for row in rows:
        if row.path:
            children.setdefault(_parent(row, result.start), []).append(row)
    _grow(root, [result.start], children, [MOST_BOXES])
    return root


def _parent(row: Reached, start: str) -> str:
    """Return from where something is reached; what an identity does with more rights is its own."""
    return start if len(row.path) == 1 else row.path[-1].source


def _box(entity: str, edge: str, row: Reached) -> _Box:
    title = "; ".join((f"{entity}: {row.certainty}", leave(row.path[-1].granted), *row.conditions))
    return _Box(entity, title, edge, str(row.certainty))


def _grow(place: _Box, entities: Sequence[str], children: dict[str, list[Reached]], left: list[int]) -> None:
    """Put below a box what is reached from what it stands for, alike things together."""
    alike: dict[tuple[str, str, str], list[Reached]] = {}
    for row in (row for entity in entities for row in children.pop(entity, ())):
        key = (row.path[-1].edge.value, str(row.certainty), row.entity.partition("/")[0])
        alike.setdefault(key, []).append(row)
    for rows in alike.values():
        groups = [rows] if len(rows) > ALIKE else [[row] for row in rows]
        for group in groups[: max(0, left[0])]:
            left[0] -= 1
            place.below.append(_together(group))
            _grow(place.below[-1], [row.entity for row in group], children, left)


def _together(rows: Sequence[Reached]) -> _Box:
    """Return the box of one thing, or of several that are reached alike."""
    box = _box(rows[0].entity, rows[0].path[-1].edge.value, rows[0])
    if len(rows) > 1:
        box.text = f"{len(rows)} × {rows[0].entity.partition('/')[0]}"
        box.title = ", ".join(row.entity for row in rows[:20]) + (" …" if len(rows) > 20 else "")
    return box


def _drawn(root: _Box) -> str:
    """Return the boxes as SVG: rows by their leaves, columns by steps."""
    depth, rows, parts = 0, 0.0, []
    order: list[tuple[_Box, int]] = []
    stack = [(root, 0)]
    while stack:
        box, column = stack.pop()
        order.append((box, column))
        depth = max(depth, column)
        if not box.below:
            box.row, rows = rows, rows + 1
        stack += [(one, column + 1) for one in reversed(box.below)]
    for box, column in reversed(order):
        if box.below:
            box.row = (box.below[0].row + box.below[-1].row) / 2
        parts.append(_shape(box, column))
    width, height = (depth + 1) * (_WIDTH + _GAP), int(rows * _ROW) + 10
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="What can be reached">{"".join(parts)}</svg>'
    )


def _shape(box: _Box, column: int) -> str:
    x, y = column * (_WIDTH + _GAP) + 1, box.row * _ROW + 4
    text = box.text if len(box.text) <= _CHARACTERS else f"{box.text[:12]}…{box.text[-19:]}"
    lines = "".join(_line(x + _WIDTH, y, one) for one in box.below)
    return (
        f'{lines}<g class="{box.tier}"><title>{_safe(box.title, 1500)}</title>'
        f'<rect x="{x}" y="{y:.1f}" width="{_WIDTH}" height="{_TALL}" rx="5"></rect>'
        f'<text x="{x + 8}" y="{y + 15:.1f}">{_safe(text)}</text></g>'
    )


def _line(x: int, y: float, box: _Box) -> str:
    middle, start, end = x + _GAP / 2, y + _TALL / 2, box.row * _ROW + 4 + _TALL / 2
    return (
        f'<path d="M{x} {start:.1f} C{middle} {start:.1f} {middle} {end:.1f} {x + _GAP} {end:.1f}"></path>'
        f'<text class="edge" x="{x + 22}" y="{end - 3:.1f}">{_safe(box.edge)}</text>'
    )
