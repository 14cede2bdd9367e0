"""The card of a committed run: what the catalog knows of it that neither Delta's log nor the manifest tells.

Kept beside the table, so that a lost catalog can be made again from the lake: who ran it, under which contract, into
which product, and which column became which. Holds no rows and no values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select, update

from mesh_catalog.catalog.canonical import plain
from mesh_catalog.catalog.edges import ColumnEdge, record_run_edges
from mesh_catalog.catalog.inventory import to_column
from mesh_catalog.catalog.search_entries import product_indexed
from mesh_catalog.catalog.search_index import index_assets, lock_index
from mesh_catalog.catalog.store import Catalog, retried, upsert
from mesh_catalog.catalog.tables import (
    UtcDateTime,
    contract_columns,
    contracts,
    domains,
    owners,
    products,
    runs,
    versions,
)

__all__ = ["read_card", "restore_contracts", "restore_runs"]

_RUN = ("principal", "contract_version", "contract_digest", "definition_digest", "started_at", "finished_at", "message")


def read_card(catalog: Catalog, run_id: str, edges: Sequence[ColumnEdge]) -> dict[str, Any]:
    """The card of a run that the catalog knows, as plain JSON values.

    Args:
        edges: Column lineage that the run showed.
    """
    with catalog.read() as connection:
        run = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().one()
        product = connection.execute(select(products).where(products.c.name == run["product"])).mappings().one()
        key = {"product": run["product"], "digest": run["contract_digest"]}
        contract = connection.execute(_where(contracts, key)).mappings().one_or_none()
        columns = connection.execute(_where(contract_columns, key).order_by(contract_columns.c.position)).mappings()
        card = {
            "run": {name: run[name] for name in ("id", "product", *_RUN)},
            "product": dict(product),
            "contract": dict(contract) if contract else None,
            "columns": [dict(row) for row in columns],
            "column_edges": list(edges),
        }
    found: dict[str, Any] = plain(card)
    return found


@retried
def restore_contracts(catalog: Catalog, cards: Sequence[Mapping[str, Any]]) -> None:
    """Register the products and the contracts that cards tell of, oldest first; what is registered stays as it is."""
    with catalog.write() as connection:
        lock_index(connection)
        for card in reversed(cards):  # the newest says what a product is now
            row = _times(products, card["product"])
            if not _known(connection, products, {"name": row["name"]}):
                upsert(connection, owners, [{"name": row["owner"]}] if row["owner"] else [])
                upsert(connection, domains, [{"name": row["domain"], "owner": row["owner"], "fingerprint": ""}])
                upsert(connection, products, [row])
                if row["retired_at"] is None:
                    index_assets(connection, [product_indexed(row, map(to_column, card["columns"]))])
            if card["contract"] is not None:
                upsert(connection, contracts, [_times(contracts, card["contract"])])
                upsert(connection, contract_columns, card["columns"])


@retried
def restore_runs(catalog: Catalog, cards: Sequence[Mapping[str, Any]]) -> None:
    """Complete runs that are known by their manifest only: who, when, under which contract, column by column."""
    with catalog.write() as connection:
        for card in cards:
            told = _times(runs, card["run"])
            where = versions.c.run_id == told["id"]
            version = connection.execute(select(versions.c.product, versions.c.version).where(where)).one_or_none()
            if version is None:
                continue
            connection.execute(update(runs).where(runs.c.id == told["id"]).values({name: told[name] for name in _RUN}))
            connection.execute(update(versions).where(where).values(contract_digest=told["contract_digest"]))
            edges = [ColumnEdge(**edge) for edge in card["column_edges"]]
            record_run_edges(connection, version[0], version[1], inputs={}, columns=edges, has_files=False)


def _where(table: Table, key: Mapping[str, Any]) -> Any:
    return select(table).where(*(table.c[name] == value for name, value in key.items()))


def _known(connection: Connection, table: Table, key: Mapping[str, Any]) -> bool:
    return connection.execute(_where(table, key)).first() is not None


def _times(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row's values that the table still has a column for, its times read from their text."""
    return {
        name: datetime.fromisoformat(value) if value and isinstance(table.c[name].type, UtcDateTime) else value
        for name, value in row.items()
        if name in table.c
    }
