"""The rows of a change-data feed: a table's rows with `_change_type`, `_commit_version` and `_commit_timestamp`.

`_change_type` is insert, update_preimage, update_postimage or delete, as Delta writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from mesh_catalog.contracts.spark_names import spark_name

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["CHANGE_COLUMNS", "as_inserts", "newest_changes"]

CHANGE_COLUMNS: Final = ("_change_type", "_commit_version", "_commit_timestamp")


def as_inserts(frame: DataFrame, *, version: int, committed_at: datetime) -> DataFrame:
    """A whole table as a feed: each row inserted by `version`. Lazy."""
    from pyspark.sql import functions as F

    values = (F.lit("insert"), F.lit(version).cast("bigint"), F.lit(committed_at))
    return frame.select("*", *(value.alias(name) for value, name in zip(values, CHANGE_COLUMNS, strict=True)))


def newest_changes(feed: DataFrame, key: Sequence[str], *, deletes: bool) -> DataFrame:
    """What became of each key: its newest change, `insert`, `update_postimage` or `delete`.

    Args:
        feed: Rows of a change-data feed.
        key: The table's primary key. Empty: every change but the `update_preimage`s.
        deletes: Keep the keys whose newest change is `delete`.

    Cost: lazy; one shuffle on the key.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    rows = feed.filter("_change_type <> 'update_preimage'")
    if key:
        # An overwrite deletes and inserts a key in one version: the row that is there goes before the one that is not.
        newest_first = (F.col("_commit_version").desc(), F.expr("_change_type = 'delete'").asc())
        window = Window.partitionBy(*(F.col(spark_name(name)) for name in key)).orderBy(*newest_first)
        rows = rows.withColumn("_mesh_age", F.row_number().over(window)).filter("_mesh_age = 1").drop("_mesh_age")
    return rows if deletes else rows.filter("_change_type <> 'delete'")
