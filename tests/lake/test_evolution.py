"""A contract that changes, on a real table: what goes through, what is refused, who is named, what delta-rs reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from deltalake import DeltaTable

from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.errors import BreakingChangeError
from mesh_catalog.lake.arrow import count_values, preview_rows
from mesh_catalog.lake.frames import PublishResult
from mesh_catalog.lake.publish import publish_together

from .conftest import ORDERS, SOURCE, Shop, order

_TEXT = {"name": "amount", "logicalType": "string"}
_TOTALS = "select order_id, amount from shop.orders where state = 'open'"


def _declare(shop: Shop, version: str, edit: Any = None, *, mode: str = "append") -> None:
    """Write shop.orders' contract with one edit of its properties, and a transform that makes them."""
    contract = json.loads(json.dumps(ORDERS)) | {"version": version}
    contract["customProperties"][1]["value"] = mode
    properties = {entry["name"]: entry for entry in contract["schema"][0]["properties"]}
    if edit:
        edit(properties)
    contract["schema"][0]["properties"] = list(properties.values())
    shop.write("domains/shop/orders/contract.yaml", contract)
    made = [name if name in SOURCE["columns"] else f"upper(state) as {name}" for name in properties]
    shop.write("domains/shop/orders/build.sql", f"select {', '.join(made)} from source\n")
    shop.reload()


def _open_orders(shop: Shop) -> None:
    """A reader in another domain, with another owner."""
    columns = [{"name": "order_id", "logicalType": "integer"}, {"name": "amount", "logicalType": "number"}]
    contract = {
        **ORDERS,
        "id": "sales.open",
        "schema": [{"name": "open", "properties": columns}],
        "customProperties": [],
    }
    shop.write("domains/sales/domain.yaml", "name: sales\nowner: sales@example.org\n")
    shop.write("domains/sales/open/contract.yaml", contract)
    shop.write("domains/sales/open/build.sql", _TOTALS)
    shop.reload()
    shop.publish("sales.open")


def _publish_with_count(shop: Shop, *, allow_breaking: bool = False) -> list[PublishResult]:
    """Publish shop.orders together with a product that counts them."""
    columns = [{"name": "orders", "logicalType": "integer"}]
    contract = {**ORDERS, "id": "shop.count", "schema": [{"name": "count", "properties": columns}]}
    contract["customProperties"] = [{"property": "writeMode", "value": "overwrite"}]
    shop.write("domains/shop/count/contract.yaml", contract)
    shop.write("domains/shop/count/build.sql", "select count(*) as orders from shop.orders")
    shop.reload()
    products = [shop.mesh.workspace.product(name) for name in ("shop.orders", "shop.count")]
    return publish_together(shop.spark, shop.mesh, products, allow_breaking=allow_breaking)


def _drop(name: str) -> Any:
    return lambda properties: properties.pop(name)


def _add(name: str, **more: Any) -> Any:
    return lambda properties: properties.update({name: {"name": name, "logicalType": "string"} | more})


def test_a_new_column_is_added_at_the_next_append_and_old_rows_have_null_in_it(shop: Shop) -> None:
    shop.land("a", [order(1), order(2)])
    shop.publish()
    _declare(shop, "1.1.0", _add("shouted", logicalTypeOptions={"minLength": 2}))
    shop.land("b", [order(3)])
    result = shop.publish()
    assert (result.total_rows, result.changes[0]) == (3, "column 'shouted' is new")
    ticket = request_read(shop.mesh, "shop.orders", purpose="analysis")
    assert count_values(ticket, "shouted") == {None: 2, "OPEN": 1}
    assert preview_rows(ticket, 10).column("shouted").null_count == 2
    old = request_read(shop.mesh, "shop.orders", purpose="analysis", version=0)
    assert preview_rows(old, 10).num_rows == 2
    configuration = DeltaTable(str(shop.location)).metadata().configuration
    assert "`shouted`" in configuration["delta.dataSkippingStatsColumns"]
    assert "mesh_shouted_min_length" in " ".join(configuration)
    shop.land("c", [order(4)])
    assert shop.publish().total_rows == 4


def test_a_new_personal_column_never_has_statistics(shop: Shop) -> None:
    shop.land("a", [order(1)])
    shop.publish()
    _declare(shop, "1.1.0", _add("shouted", classification="personal"))
    shop.land("b", [order(2, state="paid")])
    shop.publish()
    log = "".join(path.read_text() for path in (shop.location / "_delta_log").glob("*.json"))
    assert "PAID" not in log


def test_a_removed_column_is_refused_with_its_readers_until_the_major_version_is_raised(shop: Shop) -> None:
    shop.land("a", [order(1)])
    shop.publish()
    _open_orders(shop)
    shop.land("b", [order(2)])
    _declare(shop, "1.1.0", _drop("amount"))
    with pytest.raises(BreakingChangeError, match="contract 1.1.0 breaks what v0 was published with") as refusal:
        shop.publish()
    told = str(refusal.value)
    assert "column 'amount' is removed" in told
    assert "read by product sales.open reads " in told
    assert "owner sales@example.org" in told
    assert "Raise the contract's version from 1.0.0 to a new major one" in told
    assert len(read_versions(shop.mesh.catalog, "shop.orders")) == 1
    _declare(shop, "2.0.0", _drop("amount"))
    with pytest.raises(BreakingChangeError, match="--allow-breaking"):
        shop.publish()
    with pytest.raises(BreakingChangeError, match="--allow-breaking"):
        _publish_with_count(shop)
    assert [one.total_rows for one in _publish_with_count(shop, allow_breaking=True)] == [2, 1]
    ticket = request_read(shop.mesh, "shop.orders", purpose="analysis")
    assert "amount" not in (ticket.columns or ())
    assert preview_rows(ticket, 10).num_rows == 2


def test_a_removed_column_that_nobody_reads_needs_the_major_version_only(shop: Shop) -> None:
    shop.land("a", [order(1)])
    shop.publish()
    _open_orders(shop)
    shop.land("b", [order(2)])
    _declare(shop, "2.0.0", _drop("email"))
    assert shop.publish().total_rows == 2


def test_a_wider_type_is_refused_where_rows_stay_and_rewritten_by_an_overwrite(shop: Shop) -> None:
    def typed(kind: str) -> Any:
        return lambda properties: properties["order_id"].update(physicalType=kind)

    _declare(shop, "1.0.0", typed("int"))
    shop.land("a", [order(1)])
    shop.publish()
    shop.land("b", [order(2)])
    _declare(shop, "1.1.0", typed("bigint"))
    with pytest.raises(BreakingChangeError, match="'order_id' is bigint instead of int.*\n.*\n.*writeMode: overwrite"):
        shop.publish()
    _declare(shop, "1.1.0", typed("bigint"), mode="overwrite")
    assert shop.publish().total_rows == 2
    ticket = request_read(shop.mesh, "shop.orders", purpose="analysis")
    assert str(preview_rows(ticket, 10).schema.field("order_id").type) == "int64"
    _declare(shop, "1.2.0", typed("bigint"))
    shop.land("c", [order(3)])
    assert shop.publish().total_rows == 3


def test_an_overwrite_replaces_its_table_so_that_only_readers_matter(shop: Shop) -> None:
    _declare(shop, "1.0.0", mode="overwrite")
    shop.land("a", [order(1)])
    shop.publish()
    _declare(shop, "1.1.0", _add("shouted", required=True), mode="overwrite")
    assert shop.publish().total_rows == 1
    _declare(shop, "1.2.0", lambda properties: properties.update(amount=_TEXT), mode="overwrite")
    with pytest.raises(
        BreakingChangeError, match="'amount' is string instead of double\n  column 'shouted' is removed"
    ):
        shop.publish()
    _declare(shop, "2.0.0", lambda properties: properties.update(amount=_TEXT), mode="overwrite")
    assert shop.publish().total_rows == 1
    ticket = request_read(shop.mesh, "shop.orders", purpose="analysis")
    assert count_values(ticket, "amount") == {"10.5": 1}


def test_required_on_a_table_with_rows_needs_a_major_version_and_is_then_kept_for_new_rows(shop: Shop) -> None:
    def required(properties: dict[str, Any]) -> None:
        properties["amount"]["required"] = True

    shop.land("a", [order(1, amount="")])
    shop.publish()
    shop.land("b", [order(2)])
    _declare(shop, "1.1.0", required)
    with pytest.raises(BreakingChangeError, match="'amount' is required, but rows that are there may have no value"):
        shop.publish()
    _declare(shop, "2.0.0", required)
    result = shop.publish()
    (warning,) = [check for check in result.checks if check.verdict == "warn"]
    assert (warning.rule, warning.reason) == (
        "amount.required.constraint",
        "not set: rows of earlier versions break it",
    )
    log = len(list((shop.location / "_delta_log").glob("*.json")))
    shop.land("c", [order(3)])
    assert [check.verdict for check in shop.publish().checks if check.rule == "amount.required.constraint"] == ["warn"]
    assert len(list((shop.location / "_delta_log").glob("*.json"))) == log + 1  # not tried again


def test_a_rule_that_is_new_becomes_a_constraint_of_the_table_that_is_there(shop: Shop) -> None:
    def bounded(properties: dict[str, Any]) -> None:
        properties["amount"]["logicalTypeOptions"]["maximum"] = 100
        properties["email"]["logicalTypeOptions"] = {"minLength": 1}

    shop.land("a", [order(1)])
    shop.publish()
    _declare(shop, "1.1.0", bounded)
    shop.land("b", [order(2)])
    result = shop.publish()
    assert not [check for check in result.checks if check.verdict == "warn"]
    configuration = DeltaTable(str(shop.location)).metadata().configuration
    assert configuration["delta.constraints.mesh_amount_maximum"].replace(" ", "") == "coalesce(`amount`<=100,true)"
    assert "email" not in " ".join(configuration.values())
    version = DeltaTable(str(shop.location)).version()
    shop.land("c", [order(3)])
    shop.publish()
    assert DeltaTable(str(shop.location)).version() == version + 1  # it is not dropped and added again
