"""A product that reads only what changed in its input: each change reaches it once, whatever happens in between."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame

from mesh_catalog.access.audit import read_audit
from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.runs import latest_version, read_run, read_runs, read_versions
from mesh_catalog.errors import BatchRefusedError, ConflictError, DocumentError, InputError, StorageError
from mesh_catalog.lake import changes
from mesh_catalog.lake.read import read_table
from mesh_catalog.workspace import publish_order
from tests.lake.conftest import ORDERS, Shop, order

COLUMNS: list[dict[str, Any]] = [
    {"name": "order_id", "logicalType": "integer", "required": True, "primaryKey": True},
    {"name": "amount", "logicalType": "number", "logicalTypeOptions": {"maximum": 1000}},
    {"name": "change", "logicalType": "string"},
]
SQL = "select order_id, amount, _change_type as change from shop.orders"


def contract(columns: list[dict[str, Any]] = COLUMNS, **properties: Any) -> dict[str, Any]:
    """The contract of shop.copies."""
    found = copy.deepcopy(ORDERS) | {"id": "shop.copies"}
    found["schema"] = [{"name": "copies", "properties": columns}]
    custom = {"writeMode": "upsert", "readChanges": "shop.orders"} | properties
    found["customProperties"] = [{"property": key, "value": value} for key, value in custom.items()]
    return found


@pytest.fixture
def copies(shop: Shop) -> Shop:
    """shop.orders is upserted and keeps its change data; shop.copies takes over what changed in it, deletes too."""
    orders = copy.deepcopy(ORDERS)
    orders["customProperties"] = [
        {"property": "writeMode", "value": "upsert"},
        {"property": "deleteWhen", "value": {"column": "email", "value": "gone"}},
        {"property": "changeDataFeed", "value": True},
    ]
    shop.write("domains/shop/orders/contract.yaml", orders)
    deletes = {"column": "change", "value": "delete"}
    shop.write("domains/shop/copies/contract.yaml", contract(deleteWhen=deletes))
    shop.write("domains/shop/copies/build.sql", SQL)
    shop.reload()
    return shop


def land(shop: Shop, name: str, *lines: str) -> int:
    """New orders, published; the version of shop.orders that holds them."""
    shop.land(name, list(lines))
    version = shop.publish().version
    assert version is not None
    return version


def rows(shop: Shop) -> dict[int, float]:
    frame = read_table(shop.spark, request_read(shop.mesh, "shop.copies", purpose="analysis"))
    return {row["order_id"]: row["amount"] for row in frame.collect()}


def held(shop: Shop) -> int:
    latest = latest_version(shop.mesh.catalog, "shop.copies")
    assert latest is not None
    return read_run(shop.mesh.catalog, latest.run_id).inputs["shop.orders"]


def checkpoints(shop: Shop) -> list[Path]:
    return sorted((shop.location.parent / "copies" / "_checkpoints" / "shop.orders").glob("*"))


def test_inserts_updates_and_deletes_reach_the_reader_once(copies: Shop) -> None:
    land(copies, "a", order(1), order(2), order(3))
    assert copies.publish("shop.copies").rows == 3
    assert copies.publish("shop.copies").outcome == "unchanged"
    land(copies, "b", order(2, amount=20), order(4))
    land(copies, "c", order(2, amount=22), order(3, email="gone"))
    copies.spark.sql(f"optimize delta.`{copies.location}`")  # a version without a change
    newest = copies.publish("shop.copies")
    assert (newest.outcome, held(copies)) == ("published", 2)
    assert rows(copies) == {1: 10.5, 2: 22.0, 4: 10.5}
    assert copies.publish("shop.copies").outcome == "unchanged"
    asked = [event.version for event in read_audit(copies.mesh, "shop.orders") if event.purpose == "build"]
    assert asked == [2, 0]
    found = lineage(copies.mesh.catalog, "shop.copies", direction="upstream", columns=True).columns
    seen = {(link.from_column, link.to_column, link.seen) for link in found if link.from_product == "shop.orders"}
    # the first run read a table, which Spark's plan shows; the second a stream, whose columns build.sql tells
    assert seen == {("order_id", "order_id", "both"), ("amount", "amount", "both")}
    land(copies, "d", order(1, amount=11))
    assert copies.publish("shop.copies").version == newest.version + 1  # type: ignore[operator]
    assert rows(copies) == {1: 11.0, 2: 22.0, 4: 10.5}


def test_every_change_row_is_given_where_the_contract_asks_for_all(copies: Shop) -> None:
    everything = {"product": "shop.orders", "rows": "all"}
    columns = [{**column, "primaryKey": False} for column in COLUMNS]
    copies.write("domains/shop/copies/contract.yaml", contract(columns, writeMode="append", readChanges=everything))
    copies.reload()
    land(copies, "a", order(1))
    copies.publish("shop.copies")
    land(copies, "b", order(1, amount=20))
    land(copies, "c", order(1, email="gone"))
    copies.publish("shop.copies")
    frame = read_table(copies.spark, request_read(copies.mesh, "shop.copies", purpose="analysis"))
    assert sorted((row["change"], row["amount"]) for row in frame.collect()) == [
        ("delete", 20.0),
        ("insert", 10.5),
        ("update_postimage", 20.0),
        ("update_preimage", 10.5),
    ]


def test_a_crash_between_commit_and_checkpoint_writes_nothing_twice(
    copies: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = [{**column, "primaryKey": False} for column in COLUMNS]
    copies.write("domains/shop/copies/contract.yaml", contract(columns, writeMode="append"))
    copies.reload()
    land(copies, "a", order(1))
    copies.publish("shop.copies")
    land(copies, "b", order(2))

    def crashes(stream: changes._Stream, rows: DataFrame, batch: int) -> None:
        stream.publish_batch(rows, batch)
        stream.error = StorageError("the machine is gone")
        raise RuntimeError("the machine is gone")

    with monkeypatch.context() as patched:
        patched.setattr(changes._Stream, "_on_batch", crashes)
        with pytest.raises(StorageError, match="the machine is gone"):
            copies.publish("shop.copies")
    assert sorted(rows(copies)) == [1, 2]
    assert copies.publish("shop.copies").outcome == "unchanged"
    land(copies, "c", order(3))
    assert copies.publish("shop.copies").rows == 1
    assert sum(record.rows for record in read_versions(copies.mesh.catalog, "shop.copies")) == 3
    assert len(rows(copies)) == 3


def test_a_refused_batch_is_read_again_with_what_came_since(copies: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    land(copies, "a", order(1))
    copies.publish("shop.copies")
    land(copies, "b", order(2, amount=5000), order(3))
    for _ in range(2):
        with pytest.raises(BatchRefusedError, match=r"amount <= 1000\s+1 rows break it"):
            copies.publish("shop.copies")
        assert rows(copies) == {1: 10.5}
    refused = read_runs(copies.mesh.catalog, "shop.copies", outcome="refused")
    assert len(refused) == 1  # the same run, tried again
    land(copies, "c", order(2, amount=500))
    assert copies.publish("shop.copies").outcome == "published"
    assert rows(copies) == {1: 10.5, 2: 500.0, 3: 10.5}
    told = capfd.readouterr()
    assert "Traceback" not in told.out + told.err


def test_a_lost_checkpoint_is_made_anew_and_a_corrupt_one_says_how(copies: Shop) -> None:
    land(copies, "a", order(1))
    copies.publish("shop.copies")
    land(copies, "b", order(2))
    copies.publish("shop.copies")
    (lost,) = checkpoints(copies)
    shutil.rmtree(lost)
    land(copies, "c", order(3))
    assert copies.publish("shop.copies").rows == 1
    (found,) = checkpoints(copies)
    assert found.name == "from-2"
    newest = max(path for path in (found / "commits").iterdir() if path.name.isdecimal())
    newest.write_text("broken")
    newest.with_name(f".{newest.name}.crc").unlink(missing_ok=True)
    land(copies, "d", order(4))
    with pytest.raises(StorageError, match=r"holds shop\.orders up to v2.*mesh publish shop\.copies --new-checkpoint"):
        copies.publish("shop.copies")
    assert sorted(rows(copies)) == [1, 2, 3]
    assert copies.publish("shop.copies", fresh=True).rows == 1
    assert sorted(rows(copies)) == [1, 2, 3, 4]
    (found,) = checkpoints(copies)
    shutil.rmtree(found)
    land(copies, "e", order(5))
    found.with_name(f"from-{land(copies, 'f', order(6))}").mkdir()  # would leave a version out
    with pytest.raises(StorageError, match=r"holds shop\.orders up to v3.*--new-checkpoint"):
        copies.publish("shop.copies")
    assert copies.publish("shop.copies", fresh=True).rows == 2
    assert sorted(rows(copies)) == [1, 2, 3, 4, 5, 6]


def test_changes_that_upkeep_removed_are_named_and_the_whole_input_can_be_read(copies: Shop) -> None:
    land(copies, "a", order(1), order(2))
    copies.publish("shop.copies")
    land(copies, "b", order(1, amount=11))
    for folder in copies.location.glob("_change_data"):
        shutil.rmtree(folder)
    with pytest.raises(StorageError, match=r"changes of shop\.orders after v0 cannot be read.*shop\.copies --whole"):
        copies.publish("shop.copies")
    assert copies.publish("shop.copies", whole=True).version == 1
    assert rows(copies) == {1: 11.0, 2: 10.5}
    land(copies, "c", order(2, amount=22))
    copies.publish("shop.copies")
    assert rows(copies) == {1: 11.0, 2: 22.0}


def test_an_input_without_change_data_is_a_sentence(shop: Shop) -> None:
    shop.write("domains/shop/copies/contract.yaml", contract())
    shop.write("domains/shop/copies/build.sql", SQL)
    shop.reload()
    land(shop, "a", order(1))
    with pytest.raises(InputError, match=r"customProperty changeDataFeed: true to the contract of shop\.orders"):
        shop.publish("shop.copies")


def test_a_version_that_the_catalog_does_not_know_is_waited_for(copies: Shop) -> None:
    land(copies, "a", order(1))
    copies.publish("shop.copies")
    land(copies, "b", order(2))
    copies.spark.sql(f"update delta.`{copies.location}` set amount = 12 where order_id = 1")
    with pytest.raises(ConflictError, match="has a version after v1 that the catalog does not know"):
        copies.publish("shop.copies")
    assert rows(copies) == {1: 10.5}


def test_a_transform_must_read_the_input_whose_changes_it_asks_for(copies: Shop) -> None:
    copies.write("domains/shop/copies/contract.yaml", contract(readChanges="shop.order"))
    copies.reload()
    with pytest.raises(DocumentError, match=r"readChanges names 'shop\.order'.*Did you mean 'shop\.orders'"):
        publish_order(copies.mesh.workspace, ["shop.copies"])
