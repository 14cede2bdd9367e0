"""Publishing, as a domain team meets it."""

from __future__ import annotations

import json
import re

import pytest
from deltalake import DeltaTable
from pyspark.sql import DataFrame

from mesh_catalog.access.gate import request_read
from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.runs import latest_version, read_checks, read_runs, read_versions
from mesh_catalog.contracts.contract import Contract
from mesh_catalog.errors import (
    BatchRefusedError,
    InputError,
    NotFoundError,
    StorageError,
    TransformError,
)
from mesh_catalog.lake import batch, checks
from mesh_catalog.lake.arrow import count_values, preview_rows
from mesh_catalog.lake.checks import ConformedBatch
from mesh_catalog.lake.profiles import load_profile, load_window
from mesh_catalog.lake.read import read_table

from .conftest import ORDERS, Shop, order


def rows_of(shop: Shop, product: str = "shop.orders") -> int:
    return read_table(shop.spark, request_read(shop.mesh, product, purpose="analysis")).count()


def test_a_first_batch_becomes_version_0_with_its_profile_and_checks(shop: Shop) -> None:
    shop.land("a", [order(1), order(2, amount=4, state="paid"), order(3, amount="")])
    result = shop.publish()
    assert (result.outcome, result.version, result.rows, result.total_rows) == ("published", 0, 3, 3)
    assert {check.verdict for check in result.checks} == {"pass"}
    profile = load_profile(shop.mesh, "shop.orders", 0)
    assert profile.columns["amount"].null_count == 1
    assert profile.columns["amount"].total == pytest.approx(14.5)
    assert profile.columns["state"].values == {"open": 2, "paid": 1}
    assert rows_of(shop) == 3


def test_only_files_that_were_in_no_committed_batch_are_read(shop: Shop) -> None:
    shop.land("a", [order(1)])
    shop.publish()
    shop.land("b", [order(2, day=2), order(3, day=3)])
    result = shop.publish()
    assert (result.version, result.rows, result.total_rows) == (1, 2, 3)
    again = shop.publish()
    assert (again.outcome, again.version) == ("unchanged", 1)
    assert load_window(shop.mesh, "shop.orders", 0, 1).rows == 3
    assert [record.rows for record in read_versions(shop.mesh.catalog, "shop.orders")] == [1, 2]


def test_a_refused_batch_leaves_no_file_and_says_rule_count_and_keys(shop: Shop) -> None:
    shop.land("a", [order(1)])
    shop.publish()
    before = shop.files()
    shop.land("b", [order(2, amount=-1), order(3, amount=-2), order(4), "5,,x@example.org,1,open"])
    with pytest.raises(BatchRefusedError, match="readers stay on v0") as refusal:
        shop.publish()
    told = str(refusal.value)
    assert re.search(r"amount >= 0\s+2 rows break it\s+e\.g\. order_id 2, order_id 3", told)
    assert re.search(r"ordered_at required\s+1 rows break it\s+e\.g\. order_id 5", told)
    assert shop.files() == before
    assert rows_of(shop) == 1
    run = read_runs(shop.mesh.catalog, "shop.orders", limit=1)[0]
    failed = {check.rule: check for check in read_checks(shop.mesh.catalog, run.id) if check.verdict == "fail"}
    assert run.outcome == "refused"
    assert failed["amount.minimum"].example_keys == ("order_id 2", "order_id 3")


def test_a_refused_batch_can_be_corrected_and_published(shop: Shop) -> None:
    shop.land("a", [order(1, amount=-1)])
    with pytest.raises(BatchRefusedError, match="nothing was written"):
        shop.publish()
    shop.land("a", [order(1, amount=1)])
    assert shop.publish().version == 0


def test_a_key_that_the_table_has_already_is_refused(shop: Shop) -> None:
    shop.land("a", [order(1), order(2)])
    shop.publish()
    shop.land("b", [order(2, day=2), order(3, day=2), order(3, day=2)])
    with pytest.raises(BatchRefusedError, match=r"order_id unique\s+2 rows break it\s+e\.g\. order_id 2, order_id 3"):
        shop.publish()


def test_rows_that_break_a_quarantine_rule_are_kept_apart_without_personal_values(shop: Shop) -> None:
    shop.land("a", [order(1), order(2, state="lost", email="secret@example.org")])
    result = shop.publish()
    assert (result.rows, result.quarantined_count) == (1, 1)
    assert rows_of(shop) == 1
    ticket = request_read(shop.mesh, "shop.orders__quarantine", purpose="analysis")
    row = read_table(shop.spark, ticket).first()
    assert row is not None
    assert (row["order_id"], row["email"], row["broken_rules"]) == (2, None, "state.valid_values")
    assert not list(shop.location.glob("_quarantine/*"))


def test_a_broken_row_of_the_file_stops_the_batch(shop: Shop) -> None:
    shop.land("a", [order(1), "2,not a time,a@example.org,1,open", "3"])
    with pytest.raises(BatchRefusedError, match=r"every row of the source can be read\s+2 rows break it"):
        shop.publish()


def test_a_value_that_is_not_of_the_promised_type_is_counted_not_nulled(shop: Shop) -> None:
    shop.write(
        "domains/shop/orders/build.sql", "select order_id, ordered_at, email, 'x' || state as amount, state from source"
    )
    shop.reload()
    shop.land("a", [order(1)])
    with pytest.raises(BatchRefusedError, match=r"amount is number \(double\)\s+1 rows break it"):
        shop.publish()


def test_no_personal_value_reaches_log_statistics_profile_or_refusal(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    personal = "zq7-secret@example.org"
    shop.land("a", [order(1, email=personal)])
    shop.publish()
    shop.land("b", [order(2, email=personal, amount=-1)])
    with pytest.raises(BatchRefusedError) as refusal:
        shop.publish()
    kept = [path for path in shop.location.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    assert any(path.suffix == ".json" for path in kept)
    for path in [*kept, *shop.mesh.settings.state.rglob("*")]:
        if path.is_file() and path.suffix != ".parquet":
            assert personal.encode() not in path.read_bytes(), path
    told = capfd.readouterr()
    assert personal not in str(refusal.value) + told.out + told.err


def test_a_product_without_an_owner_is_not_published(shop: Shop) -> None:
    shop.write("domains/shop/domain.yaml", "name: shop\n")
    shop.reload()
    shop.land("a", [order(1)])
    with pytest.raises(InputError, match="has no owner"):
        shop.publish()


def test_columns_that_differ_from_the_contract_are_named_before_any_job_runs(shop: Shop) -> None:
    shop.write("domains/shop/orders/build.sql", "select order_id, ordered_at, email, state, 1 as extra from source")
    shop.reload()
    shop.land("a", [order(1)])
    with pytest.raises(
        TransformError, match=r"column amount of contract\.yaml is missing.*extra is not in contract\.yaml"
    ):
        shop.publish()


def test_a_transform_that_raises_is_named_with_its_line(shop: Shop) -> None:
    (shop.root / "domains/shop/orders/build.sql").unlink()
    shop.write(
        "domains/shop/orders/build.py",
        "from mesh_catalog import build\n\n"
        "@build(reads=['source'])\ndef orders(source):\n    raise KeyError('amout')\n",
    )
    shop.reload()
    shop.land("a", [order(1)])
    with pytest.raises(TransformError, match=r"build\.py failed: KeyError.*\(build\.py:5\)"):
        shop.publish()


def test_a_function_that_fails_on_a_row_does_not_print_the_row(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    (shop.root / "domains/shop/orders/build.sql").unlink()
    shop.write(
        "domains/shop/orders/build.py",
        "from pyspark.sql import functions as F\nfrom mesh_catalog import build\n\n"
        "@F.udf('double')\ndef price(email):\n    raise ValueError(f'no price for {email}')\n\n"
        "@build(reads=['source'])\ndef orders(source):\n    return source.withColumn('amount', price('email'))\n",
    )
    shop.reload()
    shop.land("a", [order(1, email="zq8@example.org")])
    with pytest.raises(TransformError, match=r"ValueError in price, build\.py:6") as failure:
        shop.publish()
    told = capfd.readouterr()
    assert "zq8@" not in str(failure.value) + told.out + told.err


def test_products_read_each_other_by_name_and_lineage_knows_the_columns(shop: Shop) -> None:
    contract = json.loads(json.dumps(ORDERS)) | {"id": "shop.totals", "customProperties": []}
    contract["schema"][0] = {
        "name": "totals",
        "properties": [
            {"name": "state", "logicalType": "string", "required": True, "primaryKey": True},
            {"name": "amount", "logicalType": "number"},
        ],
    }
    shop.write("domains/shop/totals/contract.yaml", contract)
    shop.write(
        "domains/shop/totals/build.sql",
        "-- shop.orders by state\nselect orders.state, sum(orders.amount) as amount from shop.orders group by 1;\n",
    )
    shop.reload()
    shop.land("a", [order(1), order(2), order(3, state="paid")])
    shop.publish()
    result = shop.publish("shop.totals")
    assert (result.version, result.rows) == (0, 2)
    assert count_values(request_read(shop.mesh, "shop.totals", purpose="analysis"), "amount") == {21.0: 1, 10.5: 1}
    graph = lineage(shop.mesh.catalog, "shop.totals", direction="upstream", columns=True)
    told = {(edge.from_column, edge.to_column) for edge in graph.columns}
    assert ("amount", "amount") in told
    assert "shop.orders" in {node.name for node in graph.nodes}


def test_a_run_that_was_committed_is_not_written_again(shop: Shop) -> None:
    shop.land("a", [order(1)])
    first = shop.publish(run_id="run-1")
    again = shop.publish(run_id="run-1")
    assert (again.outcome, again.version, again.rows) == ("published", first.version, 1)
    assert DeltaTable(str(shop.location)).version() == 0


def test_constraints_guard_the_table_against_other_writers_but_not_with_personal_columns(shop: Shop) -> None:
    shop.land("a", [order(1)])
    shop.publish()
    configuration = DeltaTable(str(shop.location)).metadata().configuration
    assert configuration["delta.constraints.mesh_amount_minimum"] == "coalesce(`amount` >= 0, true)"
    assert "email" not in " ".join(configuration.values())


def test_of_two_publishers_at_once_the_later_reads_everything_anew_and_no_row_comes_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.land("a", [order(1)])
    conform = checks.conform

    def another_publishes_meanwhile(frame: DataFrame, contract: Contract) -> ConformedBatch:
        monkeypatch.setattr(batch, "conform", conform)
        shop.publish()
        return conform(frame, contract)

    monkeypatch.setattr(batch, "conform", another_publishes_meanwhile)
    assert shop.publish().outcome == "unchanged"
    assert rows_of(shop) == 1


def test_a_rule_that_was_relaxed_does_not_stop_the_next_batch(shop: Shop) -> None:
    shop.land("a", [order(1)])
    shop.publish()
    contract = json.loads(json.dumps(ORDERS))
    contract["schema"][0]["properties"][3]["logicalTypeOptions"]["minimum"] = -100
    contract["version"] = "1.1.0"
    shop.write("domains/shop/orders/contract.yaml", contract)
    shop.reload()
    shop.land("b", [order(2, amount=-5)])
    assert shop.publish().total_rows == 2


def test_a_corrupt_log_is_a_sentence_and_nothing_is_lost(shop: Shop) -> None:
    shop.land("a", [order(1)])
    shop.publish()
    log = shop.location / "_delta_log" / "00000000000000000000.json"
    whole = log.read_text()
    log.write_text("{broken")
    shop.land("b", [order(2)])
    with pytest.raises(StorageError, match=r"_delta_log/0+\.json is empty or cut off"):
        shop.publish()
    log.write_text(whole)
    assert shop.publish().total_rows == 2


def test_an_input_that_was_never_published_is_named(shop: Shop) -> None:
    with pytest.raises(NotFoundError, match="no file has arrived"):
        shop.publish()


def test_a_preview_needs_no_jvm_and_masks_personal_columns(shop: Shop) -> None:
    shop.land("a", [order(1, email="zq9@example.org")])
    shop.publish()
    table = preview_rows(request_read(shop.mesh, "shop.orders", purpose="preview"), 10)
    assert table.column("email").to_pylist() == ["•••"]
    assert table.column("order_id").to_pylist() == [1]


def test_values_of_the_rows_that_some_versions_added_are_counted_exactly(shop: Shop) -> None:
    for number in range(3):
        shop.land(str(number), [order(number * 2, amount=number), order(number * 2 + 1, amount=number)])
        shop.publish()
    ticket = request_read(shop.mesh, "shop.orders", purpose="monitor")
    assert count_values(ticket, "amount", first_version=1) == {1.0: 2, 2.0: 2}
    assert latest_version(shop.mesh.catalog, "shop.orders") is not None
