"""The contract test of the commit gate: what it relies on inside Delta, mode by mode."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest
from pyspark.sql import DataFrame, SparkSession

from mesh_catalog.lake.gate import PendingCommit, commit_gate


def write(frame: DataFrame, location: Path, mode: str) -> None:
    frame.write.format("delta").mode(mode).save(str(location))


def rows_seen(spark: SparkSession, location: Path) -> int:
    return spark.read.format("delta").load(str(location)).count()


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_the_audit_sees_the_files_before_anybody_sees_the_rows(spark: SparkSession, tmp_path: Path, mode: str) -> None:
    table = tmp_path / "table"
    write(spark.range(10).toDF("n"), table, "append")
    seen: list[tuple[int | None, int, int]] = []

    def audit(pending: PendingCommit) -> None:
        files = spark.read.parquet(*(file.path for file in pending.files)).count()
        seen.append((pending.rows, files, rows_seen(spark, table)))

    with commit_gate(spark, str(table), audit):
        write(spark.range(7).toDF("n"), table, mode)
    assert seen == [(7, 7, 10)]
    assert rows_seen(spark, table) == (17 if mode == "append" else 7)


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_veto_keeps_the_table_and_deletes_the_files(spark: SparkSession, tmp_path: Path, mode: str) -> None:
    table = tmp_path / "table"
    write(spark.range(10).toDF("n"), table, "append")
    before = set(table.rglob("*.parquet"))

    def audit(_pending: PendingCommit) -> None:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"), commit_gate(spark, str(table), audit):
        write(spark.range(7).toDF("n"), table, mode)
    assert rows_seen(spark, table) == 10
    assert set(table.rglob("*.parquet")) == before


def test_a_veto_of_the_first_write_leaves_no_table(spark: SparkSession, tmp_path: Path) -> None:
    def audit(_pending: PendingCommit) -> None:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"), commit_gate(spark, str(tmp_path / "table"), audit):
        write(spark.range(7).toDF("n"), tmp_path / "table", "append")
    assert not list((tmp_path / "table").rglob("*.parquet"))
    assert not list((tmp_path / "table").rglob("*.json"))


def test_the_gate_is_gone_after_its_block(spark: SparkSession, tmp_path: Path) -> None:
    calls: list[int] = []
    with commit_gate(spark, str(tmp_path / "a"), lambda pending: calls.append(len(pending.files))):
        write(spark.range(3).toDF("n"), tmp_path / "a", "append")
    write(spark.range(3).toDF("n"), tmp_path / "b", "append")
    assert len(calls) == 1


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
