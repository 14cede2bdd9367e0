"""Lineage: what a product or a model came from, and what was made from it.

The graph runs from source files over products, training datasets and models to predictions and dashboards. Only what
still holds is drawn: edges that led to rows which an overwrite has replaced since are history. An edge that ends at
something unknown makes the whole answer an error, since a list that lacks a part looks like one that is complete.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from mesh_catalog.catalog.edges import SOURCE, ColumnEdge, NodeKind
from mesh_catalog.catalog.inventory import find_kind
from mesh_catalog.catalog.store import Catalog, among
from mesh_catalog.catalog.tables import (
    column_edges,
    contract_columns,
    dashboards,
    edges,
    model_versions,
    models,
    products,
    run_files,
    runs,
)
from mesh_catalog.catalog.versions import newest_versions
from mesh_catalog.errors import StorageError, listed

__all__ = [
    "ColumnEdge",
    "ColumnLink",
    "Direction",
    "LineageGraph",
    "Link",
    "Node",
    "lineage",
    "links_by_node",
    "reached",
]

Direction = Literal["upstream", "downstream"]
Seen = Literal["declared", "openlineage", "both"]
_Key = tuple[str, str]
_KINDS: tuple[NodeKind, ...] = ("source", "product", "model", "model_version", "dashboard")


@dataclass(frozen=True, kw_only=True)
class Node:
    """Something that rows are in, or that learned from them."""

    kind: NodeKind
    name: str
    """Of a source, the product whose source it is; of a model version, `model@version`."""
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
    """Everything upstream or downstream of `root`, itself included. Always complete: an incomplete one is an error."""

    root: _Key
    direction: Direction
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    columns: tuple[ColumnLink, ...] = ()
    complete: bool = True

    @property
    def differences(self) -> tuple[Link, ...]:
        """Links that only one of the two saw, where the other one looked at all."""
        watched = {link.target for link in self.links if link.seen != "declared"}
        return tuple(link for link in self.links if link.target in watched and link.seen != "both")

    def node(self, key: _Key) -> Node:
        return self._by_key[key]

    @cached_property
    def _by_key(self) -> Mapping[_Key, Node]:
        return {node.key: node for node in self.nodes}


def lineage(catalog: Catalog, name: str, *, direction: Direction, columns: bool = False) -> LineageGraph:
    """Follow the lineage of a product, a model or a dashboard to its ends.

    Raises:
        NotFoundError: `name` is no product, model or dashboard.
        StorageError: An edge points to something that the catalog does not know.
    """
    root = (find_kind(catalog, name), name)
    with catalog.read() as connection:
        links = _walk(connection, root, direction)
        keys = {root, *(link.source for link in links), *(link.target for link in links)}
        nodes = _nodes(connection, keys)
        missing = sorted(keys - nodes.keys())
        if missing:
            raise _incomplete(name, direction, (f"{kind} '{missed}'" for kind, missed in missing))
        found = _column_links(connection, keys) if columns else []
        unknown = _unknown_columns(connection, found)
        if unknown:
            raise _incomplete(name, direction, (f"column '{column}'" for column in unknown))
    order = sorted(nodes.values(), key=lambda node: (node.key != root, _KINDS.index(node.kind), node.name))
    return LineageGraph(root=root, direction=direction, nodes=tuple(order), links=tuple(links), columns=tuple(found))


def reached(catalog: Catalog, name: str, *, direction: Direction) -> tuple[Node, ...]:
    """The nodes of `lineage` without its links, the root left out: whom a change concerns, fast where it is thousands.

    Raises:
        NotFoundError: `name` is no product, model or dashboard.
        StorageError: An edge points to something that the catalog does not know.
    """
    root = (find_kind(catalog, name), name)
    with catalog.read() as connection:
        keys = _walk_ends(connection, root, direction)
        nodes = _nodes(connection, keys)
        missing = sorted(keys - nodes.keys())
    if missing:
        raise _incomplete(name, direction, (f"{kind} '{missed}'" for kind, missed in missing))
    return tuple(sorted(nodes.values(), key=lambda node: (_KINDS.index(node.kind), node.name)))


def _walk_ends(connection: Connection, root: _Key, direction: Direction) -> set[_Key]:
    e = edges.c
    near, far = (e.from_kind, e.from_name), (e.to_kind, e.to_name)
    if direction == "upstream":
        near, far = far, near
    seen, level = {root}, {root}
    kept: dict[str, int | None] = {}
    while level:
        rows: set[Any] = set()
        for kind, names in _by_kind(level).items():
            query = select(*far, e.to_kind, e.to_name, e.last_version)
            rows.update(connection.execute(query.where(near[0] == kind, among(connection, near[1], names))).tuples())
        _learn_kept(connection, {row[3] for row in rows if row[4] is not None and row[2] == "product"}, kept)
        level = {(row[0], row[1]) for row in rows if _holds(row[2], row[3], row[4], kept)} - seen
        seen |= level
    return seen - {root}


def _incomplete(name: str, direction: str, unknown: Iterable[str]) -> StorageError:
    return StorageError(
        f"{name}: its {direction} lineage is incomplete. It leads to {listed(unknown)}, which the catalog does not "
        "know. Publish it, or bring back the folder that declared it."
    )


def _walk(connection: Connection, root: _Key, direction: Direction) -> list[Link]:
    """Breadth first, a level a query; what was seen is not followed again, so a loop ends."""
    found: list[Link] = []
    seen, level = {root}, [root]
    kept: dict[str, int | None] = {}
    while level:
        ends: dict[_Key, None] = {}
        for link in _links_at(connection, level, direction, kept):
            found.append(link)
            ends[link.source if direction == "upstream" else link.target] = None
        level = [end for end in ends if end not in seen]
        seen.update(level)
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
    inside = {name for kind, name in keys if kind in ("product", "source")}
    kept: dict[str, int | None] = {}
    _learn_kept(connection, inside, kept)
    c = column_edges.c
    found: dict[tuple[str, str, str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    query = select(c.from_product, c.from_column, c.to_product, c.to_column, c.kind, c.origin, c.last_version)
    for row in connection.execute(query.where(among(connection, c.to_product, inside))):
        from_product, from_column, to_product, to_column, kind, origin, version = row
        if _holds("product", to_product, version, kept) and (from_product in inside or from_product == SOURCE):
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
