"""Who reads a product, by lineage, and who reads what is made of it: whom a change of its contract concerns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Final

from sqlalchemy import select

from mesh_catalog.catalog.inventory import read_columns
from mesh_catalog.catalog.lineage import LineageGraph, Node, lineage
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import kpis, models
from mesh_catalog.contracts.consumers import Consumer, Origin, Reader, readers_of_columns

__all__ = ["consumers_of", "readers_of"]

_TRAINING: Final = "__training"
_PREDICTIONS: Final = "__predictions"
_VALUES: Final = frozenset(("IDENTITY", "TRANSFORMATION", "AGGREGATION"))
"""OpenLineage's kinds of column edges by which values go on; by the others rows are chosen, joined or grouped."""


def readers_of(catalog: Catalog, product: str, columns: Collection[str] | None = None) -> tuple[Reader, ...]:
    """The products, models and dashboards that read a product, those of its own training frames seen through, by name.

    Args:
        columns: Only readers of these, those that read what is made of them, and those of which it is not known what
            they read; None: all that read the product itself.

    Raises:
        NotFoundError: No such product.
        StorageError: The lineage is incomplete.
    """
    found = readers_of_columns(consumers_of(catalog, product), product, columns or (), whole=columns is None)
    return tuple(sorted(found, key=lambda reader: (len(reader.via), reader.name)))


def consumers_of(catalog: Catalog, product: str) -> list[Consumer]:
    """Everything downstream of a product that reads something.

    Raises:
        NotFoundError: No such product.
        StorageError: The lineage is incomplete.
    """
    graph = lineage(catalog, product, direction="downstream", columns=True, allow_incomplete="hidden")
    sources: dict[str, list[str]] = defaultdict(list)
    nodes: dict[str, Node] = {}
    for link in graph.links:
        node = graph.node(link.target)
        if link.source[0] == "product" and link.source != link.target and not node.retired:
            nodes[node.name] = node
            sources[node.name].append(link.source[1])
    found: dict[str, Consumer] = {}
    for name, node in nodes.items():
        for consumer in _consumers(catalog, graph, node, sources[name]):
            found[consumer.name] = consumer
    return list(found.values())


def _consumers(catalog: Catalog, graph: LineageGraph, node: Node, sources: list[str]) -> Iterator[Consumer]:
    """A model stands for the frame it learns from and the predictions it makes."""
    if node.name.endswith(("__quarantine", "__shadow", _PREDICTIONS)):
        return
    if node.kind == "product" and not node.name.endswith(_TRAINING):
        yield _product(graph, node, sources)
    elif node.kind in ("product", "model"):
        yield from _model(catalog, node.name.removesuffix(_TRAINING), node.owner, sources)
    elif node.kind == "dashboard":
        yield Consumer(kind="dashboard", name=node.name, owner=node.owner, reads=dict.fromkeys(sources))
    elif node.kind == "kpi":
        yield Consumer(
            kind="kpi",
            name=node.name,
            owner=node.owner,
            reads={source: _kpi_columns(catalog, source, node.name) for source in sources},
        )


def _product(graph: LineageGraph, node: Node, sources: list[str]) -> Consumer:
    """What Spark's plan showed of its columns; where it showed none of an input, it may read any."""
    links = [link for link in graph.columns if link.to_product == node.name]
    reads: dict[str, frozenset[str] | None] = {}
    for source in sources:
        reads[source] = frozenset(link.from_column for link in links if link.from_product == source) or None
    makes: dict[str, frozenset[Origin]] = defaultdict(frozenset)
    for link in links:
        if not _VALUES.isdisjoint(link.kinds):
            makes[link.to_column] |= {(link.from_product, link.from_column)}
    known = all(columns is not None for columns in reads.values())
    return Consumer(
        kind="product",
        name=node.name,
        owner=node.owner,
        reads=reads,
        dataset=node.name,
        columns=frozenset(makes),
        makes=dict(makes) if known else None,
    )


def _kpi_columns(catalog: Catalog, product: str, name: str) -> frozenset[str]:
    """The columns that formulas, filters and dimensions of a KPI name, as the product spells them."""
    with catalog.read() as connection:
        used = connection.execute(select(kpis.c.columns).where(kpis.c.name == name)).scalar_one()
    known = {column.name.lower(): column.name for column in read_columns(catalog, product)}
    return frozenset(known.get(column, column) for column in used)


def _model(catalog: Catalog, name: str, owner: str | None, sources: list[str]) -> Iterator[Consumer]:
    """A model's features and target; a feature that is a whole product reads any column of it."""
    query = select(models.c.target, models.c.features, models.c.retired_at).where(models.c.name == name)
    with catalog.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        dataset = f"{name}{_TRAINING}"
        yield Consumer(kind="product", name=dataset, owner=owner, reads=dict.fromkeys(sources), dataset=dataset)
        return
    if row.retired_at is not None:
        return
    reads: dict[str, frozenset[str] | None] = {}
    for reference in (row.target, *row.features):
        product, _, column = reference.rpartition(".")
        if "." not in product:
            reads[reference] = None  # a feature that is a whole product
        elif reads.get(product, frozenset()) is not None:
            reads[product] = (reads.get(product) or frozenset()) | {column}
    yield Consumer(kind="model", name=name, owner=owner, reads=reads, dataset=f"{name}{_PREDICTIONS}")
