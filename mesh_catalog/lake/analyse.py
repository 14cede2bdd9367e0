"""The columns that a query would make, told by Spark's own analyser: no rows, no job, no guess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.errors import InputError, listed
from mesh_catalog.lake.messages import describe_error
from mesh_catalog.lake.transform import run_query

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["query_columns"]


def query_columns(spark: SparkSession, sql: str, inputs: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Name and Spark type of each column of a query, in order.

    Args:
        sql: One query that only reads, its inputs named `domain.product`.
        inputs: Of each input the columns' types.

    Raises:
        InputError: Spark does not take the query, or two columns share a name; the message follows the query's name.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        frames = {
            name: spark.createDataFrame(
                [], ", ".join(f"{spark_name(column)} {kind}" for column, kind in columns.items())
            )
            for name, columns in inputs.items()
        }
        found = run_query(spark, sql, frames).dtypes
    except (PySparkException, Py4JJavaError) as error:
        raise InputError(f"is not taken by Spark: {describe_error(error, quote=True)}") from error
    names = [name.lower() for name, _ in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"makes the column {listed(twice)} twice")
    return dict(found)
