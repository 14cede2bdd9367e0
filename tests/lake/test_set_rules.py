"""Rules on the whole batch: passed, refused, warned, not run; and what they tell holds no personal value."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from deltalake import DeltaTable

from mesh_catalog.access.gate import read_audit
from mesh_catalog.catalog.runs import CheckRecord, read_checks, read_runs
from mesh_catalog.errors import BatchRefusedError

from .conftest import ORDERS, Shop, order

_SHOPPERS = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "shop.shoppers",
    "version": "1.0.0",
    "status": "active",
    "schema": [
        {
            "name": "shoppers",
            "properties": [
                {"name": "email", "logicalType": "string", "primaryKey": True, "classification": "personal"},
                {"name": "number", "logicalType": "integer"},
            ],
        }
    ],
}


def _declare(shop: Shop, *, table: dict[str, Any] | None = None, **columns: dict[str, Any]) -> None:
    """Give the table and its columns more words, as an edit of contract.yaml would."""
    contract = json.loads(json.dumps(ORDERS))
    contract["schema"][0] |= table or {}
    for entry in contract["schema"][0]["properties"]:
        entry |= columns.get(entry["name"], {})
    shop.write("domains/shop/orders/contract.yaml", contract)
    shop.reload()


def _shoppers(shop: Shop, *numbers: int) -> None:
    rows = ", ".join(f"('s{number}@example.org', {number}L)" for number in numbers)
    shop.write("domains/shop/shoppers/contract.yaml", _SHOPPERS)
    shop.write("domains/shop/shoppers/build.sql", f"select * from values {rows} as t(email, number)\n")
    shop.reload()


def _checks(shop: Shop) -> dict[str, CheckRecord]:
    run = read_runs(shop.mesh.catalog, "shop.orders", limit=1)[0]
    return {check.rule: check for check in read_checks(shop.mesh.catalog, run.id)}


def _sql(query: str, name: str = "own", **more: Any) -> dict[str, Any]:
    limit = {} if any(word.startswith("must") for word in more) else {"mustBe": 0}
    return {"type": "sql", "query": query, "name": name, "id": name} | limit | more


# References --------------------------------------------------------------------------------------------------------


def test_a_key_that_exists_passes_and_the_check_says_against_which_version(shop: Shop) -> None:
    _shoppers(shop, 1, 2)
    _declare(shop, order_id={"relationships": [{"to": "shop.shoppers.number"}]})
    shop.publish("shop.shoppers")
    shop.land("a", [order(1), order(2)])
    shop.publish()
    check = _checks(shop)["order_id.reference"]
    assert (check.verdict, check.broken_count, check.reason) == ("pass", 0, "against shop.shoppers v0")
    reads = [event for event in read_audit(shop.mesh) if event.product == "shop.shoppers"]
    assert reads[0].columns == ("number",)


def test_a_key_that_does_not_exist_refuses_the_batch_and_names_its_rows(shop: Shop) -> None:
    _shoppers(shop, 1)
    _declare(shop, order_id={"relationships": [{"to": "shop.shoppers.number"}]})
    shop.publish("shop.shoppers")
    shop.land("a", [order(1), order(7), order(8)])
    told = r"order_id exists in shop.shoppers \(number\)\s+2 rows break it\s+e\.g\. order_id 7, order_id 8"
    with pytest.raises(BatchRefusedError, match=told):
        shop.publish()
    assert not shop.files()


def test_a_personal_key_is_checked_and_no_value_of_it_is_told(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    _shoppers(shop, 1)
    _declare(shop, email={"relationships": [{"to": "shop.shoppers.email"}]})
    shop.publish("shop.shoppers")
    shop.land("a", [order(1, email="s1@example.org"), order(2, email="zq7@example.org"), order(3, email="")])
    with pytest.raises(BatchRefusedError, match=r"1 rows break it\s+e\.g\. order_id 2") as refusal:
        shop.publish()
    out = capfd.readouterr()
    assert "zq7" not in str(refusal.value) + str(_checks(shop)) + out.out + out.err


def test_a_reference_to_a_product_without_a_version_stops_the_batch_or_is_not_run_by_its_severity(shop: Shop) -> None:
    _shoppers(shop, 1)
    _declare(shop, order_id={"relationships": [{"to": "shop.shoppers.number"}]})
    shop.land("a", [order(1)])
    with pytest.raises(BatchRefusedError, match="could not be run: shop.shoppers: has no version yet"):
        shop.publish()
    assert _checks(shop)["order_id.reference"].verdict == "not_run"
    lenient = {"to": "shop.shoppers.number", "customProperties": [{"property": "severity", "value": "warning"}]}
    _declare(shop, order_id={"relationships": [lenient]})
    assert shop.publish().outcome == "published"
    check = _checks(shop)["order_id.reference"]
    assert (check.verdict, check.severity) == ("not_run", "warning")
    assert "has no version yet" in str(check.reason)


def test_rows_may_refer_to_rows_of_their_own_table_old_and_new(shop: Shop) -> None:
    _declare(shop, amount={"relationships": [{"to": "shop.orders.order_id"}]})
    shop.land("a", [order(1, amount=1), order(2, amount=1)])
    shop.publish()
    shop.land("b", [order(3, amount=2), order(4, amount=3)])
    assert shop.publish().total_rows == 4
    shop.land("c", [order(5, amount=9)])
    with pytest.raises(BatchRefusedError, match=r"amount exists in shop.orders \(order_id\)\s+1 rows break it"):
        shop.publish()


# SQL ---------------------------------------------------------------------------------------------------------------


def test_queries_see_the_table_as_it_will_be_and_other_products(shop: Shop) -> None:
    _shoppers(shop, 1, 2)
    queries = [
        _sql("select count(*) from ${table}", "rows", mustBe=3),
        _sql("select sum(amount) from shop.orders", "sum", mustBeBetween=[30, 32]),
        _sql("select count(*) from ${table} o left anti join shop.shoppers s on s.number = o.order_id", "lost",
             severity="warning"),
        _sql("with x as (select state, count(*) as n from orders group by 1) select count(*) from x where n > 9", "n"),
    ]  # fmt: skip
    shop.publish("shop.shoppers")
    shop.land("a", [order(1), order(2)])
    shop.publish()
    _declare(shop, table={"quality": queries})
    shop.land("b", [order(3)])
    shop.publish()
    told = {rule.removeprefix("table."): (check.verdict, check.reason) for rule, check in _checks(shop).items()}
    assert told["rows"] == ("pass", "found 3")
    assert told["sum"] == ("pass", "found 31.5")
    assert told["lost"] == ("warn", "found 1")
    assert told["n"] == ("pass", "found 0")


def test_a_query_that_breaks_its_limit_refuses_the_batch(shop: Shop) -> None:
    _declare(shop, amount={"quality": [_sql("select count(*) from ${table} where ${column} > 100", "dear")]})
    shop.land("a", [order(1, amount=500), order(2)])
    with pytest.raises(BatchRefusedError, match=r"dear: exactly 0\s+found 1\n"):
        shop.publish()
    assert not shop.files()


def test_a_query_that_fails_stops_the_batch_and_hides_no_other(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    queries = [
        _sql("select count(*) from ${table} where cast(email as int) > 1", "casts"),
        _sql("select max(amount) from ${table} where order_id < 0", "nothing", severity="warning"),
        _sql("select max(length(email)) from ${table}", "hidden", mustBeGreaterThan=1),
        _sql("select count(*) from ${table}", "counts", mustBe=2),
    ]
    _declare(shop, table={"quality": queries})
    shop.land("a", [order(1, email="zq6@example.org"), order(2)])
    with pytest.raises(BatchRefusedError, match=r"casts: exactly 0\s+could not be run: Spark stopped with") as refusal:
        shop.publish()
    told = {rule.removeprefix("table."): (check.verdict, check.reason) for rule, check in _checks(shop).items()}
    assert told["casts"][0] == "not_run"
    assert told["nothing"] == ("not_run", "the query gave no number: no row, or null")
    assert told["hidden"] == ("pass", "the result is not shown")
    assert told["counts"] == ("pass", "found 2")
    out = capfd.readouterr()
    assert "zq6" not in str(refusal.value) + str(told) + out.out + out.err


# Distributions -----------------------------------------------------------------------------------------------------


def _distribution(method: str, limit: float, **more: Any) -> dict[str, Any]:
    implementation = {"metric": "distribution", "method": method, "mustBeLessThan": limit}
    return {"type": "custom", "engine": "mesh", "implementation": implementation} | more


def test_a_distribution_is_compared_with_the_last_version(shop: Shop) -> None:
    _declare(
        shop,
        amount={
            "quality": [_distribution("wasserstein", 0.5), _distribution("psi", 0.2, severity="warning", id="psi")]
        },
        order_id={},
    )
    shop.land("a", [order(n, amount=n % 50, day=1) for n in range(100)])
    shop.publish()
    first = _checks(shop)["amount.distribution"]
    assert (first.verdict, first.reason) == ("not_run", "there is no earlier version to compare with")
    shop.land("b", [order(100 + n, amount=n % 50) for n in range(100)])
    shop.publish()
    same = _checks(shop)["amount.distribution"]
    assert (same.verdict, same.reason) == ("pass", "distance 0")
    shop.land("c", [order(200 + n, amount=n % 50 + 5) for n in range(100)])
    shop.publish()
    moved = _checks(shop)
    assert moved["amount.distribution"].verdict == "pass"
    assert moved["amount.psi"].verdict == "warn"
    assert re.fullmatch(r"distance 0\.34\d*", str(moved["amount.distribution"].reason))
    shop.land("d", [order(300 + n, amount=n % 50 + 500) for n in range(100)])
    with pytest.raises(BatchRefusedError, match=r"amount as in the last version .*distance 34"):
        shop.publish()


def test_a_last_version_whose_profile_is_gone_stops_the_batch(shop: Shop) -> None:
    _declare(shop, state={"quality": [_distribution("jensenshannon", 0.1)]})
    shop.land("a", [order(1)])
    shop.publish()
    for path in (shop.location / "_profiles").iterdir():
        path.unlink()
    shop.land("b", [order(2)])
    with pytest.raises(BatchRefusedError, match="could not be run: .*its profile cannot be read"):
        shop.publish()


# Not run -----------------------------------------------------------------------------------------------------------


def test_a_check_of_another_engine_is_not_run_and_never_counts_as_passed(shop: Shop) -> None:
    _declare(shop, state={"quality": [{"type": "custom", "engine": "soda", "implementation": "x", "name": "theirs"}]})
    shop.land("a", [order(1)])
    result = shop.publish()
    (check,) = [check for check in result.checks if check.text == "theirs"]
    assert check.verdict == "not_run"
    assert "soda" in str(check.reason)


def test_a_table_without_set_rules_is_not_read_for_them(shop: Shop) -> None:
    _declare(shop, order_id={"primaryKey": False, "unique": False})
    shop.land("a", [order(1)])
    shop.publish()
    shop.land("b", [order(1)])
    assert shop.publish().total_rows == 2
    assert DeltaTable(str(shop.location)).version() == 1
