"""Types of Arrow, which a Parquet file knows, as kinds of columns and as types of Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from mesh_catalog.contracts.infer import Kind

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["spark_type_of"]


def spark_type_of(kind: pa.DataType) -> tuple[Kind, str | None]:
    """Kind and Spark type of a type of Arrow.

    Raises:
        ValueError: Spark cannot read it from Parquet; the message names the type.
    """
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return spark_type_of(kind.value_type)
    for kinds, found in _arrow_kinds(types):
        if any(test(kind) for test in kinds):
            return found
    if types.is_decimal(kind):
        return "number", f"decimal({kind.precision},{kind.scale})"
    if types.is_uint64(kind):
        return "integer", "decimal(20,0)"
    nested = _nested(kind)
    if nested is None:
        raise ValueError(str(kind))
    return "other", nested


def _arrow_kinds(types: Any) -> Iterable[tuple[tuple[Callable[[Any], bool], ...], tuple[Kind, str | None]]]:
    return (
        ((types.is_boolean,), ("boolean", None)),
        ((types.is_int8, types.is_int16, types.is_uint8, types.is_int32, types.is_uint16), ("integer", None)),
        ((types.is_int64, types.is_uint32), ("integer", None)),
        ((types.is_float16, types.is_float32, types.is_float64), ("number", None)),
        ((types.is_string, types.is_large_string, types.is_string_view), ("string", None)),
        ((types.is_date,), ("date", None)),
        ((types.is_timestamp,), ("timestamp", None)),
        ((types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_null), ("other", "binary")),
    )


def _nested(kind: pa.DataType) -> str | None:
    import pyarrow as pa

    def inner(part: pa.DataType) -> str:
        found, spark = spark_type_of(part)
        return spark or {"integer": "bigint", "number": "double"}.get(found, found)

    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"array<{inner(kind.value_type)}>"
    if pa.types.is_map(kind):
        return f"map<{inner(kind.key_type)},{inner(kind.item_type)}>"
    if pa.types.is_struct(kind):
        fields = islice((kind.field(index) for index in range(kind.num_fields)), 1_000)
        return "struct<" + ",".join(f"{field.name}:{inner(field.type)}" for field in fields) + ">"
    return None
