"""Lineage: what a product or a model came from, and what was made from it.

The graph runs from source files over products, training datasets and models to predictions and dashboards, and over
datasets and jobs outside the mesh of which OpenLineage events told. Only what still holds is drawn: edges that led to
rows which an overwrite has replaced since are history. What is known to be missing makes the whole answer an error
(gaps.py), since a list that lacks a part looks like one that is complete.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from sqlalchemy import Connection, case, func, select

from mesh_catalog.catalog.edges import SOURCE, ColumnEdge, NodeKind
from mesh_catalog.catalog.gaps import Gap, IncompleteLineageError, hidden_columns, unfinished_runs
from mesh_catalog.catalog.inventory import find_kind
from mesh_catalog.catalog.openlineage.events import ALL_COLUMNS
from mesh_catalog.catalog.openlineage.naming import is_outside
from mesh_catalog.catalog.openlineage.reading import find_outside, read_outside
from mesh_catalog.catalog.store import Catalog, among
from mesh_catalog.catalog.tables import (
    column_edges,
    contract_columns,
    dashboards,
    edges,
    kpis,
    model_versions,
    models,
    products,
    run_files,
    runs,
)
from mesh_catalog.catalog.versions import newest_versions

__all__ = [
    "ColumnEdge",
    "ColumnLink",
    "Direction",
    "LineageGraph",
    "Link",
    "Node",
    "find_node",
    "lineage",
    "links_by_node",
    "reached",
]

Direction = Literal["upstream", "downstream"]
Seen = Literal["declared", "openlineage", "both"]
_Key = tuple[str, str]
_TOLD = 10
_KINDS: tuple[NodeKind, ...] = ("source", "dataset", "job", "product", "model", "model_version", "dashboard", "kpi")


@dataclass(frozen=True, kw_only=True)
class Node:
    """Something that rows are in, or that learned from them."""

    kind: NodeKind
    name: str
    """Of a source, the product whose source it is; of a model version, `model@version`; outside `namespace#name`."""
    label: str
    """What a person calls it; of a source, its files."""
    domain: str | None = None
    owner: str | None = None
    version: int | None = None
    """The newest version of a product's table."""
    retired: bool = False

    @property
    def key(self) -> _Key:
        return self.kind, self.name


@dataclass(frozen=True, kw_only=True)
class Link:
    """`target` came from `source`; both are keys of nodes."""

    source: _Key
    target: _Key
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


@dataclass(frozen=True, kw_only=True)
class LineageGraph:
    """Everything upstream or downstream of `root`, itself included. Incomplete only where that was allowed."""

    root: _Key
    direction: Direction
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    columns: tuple[ColumnLink, ...] = ()
    beyond: tuple[_Key, ...] = ()
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

    def node(self, key: _Key) -> Node:
        return self._by_key[key]

    @cached_property
    def _by_key(self) -> Mapping[_Key, Node]:
        return {node.key: node for node in self.nodes}


def lineage(
    catalog: Catalog,
    name: str,
    *,
    direction: Direction,
    columns: bool = False,
    depth: int | None = None,
    allow_hidden: bool = False,
    allow_incomplete: bool = False,
) -> LineageGraph:
    """Follow the lineage of a product, a model, a dashboard, a KPI, or a dataset or job outside, to its ends.

    Args:
        columns: Also which column came from which.
        depth: How many links to follow; all of them where None.
        allow_hidden: Also where a transform hides which columns it made of which: for callers that take any for all.
        allow_incomplete: Return what is known also where something is missing, with `unknown` saying what.

    Raises:
        NotFoundError: There is nothing of this name.
        IncompleteLineageError: Something is known to be missing.
    """
    with catalog.read() as connection:
        root = find_node(catalog, connection, name)
        links, beyond = _walk(connection, root, direction, depth)
        keys = {root, *(link.source for link in links), *(link.target for link in links)}
        nodes = _nodes(connection, keys)
        found = _column_links(connection, keys) if columns else []
        unknown = _strangers(keys - nodes.keys())
        unknown += [
            Gap(text=f"column '{column}', which no contract has") for column in _unknown_columns(connection, found)
        ]
        unknown += unfinished_runs(connection, keys, direction)
        if columns and not allow_hidden:
            unknown += hidden_columns(connection, links, found)
    if unknown and not allow_incomplete:
        raise _incomplete(name, direction, unknown)
    links = [link for link in links if link.source in nodes and link.target in nodes]
    order = sorted(nodes.values(), key=lambda node: (node.key != root, _KINDS.index(node.kind), node.name))
    return LineageGraph(
        root=root,
        direction=direction,
        nodes=tuple(order),
        links=tuple(links),
        columns=tuple(found),
        beyond=tuple(beyond),
        unknown=tuple(unknown),
        complete=not unknown,
    )


def find_node(catalog: Catalog, connection: Connection, name: str) -> _Key:
    """The node of a name: of the mesh, or of a dataset (by any of its names) or a job outside.

    Raises:
        NotFoundError: There is none.
    """
    return find_outside(connection, name) or (find_kind(catalog, name), name)


def _strangers(keys: Iterable[_Key]) -> list[Gap]:
    return [Gap(text=f"{kind} '{name}', which the catalog does not know") for kind, name in sorted(keys)]


def _incomplete(name: str, direction: str, unknown: Sequence[Gap]) -> IncompleteLineageError:
    told = "; ".join(gap.text for gap in unknown[:_TOLD]) + (
        f"; and {len(unknown) - _TOLD} more" if len(unknown) > _TOLD else ""
    )
    return IncompleteLineageError(
        f"{name}: its {direction} lineage is incomplete. It leads to {told}. Publish it, bring back the folder that "
        "declared it, or take what is known with --allow-incomplete."
    )


def reached(catalog: Catalog, name: str, *, direction: Direction) -> tuple[Node, ...]:
    """The nodes of `lineage` without its links, the root left out: whom a change concerns, fast where it is thousands.

    Raises:
        NotFoundError: There is nothing of this name.
        IncompleteLineageError: Something is known to be missing.
    """
    with catalog.read() as connection:
        root = find_node(catalog, connection, name)
        keys = _walk_ends(connection, root, direction)
        nodes = _nodes(connection, keys)
        unknown = [*_strangers(keys - nodes.keys()), *unfinished_runs(connection, {root, *keys}, direction)]
    if unknown:
        raise _incomplete(name, direction, unknown)
    return tuple(sorted(nodes.values(), key=lambda node: (_KINDS.index(node.kind), node.name)))


def _walk_ends(connection: Connection, root: _Key, direction: Direction) -> set[_Key]:
    e = edges.c
    near, far = (e.from_kind, e.from_name), (e.to_kind, e.to_name)
    if direction == "upstream":
        near, far = far, near
    seen, level = {root}, {root}
    kept: dict[str, int | None] = {}
    while level:
        rows: list[tuple[str, str, str, str, int | None]] = []
        for kind, names in _by_kind(level).items():
            ends = dict.fromkeys((*far, e.to_kind, e.to_name))  # downstream they are the same two
            planned = func.max(case((e.last_version.is_(None), 1), else_=0))
            query = select(*far, e.to_kind, e.to_name, func.max(e.last_version), planned).group_by(*ends)
            found = connection.execute(query.where(near[0] == kind, among(connection, near[1], names)))
            rows += [(*row[:4], None if row[5] else row[4]) for row in found.tuples()]
        _learn_kept(connection, {row[3] for row in rows if row[4] is not None and row[2] == "product"}, kept)
        level = {(row[0], row[1]) for row in rows if _holds(row[2], row[3], row[4], kept)} - seen
        seen |= level
    return seen - {root}


def _walk(connection: Connection, root: _Key, direction: Direction, depth: int | None) -> tuple[list[Link], list[_Key]]:
    """Breadth first, a level a query; what was seen is not followed again, so a loop ends. Links, and nodes cut off."""
    found: list[Link] = []
    seen, level = {root}, [root]
    kept: dict[str, int | None] = {}
    while level:
        links = list(_links_at(connection, level, direction, kept))
        ends = [(one.target, one.source) if direction == "upstream" else (one.source, one.target) for one in links]
        if depth == 0:
            return _ordered(found), sorted({near for near, far in ends if far not in seen})
        found += links
        level = list(dict.fromkeys(far for _, far in ends if far not in seen))
        seen.update(level)
        depth = None if depth is None else depth - 1
    return _ordered(found), []


def _ordered(found: Iterable[Link]) -> list[Link]:
    return sorted(found, key=lambda link: (link.target, link.source))


def _links_at(
    connection: Connection, level: Iterable[_Key], direction: Direction, kept: dict[str, int | None]
) -> Iterator[Link]:
    """Links at a level's nodes: those that led to rows which are still in their target's table, or that are planned.

    `kept` holds of each product the oldest version whose rows are in its table, and is filled on the way.
    """
    e = edges.c
    near = (e.to_kind, e.to_name) if direction == "upstream" else (e.from_kind, e.from_name)
    rows: list[Any] = []
    for kind, names in _by_kind(level).items():
        query = select(e.from_kind, e.from_name, e.to_kind, e.to_name, e.origin, e.last_version)
        rows += connection.execute(query.where(near[0] == kind, among(connection, near[1], names)))
    _learn_kept(connection, {row[3] for row in rows if row[5] is not None and row[2] == "product"}, kept)
    origins: dict[tuple[str, str, str, str], dict[str, int | None]] = {}
    for from_kind, from_name, to_kind, to_name, origin, version in rows:
        if _holds(to_kind, to_name, version, kept):
            origins.setdefault((from_kind, from_name, to_kind, to_name), {})[origin] = version
    for (from_kind, from_name, to_kind, to_name), by in origins.items():
        yield Link(
            source=(from_kind, from_name),
            target=(to_kind, to_name),
            seen=_seen(by),
            planned=to_kind in ("product", "model")
            and from_kind in ("source", "product")
            and set(by.values()) == {None},
        )


def _holds(to_kind: str, to_name: str, version: int | None, kept: Mapping[str, int | None]) -> bool:
    if version is None:
        return True
    oldest = kept.get(to_name) if to_kind == "product" else None
    return oldest is not None and version >= oldest


def _learn_kept(connection: Connection, names: Collection[str], kept: dict[str, int | None]) -> None:
    wanted = [name for name in names if name not in kept]
    kept.update(dict.fromkeys(wanted))
    kept.update({name: oldest for name, _, oldest in newest_versions(connection, wanted)})


def _by_kind(keys: Iterable[_Key]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = defaultdict(list)
    for kind, name in sorted(keys):
        names[kind].append(name)
    return names


def _seen(origins: Iterable[str]) -> Seen:
    found = set(origins)
    if len(found) == 2:
        return "both"
    return "declared" if "declared" in found else "openlineage"


def _nodes(connection: Connection, keys: Iterable[_Key]) -> dict[_Key, Node]:
    readers = {
        "product": _product_nodes,
        "source": _source_nodes,
        "model": _model_nodes,
        "model_version": _version_nodes,
        "dashboard": _dashboard_nodes,
        "dataset": _outside_nodes,
        "job": _outside_nodes,
        "kpi": _kpi_nodes,
    }
    return {node.key: node for kind, names in _by_kind(keys).items() for node in readers[kind](connection, names)}


def _product_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    newest = {name: version for name, version, _ in newest_versions(connection, names)}
    p = products.c
    query = select(p.name, p.domain, p.owner, p.retired_at).where(among(connection, p.name, names))
    for name, domain, owner, retired_at in connection.execute(query):
        yield Node(
            kind="product",
            name=name,
            label=name,
            domain=domain,
            owner=owner,
            version=newest.get(name),
            retired=retired_at is not None,
        )


def _source_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    counted = (
        select(runs.c.product, func.count().label("files"), func.min(run_files.c.path).label("first"))
        .join(run_files, run_files.c.run_id == runs.c.id)
        .where(among(connection, runs.c.product, names))
        .group_by(runs.c.product)
        .subquery()
    )
    query = (
        select(
            products.c.name,
            products.c.domain,
            func.coalesce(products.c.location, products.c.source),
            counted.c.files,
            counted.c.first,
        )
        .outerjoin(counted, counted.c.product == products.c.name)
        .where(among(connection, products.c.name, names))
    )
    for name, domain, source, files, first in connection.execute(query):
        label = source or first or f"files of {name}"
        counts = files and not str(first).startswith(("delta ", "jdbc "))  # those are no files
        told = f"{label} ({files} {'file' if files == 1 else 'files'} read)" if counts else label
        yield Node(kind="source", name=name, label=told, domain=domain)


def _model_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    query = select(models.c.name, models.c.domain, models.c.owner, models.c.retired_at).where(
        among(connection, models.c.name, names)
    )
    for name, domain, owner, retired_at in connection.execute(query):
        yield Node(kind="model", name=name, label=name, domain=domain, owner=owner, retired=retired_at is not None)


def _dashboard_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    d = dashboards.c
    query = select(d.name, d.domain, d.owner, d.retired_at).where(among(connection, d.name, names))
    for name, domain, owner, retired_at in connection.execute(query):
        yield Node(kind="dashboard", name=name, label=name, domain=domain, owner=owner, retired=retired_at is not None)


def _outside_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    for found in read_outside(connection, names):
        yield Node(kind=found.kind, name=found.name, label=found.label, owner=found.owner, retired=found.dropped)


def _kpi_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    k = kpis.c
    query = select(k.name, k.domain, k.owner, k.retired_at).where(among(connection, k.name, names))
    for name, domain, owner, retired_at in connection.execute(query):
        yield Node(kind="kpi", name=name, label=name, domain=domain, owner=owner, retired=retired_at is not None)


def _version_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    asked = set(names)
    v = model_versions.c
    of = {model for model, _, _ in (name.rpartition("@") for name in names)}
    for model, version in connection.execute(select(v.model, v.version).where(among(connection, v.model, of))):
        name = f"{model}@{version}"
        if name in asked:
            yield Node(kind="model_version", name=name, label=f"{model} v{version}", version=version)


def _column_links(connection: Connection, keys: Iterable[_Key]) -> list[ColumnLink]:
    """Column edges among the datasets of the graph."""
    inside = {name for kind, name in keys if kind in ("product", "source", "dataset")}
    kept: dict[str, int | None] = {}
    _learn_kept(connection, inside, kept)
    c = column_edges.c
    found: dict[tuple[str, str, str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    query = select(
        c.from_product, c.from_column, c.to_product, c.to_column, c.kind, c.origin, c.last_version, c.last_at
    )
    for row in connection.execute(query.where(among(connection, c.to_product, inside))):
        from_product, from_column, to_product, to_column, kind, origin, version, at = row
        holds = at is not None or _holds("product", to_product, version, kept)
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


def _unknown_columns(connection: Connection, links: Sequence[ColumnLink]) -> list[str]:
    """Ends of column links that no contract of their product has ever had."""
    ends = {(link.to_product, link.to_column) for link in links}
    ends |= {(link.from_product, link.from_column) for link in links if link.from_product != SOURCE}
    ends = {(name, column) for name, column in ends if not is_outside(name) and column != ALL_COLUMNS}
    known: dict[str, set[str]] = defaultdict(set)
    c = contract_columns.c
    of = {product for product, _ in ends}
    for product, column in connection.execute(
        select(c.product, c.name).where(among(connection, c.product, of)).distinct()
    ):
        known[product].add(column)
    return sorted(f"{product}.{column}" for product, column in ends if column not in known[product])


def links_by_node(graph: LineageGraph) -> Mapping[_Key, tuple[Link, ...]]:
    """Of each node the links that lead on from it, in the graph's direction."""
    found: dict[_Key, list[Link]] = defaultdict(list)
    for link in graph.links:
        found[link.target if graph.direction == "upstream" else link.source].append(link)
    return {key: tuple(links) for key, links in found.items()}
