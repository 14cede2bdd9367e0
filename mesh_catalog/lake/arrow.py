"""Tables without a JVM, by delta-rs. Only a ticket of `access.gate.request_read` opens one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mesh_catalog.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from deltalake import DeltaTable

    from mesh_catalog.access.gate import Ticket

__all__ = ["count_values", "open_table", "preview_rows"]

_MASK = "•••"


@contextmanager
def _storage_errors(ticket: Ticket) -> Iterator[None]:
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, OSError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"{ticket.product} v{ticket.version}: its table cannot be read ({type(error).__name__}). "
            "Restore the table's folder, or publish the product anew into an empty one."
        ) from error


def open_table(ticket: Ticket, *, version: int | None = None) -> DeltaTable:
    """The ticket's table at its version, or at an earlier one.

    Raises:
        StorageError: The log cannot be read.
    """
    from deltalake import DeltaTable

    with _storage_errors(ticket):
        return DeltaTable(ticket.location, version=ticket.version if version is None else version)


def preview_rows(ticket: Ticket, limit: int) -> pa.Table:
    """The first rows of the ticket's columns, masked columns shown as dots.

    Raises:
        StorageError: The table cannot be read.
    """
    import pyarrow as pa
    from deltalake import QueryBuilder

    table = open_table(ticket)
    names = ticket.columns or tuple(field.name for field in table.schema().fields)
    shown = ", ".join(f"'{_MASK}' as {_name(n)}" if n in ticket.masked else _name(n) for n in names)
    query = f"select {shown} from rows limit {int(limit)}"  # noqa: S608 - names of the table's own schema, quoted
    with _storage_errors(ticket):
        reader = QueryBuilder().register("rows", table).execute(query)
        return pa.table(reader.read_all())


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
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import dataset

    table = open_table(ticket)
    files = set(table.file_uris())
    if first_version is not None and first_version > 0:
        files -= set(open_table(ticket, version=first_version - 1).file_uris())
    counts: dict[Any, int] = {}
    with _storage_errors(ticket):
        if not files:
            return counts
        schema = pa.schema([pa.schema(table.schema().to_arrow()).field(column)])  # files of before may lack it
        split = dataset.partitioning(schema, flavor="hive") if column in table.metadata().partition_columns else None
        found = dataset.dataset(sorted(files), schema=schema, format="parquet", partitioning=split)
        for batch in found.to_batches(columns=[column]):
            values = batch.column(0)
            if pa.types.is_decimal(values.type):
                values = values.cast(pa.float64())
            pairs = pc.value_counts(values)
            for value, count in zip(pairs.field("values").to_pylist(), pairs.field("counts").to_pylist(), strict=True):
                counts[value] = counts.get(value, 0) + count
    return counts


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
