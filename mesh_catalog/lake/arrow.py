"""Tables without a JVM, by delta-rs and DataFusion. Only tickets of `access.gate.request_read` open them.

Rows come in Arrow batches as they are read, so what is bigger than memory can be passed through. Types are those that
Spark writes: strings are plain, timestamps are UTC.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mesh_catalog.errors import InputError, StorageError, listed
from mesh_catalog.lake.commit_log import read_commits
from mesh_catalog.lake.damage import table_error
from mesh_catalog.lake.foreign import plain_type, unread_features
from mesh_catalog.lake.storage import filesystem_of, open_delta, path_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa
    from deltalake import DeltaTable, QueryBuilder

    from mesh_catalog.access.gate import Ticket

__all__ = [
    "count_values",
    "open_table",
    "preview_rows",
    "query_batches",
    "quoted",
    "read_batches",
    "read_values",
    "storage_errors",
]

_MASK = "'•••'"


@contextmanager
def storage_errors(*tickets: Ticket) -> Iterator[None]:
    """What a table's storage raises, as a `StorageError` that names the table and what helps."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, OSError, pa.ArrowException) as error:
        if isinstance(error, StorageError):
            raise
        if missing := next(filter(None, map(_missing, tickets)), None):
            raise StorageError(missing) from error
        broken = next((ticket for ticket in tickets if not _opens(ticket)), tickets[0])
        raise table_error(broken.product, broken.location, error, version=broken.version) from error


def _opens(ticket: Ticket) -> bool:
    """Whether the log of the ticket's version can be read."""
    from deltalake.exceptions import DeltaError

    try:
        open_delta(ticket.location, version=ticket.version)
    except (DeltaError, OSError):
        return False
    return True


def _missing(ticket: Ticket) -> str | None:
    """What is known of files that are gone; None also where the log itself cannot be read."""
    from deltalake.exceptions import DeltaError

    from mesh_catalog.lake.missing import describe_missing

    try:
        return describe_missing(ticket)
    except (DeltaError, OSError):
        return None


def open_table(ticket: Ticket, *, version: int | None = None) -> DeltaTable:
    """The ticket's table at its version, or at an earlier one.

    Raises:
        StorageError: The log cannot be read.
    """

    with storage_errors(ticket):
        chosen = ticket.version if version is None else version
        return open_delta(ticket.location, version=chosen)


def query_batches(tickets: Mapping[str, Ticket], sql: str, *, lower_case: bool = False) -> pa.RecordBatchReader:
    """Run a query of DataFusion's over tables that tickets allow.

    Args:
        tickets: Under the names that the query calls them by. Each shows its ticket's columns and nothing else, masked
            columns as dots.
        sql: One SELECT. Trusted: DataFusion would also write files.
        lower_case: Call the columns by lower-case names; else by their own. Either way names are quoted in `sql`.

    Raises:
        StorageError: A table cannot be read; also while the batches are read.
    """
    import pyarrow as pa

    with storage_errors(*tickets.values()), _query_errors():
        engine = _engine(tickets, lower_case=lower_case)
        if _loses_limit(engine, sql):
            engine = _engine(tickets, lower_case=lower_case, condition=" where random() >= 0")
        found = pa.RecordBatchReader.from_stream(engine.execute(sql))
    schema = pa.schema([(field.name, plain_type(field.type)) for field in found.schema])
    return pa.RecordBatchReader.from_batches(schema, _batches(found, schema, *tickets.values()))


def _engine(tickets: Mapping[str, Ticket], *, lower_case: bool, condition: str = "") -> QueryBuilder:
    """An engine that knows each ticket's columns as a view under its name."""
    from deltalake import QueryBuilder

    engine = QueryBuilder()
    for number, (name, ticket) in enumerate(tickets.items()):
        table = open_table(ticket)
        columns = ticket.columns or tuple(field.name for field in table.schema().fields)
        called = {column: quoted(column.lower() if lower_case else column) for column in columns}
        shown = ", ".join(f"{_MASK if c in ticket.masked else quoted(c)} as {called[c]}" for c in columns)
        with storage_errors(ticket):
            engine.register(f"table_{number}", table)
            view = f"create view {quoted(name)} as select {shown} from table_{number}{condition}"  # noqa: S608 - quoted
            engine.execute(view).read_all()
    return engine


def _loses_limit(engine: QueryBuilder, sql: str) -> bool:
    """Whether delta-rs would forget a LIMIT: it does (1.6.6) where a scan needs no column, only the number of rows.

    A condition that is always true and that no optimiser sees through keeps the limit above the scan.
    """
    import pyarrow as pa

    if not re.search(r"\b(limit|offset|fetch)\b", sql, re.IGNORECASE):
        return False
    plan = pa.table(engine.execute(f"explain {sql}").read_all())
    return any("DeltaScanMetaExec" in text for text in plan["plan"].to_pylist())


def _batches(found: pa.RecordBatchReader, schema: pa.Schema, *tickets: Ticket) -> Iterator[pa.RecordBatch]:
    with storage_errors(*tickets), _query_errors():
        for batch in found:
            yield batch.cast(schema)


@contextmanager
def _query_errors() -> Iterator[None]:
    """What is the query's fault and not the storage's, without the values that DataFusion puts into its messages."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, pa.ArrowException, OSError) as error:
        if isinstance(error, StorageError):
            raise
        text = str(error)
        if planned := re.search(
            r"Error during planning: ([^\n]{1,160})|This feature is not implemented: ([^\n]{1,160})", text
        ):
            told = (planned[1] or planned[2]).rstrip(".")
            raise InputError(f"sql: {told}. Correct it, or run it with --spark.") from error
        if failed := re.search(r"(Cast error|Divide by zero|Arithmetic overflow|Parser error|Overflow)", text):
            raise InputError(
                f"sql: a row cannot be computed ({failed[1].lower()}; the value is not shown). "
                "Filter such rows out, or use try_cast with --spark."
            ) from error
        if not re.search(r"Object Store error|Parquet error|No such file", text):
            raise InputError(
                f"sql: the engine that runs without Spark stops at it ({type(error).__name__}). Run it with --spark."
            ) from error
        raise


def read_batches(ticket: Ticket) -> pa.RecordBatchReader:
    """The rows that a ticket allows, its columns in its order.

    Raises:
        StorageError: The table cannot be read; also while the batches are read.
    """
    return query_batches({"rows": ticket}, "select * from rows")


def preview_rows(ticket: Ticket, limit: int) -> pa.Table:
    """The first rows of the ticket's columns, masked columns shown as dots.

    Raises:
        StorageError: The table cannot be read.
    """
    query = f"select * from rows limit {int(limit)}"  # noqa: S608 - no text in it
    return query_batches({"rows": ticket}, query).read_all()


def count_values(ticket: Ticket, column: str, *, first_version: int | None = None) -> dict[Any, int]:
    """How often each value of a column occurs, exactly.

    Args:
        first_version: Count only the rows of files added by versions first_version..ticket.version; the whole table
            where None.

    Returns:
        Value → count; null under None.

    Raises:
        StorageError: The table cannot be read.
    """
    import pyarrow.compute as pc

    counts: dict[Any, int] = {}
    for values in read_values(ticket, column, first_version=first_version):
        pairs = pc.value_counts(values)
        for value, count in zip(pairs.field("values").to_pylist(), pairs.field("counts").to_pylist(), strict=True):
            counts[value] = counts.get(value, 0) + count
    return counts


def read_values(ticket: Ticket, column: str, *, first_version: int | None = None) -> Iterator[pa.Array]:
    """A column's values in arrays, file after file in the order of their names; decimals as doubles.

    Args:
        first_version: As for `count_values`.

    Raises:
        StorageError: The table cannot be read.
    """
    import pyarrow as pa
    from pyarrow import dataset

    if features := unread_features(open_table(ticket)):
        raise StorageError(
            f"{ticket.product} v{ticket.version}: has {listed(features)}, so its files alone do not say which values "
            "it has. Publish a product that reads it, and look at that one."
        )
    files = _added_files(ticket, first_version) if first_version else set(open_table(ticket).file_uris())
    with storage_errors(ticket):
        if not files:
            return
        table = open_table(ticket)
        schema = pa.schema([pa.schema(table.schema().to_arrow()).field(column)])  # files of before may lack it
        split = dataset.partitioning(schema, flavor="hive") if column in table.metadata().partition_columns else None
        filesystem, _ = filesystem_of(ticket.location)
        paths = sorted(map(path_within, files))
        rows = dataset.dataset(paths, schema=schema, format="parquet", partitioning=split, filesystem=filesystem)
        for batch in rows.to_batches(columns=[column]):
            values = batch.column(0)
            yield values.cast(pa.float64()) if pa.types.is_decimal(values.type) else values


def _rewrites(entry: Mapping[str, Any]) -> bool:
    """Whether a commit is no publish, but writes rows that are there once more."""
    return entry.get("operation") == "OPTIMIZE" or "mesh_consent" in str(entry.get("userMetadata"))


def _added_files(ticket: Ticket, first: int) -> set[str]:
    """The files that versions first..ticket.version added.

    A compaction in between rewrites old rows and new ones into one file, and so does a removal of rows without consent;
    the versions before it and after it are looked at apart: what each publish added counts, also where it was replaced.
    """
    with storage_errors(ticket):
        log = read_commits(open_delta(ticket.location))
    compacted = [int(entry["version"]) for entry in log if _rewrites(entry)]
    added: set[str] = set()
    start = first
    for end in [*sorted(v for v in compacted if first <= v <= ticket.version), ticket.version + 1]:
        if start < end:
            before = set(open_table(ticket, version=start - 1).file_uris())
            added |= set(open_table(ticket, version=end - 1).file_uris()) - before
        start = end + 1
    return added


def quoted(name: str) -> str:
    """A name as DataFusion's SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
