"""Upkeep of tables: rows never change, what somebody may still ask for stays, and nothing is done twice."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from sqlalchemy import insert, update

from mesh_catalog.access.gate import read_audit, request_read
from mesh_catalog.catalog.models import ModelVersionRecord, record_model_version
from mesh_catalog.catalog.runs import acquire_lease, latest_version, read_runs, read_versions
from mesh_catalog.catalog.tables import models, versions
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import ConflictError, StorageError
from mesh_catalog.lake.arrow import read_batches
from mesh_catalog.lake.gate import commit_gate
from mesh_catalog.lake.messages import is_conflict
from mesh_catalog.lake.table import read_table_state
from mesh_catalog.lake.upkeep import UpkeepResult, maintain_table, maintainable, plan_upkeep
from mesh_catalog.lake.upkeep_report import report_table

from .conftest import ORDERS, Shop, order

NAME = "shop.orders"


def keep_up(shop: Shop) -> UpkeepResult:
    return maintain_table(shop.mesh, NAME, lambda: shop.spark)


def keys(shop: Shop, version: int | None = None) -> list[int]:
    ticket = request_read(shop.mesh, NAME, purpose="analysis", version=version)
    return sorted(read_batches(ticket).read_all()["order_id"].to_pylist())


def commits(shop: Shop) -> int:
    return DeltaTable(str(shop.location)).version()


def publish_each(shop: Shop, *numbers: int) -> None:
    for number in numbers:
        shop.land(f"file-{number}", [order(number)])
        shop.publish()


def age(shop: Shop, days: int) -> None:
    """Let everything of the table have happened so many days earlier: its files, its log, the catalog."""
    back = timedelta(days=days)

    def earlier(match: re.Match[str]) -> str:
        return f"{match[1]}{int(match[2]) - int(back.total_seconds() * 1000)}"

    for path in (shop.location / "_delta_log").glob("*.json"):
        text = path.read_text()
        path.write_text(re.sub(r'("(?:timestamp|deletionTimestamp|modificationTime)":)(\d+)', earlier, text))
    for path in (shop.location / "_delta_log").glob("*.crc"):
        path.unlink()
    for path in shop.location.rglob("*"):
        at = path.stat().st_mtime - back.total_seconds()
        os.utime(path, (at, at))
    with shop.mesh.catalog.write() as connection:
        for record in read_versions(shop.mesh.catalog, NAME):
            row = update(versions).where(versions.c.product == NAME, versions.c.version == record.version)
            connection.execute(row.values(committed_at=record.committed_at - back))


def pin(shop: Shop, version: int) -> None:
    """A model that was made from a version of the product."""
    now = datetime.now(UTC)
    row = {
        "name": "shop.returns",
        "domain": "shop",
        "owner": None,
        "goal": "g",
        "decides": None,
        "kind": "binary",
        "target": "shop.orders.state",
        "algorithm": "xgboost",
        "metric": "roc_auc",
        "inputs": [NAME],
        "features": [],
        "training_name": "shop.returns__training",
        "predictions_name": "shop.returns__predictions",
        "fingerprint": "f",
        "registered_at": now,
    }
    with shop.mesh.catalog.write() as connection:
        connection.execute(insert(models).values(row))
    record_model_version(
        shop.mesh.catalog,
        ModelVersionRecord(
            model="shop.returns",
            version=1,
            mlflow_run_id="r",
            training_version=None,
            inputs={NAME: version},
            contract_versions={},
            metrics={},
            algorithm="xgboost",
            code_commit=None,
            retraining_id=None,
            created_at=now,
        ),
    )


def replaced_by_each_batch(shop: Shop, **custom: Any) -> None:
    properties = {"eventTime": "ordered_at", "writeMode": "overwrite", **custom}
    listed = [{"property": name, "value": value} for name, value in properties.items()]
    shop.write("domains/shop/orders/contract.yaml", {**ORDERS, "customProperties": listed})
    shop.reload()


def test_small_files_are_put_together_once_and_readers_see_nothing_of_it(shop: Shop) -> None:
    publish_each(shop, 1, 2, 3)
    before = commits(shop)
    plan = plan_upkeep(shop.mesh, NAME)
    assert (plan.compact, plan.unreferenced, commits(shop)) == (True, (), before)
    result = keep_up(shop)
    assert (result.outcome, result.files_before, result.files_after, result.removed_files) == ("done", 3, 1, 0)
    assert latest_version(shop.mesh.catalog, NAME).version == 2  # type: ignore[union-attr]
    assert [keys(shop, version) for version in (0, 1, 2)] == [[1], [1, 2], [1, 2, 3]]
    log = (shop.location / "_delta_log" / f"{commits(shop):020}.json").read_text()
    assert '"operation":"OPTIMIZE"' in log and "mesh_maintain" in log and "example.org" not in log
    after = commits(shop)
    assert (keep_up(shop).outcome, commits(shop)) == ("unchanged", after)
    assert [run.outcome for run in read_runs(shop.mesh.catalog, NAME, kind="maintain")] == ["unchanged", "done"]
    assert "upkeep" in {event.purpose for event in read_audit(shop.mesh, NAME)}
    publish_each(shop, 4)
    assert keys(shop) == [1, 2, 3, 4]


def test_old_files_go_but_not_those_of_a_pinned_version_or_within_the_retention(shop: Shop) -> None:
    replaced_by_each_batch(shop)
    publish_each(shop, 1, 2, 3)
    pin(shop, 0)
    replaced = len(DeltaTable(str(shop.location), version=1).file_uris())
    assert plan_upkeep(shop.mesh, NAME).unreferenced == ()
    age(shop, 40)
    publish_each(shop, 4)
    plan = plan_upkeep(shop.mesh, NAME)
    assert (len(plan.unreferenced), plan.kept_versions) == (replaced, (0, 2, 3))
    assert plan.pins == {0: ("shop.returns v1",)}
    result = keep_up(shop)
    assert (result.removed_files, result.removed_bytes) == (replaced, plan.unreferenced_bytes)
    assert [keys(shop, version) for version in (0, 2, 3)] == [[1], [1, 2, 3], [1, 2, 3, 4]]
    with pytest.raises(StorageError, match=r"v1: \d of its \d data files are missing.*whole again from v2 on"):
        keys(shop, 1)
    assert DeltaTable(str(shop.location)).metadata().configuration["delta.logRetentionDuration"] == "interval 136 days"
    left = plan_upkeep(shop.mesh, NAME)
    assert left.is_empty, (result.notes, left)


def test_a_contract_may_ask_for_a_longer_retention_and_for_sorted_rows(shop: Shop) -> None:
    document = {
        **ORDERS,
        "slaProperties": [{"property": "retention", "value": 60, "unit": "d"}],
        "customProperties": [*ORDERS["customProperties"], {"property": "clusterBy", "value": ["order_id"]}],
    }
    shop.write("domains/shop/orders/contract.yaml", document)
    shop.reload()
    publish_each(shop, 1, 2)
    plan = plan_upkeep(shop.mesh, NAME)
    assert (plan.retention_hours, plan.cluster_by) == (60 * 24, ("order_id",))
    keep_up(shop)
    log = json.loads((shop.location / "_delta_log" / f"{commits(shop):020}.json").read_text().splitlines()[0])
    assert log["commitInfo"]["operationParameters"]["zOrderBy"] == '["order_id"]'
    age(shop, 40)
    plan = plan_upkeep(shop.mesh, NAME)
    assert (plan.unreferenced, plan.compact) == ((), False)


def test_leftovers_of_runs_that_never_committed_go_after_a_day(shop: Shop) -> None:
    publish_each(shop, 1)
    old = time.time() - 2 * 86_400
    for name in (
        "_runs/dead.json",
        "_profiles/dead.json",
        "_quarantine/dead/part-0.parquet",
        "_runs/young.json",
        "_staging/1-dead/x.parquet",
        "_staging/2-next/x.parquet",
    ):
        target = shop.location / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("x")
    for path in shop.location.rglob("*"):
        if "young" not in path.name:
            os.utime(path, (old, old))
    result = keep_up(shop)
    assert (result.outcome, result.leftovers) == ("done", 4)
    kept = {path.name for folder in ("_runs", "_profiles") for path in (shop.location / folder).iterdir()}
    committed = read_versions(shop.mesh.catalog, NAME)[0].run_id
    assert kept == {f"{committed}.json", "young.json"}
    assert not list((shop.location / "_quarantine").iterdir())
    assert [path.name for path in (shop.location / "_staging").iterdir()] == ["2-next"]


def in_another_thread(work: Callable[[], object]) -> None:
    """Run it to its end beside an open transaction of this thread."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(120)
    if failed:
        raise failed[0]


def test_a_compaction_during_an_append_loses_nothing(shop: Shop) -> None:
    publish_each(shop, 1, 2)
    schema = shop.spark.read.format("delta").load(str(shop.location)).schema
    rows = shop.spark.createDataFrame([(11, datetime(2026, 1, 1), "a@example.org", 1.0, "open")], schema)  # noqa: DTZ001
    done: list[UpkeepResult] = []

    def append(*, reads_table: bool) -> None:
        meanwhile = lambda _: in_another_thread(lambda: done.append(keep_up(shop)))  # noqa: E731
        with commit_gate(shop.spark, str(shop.location), meanwhile, reads_table=reads_table):
            rows.write.format("delta").mode("append").save(str(shop.location))

    append(reads_table=False)
    assert done[0].files_after == 1
    with pytest.raises(Exception, match="DELTA_CONCURRENT_APPEND") as lost:  # a publish says so: publish again
        append(reads_table=True)
    assert is_conflict(lost.value)
    found = shop.spark.read.format("delta").load(str(shop.location))
    assert sorted(row[0] for row in found.select("order_id").collect()) == [1, 2, 11]


def test_a_compaction_that_loses_against_an_upsert_says_so_and_changes_nothing(shop: Shop) -> None:
    publish_each(shop, 1, 2)
    table = f"delta.`{shop.location}`"
    merge = (
        f"merge into {table} t using (select 2L as k) s on t.order_id = s.k when matched then update set amount = 99.0"
    )
    with commit_gate(
        shop.spark, str(shop.location), lambda _: in_another_thread(lambda: shop.spark.sql(merge).collect())
    ):
        result = keep_up(shop)
    assert result.notes == ("not compacted: somebody published meanwhile and goes first",)
    found = shop.spark.sql(f"select order_id, amount from {table} order by 1").collect()
    assert [tuple(row) for row in found] == [(1, 10.5), (2, 99.0)]
    assert keep_up(shop).files_after == 1


def test_two_upkeeps_do_not_work_on_one_table(shop: Shop) -> None:
    publish_each(shop, 1)
    assert acquire_lease(shop.mesh.catalog, f"maintain:{NAME}", holder="other", seconds=60)
    with pytest.raises(ConflictError, match=r"another mesh maintain is at work"):
        keep_up(shop)
    assert read_runs(shop.mesh.catalog, NAME, kind="maintain")[0].outcome == "failed"


def test_many_commits_of_upkeep_hide_no_publish_from_repair(shop: Shop) -> None:
    publish_each(shop, 1)
    run = read_versions(shop.mesh.catalog, NAME)[0].run_id
    for number in range(30):
        DeltaTable(str(shop.location)).alter.set_table_properties(
            {"delta.logRetentionDuration": f"interval {number + 40} days"}
        )
    state = read_table_state(NAME, str(shop.location))
    assert [commit.run_id for commit in state.commits] == [run]


def test_the_verb_plans_does_and_reports(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    publish_each(shop, 1, 2)
    monkeypatch.chdir(shop.root)
    assert maintainable(shop.mesh) == [NAME]
    assert run_command(["maintain", "--dry-run"]) == 0
    assert capsys.readouterr().out == "shop.orders   would put 2 files together\n"
    assert run_command(["maintain", "--report", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["files"], report["small_files"], report["owner"], report["unused"]) == (
        2,
        2,
        "shop@example.org",
        False,
    )
    assert run_command(["maintain", NAME, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["files_after"]) == ("done", 1)
    assert run_command(["maintain", "shop.ordes"]) == 4
    assert "Did you mean 'shop.orders'" in capsys.readouterr().err
    later = datetime.now(UTC) + timedelta(days=91)
    assert report_table(shop.mesh, NAME, now=later).unused
