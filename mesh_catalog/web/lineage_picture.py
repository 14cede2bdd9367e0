"""Lineage as an SVG, left to right: on the catalog's pages, and in the page that `mesh lineage --open` writes.

A picture may be bounded: then a box says how many more nodes there are in that place. It loads and runs nothing.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mesh_catalog.catalog.lineage import LineageGraph
    from mesh_catalog.catalog.nodes import Node, NodeKey

__all__ = ["Picture", "draw", "merged_graphs", "node_words"]

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _EDGE = 216, 46, 64, 14, 6
_LETTERS: Final = 30
"""Half letters' width is one; a Korean letter is two."""
_STYLE: Final = (
    ".lineage{font:12px system-ui,sans-serif}.lineage text{fill:#1c2024}.lineage .under{fill:#60646c;font-size:11px}"
    ".lineage rect{stroke:#b9bbc6;fill:#f0f0f3}.lineage path{fill:none;stroke:#8b8d98;stroke-width:1.2}"
    ".lineage .planned{stroke-dasharray:4 3}.lineage .root rect{stroke:#1c2024;stroke-width:2}"
    ".lineage a:hover rect{stroke:#3e63dd;stroke-width:2}.lineage .more rect{fill:none;stroke-dasharray:4 3}"
    ".lineage .retired text{text-decoration:line-through}"
    ".lineage .source rect{fill:#e8e6df}.lineage .dataset rect{fill:#e3ecf7}.lineage .job rect{fill:#f4e7d3}"
    ".lineage .product rect{fill:#dcefe2}.lineage .model rect{fill:#efe0f2}.lineage .model_version rect{fill:#f6edf8}"
    ".lineage .dashboard rect{fill:#fbe3e0}.lineage .kpi rect{fill:#fbf3cf}"
    "@media (prefers-color-scheme: dark){.lineage text{fill:#edeef0}.lineage .under{fill:#b0b4ba}"
    ".lineage rect{stroke:#5a6169;fill:#272a2d}.lineage .root rect{stroke:#edeef0}"
    ".lineage .source rect{fill:#35332c}.lineage .dataset rect{fill:#1d3350}.lineage .job rect{fill:#453214}"
    ".lineage .product rect{fill:#1b3a28}.lineage .model rect{fill:#3d2145}.lineage .model_version rect{fill:#2f2135}"
    ".lineage .dashboard rect{fill:#4a2220}.lineage .kpi rect{fill:#42380f}}"
)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawn graph."""

    svg: str
    drawn: int
    """Nodes in the picture."""
    left_out: int
    """Nodes of the graphs that are only counted in it."""


@dataclass(frozen=True)
class _Box:
    """What stands at one place: a node, or how many were left out there."""

    node: Node | None = None
    more: int = 0


def node_words(node: Node) -> str:
    """What a person calls a node, with its newest version where it is a product."""
    return f"{node.label} v{node.version}" if node.kind == "product" and node.version is not None else node.label


def merged_graphs(graphs: Iterable[LineageGraph]) -> tuple[dict[NodeKey, Node], list[tuple[NodeKey, NodeKey]]]:
    """Nodes and links of graphs with the same root, each once."""
    nodes: dict[NodeKey, Node] = {}
    links: dict[tuple[NodeKey, NodeKey], None] = {}
    for graph in graphs:
        nodes |= {node.key: node for node in graph.nodes}
        links |= {(link.source, link.target): None for link in graph.links}
    return nodes, list(links)


def draw(
    graphs: Sequence[LineageGraph],
    *,
    most: int | None = None,
    link_to: Callable[[Node], str | None] | None = None,
) -> Picture:
    """Graphs of one root as an SVG: what it came from on its left, what was made from it on its right.

    Args:
        most: So many nodes stand above each other; more are counted in a box.
        link_to: The address of a node's page, if it has one.
    """
    nodes, links = merged_graphs(graphs)
    levels = _levels(graphs)
    columns, place_of = _columns(nodes, levels, links, graphs[0].root, most)
    places, width, height = _placed(columns)
    planned = {(link.source, link.target) for graph in graphs for link in graph.links if link.planned}
    beyond = {key for graph in graphs for key in graph.beyond}
    lines: dict[tuple[object, object], bool] = {}
    for source, target in links:
        ends = place_of[source], place_of[target]
        if ends[0] != ends[1]:
            lines[ends] = lines.get(ends, True) and (source, target) in planned
    drawn = [_line(places[start], places[end], planned=idle) for (start, end), idle in lines.items()]
    left_out = 0
    for key, box in ((key, box) for column in columns.values() for key, box in column.items()):
        if box.node is None:
            left_out += box.more
            drawn.append(_more(box.more, *places[key]))
        else:
            address = link_to(box.node) if link_to is not None else None
            is_root = box.node.key == graphs[0].root
            drawn.append(_node(box.node, *places[key], address, is_root=is_root, leads_on=box.node.key in beyond))
    label = escape(f"Lineage of {graphs[0].node(graphs[0].root).label}")
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lineage" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="max-width:100%;min-width:{width * 4 // 5}px;height:auto" '
        f'role="img" aria-label="{label}"><style>{_STYLE}</style>{"".join(drawn)}</svg>'
    )
    return Picture(svg=svg, drawn=len(nodes) - left_out, left_out=left_out)


def _levels(graphs: Sequence[LineageGraph]) -> dict[NodeKey, int]:
    """How far right of the root each node stands, by its longest way; a loop's end at the number of nodes."""
    levels: dict[NodeKey, int] = {}
    for graph in graphs:
        steps = {node.key: 0 for node in graph.nodes}
        upstream = graph.direction == "upstream"
        ends = [(one.target, one.source) if upstream else (one.source, one.target) for one in graph.links]
        ends = [(near, far) for near, far in ends if far not in (near, graph.root)]
        for _ in range(min(len(steps), 200)):
            moved = False
            for near, far in ends:
                if steps[far] < steps[near] + 1 <= len(steps):
                    steps[far], moved = steps[near] + 1, True
            if not moved:
                break
        for key, step in steps.items():
            levels.setdefault(key, -step if upstream else step)
    used = {level: place for place, level in enumerate(sorted(set(levels.values())))}  # a loop may leave gaps
    return {key: used[level] for key, level in levels.items()}


def _columns(
    nodes: Mapping[NodeKey, Node],
    levels: Mapping[NodeKey, int],
    links: Sequence[tuple[NodeKey, NodeKey]],
    root: NodeKey,
    most: int | None,
) -> tuple[dict[int, dict[object, _Box]], dict[NodeKey, object]]:
    """Of each level its boxes from top to bottom, and the box in which each node is."""
    of: dict[int, list[NodeKey]] = defaultdict(list)
    for key in nodes:
        of[levels[key]].append(key)
    neighbours: dict[NodeKey, list[NodeKey]] = defaultdict(list)
    for source, target in links:
        neighbours[source].append(target)
        neighbours[target].append(source)
    centre = levels[root]
    height: dict[NodeKey, float] = {}
    columns: dict[int, dict[object, _Box]] = {}
    place_of: dict[NodeKey, object] = {}
    for level in sorted(of, key=lambda one: abs(one - centre)):  # from the root on, near to those that they belong to
        kept = of[level] if most is None else of[level][:most]
        near = {key: [height[one] for one in neighbours[key] if one in height] for key in kept}
        ordered = sorted(
            kept, key={key: sum(of_it) / len(of_it) if of_it else 0.5 for key, of_it in near.items()}.__getitem__
        )
        height |= {key: (index + 0.5) / len(ordered) for index, key in enumerate(ordered)}
        columns[level] = {key: _Box(nodes[key]) for key in ordered}
        place_of |= {key: key for key in ordered}
        if rest := of[level][len(kept) :]:
            columns[level][level] = _Box(more=len(rest))
            place_of |= dict.fromkeys(rest, level)
    return {level: columns[level] for level in sorted(columns)}, place_of


def _placed(columns: Mapping[int, Mapping[object, _Box]]) -> tuple[dict[object, tuple[int, int]], int, int]:
    """Upper left corners, each level around the middle; and the picture's width and height."""
    tallest = max(len(column) for column in columns.values())
    places: dict[object, tuple[int, int]] = {}
    for index, column in enumerate(columns.values()):
        top = _EDGE + (tallest - len(column)) * (_HEIGHT + _GAP_Y) // 2
        for row, key in enumerate(column):
            places[key] = (_EDGE + index * (_WIDTH + _GAP_X), top + row * (_HEIGHT + _GAP_Y))
    width = len(columns) * (_WIDTH + _GAP_X) - _GAP_X + 2 * _EDGE
    return places, width, tallest * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _EDGE


def _line(start: tuple[int, int], end: tuple[int, int], *, planned: bool) -> str:
    x1, y1, x2, y2 = start[0] + _WIDTH, start[1] + _HEIGHT // 2, end[0], end[1] + _HEIGHT // 2
    bend = max((x2 - x1) // 2, _GAP_X // 2)
    mark = ' class="planned"' if planned else ""
    return f'<path{mark} d="M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}"/>'


def _node(node: Node, x: int, y: int, address: str | None, *, is_root: bool, leads_on: bool) -> str:
    words = node_words(node)
    below = " · ".join(filter(None, (node.kind.replace("_", " "), node.owner)))
    marks = " ".join(filter(None, (node.kind, "root" if is_root else "", "retired" if node.retired else "")))
    further = f'<text x="{x + _WIDTH - 14}" y="{y + 28}">…</text>' if leads_on else ""
    told = f"{words}, leads further" if leads_on else words
    box = (
        f'<g class="{marks}"><title>{escape(told)}</title>'
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="{x + 9}" y="{y + 19}">{escape(_cut(words, _LETTERS, at_start=True))}</text>'
        f'<text class="under" x="{x + 9}" y="{y + 36}">{escape(_cut(below, _LETTERS + 2))}</text>{further}</g>'
    )
    return f'<a href="{escape(address)}">{box}</a>' if address and not is_root else box


def _more(count: int, x: int, y: int) -> str:
    return (
        f'<g class="more"><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="{x + 9}" y="{y + 28}">and {count:,} more</text></g>'
    )


def _cut(text: str, most: int, *, at_start: bool = False) -> str:
    """As much of a text as fits; of a name its end says more than its start."""
    letters = reversed(text) if at_start else iter(text)
    kept: list[str] = []
    width = 0
    for letter in letters:
        width += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if width > most:
            return "…" + "".join(reversed(kept)) if at_start else "".join(kept) + "…"
        kept.append(letter)
    return text
