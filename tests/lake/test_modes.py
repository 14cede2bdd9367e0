"""What each write mode does to the rows of its table, as a domain team meets it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark import inheritable_thread_target
from pyspark.sql import DataFrame, SparkSession

from mesh_catalog.catalog.lineage import lineage
from mesh_catalog.catalog.runs import read_checks, read_runs, read_versions
from mesh_catalog.contracts.contract import Contract
from mesh_catalog.errors import BatchRefusedError, ConflictError, InputError
from mesh_catalog.lake import batch, frames
from mesh_catalog.lake.staging import staged
from mesh_catalog.specs import Interval

from .conftest import ORDERS, Shop, order
from .gate_contract import files_of, states_contract
from .states import States, open_states

A, B, C = "2026-01-01", "2026-01-02", "2026-01-12"


@pytest.fixture
def states(spark: SparkSession, workspace_dir: Path) -> Iterator[States]:
    with open_states(spark, workspace_dir) as opened:
        yield opened


def test_partitions_that_the_batch_has_rows_of_are_replaced_and_no_others(states: States) -> None:
    contract = states_contract("overwrite_partitions")
    states.publish(contract, [(1, f"{A} 01", "a"), (2, f"{B} 01", "a"), (3, None, "a")])
    result = states.publish(contract, [(4, f"{B} 02", "b"), (5, None, "b")])
    assert (result.version, result.rows, result.total_rows) == (1, 2, 3)
    assert states.rows(contract) == [(1, "a"), (4, "b"), (5, "b")]


def test_a_key_that_stays_in_another_partition_is_no_second_time_in_the_table(states: States) -> None:
    contract = states_contract("overwrite_partitions")
    states.publish(contract, [(1, f"{A} 01", "a"), (2, f"{B} 01", "a")])
    with pytest.raises(BatchRefusedError, match=r"k unique\s+1 rows break it\s+e\.g\. k 1"):
        states.publish(contract, [(1, f"{B} 02", "b"), (2, f"{B} 02", "b")])
    assert states.rows(contract) == [(1, "a"), (2, "a")]


def test_units_of_time_that_the_batch_has_rows_of_are_replaced_and_no_others(states: States) -> None:
    contract = states_contract("overwrite_interval", interval="1w")
    states.publish(contract, [(1, f"{A} 01", "a"), (2, f"{B} 01", "a"), (3, f"{C} 00", "a"), (4, "2026-01-20 00", "a")])
    result = states.publish(contract, [(5, f"{A} 00", "b"), (6, "2026-01-19 00", "b")])
    assert result.total_rows == 3
    assert states.rows(contract) == [(3, "a"), (5, "b"), (6, "b")]


def test_a_given_interval_is_replaced_whole_also_by_nothing(states: States) -> None:
    contract = states_contract("overwrite_interval")
    states.publish(contract, [(n, f"{A} {n:02}", "a") for n in range(6)])
    two_to_four = Interval(datetime(2026, 1, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, 4, tzinfo=UTC))
    assert states.publish(contract, [(3, f"{A} 03", "b")], interval=two_to_four).total_rows == 5
    assert states.rows(contract) == [(0, "a"), (1, "a"), (3, "b"), (4, "a"), (5, "a")]
    assert states.publish(contract, [], interval=two_to_four).total_rows == 4
    assert states.rows(contract) == [(0, "a"), (1, "a"), (4, "a"), (5, "a")]


def test_a_row_outside_the_given_interval_refuses_the_batch(states: States) -> None:
    contract = states_contract("overwrite_interval")
    day = Interval(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    told = r"at from 2026-01-01 00:00 to 2026-01-02 00:00 UTC\s+2 rows break it\s+e\.g\. k 2, k 3"
    with pytest.raises(BatchRefusedError, match=told):
        states.publish(contract, [(1, f"{A} 01", "a"), (2, f"{B} 00", "a"), (3, None, "a")], interval=day)
    run = read_runs(states.mesh.catalog, contract.id, limit=1)[0]
    assert {check.rule for check in read_checks(states.mesh.catalog, run.id) if check.verdict == "fail"} == {
        "batch.interval"
    }
    with pytest.raises(InputError, match="writeMode append cannot write one again"):
        states.publish(states_contract("append"), [], interval=day)


def test_an_upsert_changes_the_rows_of_its_keys_adds_new_ones_and_deletes_marked_ones(states: States) -> None:
    contract = states_contract("upsert", deleteWhen={"column": "v", "value": "gone"})
    states.publish(contract, [(1, f"{A} 01", "a"), (2, f"{A} 01", "a"), (3, f"{A} 01", "a"), (9, f"{A} 01", "gone")])
    result = states.publish(
        contract, [(2, f"{B} 01", "b"), (3, f"{B} 01", "gone"), (4, f"{B} 01", "c"), (5, f"{B} 01", "gone")]
    )
    assert (result.rows, result.total_rows) == (4, 3)
    assert states.rows(contract, "k, v, day") == [
        (1, "a", date(2026, 1, 1)),
        (2, "b", date(2026, 1, 2)),
        (4, "c", date(2026, 1, 2)),
    ]


@pytest.mark.parametrize("mode", ["upsert", "history"])
def test_a_key_that_the_batch_has_twice_refuses_it_and_leaves_no_file(states: States, mode: str) -> None:
    contract = states_contract(mode)
    states.publish(contract, [(1, f"{A} 01", "a")])
    before = {name for name in files_of(states.location(contract)) if not name.startswith("_runs")}
    with pytest.raises(BatchRefusedError, match=r"once in the batch\s+1 rows break it\s+e\.g\. k 2"):
        states.publish(contract, [(2, f"{A} 02", "b"), (2, f"{A} 02", "c"), (1, f"{A} 02", "b")])
    assert {name for name in files_of(states.location(contract)) if not name.startswith("_runs")} == before
    assert states.rows(contract) == [(1, "a")]


def test_an_upsert_that_changes_nothing_is_a_version_that_changed_nothing(states: States) -> None:
    contract = states_contract("upsert")
    states.publish(contract, [(1, f"{A} 01", "a"), (2, f"{A} 01", "a")])
    assert states.publish(contract, [(1, f"{A} 01", "a")]).version == 1
    assert states.publish(contract, []).version == 2
    assert states.publish(contract, [(2, f"{A} 01", "b")]).version == 3
    location = str(states.location(contract))
    changes = (
        states.spark.read.option("readChangeFeed", "true").option("startingVersion", 1).format("delta").load(location)
    )
    assert sorted((row["_commit_version"], row["_change_type"], row["k"]) for row in changes.collect()) == [
        (3, "update_postimage", 2),
        (3, "update_preimage", 2),
    ]


def test_a_history_closes_a_changed_row_and_opens_the_next_one(states: States) -> None:
    contract = states_contract("history")
    states.publish(contract, [(1, f"{A} 01", "a"), (2, f"{A} 01", "a")])
    result = states.publish(contract, [(1, f"{A} 05", "b"), (2, f"{A} 05", "a")])
    assert (result.rows, result.total_rows) == (2, 3)
    at = [datetime.fromisoformat(f"{A} {hour:02}:00") for hour in range(10)]
    assert states.rows(contract, "k, v, valid_from, valid_to, is_current") == [
        (1, "a", at[1], at[5], False),
        (1, "b", at[5], None, True),
        (2, "a", at[1], None, True),
    ]
    late = [(1, f"{A} 03", "late"), (2, f"{A} 00", "first"), (3, f"{A} 01", "x"), (3, f"{A} 02", "y")]
    assert states.publish(contract, late).total_rows == 7
    assert states.rows(contract, "k, v, valid_from, valid_to, is_current") == [
        (1, "a", at[1], at[3], False),
        (1, "b", at[5], None, True),
        (1, "late", at[3], at[5], False),
        (2, "a", at[1], None, True),
        (2, "first", at[0], at[1], False),
        (3, "x", at[1], at[2], False),
        (3, "y", at[2], None, True),
    ]
    states.publish(contract, [(1, f"{A} 04", "b"), (2, f"{A} 01", "corrected")])
    assert states.rows(contract, "k, v, valid_from, valid_to, is_current")[:5] == [
        (1, "a", at[1], at[3], False),
        (1, "b", at[4], None, True),
        (1, "late", at[3], at[4], False),
        (2, "corrected", at[1], None, True),
        (2, "first", at[0], at[1], False),
    ]


def test_a_history_without_event_time_goes_by_the_time_of_its_runs(states: States) -> None:
    contract = states_contract("history", eventTime=None)
    before = datetime.now(UTC).replace(tzinfo=None)
    states.publish(contract, [(1, f"{A} 01", "a")])
    states.publish(contract, [(1, f"{A} 01", "b")])
    (_k, _v, opened, closed, current), (_k2, _v2, since, until, now) = states.rows(
        contract, "k, v, valid_from, valid_to, is_current"
    )
    assert before <= opened < closed == since
    assert (current, until, now) == (False, None, True)


@pytest.mark.parametrize("mode", ["append", "overwrite_partitions", "overwrite_interval", "upsert", "history"])
def test_a_column_that_the_contract_gains_comes_with_the_next_batch(states: States, mode: str) -> None:
    states.publish(states_contract(mode), [(1, f"{A} 01", "a"), (2, f"{B} 01", "a")])
    wider = states_contract(mode, more={"w": "string"})
    frame = states.frame([(3, f"{B} 02", "b")]).selectExpr("*", "'new' as w")
    states.publish_frame(wider, frame)
    found = states.rows(wider, "k, w")
    assert (3, "new") in found
    assert (1, None) in found


@pytest.mark.parametrize("mode", ["upsert", "history"])
def test_rows_that_break_a_quarantine_rule_are_kept_apart(states: States, mode: str) -> None:
    contract = states_contract(mode, values=["a", "b"], severity="quarantine")
    states.publish(contract, [(1, f"{A} 01", "a")])
    result = states.publish(contract, [(1, f"{A} 02", "lost"), (2, f"{A} 02", "b")])
    assert (result.rows, result.quarantined_count, result.total_rows) == (1, 1, 2)
    assert states.rows(contract) == [(1, "a"), (2, "b")]
    apart = states.spark.read.format("delta").load(f"{states.location(contract)}__quarantine").collect()
    assert [(row["k"], row["broken_rules"]) for row in apart] == [(1, "v.valid_values")]


def test_what_a_killed_upsert_staged_is_removed_once_it_can_no_longer_commit(states: States) -> None:
    contract = states_contract("upsert")
    states.publish(contract, [(1, f"{A} 01", "a")])
    left = states.location(contract) / "_staging" / "1-killed"
    running = states.location(contract) / "_staging" / "2-running"
    for folder in (left, running):
        folder.mkdir(parents=True)
        (folder / "part.parquet").write_bytes(b"x")
    states.publish(contract, [(2, f"{A} 01", "a")])
    assert not left.exists()
    assert running.exists()
    states.publish(contract, [(3, f"{A} 01", "a")])
    states.publish(contract, [(4, f"{A} 01", "a")])
    assert not running.exists()


def test_a_changed_partitioning_is_told_and_an_overwrite_writes_the_table_anew(states: States) -> None:
    append, overwrite = states_contract("append"), states_contract("overwrite")
    states.publish(append, [(1, f"{A} 01", "a")])
    by_value = [_partitioned_by(contract, "v") for contract in (append, overwrite)]
    with pytest.raises(InputError, match="is partitioned by day, its contract by v. Publish it once with"):
        states.publish(by_value[0], [(2, f"{A} 01", "b")])
    states.publish(by_value[1], [(2, f"{A} 01", "b")])
    assert DeltaTable(str(states.location(append))).metadata().partition_columns == ["v"]
    assert states.publish(by_value[0], [(3, f"{A} 01", "c")]).total_rows == 2


def _partitioned_by(contract: Contract, name: str) -> Contract:
    from dataclasses import replace

    columns = tuple(replace(c, partition_position=1 if c.name == name else None) for c in contract.columns)
    return replace(contract, columns=columns)


def test_an_empty_text_that_a_partition_would_turn_into_null_refuses_the_batch(states: States) -> None:
    contract = _partitioned_by(states_contract("append"), "v")
    states.publish(contract, [(1, f"{A} 01", "a/b=c %"), (2, f"{A} 01", "ü {x}")])
    assert states.rows(contract) == [(1, "a/b=c %"), (2, "ü {x}")]
    with pytest.raises(BatchRefusedError, match=r"v is not empty, as a partition's value\s+1 rows break it"):
        states.publish(contract, [(3, f"{A} 01", "")])


def test_a_table_changes_its_mode_but_becomes_no_history(states: States) -> None:
    states.publish(states_contract("append"), [(1, f"{A} 01", "a")])
    states.publish(states_contract("upsert"), [(1, f"{A} 02", "b"), (2, f"{A} 02", "b")])
    states.publish(states_contract("append"), [(3, f"{A} 02", "c")])
    assert states.rows(states_contract("append")) == [(1, "b"), (2, "b"), (3, "c")]
    with pytest.raises(InputError, match="its table holds no history: valid_from, valid_to, is_current are missing"):
        states.publish(states_contract("history"), [(3, f"{A} 02", "c")])


def test_the_change_data_feed_of_an_existing_table_begins_with_the_next_version(states: States) -> None:
    states.publish(states_contract("upsert", changeDataFeed=None), [(1, f"{A} 01", "a")])
    contract = states_contract("upsert")
    result = states.publish(contract, [(1, f"{A} 02", "b")])
    assert DeltaTable(str(states.location(contract))).metadata().configuration["delta.enableChangeDataFeed"] == "true"
    feed = states.spark.read.option("readChangeFeed", "true").option("startingVersion", result.version).format("delta")
    assert feed.load(str(states.location(contract))).count() == 2
    assert states.rows(contract) == [(1, "b")]


@pytest.mark.parametrize("mode", ["overwrite_interval", "upsert", "history"])
def test_killed_between_commit_and_catalog_the_next_publish_repairs_the_catalog(
    states: States, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    contract = states_contract(mode)
    states.publish(contract, [(1, f"{A} 01", "a")])

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(frames, "record_commits", killed)
        with pytest.raises(KeyboardInterrupt):
            states.publish(contract, [(2, f"{A} 02", "b"), (1, f"{A} 02", "c")], run_id="cut-off")
    again = states.publish(contract, [(2, f"{A} 02", "b"), (1, f"{A} 02", "c")], run_id="cut-off")
    assert again.version == 1
    records = read_versions(states.mesh.catalog, contract.id)
    assert [(one.version, one.mode, one.rows, one.kept_from) for one in records] == [(0, mode, 1, 0), (1, mode, 2, 0)]
    assert records[1].total_rows == len(states.rows(contract))
    assert not list(states.location(contract).glob("_staging/*"))


def test_rows_that_were_staged_and_deleted_by_who_came_first_are_a_conflict(
    states: States, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = states_contract("upsert")
    states.publish(contract, [(1, f"{A} 01", "a")])

    @contextmanager
    def overtaken(rows: DataFrame, location: str, *, transaction: int) -> Iterator[str]:
        with staged(rows, location, transaction=transaction) as folder:
            monkeypatch.undo()
            states.publish(contract, [(2, f"{A} 02", "b")])
            for part in Path(folder).glob("part-*"):  # its deletion is half way
                part.unlink()
            yield folder

    monkeypatch.setattr(batch, "staged", overtaken)
    with pytest.raises(ConflictError, match="at the same time"):
        states.publish(contract, [(3, f"{A} 03", "c")])
    assert states.rows(contract) == [(1, "a"), (2, "b")]
    states.publish(contract, [(3, f"{A} 03", "c")])
    assert states.rows(contract) == [(1, "a"), (2, "b"), (3, "c")]


def test_lineage_knows_the_columns_of_an_upsert(shop: Shop) -> None:
    contract = json.loads(json.dumps(ORDERS)) | {"id": "shop.newest"}
    contract["schema"][0]["name"] = "newest"
    contract["customProperties"] = [{"property": "writeMode", "value": "upsert"}]
    shop.write("domains/shop/newest/contract.yaml", contract)
    shop.write("domains/shop/newest/build.sql", "select * from shop.orders")
    shop.reload()
    shop.land("a", [order(1), order(2)])
    shop.publish()
    for _ in range(2):
        shop.publish("shop.newest")
        graph = lineage(shop.mesh.catalog, "shop.newest", direction="upstream", columns=True)
        told = {(edge.from_product, edge.from_column, edge.to_column) for edge in graph.columns}
        assert {("shop.orders", name, name) for name in ("order_id", "amount", "state")} <= told


@pytest.mark.parametrize("mode", [pytest.param("append", marks=pytest.mark.slow), "upsert"])
def test_of_eight_publishers_at_once_no_row_is_lost_and_none_comes_twice(states: States, mode: str) -> None:
    contract = states_contract(mode)
    states.publish(contract, [(0, f"{A} 00", "a")])
    tries: list[int] = []

    def publish(number: int) -> None:
        rows = [(number, f"{A} {number:02}", "b")] + (
            [(0, f"{A} {number:02}", f"{number}")] if mode == "upsert" else []
        )
        for attempt in range(8):
            try:
                states.publish(contract, rows, run_id=f"run-{number}")
            except ConflictError:
                continue
            tries.append(attempt)
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(inheritable_thread_target(states.spark)(publish), range(1, 9)))
    assert len(tries) == 8
    rows = states.rows(contract)
    assert [k for k, _v in rows] == list(range(9))
    records = read_versions(states.mesh.catalog, contract.id)
    assert [record.version for record in records] == list(range(9))
    assert records[-1].total_rows == 9
    if mode == "upsert":
        last = records[-1].run_id.removeprefix("run-")
        assert rows[0] == (0, last)
    location = states.location(contract)
    known = {Path(path).name for path in DeltaTable(str(location)).file_uris()}
    data = {path.name for path in location.glob("day=*/*.parquet")}
    assert known <= data
    if mode == "append":
        assert known == data
    assert not list(location.glob("_staging/*"))
