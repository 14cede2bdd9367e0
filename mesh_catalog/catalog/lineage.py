"""Lineage: what a product or a model came from, and what was made from it.

The graph runs from source files over products, training datasets and models to predictions and dashboards, and over
datasets and jobs outside the mesh of which OpenLineage events told. Only what still holds is drawn: edges that led to
rows which an overwrite has replaced since are history. What is known to be missing makes the whole answer an error
(gaps.py), since a list that lacks a part looks like one that is complete.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from mesh_catalog.catalog.gaps import (
    Gap,
    GapKind,
    hidden_columns,
    incomplete,
    stranger_columns,
    strangers,
    unfinished_runs,
)
from mesh_catalog.catalog.links import ColumnLink, Direction, Link, column_links, walk
from mesh_catalog.catalog.nodes import Node, NodeKey, find_node, in_order, read_nodes
from mesh_catalog.catalog.reach import nodes_after
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.versions import NewestVersions

__all__ = ["ColumnLink", "Direction", "LineageGraph", "Link", "Node", "lineage", "links_by_node", "reached"]


@dataclass(frozen=True, kw_only=True)
class LineageGraph:
    """Everything upstream or downstream of `root`, itself included. Incomplete only where that was allowed."""

    root: NodeKey
    direction: Direction
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    columns: tuple[ColumnLink, ...] = ()
    beyond: tuple[NodeKey, ...] = ()
    """Nodes at the depth that was asked for, which lead further."""
    unknown: tuple[Gap, ...] = ()
    """What is known to be missing."""
    complete: bool = True

    @property
    def differences(self) -> tuple[Link, ...]:
        """Links that only one of the two saw, where the other one looked at all."""
        inside = [link for link in self.links if link.source[0] == "product" and link.target[0] == "product"]
        watched = {link.target for link in inside if link.seen != "declared"}
        return tuple(link for link in inside if link.target in watched and link.seen != "both")

    def node(self, key: NodeKey) -> Node:
        return self._by_key[key]

    @cached_property
    def _by_key(self) -> Mapping[NodeKey, Node]:
        return {node.key: node for node in self.nodes}


def lineage(
    catalog: Catalog,
    name: str,
    *,
    direction: Direction,
    columns: bool = False,
    depth: int | None = None,
    allow_incomplete: bool | GapKind = False,
) -> LineageGraph:
    """Follow the lineage of a product, a model, a dashboard, a KPI, or a dataset or job outside, to its ends.

    Args:
        columns: Also which column came from which.
        depth: How many links to follow; all of them where None.
        allow_incomplete: Return what is known also where something is missing, with `unknown` saying what: anything,
            or only gaps of this kind, as `hidden` for callers that take any column for all.

    Raises:
        NotFoundError: There is nothing of this name.
        IncompleteLineageError: Something is known to be missing.
    """
    newest = NewestVersions()
    with catalog.read() as connection:
        root = find_node(catalog, connection, name)
        links, beyond = walk(connection, root, direction, depth, newest)
        keys = {root, *(link.source for link in links), *(link.target for link in links)}
        nodes = read_nodes(connection, keys, newest)
        found = column_links(connection, keys, newest) if columns else []
        unknown = [*strangers(keys - nodes.keys()), *stranger_columns(connection, found)]
        unknown += unfinished_runs(connection, keys, direction)
        if columns:
            unknown += hidden_columns(connection, links, found)
    refused = [gap for gap in unknown if not _allowed(gap, allow_incomplete)]
    if refused:
        raise incomplete(name, direction, refused)
    if len(nodes) < len(keys):
        links = [link for link in links if link.source in nodes and link.target in nodes]
    return LineageGraph(
        root=root,
        direction=direction,
        nodes=tuple(sorted(in_order(nodes.values()), key=lambda node: node.key != root)),
        links=tuple(links),
        columns=tuple(found),
        beyond=tuple(beyond),
        unknown=tuple(unknown),
        complete=not unknown,
    )


def _allowed(gap: Gap, allowed: bool | GapKind) -> bool:
    return allowed if isinstance(allowed, bool) else gap.kind == allowed


def reached(catalog: Catalog, name: str, *, direction: Direction) -> tuple[Node, ...]:
    """The nodes of `lineage` without its links, the root left out: whom a change concerns, fast where it is thousands.

    Raises:
        NotFoundError: There is nothing of this name.
        IncompleteLineageError: Something is known to be missing.
    """
    newest = NewestVersions()
    with catalog.read() as connection:
        root = find_node(catalog, connection, name)
        if direction == "downstream":
            nodes = nodes_after(connection, root)
        else:
            links, _ = walk(connection, root, direction, None, newest)
            keys = {link.source for link in links} - {root}
            nodes = dict.fromkeys(keys) | read_nodes(connection, keys, newest)
        unknown = strangers(key for key, node in nodes.items() if node is None)
        unknown += unfinished_runs(connection, {root, *nodes}, direction)
    if unknown:
        raise incomplete(name, direction, unknown)
    return tuple(in_order(filter(None, nodes.values())))


def links_by_node(graph: LineageGraph) -> Mapping[NodeKey, tuple[Link, ...]]:
    """Of each node the links that lead on from it, in the graph's direction."""
    found: dict[NodeKey, list[Link]] = defaultdict(list)
    for link in graph.links:
        found[link.target if graph.direction == "upstream" else link.source].append(link)
    return {key: tuple(links) for key, links in found.items()}
