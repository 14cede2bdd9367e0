"""The point-in-time join: to each row, the newest feature values that were known at the row's time.

Owns the join and nothing else: DataFrames in, DataFrame out, no action inside. Times are compared as timestamps (UTC);
a date counts as its midnight.

Both sides are stacked and one window per entity carries the last feature row forward: one shuffle, no Cartesian
product, memory bounded by one entity's columns. The order is total, so that two runs agree: time, then feature rows
before the rows that ask, then a hash of the feature values, the largest of equal times winning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.errors import InputError, listed, nearest

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["join_point_in_time"]

_TIME, _SIDE, _TIE, _ROW, _VIEW = "__time", "__side", "__tie", "__row", "__view"
_INNER = (_TIME, _SIDE, _TIE, _ROW, _VIEW)
_TIME_TYPES = ("date", "timestamp", "timestamp_ntz")


def join_point_in_time(
    rows: DataFrame,
    view: DataFrame,
    *,
    keys: Sequence[str],
    time: str,
    view_time: str,
    columns: Sequence[str] | Mapping[str, str],
) -> DataFrame:
    """Add to each row the columns of the newest view row with the same keys whose time is not later.

    Args:
        rows: The rows that ask; kept as they are, duplicates included. Reads `keys` and `time`.
        view: The feature rows. Reads `keys` (of the same names and types), `view_time` and `columns`. A row whose key
            or time is null is known to nobody.
        keys: Columns that name the entity; at least one.
        time: Column of `rows`: date or timestamp. A null time gets no features.
        view_time: Column of `view`: when its values were known.
        columns: Columns of `view` to add; a mapping gives each its name in the result.

    Returns:
        All rows with their columns, then the added ones, null where nothing was known. In no particular order.

    Raises:
        InputError: A column is missing or of the wrong type, or a name would stand twice; found on the schemas.

    Cost: lazy; one shuffle of both sides on `keys`.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F  # late: `mesh --help` stays free of pyspark

    names = dict(columns) if isinstance(columns, Mapping) else {column: column for column in columns}
    _require_columns(rows, view, keys=keys, time=time, view_time=view_time, names=names)
    picked = F.struct(*(F.col(spark_name(source)).alias(name) for source, name in names.items()))
    asking = rows.select(
        *(F.col(spark_name(key)) for key in keys),
        F.col(spark_name(time)).cast("timestamp").alias(_TIME),
        F.lit(1).alias(_SIDE),
        F.lit(None).cast("bigint").alias(_TIE),
        F.struct(*(F.col(spark_name(column)) for column in rows.columns)).alias(_ROW),
        F.lit(None).cast(view.select(picked.alias(_VIEW)).schema[_VIEW].dataType).alias(_VIEW),
    )
    known = view.select(
        *(F.col(spark_name(key)) for key in keys),
        F.col(spark_name(view_time)).cast("timestamp").alias(_TIME),
        F.lit(0).alias(_SIDE),
        F.xxhash64(*(F.col(spark_name(source)) for source in names)).alias(_TIE),
        F.lit(None).cast(asking.schema[_ROW].dataType).alias(_ROW),
        picked.alias(_VIEW),
    ).dropna(subset=[*keys, _TIME])
    window = (
        Window.partitionBy(*(F.col(spark_name(key)) for key in keys))
        .orderBy(_TIME, _SIDE, _TIE)
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    carried: Column = F.last(_VIEW, ignorenulls=True).over(window)
    joined = asking.unionByName(known).withColumn(_VIEW, carried).where(F.col(_SIDE) == 1)
    return joined.select(f"{_ROW}.*", *(F.col(_VIEW).getField(name).alias(name) for name in names.values()))


def _require_columns(
    rows: DataFrame, view: DataFrame, *, keys: Sequence[str], time: str, view_time: str, names: Mapping[str, str]
) -> None:
    if not keys:
        raise InputError("point-in-time join: no key. Name the columns that tell one entity from another.")
    for side, frame, wanted in (("rows", rows, [*keys, time]), ("features", view, [*keys, view_time, *names])):
        for column in wanted:
            if column not in frame.columns:
                raise InputError(
                    f"point-in-time join: the {side} have no column '{column}'.{nearest(column, frame.columns)}"
                )
    types = [dict(frame.dtypes) for frame in (rows, view)]
    for key in keys:
        if types[0][key] != types[1][key]:
            raise InputError(
                f"point-in-time join: key '{key}' is {types[0][key]} in the rows and {types[1][key]} in the features. "
                "Give it one type in both contracts."
            )
    for found, column in ((types[0], time), (types[1], view_time)):
        if found[column] not in _TIME_TYPES:
            raise InputError(
                f"point-in-time join: '{column}' is {found[column]}, which is no time. Allowed: {listed(_TIME_TYPES)}."
            )
    taken = [*rows.columns, *_INNER]
    for name in names.values():
        if name in taken:
            raise InputError(f"point-in-time join: column '{name}' would stand twice. Rename one of the two.")
        taken.append(name)
