"""Slowly changing dimension, type 2: every state that a key had, and from when to when.

The history of a key is the sequence of its states by `valid_from`. A batch adds states to it, wherever they belong in
time, and the sequence is read anew: of neighbours that are equal the older stays, each state ends where the next
begins, and the last one is current. So an unchanged row changes nothing, a late row takes its place between the states
that are there, a row of the same time corrects the state of that time, and validity intervals cannot overlap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh_catalog.contracts.spark_names import spark_name

if TYPE_CHECKING:
    from datetime import datetime

    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

    from mesh_catalog.contracts.contract import Contract

__all__ = ["history_changes"]


def history_changes(new: DataFrame, old: DataFrame | None, contract: Contract, *, at: datetime) -> DataFrame:
    """What a batch changes in a history, as rows of the contract's columns.

    Args:
        new: The batch, in the columns that the transform makes; at most one row for a key and an event time.
        old: The table; None where there is none yet.
        contract: Of a `history`; its event time becomes `valid_from`.
        at: `valid_from` of every row, where the contract names no event time.

    Returns:
        Rows to insert, or to put in the place of the row with the same key and `valid_from`; and, with `is_current`
        null, rows whose key and `valid_from` are to be deleted.
    """
    from pyspark.sql import functions as F

    key = [spark_name(name) for name in contract.primary_key]
    values = [c.name for c in contract.built_columns if c.name not in contract.primary_key]
    start = F.col(spark_name(contract.event_time)).cast("timestamp") if contract.event_time else F.lit(at)
    incoming = new.select(
        *key, start.alias("valid_from"), _values(values, new).alias("_new"), F.lit(None).cast("timestamp").alias("_to")
    )
    states = incoming.withColumn("_old", F.lit(None).cast(incoming.schema["_new"].dataType))
    if old is not None:
        known = old.join(new.select(*key).distinct(), on=list(contract.primary_key), how="left_semi").select(
            *key,
            "valid_from",
            F.lit(None).cast(incoming.schema["_new"].dataType).alias("_new"),
            F.col("valid_to").alias("_to"),
            _values(values, old).cast(incoming.schema["_new"].dataType).alias("_old"),
        )
        states = states.unionByName(known)
    # One row for a key and a time: the batch's state, and the table's where it has one.
    found = states.groupBy(*key, "valid_from").agg(
        *(F.first(name, ignorenulls=True).alias(name) for name in ("_new", "_old", "_to"))
    )
    return _changes(found, contract, values, key)


def _changes(found: DataFrame, contract: Contract, values: list[str], key: list[str]) -> DataFrame:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    compared = [f"_state.{spark_name(name)}" for name in values if name != contract.event_time]
    found = found.withColumn("_state", F.coalesce("_new", "_old"))
    found = found.withColumn("_compared", F.struct(*compared) if compared else F.lit(True))
    in_time = Window.partitionBy(*key).orderBy("valid_from")
    later = in_time.rowsBetween(1, Window.unboundedFollowing)
    before = F.lag("_compared").over(in_time)
    found = found.withColumn("_stays", (F.row_number().over(in_time) == 1) | ~before.eqNullSafe(F.col("_compared")))
    found = found.withColumn("_next", F.min(F.when(F.col("_stays"), F.col("valid_from"))).over(later))
    same = F.col("_old").eqNullSafe(F.col("_state")) & F.col("_to").eqNullSafe(F.col("_next"))
    changed = F.col("_stays") & ~(F.col("_old").isNotNull() & same)
    gone = ~F.col("_stays") & F.col("_old").isNotNull()
    made: dict[str, SparkColumn] = {
        "valid_from": F.col("valid_from"),
        "valid_to": F.when(F.col("_stays"), F.col("_next")),
        "is_current": F.when(F.col("_stays"), F.col("_next").isNull()),
    }
    made |= {name: F.col(spark_name(name)) for name in contract.primary_key}
    made |= {name: F.col(f"_state.{spark_name(name)}") for name in values}
    return found.filter(changed | gone).select(*(made[c.name].alias(c.name) for c in contract.columns))


def _values(names: list[str], frame: DataFrame) -> SparkColumn:
    """The columns as one struct; null where a table does not have a column yet."""
    from pyspark.sql import functions as F

    return F.struct(
        *((F.col(spark_name(name)) if name in frame.columns else F.lit(None)).alias(name) for name in names),
        F.lit(True).alias("_mesh_there"),
    )
