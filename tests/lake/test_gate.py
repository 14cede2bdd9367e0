"""The contract test of the commit gate: what it relies on inside Delta, mode by mode."""

from __future__ import annotations

from pathlib import Path
from threading import Thread, Timer

import pytest
from pyspark.sql import DataFrame, SparkSession

from mesh_catalog.lake.folder_lock import FolderLock
from mesh_catalog.lake.gate import PendingCommit, commit_gate

from . import gate_contract


def write(frame: DataFrame, location: Path, mode: str) -> None:
    frame.write.format("delta").mode(mode).save(str(location))


def rows_seen(spark: SparkSession, location: Path) -> int:
    return spark.read.format("delta").load(str(location)).count()


@pytest.mark.parametrize("mode", gate_contract.MODES)
@pytest.mark.parametrize("scenario", list(gate_contract.SCENARIOS))
def test_the_gate_keeps_its_contract(spark: SparkSession, tmp_path: Path, scenario: str, mode: str) -> None:
    gate_contract.SCENARIOS[scenario](spark, tmp_path / "table", mode)


def test_the_gate_is_gone_after_its_block(spark: SparkSession, tmp_path: Path) -> None:
    calls: list[int] = []
    with commit_gate(spark, str(tmp_path / "a"), lambda pending: calls.append(len(pending.files))):
        write(spark.range(3).toDF("n"), tmp_path / "a", "append")
    write(spark.range(3).toDF("n"), tmp_path / "b", "append")
    assert len(calls) == 1


def test_a_commit_waits_for_who_is_at_theirs_on_the_same_folder_and_lets_the_next_one_go(
    spark: SparkSession, tmp_path: Path
) -> None:
    table = tmp_path / "table"
    write(spark.range(10).toDF("n"), table, "append")
    other = FolderLock(str(table))
    seen: list[int] = []

    def let_go() -> None:
        seen.append(len(list((table / "_delta_log").glob("*.json"))))
        other.release()

    def audit(_pending: PendingCommit) -> None:
        assert other.take()
        Timer(1.0, let_go).start()

    with commit_gate(spark, str(table), audit):
        write(spark.range(7).toDF("n"), table, "append")
    assert seen == [1]
    assert rows_seen(spark, table) == 17
    assert other.take()
    other.release()


def test_an_audit_that_reads_the_table_makes_a_commit_in_between_a_conflict(
    spark: SparkSession, tmp_path: Path
) -> None:
    table = tmp_path / "table"
    write(spark.range(10).toDF("n"), table, "append")

    def audit(_pending: PendingCommit) -> None:
        other = Thread(target=write, args=(spark.range(1).toDF("n"), table, "append"))
        other.start()
        other.join()

    with pytest.raises(Exception, match="(?i)concurrent"), commit_gate(spark, str(table), audit, reads_table=True):
        write(spark.range(7).toDF("n"), table, "append")
    assert rows_seen(spark, table) == 11
