"""A folder beside the table for rows that a write must look at before it begins; never readable as data.

A folder's name begins with the transaction number that its publish will take. Once the table's own number has reached
it, that publish can commit no more, so that whoever reads the number knows which folders nobody needs, and none that
a running publish reads is ever deleted under a commit that could still happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["delete_left_behind", "staged", "staging_root"]


def staging_root(location: str) -> str:
    return f"{location}/_staging"


@contextmanager
def staged(rows: DataFrame, location: str, *, transaction: int) -> Iterator[str]:
    """Write rows as plain Parquet; the folder is there for the block, and gone after it."""
    spark = rows.sparkSession
    folder = f"{staging_root(location)}/{transaction}-{uuid4().hex}"
    try:
        rows.write.parquet(folder)
        yield folder
    finally:
        _delete(spark, folder)


def delete_left_behind(spark: SparkSession, location: str, *, transaction: int) -> None:
    """Delete what killed publishes staged.

    Args:
        transaction: The table's transaction number now.
    """
    jvm: Any = spark._jvm
    root = jvm.org.apache.hadoop.fs.Path(staging_root(location))
    filesystem = root.getFileSystem(spark._jsc.hadoopConfiguration())
    if not filesystem.exists(root):
        return
    for status in filesystem.listStatus(root):
        number = str(status.getPath().getName()).partition("-")[0]
        if number.isdigit() and int(number) <= transaction:
            filesystem.delete(status.getPath(), True)


def _delete(spark: SparkSession, folder: str) -> None:
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(folder)
    filesystem = path.getFileSystem(spark._jsc.hadoopConfiguration())
    filesystem.delete(path, True)
