"""Folds what the probes answered into one graph, small enough to be kept in an incident's history.

The same thing is often seen twice, once by name and once by UID: the two become one node. What is too far from
the incident's subjects is cut, and the cut is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import networkx as nx

from activities.probe import Answer
from signals.entities import Entity
from signals.incidents import Edge, Investigation, Node, Relation

MOST_NODES = 500
"""Nodes kept in one investigation. History holds it whole, and a picture of more shows nothing."""
MOST_LINES = 200
"""Findings kept, and as many lines about what is missing."""
_LONGEST = 200
"""Characters of one attribute's text."""
_MOST_VALUES = 20
"""Values of one attribute's list."""


def fold(subjects: Sequence[Entity], answers: Iterable[Answer], most: int = MOST_NODES) -> Investigation:
    """Return one investigation, bounded, that does not depend on the order of the answers."""
    given = list(answers)
    graph = _graph([node for answer in given for node in answer.nodes], given)
    kept = _nearest(graph, [_seen_as(graph, subject) for subject in subjects], most)
    missing = {line for answer in given for line in answer.missing}
    cut = len(graph) - len(kept)
    if cut:
        missing.add(f"{cut} of {len(graph)} things are left out: they are the farthest from the incident")
    return Investigation(
        nodes=tuple(graph.nodes[key]["node"] for key in kept),
        edges=_edges(graph, frozenset(kept)),
        findings=_lines({line for answer in given for line in answer.findings}),
        missing=_lines(missing),
    )


def _graph(nodes: Sequence[Node], answers: Iterable[Answer]) -> "nx.MultiDiGraph[str]":
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    aliases = _aliases(nodes)
    for node in sorted(nodes, key=lambda node: (node.entity.uid is None, node.id)):
        key = aliases.get(node.id, node.id)
        before = graph.nodes[key]["node"] if key in graph else node
        graph.add_node(key, node=_merged(before, node, key))
    for answer in answers:
        for edge in answer.edges:
            source, target = (aliases.get(end, end) for end in (edge.source, edge.target))
            if source in graph and target in graph:
                graph.add_edge(source, target, key=str(edge.type))
    return graph


def _aliases(nodes: Iterable[Node]) -> Mapping[str, str]:
    """Return the UID key of everything that was seen by name as well; a name that two UIDs had stays a name."""
    known: dict[str, set[str]] = {}
    for node in nodes:
        if node.entity.uid:
            known.setdefault(node.entity.name_key, set()).add(node.entity.key)
    return {name: next(iter(keys)) for name, keys in known.items() if len(keys) == 1}


def _merged(before: Node, node: Node, key: str) -> Node:
    attributes = {**before.attributes, **{name: _bounded(value) for name, value in node.attributes.items()}}
    return Node(id=key, entity=before.entity, attributes=dict(sorted(attributes.items())))


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
    if isinstance(value, list):
        left = len(value) - _MOST_VALUES
        return [_bounded(one) for one in value[:_MOST_VALUES]] + ([f"+{left} more"] if left > 0 else [])
    return value


def _seen_as(graph: "nx.MultiDiGraph[str]", subject: Entity) -> str:
    """Return the node of a subject, which an alert may have named without its UID."""
    by_name = (key for key in graph if graph.nodes[key]["node"].entity.name_key == subject.name_key)
    return subject.key if subject.key in graph else next(by_name, subject.key)


def _nearest(graph: "nx.MultiDiGraph[str]", subjects: Sequence[str], most: int) -> list[str]:
    """Return the nodes that are kept, by distance from any subject, then by kind and name."""
    layers = nx.bfs_layers(graph.to_undirected(as_view=True), [key for key in subjects if key in graph])
    distance = {key: steps for steps, layer in enumerate(layers) for key in layer}

    def order(key: str) -> tuple[int, str, str]:
        return distance.get(key, len(graph)), str(graph.nodes[key]["node"].entity), key

    return sorted(graph, key=order)[:most]


def _edges(graph: "nx.MultiDiGraph[str]", kept: frozenset[str]) -> tuple[Edge, ...]:
    found = sorted((source, target, str(kind)) for source, target, kind in graph.edges(keys=True))
    return tuple(
        Edge(source=source, target=target, type=Relation(kind))
        for source, target, kind in found
        if source in kept and target in kept
    )


def _lines(lines: set[str]) -> tuple[str, ...]:
    left = len(lines) - MOST_LINES
    kept = tuple(sorted(lines)[:MOST_LINES])
    return (*kept, f"{left} more lines are left out") if left > 0 else kept
