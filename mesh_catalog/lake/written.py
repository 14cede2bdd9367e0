"""The rows of a transaction that waits for its commit: those it adds, and those of the table that stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.lake.storage import open_delta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.contracts.contract import Column
    from mesh_catalog.lake.gate import PendingCommit

__all__ = ["pending_frame", "read_added", "read_staying", "removed_rows"]


def read_added(spark: SparkSession, pending: PendingCommit, location: str, columns: Sequence[Column]) -> DataFrame:
    """The rows of the added files in these columns; values of partition columns come from the files' paths."""
    schema = ", ".join(f"{spark_name(column.name)} {column.spark_type}" for column in columns)
    if not pending.files:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).option("basePath", location).parquet(*(file.path for file in pending.files))


def read_staying(spark: SparkSession, pending: PendingCommit, location: str) -> DataFrame:
    """The rows of the table that the commit leaves where they are: its files but for the removed ones."""
    from pyspark.sql import functions as F

    table = spark.read.format("delta").option("versionAsOf", str(pending.read_version)).load(location)
    if not pending.removed:
        return table
    return table.filter(~F.col("_metadata.file_name").isin([file.name for file in pending.removed]))


def pending_frame(spark: SparkSession, pending: PendingCommit, location: str, columns: Sequence[Column]) -> DataFrame:
    """The table as it will be once the commit is in: rows that stay, and rows of the added files. Lazy.

    A column that the table lacks is null in the rows that stay.
    """
    from pyspark.sql import functions as F

    added = read_added(spark, pending, location, columns)
    if pending.read_version is None:
        return added
    staying = read_staying(spark, pending, location)
    there = set(staying.columns)
    return staying.select(
        *(
            F.col(spark_name(column.name)).cast(column.spark_type)
            if column.name in there
            else F.lit(None).cast(column.spark_type).alias(column.name)
            for column in columns
        )
    ).unionAll(added)


def removed_rows(pending: PendingCommit, location: str) -> int | None:
    """Rows of the removed files; None where Delta has not counted them."""
    if all(file.rows is not None for file in pending.removed):
        return sum(file.rows or 0 for file in pending.removed)
    import pyarrow as pa

    table = open_delta(location, version=pending.read_version)
    actions = pa.table(table.get_add_actions(flatten=True))
    paths, counts = actions.column("path").to_pylist(), actions.column("num_records").to_pylist()
    known = {str(path).rpartition("/")[2]: count for path, count in zip(paths, counts, strict=True)}
    found = [known.get(file.name) if file.rows is None else file.rows for file in pending.removed]
    return None if None in found else sum(count or 0 for count in found)
