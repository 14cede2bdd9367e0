"""mesh lineage: what a product or a model came from, and what was made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mesh_catalog.catalog.lineage import ColumnLink, Direction, LineageGraph, Link, Node

__all__ = ["command"]

_SEEN = {"declared": "declared", "openlineage": "seen by OpenLineage", "both": "declared and seen by OpenLineage"}


@click.command("lineage")
@click.argument("name")
@click.option("--upstream", "directions", flag_value="upstream", help="Only what it came from.")
@click.option("--downstream", "directions", flag_value="downstream", help="Only what was made from it.")
@click.option("--columns", is_flag=True, help="Also which column came from which.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(name: str, directions: str | None, columns: bool, as_json: bool) -> None:
    """Draw the lineage of a product, a model or a dashboard, both ways where neither is chosen; whole, or an error.

    \b
    Example:
      mesh lineage payments.daily --upstream --columns
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.lineage import lineage
    from mesh_catalog.cli.output import emit_json

    ways: tuple[Direction, ...] = ("upstream", "downstream")
    with open_mesh(with_workspace=False) as mesh:
        graphs = [
            lineage(mesh.catalog, name, direction=way, columns=columns) for way in ways if directions in (None, way)
        ]
    if as_json:
        emit_json({graph.direction: {"graph": graph, "differences": graph.differences} for graph in graphs})
        return
    for graph in graphs:
        _print_graph(graph)


def _print_graph(graph: LineageGraph) -> None:
    from mesh_catalog.catalog.lineage import links_by_node
    from mesh_catalog.cli.output import print_table

    root = graph.node(graph.root)
    click.echo(f"{_told(root)}   {'came from' if graph.direction == 'upstream' else 'led to'}")
    if not graph.links:
        click.echo("└── nothing")
    for line in _branches(graph, graph.root, links_by_node(graph), "", set()):
        click.echo(line)
    if graph.columns:
        print_table([_column_row(link) for link in graph.columns], ("column", "came from", "how", "who says so"))
    for link in graph.differences:
        click.echo(f"difference: {link.source[1]} → {link.target[1]} is {_SEEN[link.seen]} only", err=True)


def _column_row(link: ColumnLink) -> tuple[str, ...]:
    return (
        f"{link.to_product}.{link.to_column}",
        f"{link.from_product}.{link.from_column}",
        ", ".join(link.kinds),
        _SEEN[link.seen],
    )


def _branches(
    graph: LineageGraph,
    key: tuple[str, str],
    links: Mapping[tuple[str, str], tuple[Link, ...]],
    indent: str,
    drawn: set[tuple[str, str]],
) -> Iterator[str]:
    drawn.add(key)
    here = links.get(key, ())
    for index, link in enumerate(here):
        last = index == len(here) - 1
        end = link.source if graph.direction == "upstream" else link.target
        again = end in drawn and end in links
        yield f"{indent}{'└── ' if last else '├── '}{_told(graph.node(end), link)}{'  (above)' if again else ''}"
        if not again:
            yield from _branches(graph, end, links, indent + ("    " if last else "│   "), drawn)


def _told(node: Node, link: Link | None = None) -> str:
    words = [node.label]
    if node.kind == "product" and node.version is not None:
        words.append(f"v{node.version}")
    if node.kind in ("model", "dashboard"):
        words.append(node.kind)
    if node.retired:
        words.append("retired")
    if link is not None and link.planned:
        words.append("not run yet")
    if node.owner and link is not None and node.kind != "model_version":
        words.append(f"owner {node.owner}")
    return "  ".join(words)
