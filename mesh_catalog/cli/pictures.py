"""Lineage as a picture: Mermaid, Graphviz DOT, or a page of HTML that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mesh_catalog.web.lineage_layout import merged_graphs
from mesh_catalog.web.lineage_picture import draw, node_words

if TYPE_CHECKING:
    from mesh_catalog.catalog.lineage import LineageGraph

__all__ = ["dot_text", "html_page", "mermaid_text"]

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


def mermaid_text(graphs: Sequence[LineageGraph]) -> str:
    """A flowchart in Mermaid's language."""
    nodes, links = merged_graphs(graphs)
    ids = {key: f"n{index}" for index, key in enumerate(nodes)}
    lines = ["flowchart LR"]
    for key, node in nodes.items():
        text = html.escape(node_words(node)).replace("#", "&#35;")
        shape = ("([", "])") if node.kind == "job" else ("[", "]")
        lines.append(f'  {ids[key]}{shape[0]}"{text}"{shape[1]}')
    lines += [f"  {ids[source]} --> {ids[target]}" for source, target in links]
    return "\n".join(lines)


def dot_text(graphs: Sequence[LineageGraph]) -> str:
    """A digraph in Graphviz's language."""
    nodes, links = merged_graphs(graphs)
    ids = {key: f"n{index}" for index, key in enumerate(nodes)}
    lines = ["digraph lineage {", "  rankdir=LR;", '  node [shape=box, style="rounded,filled"];']
    for key, node in nodes.items():
        text = node_words(node).replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'  {ids[key]} [label="{text}", fillcolor="{_COLOURS[node.kind]}"];')
    lines += [f"  {ids[source]} -> {ids[target]};" for source, target in links]
    return "\n".join([*lines, "}"])


def html_page(graphs: Sequence[LineageGraph]) -> str:
    """A page with the graph as SVG, left to right; no script, nothing loaded."""
    title = html.escape(f"Lineage of {graphs[0].node(graphs[0].root).label}")
    missing = "".join(f"<li>{html.escape(gap.text)}</li>" for graph in graphs for gap in graph.unknown)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:14px system-ui,sans-serif;margin:16px;color-scheme:light dark}</style>"
        f"<h1>{title}</h1>{f'<p>Missing:</p><ul>{missing}</ul>' if missing else ''}{draw(graphs).svg}</html>\n"
    )
