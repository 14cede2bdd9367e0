"""A PostgreSQL database as a source; the server is real."""

from __future__ import annotations

from typing import Any

import pytest

from mesh_catalog.errors import InputError, MeshError, SettingsError, StorageError
from mesh_catalog.lake.session import openlineage_file
from tests.postgres import PASSWORD, USER, PostgresServer

from .conftest import Shop
from .test_sources import origins, rows, use_columns

COLUMNS = {"id": "bigint", "at": "timestamp", "name": "string", "price": "decimal(10,2)"}


class Store:
    """A database with the table goods, and the product shop.orders that reads it."""

    def __init__(self, shop: Shop, server: PostgresServer) -> None:
        self.shop = shop
        self.server = server
        self.name = server.new_database()
        self.execute(
            "create table goods (id bigint primary key, at timestamptz, name text, price numeric(10,2))",
            "insert into goods select n, timestamptz '2026-01-01 00:00:00.123456+00' + n * interval '1 hour',"
            " 'good ' || n, n / 4.0 from generate_series(1, 1000) n",
        )

    def execute(self, *statements: str) -> None:
        self.server.execute(*statements, database=self.name)

    def use(self, columns: dict[str, str] | None = None, *, mode: str = "overwrite", **changes: Any) -> None:
        source = {"format": "jdbc", "host": "127.0.0.1", "port": self.server.port, "database": self.name, "user": USER}
        source |= {"password_env": "TEST_DB_PASSWORD", **changes}  # pragma: allowlist secret
        if "url" in changes:
            source = {key: value for key, value in source.items() if key not in ("host", "port", "database")}
        use_columns(self.shop, columns or COLUMNS, mode=mode, **source)


@pytest.fixture
def store(shop: Shop, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("TEST_DB_PASSWORD", PASSWORD)
    return Store(shop, postgres)


def test_a_table_is_read_with_its_types_and_in_parts_at_once(store: Store) -> None:
    store.use(table="public.goods", partition={"column": "id", "lower": 1, "upper": 800, "number": 4})
    result = store.shop.publish()
    assert result.rows == 1000
    found = {row["id"]: row for row in rows(store.shop)}
    assert (str(found[3]["at"]), found[3]["name"], str(found[3]["price"])) == (
        "2026-01-01 03:00:00.123456",
        "good 3",
        "0.75",
    )
    assert origins(store.shop) == [f"jdbc jdbc:postgresql://127.0.0.1:{store.server.port}/{store.name} public.goods"]


def test_a_query_is_one_select_over_a_connection_that_cannot_write(store: Store) -> None:
    store.use(
        {"name": "string", "mode": "string"},
        query="select name, current_setting('transaction_read_only') as mode from goods where id <= 2 -- the first\n;",
    )
    store.shop.publish()
    assert {(row["name"], row["mode"]) for row in rows(store.shop)} == {("good 1", "on"), ("good 2", "on")}
    store.execute(
        "create sequence counter",
        "create function steal() returns text language sql as 'delete from goods; select null::text'",
    )
    store.use({"name": "string", "mode": "string"}, query="select steal() as name, '' as mode")
    with pytest.raises(MeshError):
        store.shop.publish()
    store.use({"name": "string", "mode": "string"}, query="select name, '' as mode from goods")
    assert store.shop.publish().rows == 1000


@pytest.mark.parametrize("column", ["id", "at"])
def test_an_incremental_source_reads_each_row_once(store: Store, column: str) -> None:
    store.use(mode="append", table="goods", incremental=column)
    assert store.shop.publish().rows == 1000
    assert store.shop.publish().outcome == "unchanged"
    store.execute(
        "insert into goods values (1001, '2026-12-01 00:00:00.5+00', 'late', 1), (1002, '2026-12-02+00', 'z', 2)"
    )
    result = store.shop.publish()
    assert (result.rows, result.total_rows) == (2, 1002)
    assert origins(store.shop)[0].endswith("1002" if column == "id" else "2026-12-02 00:00:00.000000")
    assert {row["id"] for row in rows(store.shop)} == set(range(1, 1003))


def test_an_empty_table_is_nothing_new(store: Store) -> None:
    store.execute("truncate goods")
    store.use(mode="append", table="goods", incremental="id")
    assert store.shop.publish().outcome == "unchanged"


def test_the_password_stands_in_no_file_plan_log_or_event(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    shop = store.shop
    store.use(table="goods", partition={"column": "id", "lower": 1, "upper": 1000, "number": 2})
    shop.publish()
    store.use({"a": "string"}, table="goods")
    with pytest.raises(MeshError) as refusal:
        shop.publish()
    frame = shop.spark.read.format("delta").load(str(shop.location))
    told = capfd.readouterr()
    texts = [told.out, told.err, str(refusal.value), frame._jdf.queryExecution().toString()]
    assert PASSWORD not in "".join(texts)
    events = openlineage_file(shop.spark)
    files = [path for path in shop.root.rglob("*") if path.is_file()] + [events]
    assert "goods" in events.read_text()
    for path in files:
        assert PASSWORD.encode() not in path.read_bytes(), path


def test_what_a_database_refuses_is_a_sentence_without_a_secret(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.execute(
        "create table closed (a text)", "insert into closed values ('zq7')", "create role reader login password 'r'"
    )

    def refused(kind: type[MeshError], sentence: str, **source: Any) -> None:
        store.use({"a": "string"}, **source)
        with pytest.raises(kind, match=sentence) as refusal:
            store.shop.publish()
        seen: BaseException | None = refusal.value
        while seen is not None:
            assert PASSWORD not in str(seen)
            seen = seen.__cause__

    refused(InputError, "the database has no such table", table="nowhere")
    refused(InputError, "the database has no such column", query="select nothing from goods")
    refused(InputError, "has no such database", table="closed", database="nowhere")
    refused(StorageError, "cannot be reached", table="closed", port=1)
    refused(InputError, "must be a column of whole numbers", table="closed", incremental="a")
    monkeypatch.setenv("TEST_DB_PASSWORD", "wrong")
    refused(InputError, "refuses the user or the password", table="closed")
    monkeypatch.setenv("TEST_DB_PASSWORD", "r")
    refused(InputError, "does not let this user read it", table="closed", user="reader")
    monkeypatch.delenv("TEST_DB_PASSWORD")
    refused(SettingsError, "the environment variable TEST_DB_PASSWORD is not set", table="closed")
