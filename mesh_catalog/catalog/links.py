"""Links of lineage: what came from what, followed level by level, and which of it still holds.

An edge that led only to rows which an overwrite has replaced since is history, and is not followed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

from sqlalchemy import Connection, select

from mesh_catalog.catalog.edges import SOURCE
from mesh_catalog.catalog.nodes import NodeKey, by_kind
from mesh_catalog.catalog.store import among
from mesh_catalog.catalog.tables import column_edges, edges
from mesh_catalog.catalog.versions import NewestVersions

__all__ = ["ColumnLink", "Direction", "Link", "column_links", "walk"]

Direction = Literal["upstream", "downstream"]
Seen = Literal["declared", "openlineage", "both"]


@dataclass(frozen=True, kw_only=True)
class Link:
    """`target` came from `source`; both are keys of nodes."""

    source: NodeKey
    target: NodeKey
    seen: Seen
    """Who says so: the transform's declared reads, Spark's plan by OpenLineage, or both."""
    planned: bool
    """True where it is declared and nothing has run yet."""


@dataclass(frozen=True, kw_only=True)
class ColumnLink:
    """`to_product.to_column` came from `from_product.from_column`."""

    from_product: str
    """`source` for a file of the product's own."""
    from_column: str
    to_product: str
    to_column: str
    kinds: tuple[str, ...]
    seen: Seen


def walk(
    connection: Connection, root: NodeKey, direction: Direction, depth: int | None, newest: NewestVersions
) -> tuple[list[Link], list[NodeKey]]:
    """Breadth first, a level a query; what was seen is not followed again, so a loop ends. Links, and nodes cut off."""
    found: list[Link] = []
    seen, level = {root}, [root]
    while level:
        links = list(_links_at(connection, level, direction, newest))
        ends = [(one.target, one.source) if direction == "upstream" else (one.source, one.target) for one in links]
        if depth == 0:
            return _ordered(found), sorted({near for near, far in ends if far not in seen})
        found += links
        level = list(dict.fromkeys(far for _, far in ends if far not in seen))
        seen.update(level)
        depth = None if depth is None else depth - 1
    return _ordered(found), []


def _ordered(found: Iterable[Link]) -> list[Link]:
    return sorted(found, key=attrgetter("target", "source"))


def _links_at(
    connection: Connection, level: Iterable[NodeKey], direction: Direction, newest: NewestVersions
) -> Iterator[Link]:
    """Links at a level's nodes: those that led to rows which are still in their target's table, or that are planned."""
    e = edges.c
    near = (e.to_kind, e.to_name) if direction == "upstream" else (e.from_kind, e.from_name)
    rows: list[Any] = []
    for kind, names in by_kind(level).items():
        query = select(e.from_kind, e.from_name, e.to_kind, e.to_name, e.origin, e.last_version)
        rows += connection.execute(query.where(near[0] == kind, among(connection, near[1], names))).all()
    newest.learn(connection, {row[3] for row in rows if row[5] is not None and row[2] == "product"})
    by_ends: dict[tuple[NodeKey, NodeKey], tuple[Seen, bool]] = {}
    for from_kind, from_name, to_kind, to_name, origin, version in rows:
        if version is None or _holds(to_kind, to_name, version, newest):
            ends = (from_kind, from_name), (to_kind, to_name)
            other = by_ends.get(ends)  # an edge has a row for each of the two that saw it
            by_ends[ends] = (origin, version is None) if other is None else ("both", other[1] and version is None)
    for (source, target), (seen, idle) in by_ends.items():
        may_run = target[0] in ("product", "model") and source[0] in ("source", "product")
        yield Link(source=source, target=target, seen=seen, planned=idle and may_run)


def _holds(to_kind: str, to_name: str, version: int | None, newest: NewestVersions) -> bool:
    return version is None or (to_kind == "product" and newest.holds(to_name, version))


def _seen(origins: Collection[str]) -> Seen:
    if "declared" not in origins:
        return "openlineage"
    return "both" if "openlineage" in origins else "declared"


def column_links(connection: Connection, keys: Iterable[NodeKey], newest: NewestVersions) -> list[ColumnLink]:
    """Column edges among the datasets of the graph."""
    inside = {name for kind, name in keys if kind in ("product", "source", "dataset")}
    newest.learn(connection, inside)
    c = column_edges.c
    found: dict[tuple[str, str, str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    query = select(
        c.from_product, c.from_column, c.to_product, c.to_column, c.kind, c.origin, c.last_version, c.last_at
    )
    for row in connection.execute(query.where(among(connection, c.to_product, inside))):
        from_product, from_column, to_product, to_column, kind, origin, version, at = row
        holds = at is not None or _holds("product", to_product, version, newest)
        if holds and (from_product in inside or from_product == SOURCE):
            found[from_product, from_column, to_product, to_column][origin].add(kind)
    return [
        ColumnLink(
            from_product=key[0],
            from_column=key[1],
            to_product=key[2],
            to_column=key[3],
            kinds=tuple(sorted(set().union(*by.values()))),
            seen=_seen(by),
        )
        for key, by in sorted(found.items(), key=lambda item: (item[0][2], item[0][3], item[0]))
    ]
