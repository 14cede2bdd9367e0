"""What products, models and dashboards are found by, from their rows in the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, select

from mesh_catalog.catalog.inventory import to_column
from mesh_catalog.catalog.openlineage.indexing import index_every_dataset
from mesh_catalog.catalog.search_index import Entry, Indexed, index_assets
from mesh_catalog.catalog.store import among
from mesh_catalog.catalog.tables import contract_columns, dashboards, models, products, search_assets
from mesh_catalog.contracts.contract import Column
from mesh_catalog.specs import split_name

__all__ = ["dashboard_indexed", "fill_index", "index_all", "model_indexed", "product_indexed"]

_DATASET_WEIGHT = 0.7
"""Of datasets that the framework writes itself: whoever searches mostly means the product."""
_AT_ONCE = 500


def product_indexed(row: Mapping[str, Any], columns: Iterable[Column]) -> Indexed:
    entries = [
        *_common(row, description="description"),
        *(Entry(field="tag", label=f"tag {tag}", text=tag) for tag in row["tags"]),
        Entry(field="status", label="status", text=row["status"]),
    ]
    for column in columns:
        label = f"column {column.name}"
        entries.append(Entry(field="column", label=label, text=column.name))
        entries.append(Entry(field="detail", label=label, text=" ".join([column.description or "", *column.tags])))
        entries.append(Entry(field="classification", label=label, text=column.classification or ""))
    weight = _DATASET_WEIGHT if row["kind"] == "dataset" else 1.0
    return Indexed(kind="product", name=row["name"], entries=entries, weight=weight)


def model_indexed(row: Mapping[str, Any]) -> Indexed:
    target = row["target"].rpartition(".")[2]
    entries = [
        *_common(row, description="goal"),
        Entry(field="description", label="decides", text=row["decides"] or ""),
        Entry(field="column", label=f"target {target}", text=target),
        Entry(field="detail", label="features", text=" ".join(row["features"])),
        Entry(field="detail", label="algorithm", text=row["algorithm"]),
    ]
    return Indexed(kind="model", name=row["name"], entries=entries)


def dashboard_indexed(row: Mapping[str, Any]) -> Indexed:
    entries = [
        *_common(row, description="description"),
        Entry(field="name", label="title", text=row["title"] or ""),
        Entry(field="detail", label="reads", text=" ".join(row["reads"])),
    ]
    return Indexed(kind="dashboard", name=row["name"], entries=entries)


def _common(row: Mapping[str, Any], *, description: str) -> Iterator[Entry]:
    yield Entry(field="name", label="name", text=split_name(row["name"])[1])
    yield Entry(field="domain", label="domain", text=row["domain"])
    yield Entry(field="owner", label=f"owner {row['owner']}", text=row["owner"] or "")
    yield Entry(field="description", label=description, text=row[description] or "")


def fill_index(connection: Connection) -> None:
    """Index what an older mesh-catalog registered, and the datasets outside that it did not index yet."""
    a = search_assets.c
    if connection.execute(select(a.id).limit(1)).first() is None:
        index_all(connection)
    if connection.execute(select(a.id).where(a.kind == "dataset").limit(1)).first() is None:
        index_every_dataset(connection)


def index_all(connection: Connection) -> None:
    """Index every product, model and dashboard that is not retired."""
    for rows in _chunks(connection, products):
        columns = _columns(connection, [(row["name"], row["contract_digest"]) for row in rows])
        index_assets(connection, [product_indexed(row, columns.get(row["name"], ())) for row in rows])
    for rows in _chunks(connection, models):
        index_assets(connection, [model_indexed(row) for row in rows])
    for rows in _chunks(connection, dashboards):
        index_assets(connection, [dashboard_indexed(row) for row in rows])


def _chunks(connection: Connection, table: Table) -> Iterator[list[Mapping[str, Any]]]:
    query = select(table).where(table.c.retired_at.is_(None)).order_by(table.c.name)
    rows = iter(connection.execute(query).mappings().all())
    while chunk := list(islice(rows, _AT_ONCE)):
        yield [dict(row) for row in chunk]


def _columns(connection: Connection, digests: list[tuple[str, str]]) -> dict[str, list[Column]]:
    current = set(digests)
    c = contract_columns
    query = select(c).where(among(connection, c.c.product, [name for name, _ in digests])).order_by(c.c.position)
    found: dict[str, list[Column]] = {}
    for row in connection.execute(query).mappings():
        if (row["product"], row["digest"]) in current:
            found.setdefault(row["product"], []).append(to_column(row))
    return found
