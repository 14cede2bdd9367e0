"""A product that reads only what changed in its input: each change reaches it once, whatever happens in between."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mesh_catalog.access.audit import read_audit
from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.runs import latest_version, read_run, read_runs
from mesh_catalog.lake.read import read_table
from tests.lake.conftest import ORDERS, Shop, order

COPY_SQL = (
    "select order_id, ordered_at, amount, state, _change_type as change, _commit_version as version from shop.orders"
)


def contract(name: str, columns: list[dict[str, Any]], **properties: Any) -> dict[str, Any]:
    found = copy.deepcopy(ORDERS) | {"id": f"shop.{name}"}
    found["schema"] = [{"name": name, "properties": columns}]
    found["customProperties"] = [{"property": key, "value": value} for key, value in properties.items()]
    return found


COLUMNS = [
    {"name": "order_id", "logicalType": "integer", "required": True, "primaryKey": True},
    {"name": "ordered_at", "logicalType": "timestamp"},
    {"name": "amount", "logicalType": "number", "logicalTypeOptions": {"maximum": 1000}},
    {"name": "state", "logicalType": "string"},
    {"name": "change", "logicalType": "string"},
    {"name": "version", "logicalType": "integer"},
]


@pytest.fixture
def copies(shop: Shop) -> Shop:
    """shop.orders keeps its change data; shop.copies takes what changed in it."""
    orders = copy.deepcopy(ORDERS)
    orders["customProperties"].append({"property": "changeDataFeed", "value": True})
    shop.write("domains/shop/orders/contract.yaml", orders)
    shop.write(
        "domains/shop/copies/contract.yaml", contract("copies", COLUMNS, writeMode="append", readChanges="shop.orders")
    )
    shop.write("domains/shop/copies/build.sql", COPY_SQL)
    shop.reload()
    return shop


def rows(shop: Shop, product: str = "shop.copies") -> list[tuple[int, str]]:
    frame = read_table(shop.spark, request_read(shop.mesh, product, purpose="analysis"))
    return sorted((row["order_id"], row["change"]) for row in frame.collect())


def held(shop: Shop, product: str = "shop.copies") -> int:
    latest = latest_version(shop.mesh.catalog, product)
    assert latest is not None
    return read_run(shop.mesh.catalog, latest.run_id).inputs["shop.orders"]


def test_first(copies: Shop) -> None:
    shop = copies
    shop.land("a", [order(1), order(2)])
    shop.publish()
    shop.publish("shop.copies")
    assert shop.publish("shop.copies").outcome == "unchanged"
    shop.land("b", [order(3)])
    shop.publish()
    shop.land("c", [order(4)])
    shop.publish()
    result = shop.publish("shop.copies")
    print(result)
    assert (result.outcome, result.rows, held(shop)) == ("published", 2, 2)
    assert rows(shop) == [(n, "insert") for n in (1, 2, 3, 4)]
    from mesh_catalog.catalog.lineage import lineage

    print(lineage(shop.mesh.catalog, "shop.copies", direction="upstream", columns=True).columns)
    print(read_audit(shop.mesh, "shop.orders"))
    for r in read_runs(shop.mesh.catalog, "shop.copies"):
        print(r)
