"""Lineage as a picture: Mermaid, Graphviz DOT, or a page of HTML that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mesh_catalog.catalog.lineage import LineageGraph, Node

__all__ = ["dot_text", "html_page", "mermaid_text"]

_Key = tuple[str, str]
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 230, 44, 70, 18
_COLOURS = {
    "source": "#e8e6df",
    "dataset": "#e3ecf7",
    "job": "#f4e7d3",
    "product": "#dcefe2",
    "model": "#efe0f2",
    "model_version": "#f6edf8",
    "dashboard": "#fbe3e0",
    "kpi": "#fbf3cf",
}


def _merged(graphs: Iterable[LineageGraph]) -> tuple[dict[_Key, Node], list[tuple[_Key, _Key]]]:
    nodes: dict[_Key, Node] = {}
    links: dict[tuple[_Key, _Key], None] = {}
    for graph in graphs:
        nodes |= {node.key: node for node in graph.nodes}
        links |= {(link.source, link.target): None for link in graph.links}
    return nodes, list(links)


def _words(node: Node) -> str:
    version = f" v{node.version}" if node.kind == "product" and node.version is not None else ""
    return f"{node.label}{version}"


def mermaid_text(graphs: Sequence[LineageGraph]) -> str:
    """A flowchart in Mermaid's language."""
    nodes, links = _merged(graphs)
    ids = {key: f"n{index}" for index, key in enumerate(nodes)}
    lines = ["flowchart LR"]
    for key, node in nodes.items():
        text = html.escape(_words(node)).replace("#", "&#35;")
        shape = ("([", "])") if node.kind == "job" else ("[", "]")
        lines.append(f'  {ids[key]}{shape[0]}"{text}"{shape[1]}')
    lines += [f"  {ids[source]} --> {ids[target]}" for source, target in links]
    return "\n".join(lines)


def dot_text(graphs: Sequence[LineageGraph]) -> str:
    """A digraph in Graphviz's language."""
    nodes, links = _merged(graphs)
    ids = {key: f"n{index}" for index, key in enumerate(nodes)}
    lines = ["digraph lineage {", "  rankdir=LR;", '  node [shape=box, style="rounded,filled"];']
    for key, node in nodes.items():
        text = _words(node).replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'  {ids[key]} [label="{text}", fillcolor="{_COLOURS[node.kind]}"];')
    lines += [f"  {ids[source]} -> {ids[target]};" for source, target in links]
    return "\n".join([*lines, "}"])


def html_page(graphs: Sequence[LineageGraph]) -> str:
    """A page with the graph as SVG, left to right; no script, nothing loaded."""
    nodes, links = _merged(graphs)
    places = _places(nodes, links)
    width = max(x for x, _ in places.values()) + _WIDTH + 20
    height = max(y for _, y in places.values()) + _HEIGHT + 20
    drawn = [_line(places[source], places[target]) for source, target in links]
    drawn += [_box(node, *places[key], is_root=key == graphs[0].root) for key, node in nodes.items()]
    title = html.escape(f"Lineage of {graphs[0].node(graphs[0].root).label}")
    missing = "".join(f"<li>{html.escape(gap.text)}</li>" for graph in graphs for gap in graph.unknown)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:14px system-ui,sans-serif;margin:16px}svg text{font:12px system-ui,sans-serif}</style>"
        f"<h1>{title}</h1>{f'<p>Missing:</p><ul>{missing}</ul>' if missing else ''}"
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">{"".join(drawn)}</svg>'
        "</html>\n"
    )


def _places(nodes: dict[_Key, Node], links: Sequence[tuple[_Key, _Key]]) -> dict[_Key, tuple[int, int]]:
    """A column a step from the ends; a loop's steps end at the number of nodes."""
    level = dict.fromkeys(nodes, 0)
    for _ in range(min(len(nodes), 200)):
        moved = False
        for source, target in links:
            if source != target and level[target] < level[source] + 1 <= len(nodes):
                level[target], moved = level[source] + 1, True
        if not moved:
            break
    filled: dict[int, int] = {}
    places = {}
    for key in nodes:
        row = filled.get(level[key], 0)
        filled[level[key]] = row + 1
        places[key] = (10 + level[key] * (_WIDTH + _GAP_X), 10 + row * (_HEIGHT + _GAP_Y))
    return places


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1, x2, y2 = start[0] + _WIDTH, start[1] + _HEIGHT // 2, end[0], end[1] + _HEIGHT // 2
    middle = (x1 + x2) // 2
    return f'<path d="M{x1},{y1} C{middle},{y1} {middle},{y2} {x2},{y2}" fill="none" stroke="#888"/>'


def _box(node: Node, x: int, y: int, *, is_root: bool) -> str:
    shown = _words(node)
    cut = shown if len(shown) <= 34 else f"…{shown[-33:]}"
    below = " · ".join(filter(None, (node.kind.replace("_", " "), node.owner)))
    below = below if len(below) <= 38 else f"{below[:37]}…"
    return (
        f'<g><title>{html.escape(shown)}</title><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" '
        f'fill="{_COLOURS[node.kind]}" stroke="{"#222" if is_root else "#999"}" stroke-width="{2 if is_root else 1}"/>'
        f'<text x="{x + 8}" y="{y + 18}">{html.escape(cut)}</text>'
        f'<text x="{x + 8}" y="{y + 35}" fill="#555">{html.escape(below)}</text></g>'
    )
