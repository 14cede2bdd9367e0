"""Lineage: what a product or a model came from, and what was made from it.

The graph runs from source files over products, training datasets and models to predictions and dashboards. Only what
still holds is drawn: edges that led to rows which an overwrite has replaced since are history. An edge that ends at
something unknown makes the whole answer an error, since a list that lacks a part looks like one that is complete.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, tuple_

from mesh_catalog.catalog.edges import SOURCE, ColumnEdge, NodeKind
from mesh_catalog.catalog.inventory import find_kind
from mesh_catalog.catalog.store import Catalog
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
    versions,
)
from mesh_catalog.errors import StorageError, listed

__all__ = ["ColumnEdge", "ColumnLink", "Direction", "LineageGraph", "Link", "Node", "lineage", "links_by_node"]

Direction = Literal["upstream", "downstream"]
Seen = Literal["declared", "openlineage", "both"]
_Key = tuple[str, str]
_BATCH = 400
_KINDS: tuple[NodeKind, ...] = ("source", "product", "model", "model_version", "dashboard", "kpi")


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
        return next(node for node in self.nodes if node.key == key)


def lineage(catalog: Catalog, name: str, *, direction: Direction, columns: bool = False) -> LineageGraph:
    """Follow the lineage of a product, a model, a dashboard or a KPI to its ends.

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


def _incomplete(name: str, direction: str, unknown: Iterable[str]) -> StorageError:
    return StorageError(
        f"{name}: its {direction} lineage is incomplete. It leads to {listed(unknown)}, which the catalog does not "
        "know. Publish it, or bring back the folder that declared it."
    )


def _walk(connection: Connection, root: _Key, direction: Direction) -> list[Link]:
    """Breadth first, a level a query; what was seen is not followed again, so a loop ends."""
    found: dict[tuple[_Key, _Key], Link] = {}
    seen, level = {root}, [root]
    while level:
        following: list[_Key] = []
        for link in _links_at(connection, level, direction):
            found[link.source, link.target] = link
            end = link.source if direction == "upstream" else link.target
            if end not in seen:
                seen.add(end)
                following.append(end)
        level = following
    return sorted(found.values(), key=lambda link: (link.target, link.source))


def _links_at(connection: Connection, level: Sequence[_Key], direction: Direction) -> Iterator[Link]:
    origins: dict[tuple[_Key, _Key], dict[str, int | None]] = defaultdict(dict)
    near = (edges.c.to_kind, edges.c.to_name) if direction == "upstream" else (edges.c.from_kind, edges.c.from_name)
    for some in _batches(level):
        query = _current(tuple_(*near).in_(some))
        for from_kind, from_name, to_kind, to_name, origin, version in connection.execute(query):
            origins[(from_kind, from_name), (to_kind, to_name)][origin] = version
    for (source, target), by in sorted(origins.items()):
        yield Link(
            source=source,
            target=target,
            seen=_seen(by),
            planned=target[0] in ("product", "model")
            and source[0] in ("source", "product")
            and set(by.values()) == {None},
        )


def _current(condition: ColumnElement[bool]) -> Select[str, str, str, str, str, int | None]:
    """Edges that led to rows which are still in their target's table, or that are planned."""
    newest = _newest_versions().subquery()
    return (
        select(
            edges.c.from_kind, edges.c.from_name, edges.c.to_kind, edges.c.to_name, edges.c.origin, edges.c.last_version
        )
        .outerjoin(newest, (newest.c.product == edges.c.to_name) & (edges.c.to_kind == "product"))
        .where(condition, or_(edges.c.last_version.is_(None), edges.c.last_version >= newest.c.kept_from))
    )


def _newest_versions() -> Select[str, int, int]:
    other = versions.alias()
    newest = select(func.max(other.c.version)).where(other.c.product == versions.c.product).scalar_subquery()
    return select(versions.c.product, versions.c.version, versions.c.kept_from).where(versions.c.version == newest)


def _seen(origins: Iterable[str]) -> Seen:
    found = set(origins)
    if len(found) == 2:
        return "both"
    return "declared" if "declared" in found else "openlineage"


def _nodes(connection: Connection, keys: Iterable[_Key]) -> dict[_Key, Node]:
    names: dict[str, list[str]] = defaultdict(list)
    for kind, name in sorted(keys):
        names[kind].append(name)
    found: dict[_Key, Node] = {}
    readers = {
        "product": _product_nodes,
        "source": _source_nodes,
        "model": _model_nodes,
        "model_version": _version_nodes,
        "dashboard": _dashboard_nodes,
        "kpi": _kpi_nodes,
    }
    for kind, several in names.items():
        for some in _batches(several):
            for node in readers[kind](connection, some):
                found[node.key] = node
    return found


def _product_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    newest = _newest_versions().where(versions.c.product.in_(names)).subquery()
    query = (
        select(products.c.name, products.c.domain, products.c.owner, products.c.retired_at, newest.c.version)
        .outerjoin(newest, newest.c.product == products.c.name)
        .where(products.c.name.in_(names))
    )
    for name, domain, owner, retired_at, version in connection.execute(query):
        yield Node(
            kind="product",
            name=name,
            label=name,
            domain=domain,
            owner=owner,
            version=version,
            retired=retired_at is not None,
        )


def _source_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    counted = (
        select(runs.c.product, func.count().label("files"), func.min(run_files.c.path).label("first"))
        .join(run_files, run_files.c.run_id == runs.c.id)
        .where(runs.c.product.in_(names))
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
        .where(products.c.name.in_(names))
    )
    for name, domain, source, files, first in connection.execute(query):
        label = source or first or f"files of {name}"
        counts = files and not str(first).startswith(("delta ", "jdbc "))  # those are no files
        told = f"{label} ({files} {'file' if files == 1 else 'files'} read)" if counts else label
        yield Node(kind="source", name=name, label=told, domain=domain)


def _model_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    query = select(models.c.name, models.c.domain, models.c.owner, models.c.retired_at).where(models.c.name.in_(names))
    for name, domain, owner, retired_at in connection.execute(query):
        yield Node(kind="model", name=name, label=name, domain=domain, owner=owner, retired=retired_at is not None)


def _dashboard_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    d = dashboards.c
    query = select(d.name, d.domain, d.owner, d.retired_at).where(d.name.in_(names))
    for name, domain, owner, retired_at in connection.execute(query):
        yield Node(kind="dashboard", name=name, label=name, domain=domain, owner=owner, retired=retired_at is not None)


def _kpi_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    k = kpis.c
    query = select(k.name, k.domain, k.owner, k.retired_at).where(k.name.in_(names))
    for name, domain, owner, retired_at in connection.execute(query):
        yield Node(kind="kpi", name=name, label=name, domain=domain, owner=owner, retired=retired_at is not None)


def _version_nodes(connection: Connection, names: Sequence[str]) -> Iterator[Node]:
    pairs = [(model, int(version)) for model, _, version in (name.rpartition("@") for name in names)]
    query = select(model_versions.c.model, model_versions.c.version).where(
        tuple_(model_versions.c.model, model_versions.c.version).in_(pairs)
    )
    for model, version in connection.execute(query):
        yield Node(kind="model_version", name=f"{model}@{version}", label=f"{model} v{version}", version=version)


def _column_links(connection: Connection, keys: Iterable[_Key]) -> list[ColumnLink]:
    """Column edges among the datasets of the graph."""
    inside = {name for kind, name in keys if kind in ("product", "source")}
    newest = _newest_versions().subquery()
    c = column_edges.c
    found: dict[tuple[str, str, str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for some in _batches(sorted(inside)):
        query = (
            select(c.from_product, c.from_column, c.to_product, c.to_column, c.kind, c.origin)
            .join(newest, newest.c.product == c.to_product)
            .where(c.to_product.in_(some), c.last_version >= newest.c.kept_from)
        )
        for from_product, from_column, to_product, to_column, kind, origin in connection.execute(query):
            if from_product in inside or from_product == SOURCE:
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
    for some in _batches(sorted({product for product, _ in ends})):
        for product, column in connection.execute(select(c.product, c.name).where(c.product.in_(some)).distinct()):
            known[product].add(column)
    return sorted(f"{product}.{column}" for product, column in ends if column not in known[product])


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Databases bound the number of parameters."""
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def links_by_node(graph: LineageGraph) -> Mapping[_Key, tuple[Link, ...]]:
    """Of each node the links that lead on from it, in the graph's direction."""
    found: dict[_Key, list[Link]] = defaultdict(list)
    for link in graph.links:
        found[link.target if graph.direction == "upstream" else link.source].append(link)
    return {key: tuple(links) for key, links in found.items()}
