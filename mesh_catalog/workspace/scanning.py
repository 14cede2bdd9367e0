"""One pass over a file from outside (two over JSON): summaries of its columns, and how Spark must read it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.contracts.infer import ColumnSummary
from mesh_catalog.errors import InputError
from mesh_catalog.workspace.arrow_types import spark_type_of
from mesh_catalog.workspace.landing_files import LandingFile, NotUtf8Error, open_landing_file, read_batches
from mesh_catalog.workspace.summaries import TextColumn, TypedColumn

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Scan", "scan_file"]

_COLUMN_LIMIT: Final = 5_000


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What reading a file found."""

    file: LandingFile
    columns: tuple[ColumnSummary, ...]
    options: Mapping[str, str | bool]
    """Of Spark's reader."""
    trimmed: bool = False
    """White space around values is cut off, for some values have it."""
    nanoseconds: bool = False
    """Timestamps of a Parquet file are finer than Spark reads."""

    @property
    def rows(self) -> int:
        return self.columns[0].rows


def scan_file(path: Path, *, progress: Callable[[int], None] | None = None) -> Scan:
    """Read a whole file and summarise its columns.

    Args:
        path: A CSV, JSON (one object a line, or one array) or Parquet file; CSV and JSON may be gzipped.
        progress: Called with the number of rows read so far.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is empty, binary, damaged, or has a broken row; the message holds none of its values.
    """
    file = open_landing_file(path)
    told = progress or (lambda _rows: None)
    if file.format == "parquet":
        return _scan_parquet(file, told)
    if file.format == "json":
        return _scan_json(file, told)
    try:
        return _scan_csv(_unquoted_if_so(file), told)
    except NotUtf8Error:
        if file.layout is None:
            raise
        latin = replace(file, layout=replace(file.layout, encoding="ISO-8859-1"))
        return _scan_csv(_unquoted_if_so(latin), told)


def _unquoted_if_so(file: LandingFile) -> LandingFile:
    """Files of tabs are mostly written without quoting, and a stray quote would then join rows: try without first."""
    if file.layout is None or file.layout.delimiter != "\t":
        return file
    unquoted = replace(file, layout=replace(file.layout, quoted=False))
    try:
        for _ in read_batches(unquoted):
            pass
    except NotUtf8Error:
        raise
    except InputError:
        return file
    return unquoted


def _scan_csv(file: LandingFile, told: Callable[[int], None]) -> Scan:
    columns = [TextColumn(name) for name in file.columns]
    for batch in read_batches(file):
        for column, values in zip(columns, batch.values(), strict=True):
            column.add(values)
        told(columns[0].rows)
    _require_rows(file, columns[0].rows)
    return Scan(
        file=file,
        columns=tuple(column.summary() for column in columns),
        options=_csv_options(file, columns),
        trimmed=any(column.traits.leading or column.traits.trailing for column in columns),
    )


def _csv_options(file: LandingFile, columns: list[TextColumn]) -> dict[str, str | bool]:
    layout = file.layout
    if layout is None:
        return {}
    options: dict[str, str | bool] = {"header": layout.header}
    if layout.delimiter != ",":
        options["sep"] = layout.delimiter
    if not layout.quoted:
        options["quote"] = ""
    elif any(column.traits.quotes for column in columns):
        options["escape"] = '"'  # a quote is doubled, and a backslash is a character like any other
    if layout.encoding != "UTF-8":
        options["encoding"] = layout.encoding
    if any(column.traits.line_breaks for column in columns):
        options["multiLine"] = True
    if any(column.traits.leading for column in columns):
        options["ignoreLeadingWhiteSpace"] = True
    if any(column.traits.trailing for column in columns):
        options["ignoreTrailingWhiteSpace"] = True
    return options


def _require_rows(file: LandingFile, rows: int) -> None:
    if not rows:
        raise InputError(f"{file.path}: holds no rows. There is nothing to import.")


# JSON --------------------------------------------------------------------------------------------------------------


def _scan_json(file: LandingFile, told: Callable[[int], None]) -> Scan:
    kinds: dict[str, set[str]] = {}
    for batch in read_batches(file):
        for name, values in batch.items():
            kinds.setdefault(name, set()).update(_json_kind(value) for value in values if value is not None)
        if len(kinds) > _COLUMN_LIMIT:
            raise InputError(f"{file.path}: has more than {_COLUMN_LIMIT:,} keys.")
    columns = {name: _json_column(name, found) for name, found in kinds.items()}
    rows = 0
    for batch in read_batches(file):
        size = len(next(iter(batch.values()), []))
        for name, column in columns.items():
            present = [value for value in batch.get(name, []) if value is not None]
            column.add(_arrow_array(column, present), absent=size - len(present))
        rows += size
        told(rows)
    _require_rows(file, rows if columns else 0)
    options: dict[str, str | bool] = {"multiLine": True} if file.json_array else {}
    return Scan(file=file, columns=tuple(column.summary() for column in columns.values()), options=options)


def _json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**63 else "string"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "other"


def _json_column(name: str, kinds: set[str]) -> TextColumn | TypedColumn:
    if "other" in kinds:
        return TypedColumn(name, "other", spark_type="string")
    if kinds == {"boolean"}:
        return TypedColumn(name, "boolean")
    if kinds == {"integer"}:
        return TypedColumn(name, "integer")
    if kinds and kinds <= {"integer", "number"}:
        return TypedColumn(name, "number")
    return TextColumn(name, quoted=True)


def _arrow_array(column: TextColumn | TypedColumn, values: list[Any]) -> pa.Array:
    """The values, none of them absent, as Arrow has them. From buffers: `pa.array` of a list loads pandas."""
    import pyarrow as pa

    if isinstance(column, TypedColumn) and column.kind in ("integer", "number"):
        code, kind = ("q", pa.int64()) if column.kind == "integer" else ("d", pa.float64())
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(array(code, values))])
    if isinstance(column, TypedColumn):  # only their number counts
        return pa.nulls(len(values)).is_null()
    texts = [str(value).encode("utf-8", "replace") for value in values]
    ends = array("q", accumulate((len(text) for text in texts), initial=0))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers)


# Parquet -----------------------------------------------------------------------------------------------------------


def _scan_parquet(file: LandingFile, told: Callable[[int], None]) -> Scan:
    columns: list[TypedColumn] = []
    for name, arrow_type in file.parquet_types.items():
        try:
            kind, spark = spark_type_of(arrow_type)
        except ValueError as error:
            raise InputError(
                f"{file.path}: the column '{name[:40]}' is of type {error}, which Spark does not read."
                " Save it as another type."
            ) from error
        columns.append(TypedColumn(name, kind, spark_type=spark))
    for batch in read_batches(file):
        for column, values in zip(columns, batch.values(), strict=True):
            column.add(values)
        told(columns[0].rows)
    _require_rows(file, columns[0].rows if columns else 0)
    fine = any("timestamp[ns" in str(kind) for kind in file.parquet_types.values())
    return Scan(file=file, columns=tuple(column.summary() for column in columns), options={}, nanoseconds=fine)
