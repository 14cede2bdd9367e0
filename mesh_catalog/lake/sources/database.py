"""Databases as sources, by JDBC: PostgreSQL. The connection may only read.

The password comes from the environment and goes into the connection's options, which Spark redacts; it stands in no
plan, message, log or event. What a database says of an error may hold values of rows, so only its code is passed on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.errors import InputError, SettingsError, StorageError
from mesh_catalog.lake.sources.batch import SourceBatch

if TYPE_CHECKING:
    from datetime import datetime

    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.specs import DatabaseSpec, SourceSpec

__all__ = ["read_database"]

_ROWS_A_FETCH = "10000"
_STATES = {
    "08": "cannot be reached. Check url and network",
    "28": "refuses the user or the password. Check user, and the variable that password_env names",
    "3D": "has no such database",
    "42P01": "has no such table",
    "42703": "has no such column",
    "42501": "does not let this user read it",
    "25006": "may only be read, but the query writes",
    "57014": "took too long and was stopped",
}
"""SQLSTATE, whole or its class → what it means here."""


def read_database(spark: SparkSession, source: SourceSpec, consumed: Collection[str]) -> SourceBatch | None:
    """The rows of a table or a query; of an incremental one those above what was read before, None where none came.

    Raises:
        SettingsError: The variable of the password is not set.
        InputError: No such table or column, or no right to read it.
        StorageError: The database cannot be reached.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    database = source.database
    assert database is not None
    options = _options(database)
    try:
        if database.incremental is None:
            origin, frame = f"jdbc {source.address}", _frame(spark, database, options)
        else:
            step = _increment(spark, database, options, consumed)
            if step is None:
                return None
            origin, frame = step
    except (Py4JJavaError, PySparkException) as error:
        raise _database_error(database, error) from None  # the cause's text may hold what must not be shown
    return SourceBatch(frame=frame, origins=(origin,))


def _options(database: DatabaseSpec) -> dict[str, str]:
    options = {
        "url": database.url,
        "driver": "org.postgresql.Driver",
        "fetchsize": _ROWS_A_FETCH,  # else the driver takes all rows into memory at once
        "readOnly": "true",
        "readOnlyMode": "always",
        "connectTimeout": "15",
        "ApplicationName": "mesh-catalog",
    }
    if database.user:
        options["user"] = database.user
    if database.password_env:
        password = os.environ.get(database.password_env)
        if not password:
            raise SettingsError(
                f"{database.url}: the environment variable {database.password_env} is not set. Set it to the password."
            )
        options["password"] = password
    return options


def _relation(database: DatabaseSpec) -> str:
    if database.table:
        return ".".join(f'"{part}"' for part in database.table.split("."))
    return f"({database.query}\n) as mesh_source"


def _frame(spark: SparkSession, database: DatabaseSpec, options: dict[str, str]) -> DataFrame:
    reader = spark.read.format("jdbc").options(**options).option("dbtable", _relation(database))
    if (cut := database.partition) is not None:
        reader = reader.options(
            partitionColumn=cut.column, lowerBound=cut.lower, upperBound=cut.upper, numPartitions=str(cut.number)
        )
    return reader.load()


def _increment(
    spark: SparkSession, database: DatabaseSpec, options: dict[str, str], consumed: Collection[str]
) -> tuple[str, DataFrame] | None:
    """Rows above the highest value of the growing column that a committed run has read, up to today's highest.

    The value is kept as the run's origin, so that it is committed, or forgotten, together with the rows.
    """
    from pyspark.sql import functions as F

    column = database.incremental
    prefix = f"jdbc {database.url} {database.relation} {column} up to "
    seen = [text.removeprefix(prefix) for text in consumed if text.startswith(prefix)]
    query = f'(select max("{column}") as high from {_relation(database)}) as mesh_high'  # noqa: S608 - checked names
    row = spark.read.format("jdbc").options(**options).option("dbtable", query).load().first()
    high = None if row is None else row["high"]
    if high is None:
        return None
    text = _text(database, high)
    low = max(seen, key=_order, default=None)
    if low is not None and _order(text) <= _order(low):
        return None
    frame = _frame(spark, database, options)
    kind, value = frame.schema[str(column)].dataType, F.col(spark_name(str(column)))
    rows = frame.filter(value <= F.lit(text).cast(kind))
    if low is not None:
        rows = rows.filter(value > F.lit(low).cast(kind))
    return prefix + text, rows


def _text(database: DatabaseSpec, value: Any) -> str:
    from datetime import date

    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, date):
        return _instant(value)
    raise InputError(
        f"{database.relation}: incremental '{database.incremental}' is {type(value).__name__}. It must be a column of"
        " whole numbers, dates or times."
    )


def _instant(value: Any) -> str:
    """ISO text; times with all six digits, so that their order as text is their order in time."""
    moment: datetime = value
    return moment.isoformat(sep=" ", timespec="microseconds") if hasattr(value, "hour") else str(value)


def _order(text: str) -> tuple[int, str]:
    return (int(text), "") if re.fullmatch(r"-?\d+", text) else (0, text)


def _database_error(database: DatabaseSpec, error: Exception) -> InputError | StorageError:
    state = _sql_state(error)
    told = _STATES.get(state, _STATES.get(state[:2], ""))
    if state.startswith(("08", "57")) or state == "53300":
        return StorageError(f"{database.url}: {told or f'says no (SQLSTATE {state})'}, then publish again.")
    if told:
        return InputError(f"{database.url} {database.relation}: the database {told}.")
    code = f"SQLSTATE {state}" if state else "no code was given"
    return InputError(
        f"{database.url} {database.relation}: the database cannot run this ({code}). Correct source.yaml."
    )


def _sql_state(error: Exception) -> str:
    """The database's five letters, from the Java exception or one of its causes."""
    cause = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    while cause is not None:
        if hasattr(cause, "getClass") and "SQLException" in str(cause.getClass().getName()):
            return str(cause.getSQLState() or "")
        cause = cause.getCause()
    match = re.search(r"SQLSTATE:? ([0-9A-Z]{5})", str(error))
    return match[1] if match else ""
