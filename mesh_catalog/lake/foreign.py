"""Delta tables that others write, read by delta-rs: columns, counts, and what cannot be told of them without a JVM."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mesh_catalog.contracts.types import spark_type
from mesh_catalog.errors import InputError, StorageError, listed
from mesh_catalog.lake.storage import open_delta

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

__all__ = [
    "count_rows",
    "null_count",
    "open_foreign",
    "physical_names",
    "plain_type",
    "query_rows",
    "stream_rows",
    "table_columns",
    "table_notes",
    "unread_features",
]

_NAME = re.compile(r"[^\W\d]\w{0,127}")


def open_foreign(product: str, location: str) -> DeltaTable:
    """The table at its newest version.

    Raises:
        StorageError: There is none, or its log cannot be read.
    """
    from deltalake.exceptions import DeltaError

    try:
        return open_delta(location)
    except (DeltaError, OSError, ValueError) as error:
        raise StorageError(
            f"{product}: the Delta table at {location} cannot be read ({type(error).__name__}). "
            "Restore it, or correct the server 'lake' in contract.yaml."
        ) from error


def table_columns(product: str, table: DeltaTable) -> dict[str, str]:
    """Spark type of each column.

    Raises:
        InputError: A name or a type that a contract cannot hold.
    """
    found: dict[str, str] = {}
    for entry in json.loads(table.schema().to_json())["fields"]:
        name, kind = str(entry["name"]), _ddl(entry["type"])
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{product}: the column '{name[:40]}' has a name that SQL needs quotes for. Rename it in the table "
                "(letters, digits and _), or publish it as a source (format: delta) under other names."
            )
        try:
            found[name] = spark_type(kind)
        except ValueError as error:
            raise InputError(f"{product}: the column '{name}' {error}") from error
    return found


def _ddl(kind: Any) -> str:
    """Delta's type, in JSON, as Spark writes it; times without a zone count as UTC."""
    if isinstance(kind, str):
        return "timestamp" if kind == "timestamp_ntz" else kind
    if kind["type"] == "array":
        return f"array<{_ddl(kind['elementType'])}>"
    if kind["type"] == "map":
        return f"map<{_ddl(kind['keyType'])},{_ddl(kind['valueType'])}>"
    fields = [f"{field['name']}:{_ddl(field['type'])}" for field in kind["fields"]]
    return f"struct<{','.join(fields)}>"


def table_notes(table: DeltaTable) -> tuple[str, ...]:
    """What this project cannot do with a table as it is."""
    location = table.table_uri.removeprefix("file://").rstrip("/")
    notes = []
    if features := unread_features(table):
        notes.append(
            f"has {listed(features)}: preview and Spark read it; drift of value counts cannot be told without Spark."
            f" To take it out: REORG TABLE delta.`{location}` APPLY (PURGE), then switch the property off"
        )
    if "timestamp_ntz" in table.schema().to_json():
        notes.append("has times without a time zone, which count as UTC")
    return tuple(notes)


def unread_features(table: DeltaTable) -> list[str]:
    """Features under which a data file does not say by itself what rows the table has."""
    configuration = table.metadata().configuration
    features = set(table.protocol().reader_features or ())
    found = []
    if "deletionVectors" in features:
        found.append("deletion vectors")
    if configuration.get("delta.columnMapping.mode", "none") != "none":
        found.append("column mapping")
    return found


def count_rows(product: str, table: DeltaTable) -> int:
    """Rows, those left out that deletion vectors hide: the files' own statistics would count them."""
    return int(query_rows(product, table, "select count(*) as n from rows").column("n")[0].as_py())


def query_rows(product: str, table: DeltaTable, sql: str) -> pa.Table:
    """Run a query over the table, which is called `rows`.

    Raises:
        StorageError: Its files cannot be read.
    """
    import pyarrow as pa
    from deltalake import QueryBuilder

    with _read_errors(product):
        return pa.table(QueryBuilder().register("rows", table).execute(sql).read_all())


def stream_rows(product: str, table: DeltaTable, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The table's rows in these columns, batch by batch; without those that deletion vectors hide.

    Raises:
        StorageError: Its files cannot be read.
    """
    import pyarrow as pa
    from deltalake import QueryBuilder

    shown = ", ".join(f'"{name}"' for name in columns)
    with _read_errors(product):
        found = pa.RecordBatchReader.from_stream(
            QueryBuilder().register("rows", table).execute(f"select {shown} from rows")  # noqa: S608 - checked names
        )
        schema = pa.schema([(field.name, plain_type(field.type)) for field in found.schema])
        for batch in found:
            yield batch.cast(schema)


@contextmanager
def _read_errors(product: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # delta-rs raises the engine's own kinds, whose texts may hold values
        raise StorageError(
            f"{product}: the rows of the table cannot be read ({type(error).__name__}). Is a file missing?"
        ) from error


def plain_type(kind: pa.DataType) -> pa.DataType:
    """DataFusion's views of strings and bytes as what other libraries take."""
    import pyarrow as pa

    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(plain_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, plain_type(field.type), field.nullable) for field in kind])
    return kind


def physical_names(table: DeltaTable) -> dict[str, str]:
    """Column → its name in the data files and their statistics, which column mapping changes."""
    fields = json.loads(table.schema().to_json())["fields"]
    return {f["name"]: f.get("metadata", {}).get("delta.columnMapping.physicalName", f["name"]) for f in fields}


def null_count(files: pa.Table, name: str) -> int | None:
    """Nulls of a column, or None where a file keeps no statistics of it."""
    column = f"null_count.{name}"
    if not files.num_rows:
        return 0
    if column not in files.column_names or files.column(column).null_count:
        return None
    return sum(int(value) for value in files.column(column).to_pylist())
