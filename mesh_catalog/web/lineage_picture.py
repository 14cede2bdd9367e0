"""Lineage as an SVG, left to right: on the catalog's pages, and in the page that `mesh lineage --open` writes.

A picture may be bounded: then a box says how many more nodes there are in that place. It loads and runs nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from mesh_catalog.web.lineage_layout import BOX_HEIGHT, BOX_WIDTH, Line, lay_out

if TYPE_CHECKING:
    from mesh_catalog.catalog.lineage import LineageGraph
    from mesh_catalog.catalog.nodes import Node

__all__ = ["Picture", "draw", "node_words"]

_BEND: Final = 32
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


def node_words(node: Node) -> str:
    """What a person calls a node, with its newest version where it is a product."""
    return f"{node.label} v{node.version}" if node.kind == "product" and node.version is not None else node.label


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
    layout = lay_out(graphs, most=most)
    root = graphs[0].root
    beyond = {key for graph in graphs for key in graph.beyond}
    drawn = [_line(line) for line in layout.lines]
    for box in layout.boxes:
        if box.node is None:
            drawn.append(_more(box.more, box.x, box.y))
        else:
            address = link_to(box.node) if link_to is not None else None
            leads_on = box.node.key in beyond
            drawn.append(_node(box.node, box.x, box.y, address, is_root=box.node.key == root, leads_on=leads_on))
    label = escape(f"Lineage of {graphs[0].node(root).label}")
    width, height = layout.width, layout.height
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lineage" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="max-width:100%;min-width:{width * 4 // 5}px;height:auto" '
        f'role="img" aria-label="{label}"><style>{_STYLE}</style>{"".join(drawn)}</svg>'
    )
    left_out = sum(box.more for box in layout.boxes if box.node is None)
    return Picture(svg=svg, drawn=sum(box.node is not None for box in layout.boxes), left_out=left_out)


def _line(line: Line) -> str:
    parts: list[str] = []
    for (x1, y1), (x2, y2) in zip(line.points[::2], line.points[1::2], strict=True):
        bend = max((x2 - x1) // 2, _BEND)
        parts.append(f"{'L' if parts else 'M'}{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}")
    mark = ' class="planned"' if line.planned else ""
    return f'<path{mark} d="{" ".join(parts)}"/>'


def _node(node: Node, x: int, y: int, address: str | None, *, is_root: bool, leads_on: bool) -> str:
    words = node_words(node)
    below = " · ".join(filter(None, (node.kind.replace("_", " "), node.owner)))
    marks = " ".join(filter(None, (node.kind, "root" if is_root else "", "retired" if node.retired else "")))
    further = f'<text x="{x + BOX_WIDTH - 14}" y="{y + 28}">…</text>' if leads_on else ""
    told = f"{words}, leads further" if leads_on else words
    box = (
        f'<g class="{marks}"><title>{escape(told)}</title>'
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
        f'<text x="{x + 9}" y="{y + 19}">{escape(_cut(words, _LETTERS, at_start=True))}</text>'
        f'<text class="under" x="{x + 9}" y="{y + 36}">{escape(_cut(below, _LETTERS + 2))}</text>{further}</g>'
    )
    return f'<a href="{escape(address)}">{box}</a>' if address and not is_root else box


def _more(count: int, x: int, y: int) -> str:
    return (
        f'<g class="more"><rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
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
