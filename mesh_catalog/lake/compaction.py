"""Putting a table's small files together, and sorting its rows into files: OPTIMIZE, on Spark.

Rows stay as they are; the commit is a Delta version that is no publish. Spark does it: delta-rs would round the
statistics of decimals to floats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.errors import StorageError
from mesh_catalog.lake.commit_log import read_commits
from mesh_catalog.lake.storage import open_delta
from mesh_catalog.lake.upkeep_report import SMALL_FILE_BYTES, TableFiles

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.gate import Ticket

__all__ = ["compact", "sort_columns"]

_TARGET_FILE_BYTES: Final = 128 * 1024 * 1024
_UNSORTED_RATIO: Final = 0.25
"""Sort again from this share of files that came since."""


def sort_columns(location: str, files: TableFiles, cluster_by: tuple[str, ...]) -> tuple[str, ...]:
    """The columns to sort by, where enough rows came since the last time; sorting rewrites every file."""
    if not cluster_by or files.files < 2:
        return ()

    table = open_delta(location)
    wanted = json.dumps(list(cluster_by)).replace(" ", "")
    for entry in read_commits(table):
        if entry.get("operation") == "OPTIMIZE" and _sorted_by(entry) == wanted:
            known = set(open_delta(location, version=int(entry["version"])).file_uris())
            new = [path for path in table.file_uris() if path not in known]
            return cluster_by if len(new) >= _UNSORTED_RATIO * files.files else ()
    return cluster_by


def _sorted_by(entry: Mapping[str, Any]) -> str:
    return str((entry.get("operationParameters") or {}).get("zOrderBy", "[]")).replace(" ", "")


def compact(spark: SparkSession, ticket: Ticket, *, sort_by: Sequence[str], metadata: str) -> bool:
    """Put the small files together; False where somebody else changed the table meanwhile, and goes first.

    Args:
        ticket: For upkeep: every row is read.
        sort_by: Sort all rows by these columns too; empty: only small files are rewritten.
        metadata: Goes into the commit.

    Raises:
        StorageError: It failed; the table is as it was.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    from mesh_catalog.contracts.spark_names import spark_name
    from mesh_catalog.lake.messages import spark_condition

    order = f" zorder by ({', '.join(map(spark_name, sort_by))})" if sort_by else ""
    settings = {
        "spark.databricks.delta.optimize.minFileSize": str(SMALL_FILE_BYTES),
        "spark.databricks.delta.optimize.maxFileSize": str(_TARGET_FILE_BYTES),
        "spark.databricks.delta.commitInfo.userMetadata": metadata,
    }
    try:
        with _session_settings(spark, settings):
            spark.sql(f"optimize delta.{spark_name(ticket.location)}{order}").collect()
    except (PySparkException, Py4JJavaError) as error:
        condition = spark_condition(error) or type(error).__name__
        if "CONCURRENT" in condition.upper() or "Concurrent" in str(error)[:300]:
            return False
        raise StorageError(
            f"{ticket.product}: its files could not be put together ({condition}). Nothing has changed for readers."
        ) from error
    return True


@contextmanager
def _session_settings(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    earlier: dict[str, str | None] = {key: spark.conf.get(key, None) for key in settings}
    try:
        for key, value in settings.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, before in earlier.items():
            if before is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, before)
