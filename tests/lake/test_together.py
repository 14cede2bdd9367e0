"""Products published together: all or none, also where one reads another, and where the process dies in between."""

from __future__ import annotations

import json
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import DataFrame

from mesh_catalog.access.gate import read_audit, request_read
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.runs import latest_version, read_runs
from mesh_catalog.contracts.contract import Contract
from mesh_catalog.errors import BatchRefusedError, ConflictError, InputError, StorageError
from mesh_catalog.lake import together
from mesh_catalog.lake.manifest import Member
from mesh_catalog.lake.publish import publish_together
from mesh_catalog.lake.read import read_table
from mesh_catalog.lake.together import Group

from .conftest import ORDERS, Shop, order

TOTALS = {
    **ORDERS,
    "id": "shop.totals",
    "schema": [
        {
            "name": "totals",
            "physicalType": "table",
            "properties": [
                {"name": "orders", "logicalType": "integer", "required": True, "logicalTypeOptions": {"maximum": 3}},
                {"name": "amount", "logicalType": "number"},
            ],
        }
    ],
    "customProperties": [{"property": "writeMode", "value": "overwrite"}],
}


@pytest.fixture
def pair(shop: Shop) -> Shop:
    """shop.orders, and shop.totals that reads it and holds three orders at most."""
    shop.write("domains/shop/totals/contract.yaml", TOTALS)
    shop.write("domains/shop/totals/build.sql", "select count(*) as orders, sum(amount) as amount from shop.orders\n")
    shop.reload()
    return shop


def publish_pair(shop: Shop) -> list[Any]:
    names = ("shop.orders", "shop.totals")
    return publish_together(shop.spark, shop.mesh, [shop.mesh.workspace.product(name) for name in names])


def versions(shop: Shop) -> list[int | None]:
    found = [latest_version(shop.mesh.catalog, name) for name in ("shop.orders", "shop.totals")]
    return [one.version if one else None for one in found]


def rows(shop: Shop, product: str) -> DataFrame:
    return read_table(shop.spark, request_read(shop.mesh, product, purpose="analysis"))


def test_a_product_is_given_the_rows_that_another_of_the_set_is_about_to_have(pair: Shop) -> None:
    pair.land("a", [order(1), order(2, amount=4)])
    first = publish_pair(pair)
    assert [(one.product, one.version, one.rows) for one in first] == [("shop.orders", 0, 2), ("shop.totals", 0, 1)]
    assert rows(pair, "shop.totals").collect()[0].asDict() == {"orders": 2, "amount": 14.5}
    pair.land("b", [order(3, amount=1)])
    publish_pair(pair)
    assert versions(pair) == [1, 1]
    assert rows(pair, "shop.totals").collect()[0].asDict() == {"orders": 3, "amount": 15.5}
    assert read_runs(pair.mesh.catalog, "shop.totals", limit=1)[0].inputs == {"shop.orders": 1}
    reads = [event for event in read_audit(pair.mesh, "shop.orders") if event.purpose == "build"]
    assert sorted(event.version for event in reads if event.version is not None) == [0, 1]
    found = lineage(pair.mesh.catalog, "shop.totals", direction="upstream", columns=True).columns
    made = {(link.from_column, link.to_column, link.kinds) for link in found if link.to_product == "shop.totals"}
    assert made == {("amount", "amount", ("AGGREGATION",))}


def test_where_one_is_refused_none_is_published_and_no_file_is_left(pair: Shop) -> None:
    pair.land("a", [order(1)])
    publish_pair(pair)
    before = set(pair.location.parent.rglob("*.parquet"))
    pair.land("b", [order(2), order(3), order(4)])
    with pytest.raises(BatchRefusedError, match="orders <= 3"):
        publish_pair(pair)
    assert versions(pair) == [0, 0]
    assert set(pair.location.parent.rglob("*.parquet")) == before
    assert DeltaTable(str(pair.location)).version() == 0
    outcomes = [read_runs(pair.mesh.catalog, name, limit=1)[0].outcome for name in ("shop.orders", "shop.totals")]
    assert outcomes == ["failed", "refused"]
    (pair.root / "landing/shop/orders/b.csv").unlink()
    pair.land("c", [order(5)])
    publish_pair(pair)
    assert rows(pair, "shop.totals").collect()[0]["orders"] == 2


def test_a_product_with_nothing_new_keeps_its_version(pair: Shop) -> None:
    pair.land("a", [order(1)])
    publish_pair(pair)
    again = publish_pair(pair)
    assert [one.product for one in again] == ["shop.totals"]
    assert versions(pair) == [0, 1]


def cut_off(shop: Shop, monkeypatch: pytest.MonkeyPatch, *, committed: int) -> None:
    """Publish the pair, and die after so many of its commits, before the catalog is told."""

    def die(*_anything: object) -> None:
        raise KeyboardInterrupt

    settle = Group.settle

    def settle_one(group: Group, contract: Contract, *more: Any) -> tuple[Member, ...]:
        found = settle(group, contract, *more)
        if contract.id == "shop.totals":
            raise StorageError("the process dies here")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(together, "record_commits", die)
        patched.setattr(together, "_undo", die)
        patched.setattr(together, "release_lease", lambda *_anything, **_more: None)
        if committed == 1:
            patched.setattr(Group, "settle", settle_one)
        with pytest.raises(KeyboardInterrupt):
            publish_pair(shop)


def forget_lease(shop: Shop) -> None:
    """Let the time pass that a set may take."""
    with shop.mesh.catalog.write() as connection:
        connection.exec_driver_sql("delete from leases")


def test_a_set_that_was_committed_whole_is_told_of_by_the_next_publish(
    pair: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.land("a", [order(1)])
    publish_pair(pair)
    pair.land("b", [order(2)])
    cut_off(pair, monkeypatch, committed=2)
    assert versions(pair) == [0, 0]
    assert pair.publish().outcome == "unchanged"
    assert versions(pair) == [1, 1]
    assert rows(pair, "shop.totals").collect()[0]["orders"] == 2


def test_a_set_that_was_cut_off_between_its_commits_is_undone(pair: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.land("a", [order(1)])
    publish_pair(pair)
    pair.land("b", [order(2)])
    cut_off(pair, monkeypatch, committed=1)
    assert versions(pair) == [0, 0]
    with pytest.raises(ConflictError, match="published together with shop.totals"):
        pair.publish()
    forget_lease(pair)
    assert rows(pair, "shop.orders").count() == 1
    result = pair.publish()
    assert (result.rows, result.total_rows) == (1, 2)
    assert rows(pair, "shop.orders").count() == 2
    publish_pair(pair)
    assert rows(pair, "shop.totals").collect()[0]["orders"] == 2
    with max((pair.location / "_delta_log").glob("*2.json")).open() as log:
        assert "mesh_undo" in json.loads(log.readline())["commitInfo"]["userMetadata"]


def test_one_product_is_no_set(pair: Shop) -> None:
    with pytest.raises(InputError, match="two products"):
        publish_together(pair.spark, pair.mesh, [pair.mesh.workspace.product("shop.orders")])
