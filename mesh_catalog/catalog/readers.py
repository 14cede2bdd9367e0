"""Who reads a product, by lineage: whom a change of its contract concerns, and who answers for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import select

from mesh_catalog.catalog.inventory import read_columns
from mesh_catalog.catalog.lineage import LineageGraph, Node, lineage
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import kpis, models

__all__ = ["Reader", "readers_of"]

_TRAINING = "__training"


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A product, a model, a dashboard or a KPI that reads another product directly."""

    kind: str
    """`product`, `model`, `dashboard`, `kpi`, or `check of` where a rule of that product's contract reads."""
    name: str
    owner: str | None
    columns: tuple[str, ...]
    """Columns that it is known to read; empty where that is not known: then it may read any."""

    def __str__(self) -> str:
        read = f" reads {', '.join(self.columns)}" if self.columns else ""
        return f"{self.kind} {self.name}{read} (owner {self.owner or 'nobody'})"


def readers_of(catalog: Catalog, product: str, columns: Collection[str] | None = None) -> tuple[Reader, ...]:
    """The products, models and dashboards that read a product, those of its own training frames seen through, by name.

    Args:
        columns: Only readers of these, and those of which it is not known what they read; None: all readers.

    Raises:
        NotFoundError: No such product.
        StorageError: The lineage is incomplete.
    """
    graph = lineage(catalog, product, direction="downstream", columns=True)
    found = {reader.name: reader for reader in _direct(catalog, graph, product)}
    wanted = None if columns is None else set(columns)
    return tuple(
        reader
        for _, reader in sorted(found.items())
        if wanted is None or not reader.columns or wanted & set(reader.columns)
    )


def _direct(catalog: Catalog, graph: LineageGraph, product: str) -> Iterator[Reader]:
    root = ("product", product)
    for link in graph.links:
        if link.source != root or link.target == root:
            continue
        node = graph.node(link.target)
        if node.retired or node.name.endswith("__quarantine"):
            continue
        if node.kind == "product" and node.name.endswith(_TRAINING):
            model = node.name.removesuffix(_TRAINING)
            yield from _model(catalog, product, model, node.owner)
        elif node.kind == "model":
            yield from _model(catalog, product, node.name, node.owner)
        elif node.kind == "dashboard":
            yield Reader(kind="dashboard", name=node.name, owner=node.owner, columns=())
        elif node.kind == "kpi":
            yield Reader(
                kind="kpi", name=node.name, owner=node.owner, columns=_kpi_columns(catalog, product, node.name)
            )
        elif node.kind == "product":
            yield Reader(kind="product", name=node.name, owner=node.owner, columns=_columns(graph, product, node))


def _kpi_columns(catalog: Catalog, product: str, name: str) -> tuple[str, ...]:
    """The columns that formulas, filters and dimensions of a KPI name, as the product spells them."""
    with catalog.read() as connection:
        used = connection.execute(select(kpis.c.columns).where(kpis.c.name == name)).scalar_one()
    known = {column.name.lower(): column.name for column in read_columns(catalog, product)}
    return tuple(known.get(column, column) for column in used)


def _columns(graph: LineageGraph, product: str, reader: Node) -> tuple[str, ...]:
    """What Spark's plan showed: columns that become others, and those that rows are filtered, joined or grouped by."""
    links = [link for link in graph.columns if link.from_product == product and link.to_product == reader.name]
    return tuple(dict.fromkeys(link.from_column for link in links))


def _model(catalog: Catalog, product: str, name: str, owner: str | None) -> Iterator[Reader]:
    """A model's features and target; a feature that is a whole product reads any column of it."""
    query = select(models.c.target, models.c.features, models.c.retired_at).where(models.c.name == name)
    with catalog.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        yield Reader(kind="product", name=f"{name}{_TRAINING}", owner=owner, columns=())
        return
    if row.retired_at is not None:
        return
    named = [reference for reference in (row.target, *row.features) if reference.rpartition(".")[0] == product]
    whole = product in row.features
    yield Reader(
        kind="model",
        name=name,
        owner=owner,
        columns=() if whole else tuple(dict.fromkeys(reference.rpartition(".")[2] for reference in named)),
    )
