"""A catalog of every released version, with rows in every table, is upgraded without losing one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import JSON, Boolean, Connection, DateTime, Float, Integer, MetaData, Numeric, Table, select

from mesh_catalog.catalog.inventory import read_columns, read_product
from mesh_catalog.catalog.migrations.run import upgrade
from mesh_catalog.catalog.search import search
from mesh_catalog.catalog.store import connect_catalog, open_catalog
from mesh_catalog.catalog.tables import edges, openlineage_datasets
from mesh_catalog.catalog.verdicts import read_verdict
from tests.unit.catalog.conftest import ON_BOTH

RELEASED = ["0001", "0002", "0003", "0004"]
NOT_KEPT = {"search_terms", "alembic_version"}
"""The words to search by, which are indexed anew."""
DRIFTED = {"column": "amount", "type": "numerical", "method": "Jensen-Shannon distance", "score": 0.2,
           "threshold": 0.1, "drifted": True, "reason": None}  # fmt: skip
NAMES = {"domain": "payments", "product": "payments.cards", "model": "payments.cards", "owner": "ana", "name": None}
NAMES |= {
    "digest": "d1",
    "contract_digest": "d1",
    "run_id": "r1",
    "id": None,
    "description": "카드 결제 every card payment",
}
ROW_NAMES = {"owners": "ana", "domains": "payments", "runs": "r1", "contract_columns": "amount"}


def fill(connection: Connection) -> dict[str, list[Any]]:
    """One row in each table of the schema as it is; returns them."""
    tables = MetaData()
    tables.reflect(connection)
    for table in tables.sorted_tables:
        if table.name != "alembic_version":
            row = {column.name: value_of(table, column) for column in table.columns}
            connection.execute(table.insert(), {name: value for name, value in row.items() if value is not None})
    return rows_of(connection, tables)


def rows_of(connection: Connection, tables: MetaData) -> dict[str, list[Any]]:
    return {
        table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
        for table in tables.sorted_tables
        if table.name not in NOT_KEPT
    }


def value_of(table: Table, column: Any) -> Any:
    kind = column.type
    if column.name == "retired_at":
        return None
    if (table.name, column.name) == ("verdicts", "columns"):
        return [DRIFTED]
    if isinstance(kind, JSON):
        return ["a"] if column.name in ("tags", "columns", "masked", "inputs", "features", "reads") else {"a": 1}
    if isinstance(kind, DateTime):
        return datetime(2026, 5, 1, tzinfo=None if column.type.timezone is False else UTC).replace(tzinfo=None)
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, (Integer, Float, Numeric)):
        return 1
    if column.name in ("name", "id") and table.name in ROW_NAMES:
        return ROW_NAMES[table.name]
    return NAMES.get(column.name) or ("payments.cards" if column.name == "name" else f"a {column.name}")


@ON_BOTH
@pytest.mark.parametrize("revision", RELEASED)
def test_a_catalog_of_every_released_version_keeps_its_rows(url: str, revision: str) -> None:
    old = connect_catalog(url)
    with old.write() as connection:
        upgrade(connection, revision)
        before = fill(connection)
    old.close()
    assert len(before) > 15 and all(len(rows) == 1 for rows in before.values())
    catalog = open_catalog(url)
    with catalog.read() as connection:
        tables = MetaData()
        tables.reflect(connection)
        after = rows_of(connection, tables)
    moved = before.pop("verdicts")[0]
    for name, rows in before.items():
        kept = [{key: row[key] for key in rows[0]} for row in after[name]]
        assert kept == rows, name
    assert read_product(catalog, "payments.cards").owner == "ana"
    assert [column.name for column in read_columns(catalog, "payments.cards")] == ["amount"]
    assert {hit.kind for hit in search(catalog, "카드")} >= {"product"}
    assert search(catalog, "ammount")[0].matched == ("column amount",)
    verdict = read_verdict(catalog, moved["id"])
    assert (verdict.subject, verdict.share, verdict.outcome) == (moved["model"], moved["share"], "fail")
    assert [(one.column, one.score, one.outcome) for one in verdict.measures] == [("amount", 0.2, "fail")]
    catalog.close()


@ON_BOTH
def test_edges_and_what_events_told_before_are_there_after_an_upgrade(url: str) -> None:
    edge = {"from_kind": "job", "from_name": "etl#load", "to_kind": "dataset", "to_name": "lake#orders"}
    told = {"name": "lake#orders", "canonical": "lake#orders", "told": True, "renamed": False}
    old = connect_catalog(url)
    with old.write() as connection:
        upgrade(connection, "0011")
        connection.execute(edges.insert(), {**edge, "origin": "openlineage", "last_version": 3})
        connection.execute(openlineage_datasets.insert(), told)
    old.close()
    catalog = open_catalog(url)
    with catalog.read() as connection:
        assert [row[:6] for row in connection.execute(select(edges))] == [(*edge.values(), "openlineage", 3)]
    assert [(hit.name, hit.kind) for hit in search(catalog, "ordrs")] == [("lake#orders", "dataset")]
    catalog.close()
