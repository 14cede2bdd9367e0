"""What the commit gate relies on inside Delta, for every write mode: scenarios that need a session and a folder only.

`test_gate.py` runs them on local[2]; anything else that has a Spark session can run them as well. Each raises where
Delta does otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any, Final, get_args
from urllib.parse import unquote

import pytest
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import DataFrame, SparkSession

from mesh_catalog.contracts.contract import HISTORY_COLUMNS, Contract, WriteMode
from mesh_catalog.contracts.odcs import read_contract
from mesh_catalog.documents import Document
from mesh_catalog.errors import ConflictError
from mesh_catalog.lake.gate import PendingCommit, commit_gate
from mesh_catalog.lake.intervals import covered_intervals
from mesh_catalog.lake.messages import is_conflict
from mesh_catalog.lake.modes import Write, is_staged, write_rows, writing_session
from mesh_catalog.lake.staging import staged
from mesh_catalog.lake.table import TableState, read_table_state
from mesh_catalog.lake.written import read_added, read_staying, removed_rows

MODES: Final[tuple[str, ...]] = get_args(WriteMode)
NAME = "shop.states"
Row = tuple[int, str, str, str]
FIRST: Final[list[Row]] = [(1, "2026-01-01", "2026-01-01 01:00:00", "a"), (2, "2026-01-02", "2026-01-02 01:00:00", "b")]
SECOND: Final[list[Row]] = [
    (2, "2026-01-02", "2026-01-02 02:00:00", "B"),
    (3, "2026-01-02", "2026-01-02 03:00:00", "c"),
]
AFTER: Final[Mapping[str, list[tuple[int, str]]]] = {
    "append": [(1, "a"), (2, "B"), (2, "b"), (3, "c")],
    "overwrite": [(2, "B"), (3, "c")],
    "overwrite_partitions": [(1, "a"), (2, "B"), (3, "c")],
    "overwrite_interval": [(1, "a"), (2, "B"), (3, "c")],
    "upsert": [(1, "a"), (2, "B"), (3, "c")],
    "history": [(1, "a"), (2, "B"), (2, "b"), (3, "c")],
}
"""Key and value of the table's rows once SECOND is written over FIRST."""


def states_contract(
    mode: str,
    *,
    name: str = NAME,
    values: list[str] | None = None,
    severity: str = "error",
    more: Mapping[str, str] | None = None,
    **custom: Any,
) -> Contract:
    """Keys with a day, a time and a value; partitioned by day, with a change data feed.

    Args:
        values: The values that are valid; any where None.
        more: Further columns and their logical types.
        custom: customProperties; one that is None is left out.
    """
    names = {"k": "integer", "day": "date", "at": "timestamp", "v": "string"}
    made = {column: kind for column, kind in HISTORY_COLUMNS.items() if mode == "history"}
    properties = [{"name": column, "logicalType": kind} for column, kind in (names | dict(more or {}) | made).items()]
    properties[0] |= {"primaryKey": True}  # type: ignore[dict-item]
    properties[1] |= {"partitioned": True}  # type: ignore[dict-item]
    if values:
        valid = {"type": "library", "metric": "invalidValues", "arguments": {"validValues": values}, "mustBe": 0}
        valid["severity"] = severity
        properties[3] |= {"quality": [valid]}  # type: ignore[dict-item]
    words = {"writeMode": mode, "eventTime": "at", "changeDataFeed": True} | custom
    data = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": name,
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "states", "properties": properties}],
        "customProperties": [{"property": word, "value": value} for word, value in words.items() if value is not None],
    }
    return read_contract(Document(path=Path("contract.yaml"), data=data, lines={}))


def states(spark: SparkSession, rows: list[Row]) -> DataFrame:
    frame = spark.createDataFrame(rows, "k bigint, day string, at string, v string")
    return frame.selectExpr("k", "cast(day as date) as day", "cast(at as timestamp) as at", "v")


def write(
    spark: SparkSession,
    folder: Path,
    mode: str,
    rows: list[Row],
    audit: Callable[[PendingCommit], None],
    *,
    state: TableState | None = None,
    reads_table: bool = False,
) -> None:
    """Write rows in a mode under the gate, as `batch.py` does; from an earlier state of the table where given."""
    state = state or read_table_state(NAME, str(folder))
    batch = Write(
        contract=states_contract(mode),
        location=str(folder),
        state=state,
        rows=states(spark, rows),
        run_id=f"run-{state.transaction}",
        at=datetime(2026, 1, 3, tzinfo=UTC),
    )
    with _ready(batch) as ready, commit_gate(spark, str(folder), audit, turn=batch.turn, reads_table=reads_table):
        write_rows(ready)


@contextmanager
def _ready(batch: Write) -> Iterator[Write]:
    if not is_staged(batch.contract, None):
        yield batch
        return
    with staged(batch.rows, batch.location, transaction=batch.state.transaction + 1) as folder:
        session = writing_session(batch.rows.sparkSession, batch.options)
        rows = session.read.schema(batch.rows.schema).parquet(folder)
        covered = covered_intervals(rows, batch.contract) if batch.contract.write_mode == "overwrite_interval" else ()
        yield replace(batch, rows=rows, intervals=covered)


def passes(_pending: PendingCommit) -> None:
    return


def seen_by_spark(spark: SparkSession, folder: Path) -> list[tuple[int, str]]:
    rows = spark.read.format("delta").load(str(folder)).select("k", "v").collect()
    return sorted((row["k"], row["v"]) for row in rows)


def seen_by_delta_rs(folder: Path) -> list[tuple[int, str]]:
    rows = QueryBuilder().register("t", DeltaTable(str(folder))).execute("select k, v from t").read_all()
    columns = [rows.column(number).to_pylist() for number in range(2)]
    return sorted(zip(*columns, strict=True))


def files_of(folder: Path) -> set[str]:
    """Every file but the log's."""
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {str(path) for path in found if path.parts[0] != "_delta_log"}


def version_of(folder: Path) -> int:
    return DeltaTable(str(folder)).version()


def passed(spark: SparkSession, folder: Path, mode: str) -> None:
    """The audit sees what comes and goes before anybody sees the rows, afterwards all see the same, and only once.

    A second write of the same transaction number is a conflict before it is audited; the next number's is made.
    """
    write(spark, folder, mode, FIRST, passes)
    first = read_table_state(NAME, str(folder))
    seen: list[tuple[Any, ...]] = []

    def audit(pending: PendingCommit) -> None:
        removed = removed_rows(pending, str(folder))
        assert pending.rows is not None
        assert removed is not None
        added = read_added(spark, pending, str(folder), states_contract(mode).columns)
        staying = read_staying(spark, pending, str(folder))
        both = sorted((row["k"], row["v"]) for row in added.select("k", "v").union(staying.select("k", "v")).collect())
        seen.append((pending.read_version, 2 - removed + pending.rows, both, seen_by_spark(spark, folder)))

    write(spark, folder, mode, SECOND, audit)
    assert seen == [(0, len(AFTER[mode]), AFTER[mode], [(1, "a"), (2, "b")])]
    assert seen_by_spark(spark, folder) == seen_by_delta_rs(folder) == AFTER[mode]
    assert not list(folder.glob("_staging/*"))
    audits: list[PendingCommit] = []
    files = files_of(folder)
    with pytest.raises(ConflictError, match="at the same time"):
        write(spark, folder, mode, FIRST, audits.append, state=first)
    assert files_of(folder) == files
    assert (audits, version_of(folder)) == ([], 1)
    assert seen_by_spark(spark, folder) == AFTER[mode]
    write(spark, folder, mode, [], audits.append)
    assert (len(audits), version_of(folder)) == (1, 2)


def stopped(spark: SparkSession, folder: Path, mode: str) -> None:
    """A veto leaves no table where there was none, else the table as it was, and no file anywhere.

    A mistake in the audit stops the commit as a veto does.
    """
    assert _stop(spark, folder, mode, FIRST, LookupError("no"))
    assert not DeltaTable.is_deltatable(str(folder))
    assert not files_of(folder)
    write(spark, folder, mode, FIRST, passes)
    before = files_of(folder)
    for error in (LookupError("no"), AttributeError("a bug")):
        assert _stop(spark, folder, mode, SECOND, error)
        assert files_of(folder) == before
        assert version_of(folder) == 0
        assert seen_by_spark(spark, folder) == seen_by_delta_rs(folder) == [(1, "a"), (2, "b")]


def _stop(spark: SparkSession, folder: Path, mode: str, rows: list[Row], error: Exception) -> list[str]:
    """Write under an audit that raises; returns the files that waited for their commit."""
    waiting: list[str] = []

    def audit(pending: PendingCommit) -> None:
        waiting.extend(file.path for file in pending.files if Path(file.path).exists())
        raise error

    with pytest.raises(type(error)) as caught:
        write(spark, folder, mode, rows, audit)
    assert caught.value is error
    return waiting


def conflicting(spark: SparkSession, folder: Path, mode: str) -> None:
    """A commit that comes in between makes the write a conflict, and none of its files stay."""
    write(spark, folder, mode, FIRST, passes)

    def audit(_pending: PendingCommit) -> None:
        rows = [(9, "2026-01-09", "2026-01-09 09:00:00", "z")]
        other = Thread(target=write, args=(spark, folder, "append", rows, passes))
        other.start()
        other.join()

    with pytest.raises(Exception, match="Concurrent") as caught:
        write(spark, folder, mode, SECOND, audit)
    assert is_conflict(caught.value)
    assert version_of(folder) == 1
    assert seen_by_spark(spark, folder) == seen_by_delta_rs(folder) == [(1, "a"), (2, "b"), (9, "z")]
    known = {str(Path(path).relative_to(folder)) for path in map(unquote, DeltaTable(str(folder)).file_uris())}
    assert {name for name in files_of(folder) if name.endswith(".parquet")} == known


SCENARIOS: Final[Mapping[str, Callable[[SparkSession, Path, str], None]]] = {
    scenario.__name__: scenario for scenario in (passed, stopped, conflicting)
}
