"""One product, read by every reader: the same rows, versions and errors."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

import mesh_catalog
from mesh_catalog.access.gate import read_audit, request_read
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.errors import InputError, NotFoundError, SettingsError, StorageError
from mesh_catalog.lake.arrow import count_values, preview_rows

from .conftest import Shop, order

KINDS = """
select cast(id as bigint) as id, concat('고객', id) as name, cast(id * 1.25 as decimal(18, 4)) as price,
  timestamp'2026-01-01 09:00:00.123456' + make_interval(0, 0, 0, 0, 0, 0, id) as at,
  date_add(date'2026-01-01', cast(id as int)) as day,
  if(id % 3 = 0, null, id) as maybe, named_struct('code', id, 'tags', array('ㄱ', cast(id as string))) as detail,
  if(id = 1, null, array(named_struct('x', cast(id as double)))) as points, id % 2 = 0 as even
from range(5)
"""
COLUMNS = {
    "id": "bigint",
    "name": "string",
    "price": "decimal(18,4)",
    "at": "timestamp",
    "day": "date",
    "maybe": "bigint",
    "detail": "struct<code:bigint,tags:array<string>>",
    "points": "array<struct<x:double>>",
    "even": "boolean",
}
LOGICAL = {"bigint": "integer", "decimal(18,4)": "number", "struct<code:bigint,tags:array<string>>": "object"}


def add_kinds(shop: Shop) -> None:
    def property_of(name: str, kind: str) -> dict[str, Any]:
        logical = "array" if kind.startswith("array") else LOGICAL.get(kind, kind)
        return {"name": name, "logicalType": logical, "physicalType": kind}

    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "shop.kinds",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "kinds", "properties": [property_of(*item) for item in COLUMNS.items()]}],
    }
    shop.write("domains/shop/kinds/contract.yaml", document)
    shop.write("domains/shop/kinds/build.sql", KINDS)
    shop.reload()


@pytest.fixture
def here(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The shop as a notebook inside its folder sees it."""
    monkeypatch.chdir(shop.root)
    return shop


def test_every_reader_gives_the_rows_that_spark_gives(here: Shop) -> None:
    add_kinds(here)
    here.publish("shop.kinds")
    rows = [row.asDict(recursive=True) for row in mesh_catalog.read("shop.kinds").orderBy("id").collect()]
    for row in rows:
        row["at"] = row["at"].replace(tzinfo=UTC)  # Spark's rows carry the session's zone, UTC, without saying so
    table = mesh_catalog.read_arrow("shop.kinds").sort_by("id")
    assert table.to_pylist() == rows
    assert table.schema.field("at").type == pa.timestamp("us", "UTC")
    assert table.schema.field("name").type == pa.string()
    assert mesh_catalog.read_polars("shop.kinds").sort("id").to_dicts() == rows
    assert (
        mesh_catalog.read_polars("shop.kinds", lazy=True).filter(pl.col("id") > 2).sort("id").collect().to_dicts()
        == rows[3:]
    )
    frame = mesh_catalog.read_pandas("shop.kinds", columns=["name", "at", "price"]).sort_values("name")
    assert list(frame.columns) == ["name", "at", "price"]
    assert [tuple(row) for row in frame.itertuples(index=False)] == [(r["name"], r["at"], r["price"]) for r in rows]
    batches = mesh_catalog.read_batches("shop.kinds", columns=["maybe"])
    assert sum(batch.num_rows for batch in batches) == 5
    events = read_audit(here.mesh, "shop.kinds")
    assert {(event.purpose, event.allowed) for event in events} == {("analysis", True)}
    assert [event.columns for event in events[:2]] == [("maybe",), ("name", "at", "price")]


def test_as_of_gives_the_version_that_readers_saw_then(here: Shop) -> None:
    here.land("a", [order(1)])
    here.publish()
    here.land("b", [order(2, day=2)])
    here.publish()
    first, second = (record.committed_at for record in read_versions(here.mesh.catalog, "shop.orders"))
    between = first + (second - first) / 2
    assert mesh_catalog.read("shop.orders", as_of=between).count() == 1
    assert mesh_catalog.read_arrow("shop.orders", as_of=between.isoformat()).num_rows == 1
    assert mesh_catalog.read_arrow("shop.orders", as_of=second).num_rows == 2
    naive = second.astimezone(UTC).replace(tzinfo=None)
    assert mesh_catalog.read_arrow("shop.orders", as_of=naive).num_rows == 2
    with pytest.raises(NotFoundError, match=r"shop\.orders: had no version at .* The first is v0, of 20"):
        mesh_catalog.read_arrow("shop.orders", as_of=first - timedelta(seconds=1))
    with pytest.raises(InputError, match="in the future"):
        mesh_catalog.read_arrow("shop.orders", as_of=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(InputError, match="'yesterday' is no moment"):
        mesh_catalog.read_arrow("shop.orders", as_of="yesterday")
    with pytest.raises(InputError, match="both given"):
        mesh_catalog.read_arrow("shop.orders", version=0, as_of=second)


def test_a_version_whose_files_are_gone_says_what_can_be_read_instead(here: Shop) -> None:
    add_kinds(here)
    here.publish("shop.kinds")
    here.publish("shop.kinds")
    location = request_read(here.mesh, "shop.kinds", purpose="analysis").location
    DeltaTable(location).vacuum(0, dry_run=False, enforce_retention_duration=False)
    for read in (mesh_catalog.read, mesh_catalog.read_arrow, mesh_catalog.read_pandas, mesh_catalog.read_polars):
        with pytest.raises(StorageError, match=r"shop\.kinds v0: \d+ of its \d+ data files are missing.* read v1"):
            read("shop.kinds", version=0)
    assert mesh_catalog.read_arrow("shop.kinds").num_rows == 5


def test_deleted_data_files_and_a_broken_log_are_named(here: Shop) -> None:
    here.land("a", [order(1)])
    here.publish()
    for path in here.location.glob("*.parquet"):
        path.unlink()
    with pytest.raises(StorageError, match=r"shop\.orders v0: 1 of its 1 data files are missing.*Restore"):
        mesh_catalog.read_arrow("shop.orders")
    with pytest.raises(StorageError, match="data files are missing"):
        preview_rows(request_read(here.mesh, "shop.orders", purpose="preview"), 5)
    (here.location / "_delta_log" / f"{0:020}.json").write_text("{nonsense")
    with pytest.raises(StorageError, match=r"shop\.orders v0: its commit _delta_log/0+\.json is empty or cut off"):
        mesh_catalog.read_arrow("shop.orders")


def test_counts_of_a_window_leave_out_what_a_compaction_rewrote(here: Shop) -> None:
    for number in range(3):
        here.land(str(number), [order(number, amount=number)])
        here.publish()
    here.spark.sql(f"optimize delta.`{here.location}`")
    here.land("last", [order(9, amount=9)])
    assert here.publish().version == 4
    ticket = request_read(here.mesh, "shop.orders", purpose="monitor")
    assert count_values(ticket, "amount", first_version=1) == {1.0: 1, 2.0: 1, 9.0: 1}
    assert count_values(ticket, "amount", first_version=4) == {9.0: 1}
    assert count_values(ticket, "amount") == {0.0: 1, 1.0: 1, 2.0: 1, 9.0: 1}


def test_without_polars_the_reader_says_how_to_install_it(here: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(SettingsError, match=r"pip install 'mesh-catalog\[polars\]'"):
        mesh_catalog.read_polars("shop.orders")


def test_readers_outside_a_workspace_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESH_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="no workspace here"):
        mesh_catalog.read_arrow("shop.orders")
