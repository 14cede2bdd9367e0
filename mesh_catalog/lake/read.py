"""Tables as Spark frames. Only a ticket of `access.gate.request_read` opens one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh_catalog.lake.damage import table_error

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.access.gate import Ticket

__all__ = ["read_table"]


def read_table(spark: SparkSession, ticket: Ticket) -> DataFrame:
    """The rows that a ticket allows, as a lazy frame.

    Raises:
        StorageError: The table's log cannot be read.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        frame = spark.read.format("delta").option("versionAsOf", ticket.version).load(ticket.location)
    except (PySparkException, Py4JJavaError) as error:
        raise table_error(ticket.product, ticket.location, error, version=ticket.version) from error
    return frame.select(*ticket.columns) if ticket.columns is not None else frame
