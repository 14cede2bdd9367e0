"""What the files of a batch say of their own columns, before Spark reads them: headers of CSV, schemas of Parquet.

Spark takes the first Parquet file's columns for all, so that a column which another file lacks would come as nulls, and
it stops at a CSV header that has the columns in another order. Here such a file is named, or read by its own order.
No message holds more of a file than names of columns, and those only where the line is a header for sure.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mesh_catalog.errors import InputError, listed
from mesh_catalog.lake.sources.arrivals import SourceFile, is_remote, read_head, spark_paths
from mesh_catalog.workspace.arrow_types import spark_type_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

    from mesh_catalog.specs import SourceSpec

__all__ = ["by_column_order", "check_parquet"]

_HEAD_BYTES = 64 * 1024
_DELIMITERS = {",": "a comma", ";": "';'", "\t": "a tab", "|": "'|'"}


def by_column_order(
    spark: SparkSession, source: SourceSpec, files: Sequence[SourceFile]
) -> dict[tuple[str, ...], list[SourceFile]]:
    """The files by the order in which they have the source's columns.

    Raises:
        InputError: A CSV file is empty or its header names other columns; which, is said.
    """
    wanted = tuple(source.columns)
    if source.format != "csv" or source.options.get("header", "false").lower() != "true":
        return {wanted: list(files)}
    with ThreadPoolExecutor(16) as pool:  # most of the time is waiting for storage
        heads = list(pool.map(lambda file: read_head(spark, file, _HEAD_BYTES), files))
    found: dict[tuple[str, ...], list[SourceFile]] = {}
    for file, head in zip(files, heads, strict=True):
        found.setdefault(_column_order(source, file, head), []).append(file)
    return found


def _column_order(source: SourceSpec, file: SourceFile, head: bytes) -> tuple[str, ...]:
    wanted = {name.lower(): name for name in source.columns}
    separator = source.options.get("sep", ",").replace("\\t", "\t")
    if len(separator) != 1:
        return tuple(source.columns)  # left to Spark's own look at the header
    line = _first_line(file, head, source)
    names = _cells(line, separator, source)
    known = [name.lower() for name in names]
    if sorted(known) == sorted(wanted):
        return tuple(wanted[name] for name in known)
    raise InputError(f"{file.name}: {_difference(wanted, names, line, separator, source)}")


def _first_line(file: SourceFile, head: bytes, source: SourceSpec) -> str:
    if not head.strip():
        raise InputError(f"{file.name}: is empty, without even a header. Take it away, or send it again.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and not source.options.get("encoding", "").lower().startswith("utf"):
        raise InputError(f"{file.name}: is UTF-16 text. Save it as UTF-8, or write encoding: UTF-16 under options.")
    try:
        text = head.decode(source.options.get("encoding", "utf-8"), errors="replace").removeprefix("\ufeff")
    except LookupError:
        text = head.decode("utf-8", errors="replace")  # a name that only Java knows; Spark says what is wrong with it
    comment = source.options.get("comment")
    lines = [line for line in text.splitlines() if line.strip() and not (comment and line.startswith(comment))]
    return lines[0] if lines else ""


def _cells(line: str, separator: str, source: SourceSpec) -> list[str]:
    quote = source.options.get("quote", '"')
    reader = csv.reader(
        io.StringIO(line),
        delimiter=separator,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )
    cells = next(reader, [])
    trims = "true" in (source.options.get(f"ignore{side}WhiteSpace") for side in ("Leading", "Trailing"))
    return [cell.strip() for cell in cells] if trims else cells


def _difference(wanted: dict[str, str], names: Sequence[str], line: str, separator: str, source: SourceSpec) -> str:
    known = [name.lower() for name in names]
    for other, told in _DELIMITERS.items():
        if other != separator and sorted(n.lower() for n in _cells(line, other, source)) == sorted(wanted):
            return (
                f"is separated by {told}, not by {_DELIMITERS.get(separator, repr(separator))}. Set sep under options."
            )
    missing = [name for low, name in wanted.items() if low not in known]
    if 2 * len(missing) > len(wanted):  # the line may be a row, and then tell of people
        return (
            f"its first line names {len(wanted) - len(missing)} of the {len(wanted)} columns in source.yaml."
            " Is it a file without header, with another delimiter, or another file altogether?"
        )
    extra = [name for name in names if name.lower() not in wanted]
    twice = sorted({name for name in names if known.count(name.lower()) > 1})
    told_parts = [
        f"lacks the column {listed(missing)}" if missing else "",
        f"has the column {listed(extra)}, which source.yaml does not name" if extra else "",
        f"names the column {listed(twice)} twice" if twice else "",
    ]
    return f"{'; '.join(filter(None, told_parts))}. Correct the file, or columns in source.yaml."


# Parquet -----------------------------------------------------------------------------------------------------------


def check_parquet(spark: SparkSession, files: Sequence[SourceFile]) -> None:
    """Look at every file's own schema.

    Raises:
        InputError: A file is damaged, or has other columns or types than the first.
    """
    with ThreadPoolExecutor(8) as pool:
        schemas = list(pool.map(lambda file: _parquet_types(spark, file), files))
    for file, types in zip(files, schemas, strict=True):
        if types != schemas[0]:
            raise InputError(f"{file.name}: {_schema_difference(types, schemas[0], files[0].name)}")


def _parquet_types(spark: SparkSession, file: SourceFile) -> dict[str, str]:
    """Type of each column; files in an object store by Spark, which has the keys to it."""
    import pyarrow as pa
    from pyarrow import parquet

    if not file.size:
        raise InputError(f"{file.name}: is empty (0 bytes). Take it away, or send it again.")
    if is_remote(file.path):
        return dict(spark.read.parquet(*spark_paths([file])).dtypes)
    try:
        return {column.name: _type_name(column.type) for column in parquet.read_schema(file.path)}
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file.name}: is not a Parquet file, or is damaged. Send it again.") from error


def _type_name(kind: pa.DataType) -> str:
    """One name for what Spark reads alike, such as text with and without a dictionary."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _type_name(kind.value_type)
    try:
        word, spark = spark_type_of(kind)
    except ValueError:
        return str(kind)
    return spark or (str(kind) if word in ("integer", "number", "timestamp") else word)


def _schema_difference(types: dict[str, str], wanted: dict[str, str], other: str) -> str:
    missing = [name for name in wanted if name not in types]
    extra = [name for name in types if name not in wanted]
    changed = [f"{n} ({types[n]}, there {wanted[n]})" for n in wanted if n in types and types[n] != wanted[n]]
    told = [
        f"lacks the column {listed(missing)}" if missing else "",
        f"has the column {listed(extra)} besides" if extra else "",
        f"has other types: {listed(changed)}" if changed else "",
    ]
    parts = ", ".join(filter(None, told))
    return f"has not the columns of {other}: it {parts}. Publish them apart, or write them anew alike."
