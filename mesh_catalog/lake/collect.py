"""Profiles collected by Spark while it writes: aggregates for `observe`, and the profile made of their values.

All are part of the write's own pass; none reads the table again. Cost in docs/adr/0002. Bins and exact value counts are
kept by Spark's `approx_top_k_accumulate`, whose sketch (Apache DataSketches, frequent items) is exact as long as fewer
distinct items come than it tracks, and says so itself when they were more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from mesh_catalog.contracts.contract import Column, Contract
from mesh_catalog.lake.checks import quoted
from mesh_catalog.lake.profile import BIN_OFFSET, GAMMA_LN, VALUE_LIMIT, ColumnProfile, Kind, Profile

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn

__all__ = ["profile_from_metrics", "profile_metrics"]

_BIN_LIMIT = 16_384
_TRACKED = 2 * VALUE_LIMIT
"""Items that the sketch tracks; its map is exact up to three quarters of that."""
_SKETCH_LOG_SIZE = 12


def column_kind(spark_type: str) -> Kind:
    """The kind of profile a Spark type gets."""
    base = re.split(r"[(<]", spark_type.lower())[0]
    kinds: dict[str, Kind] = {
        "tinyint": "integer",
        "smallint": "integer",
        "int": "integer",
        "bigint": "integer",
        "float": "float",
        "double": "float",
        "decimal": "float",
        "string": "string",
        "boolean": "boolean",
        "date": "datetime",
        "timestamp": "datetime",
        "timestamp_ntz": "datetime",
    }
    return kinds.get(base, "other")


def profile_metrics(contract: Contract) -> list[SparkColumn]:
    """Aggregates over the rows that are written, named `<number>:<what>` by the column's place in the contract."""
    from pyspark.sql import functions as F

    found: dict[str, str] = {"rows": "count(1)"}
    for number, column in enumerate(contract.columns):
        texts = _column_aggregates(column)
        found |= {f"{number}:{what}": text for what, text in texts.items()}
    if contract.event_time:
        name = quoted(contract.event_time)
        found |= {"event_from": f"min({name})", "event_to": f"max({name})"}
    return [F.expr(text).alias(alias) for alias, text in found.items()]


def _column_aggregates(column: Column) -> dict[str, str]:
    name = quoted(column.name)
    found = {"nulls": f"count_if({name} is null)"}
    kind = column_kind(column.spark_type)
    if column.personal or kind == "other":
        return found
    if kind in ("integer", "float"):
        found |= _number_aggregates(f"cast({name} as double)", whole=kind == "integer")
    if kind in ("integer", "string"):
        value = f"cast({name} as bigint)" if kind == "integer" else name
        found["values"] = f"approx_top_k_accumulate({value}, {_TRACKED})"
        found["distinct"] = f"hll_sketch_agg({value}, {_SKETCH_LOG_SIZE})"
    if kind == "boolean":
        found["true"] = f"count_if({name})"
    if kind == "datetime":
        found |= {"min": f"min({name})", "max": f"max({name})"}
    return found


def _number_aggregates(value: str, *, whole: bool) -> dict[str, str]:
    finite = value if whole else f"if(abs({value}) < double('Infinity'), {value}, null)"
    index = (
        f"case when {finite} = 0 then 0L when {finite} is not null then "
        f"cast(signum({value}) * (ceil(ln(abs({value})) / {GAMMA_LN!r}) + {BIN_OFFSET}) as bigint) end"
    )
    found = {
        "min": f"min({finite})",
        "max": f"max({finite})",
        "total": f"sum({finite})",
        "squares": f"sum({finite} * {finite})",
        "bins": f"approx_top_k_accumulate({index}, {_BIN_LIMIT})",
    }
    if not whole:
        found |= {"nans": f"count_if(isnan({value}))", "infinite": f"count_if(abs({value}) = double('Infinity'))"}
    return found


def profile_from_metrics(contract: Contract, metrics: Mapping[str, Any]) -> Profile:
    """The profile that the metrics of `profile_metrics` describe."""
    rows = int(metrics["rows"])
    columns: dict[str, ColumnProfile] = {}
    for number, column in enumerate(contract.columns):
        prefix = f"{number}:"
        own = {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
        columns[column.name] = _column_profile(column, rows, own)
    return Profile(rows=rows, columns=columns)


def _column_profile(column: Column, rows: int, own: Mapping[str, Any]) -> ColumnProfile:
    kind = column_kind(column.spark_type)
    nulls = int(own["nulls"])
    if column.personal or kind == "other":
        return ColumnProfile(kind=kind, count=rows, null_count=nulls, withheld=column.personal)
    values: Mapping[Any, int] | None = None
    if kind == "boolean":
        true = int(own["true"])
        values = {key: count for key, count in ((0, rows - nulls - true), (1, true)) if count}
    elif kind in ("integer", "string"):
        values = _exact_counts(own["values"], text=kind == "string", limit=VALUE_LIMIT)
    whole = kind == "integer"
    return ColumnProfile(
        kind=kind,
        count=rows,
        null_count=nulls,
        nan_count=int(own.get("nans") or 0),
        infinite_count=int(own.get("infinite") or 0),
        minimum=_extreme(own.get("min"), whole=whole),
        maximum=_extreme(own.get("max"), whole=whole),
        total=float(own.get("total") or 0.0),
        squares=float(own.get("squares") or 0.0),
        values=values,
        bins=_exact_counts(own["bins"], text=False, limit=None) if "bins" in own else None,
        distinct_sketch=bytes(own["distinct"]).hex() if own.get("distinct") is not None else None,
    )


def _extreme(value: Any, *, whole: bool) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return int(value) if whole and value is not None else value


def _exact_counts(tracked: Any, *, text: bool, limit: int | None) -> dict[Any, int] | None:
    """Every item and its count, or None where the sketch saw more items than it tracks (or than `limit`)."""
    import datasketches

    content = bytes(tracked.sketch)
    sketch: Any
    if text:
        sketch = datasketches.frequent_strings_sketch.deserialize(content)
    else:
        sketch = datasketches.frequent_items_sketch.deserialize(
            _with_long_items(content, tracked), datasketches.PyLongsSerDe()
        )
    if sketch.is_empty():
        return {}
    items = sketch.get_frequent_items(datasketches.frequent_items_error_type.NO_FALSE_NEGATIVES, 0)
    if any(lower != upper for _item, _estimate, lower, upper in items) or (limit is not None and len(items) > limit):
        return None
    return {item: int(estimate) for item, estimate, _lower, _upper in items}


def _with_long_items(content: bytes, tracked: Any) -> bytes:
    """The sketch's bytes; only those of bigint items are read, whose layout both libraries share."""
    if "BIGINT" not in str(tracked.itemDataTypeDDL).upper():
        raise ValueError(f"a sketch of {tracked.itemDataTypeDDL} items cannot be read here")
    return content
