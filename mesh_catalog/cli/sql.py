"""mesh sql: query products."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh

__all__ = ["command"]

_FILE_SUFFIXES = (".parquet", ".csv")
_CELL_LIMIT = 60


@click.command("sql")
@click.argument("query")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many rows; 50 on the screen, all otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the rows into a .parquet or .csv file."
)
@click.option("--spark", "on_spark", is_flag=True, help="Run it on Spark, which knows every function.")
def command(query: str, limit: int | None, as_json: bool, as_csv: bool, output: Path | None, on_spark: bool) -> None:
    """Run one SELECT of Spark SQL over products: `domain.product`, or `domain.product@v3` for an older version.

    Only the products and columns that it names are opened, and each leaves an audit event. A query that changes
    anything, or reads anything else, is refused.

    \\b
    Example:
      mesh sql "select tx_fraud, count(*) as payments from payments.transactions group by 1"
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.lake.sql import query_products

    if sum((as_json, as_csv, output is not None)) > 1:
        raise click.UsageError("--json, --csv and --output: give one of them.")
    if output is not None and output.suffix.lower() not in _FILE_SUFFIXES:
        raise click.UsageError(f"--output: '{output.name[:80]}' is neither a .parquet nor a .csv file.")
    to_screen = not (as_json or as_csv or output)
    shown = limit if limit is not None or not to_screen else 50
    with open_mesh(with_workspace=on_spark) as mesh:
        session = _session(mesh, query) if on_spark else None
        bound = shown + 1 if to_screen and shown is not None else shown
        rows = query_products(mesh, query, spark=session, limit=bound)
        if output is not None:
            count = _write(rows.batches, output)
            click.echo(f"{output}   {count:,} rows   {_sources(rows.inputs)}")
        elif as_json:
            _print_json(rows.batches.read_all(), rows.inputs)
        elif as_csv:
            _write(rows.batches, None)
        else:
            _print_rows(rows.batches.read_all(), rows.inputs, shown)


def _session(mesh: Mesh, query: str) -> SparkSession:
    from mesh_catalog.cli.output import progress
    from mesh_catalog.lake.session import open_session
    from mesh_catalog.lake.sql_text import parse_query

    parse_query(query)  # what is wrong with it is told before Spark starts
    with progress("starts Spark"):
        return open_session(mesh.settings, app_name="mesh sql")


def _sources(inputs: Mapping[str, int]) -> str:
    return ", ".join(name if "@" in name else f"{name} v{version}" for name, version in inputs.items())


def _print_json(table: pa.Table, inputs: Mapping[str, int]) -> None:
    from mesh_catalog.catalog.canonical import plain
    from mesh_catalog.cli.output import emit_json

    rows = [plain(dict(zip(table.column_names, row, strict=True))) for row in _tuples(table)]
    emit_json({"inputs": inputs, "columns": table.column_names, "rows": rows})


def _print_rows(table: pa.Table, inputs: Mapping[str, int], shown: int | None) -> None:
    from mesh_catalog.cli.output import print_table

    rows = [tuple(map(_cell, row)) for row in _tuples(table.slice(0, shown))]
    print_table(rows, table.column_names)
    more = shown is not None and table.num_rows > shown
    counted = f"the first {len(rows):,} rows; all: --output rows.parquet" if more else f"{len(rows):,} rows"
    if len(rows) == 1 and not more:
        counted = "1 row"
    click.echo("   ".join(filter(None, [counted, _sources(inputs)])), err=True)


def _tuples(table: pa.Table) -> list[tuple[Any, ...]]:
    """By place: two columns of a query may have one name."""
    columns = [column.to_pylist() for column in table.columns]
    return list(zip(*columns, strict=True))


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float) or hasattr(value, "strftime"):
        return value
    text = str(value)
    return text if len(text) <= _CELL_LIMIT else text[: _CELL_LIMIT - 1] + "…"


def _write(batches: pa.RecordBatchReader, output: Path | None) -> int:
    """Write the rows as they come; nothing is left where it fails half-way."""
    from mesh_catalog.errors import StorageError

    if output is None:
        import sys

        return _write_batches(batches, sys.stdout.buffer, csv=True)
    part = output.with_name(f".{output.name}.part")
    try:
        try:
            with part.open("wb") as sink:
                count = _write_batches(batches, sink, csv=output.suffix.lower() == ".csv")
            part.replace(output)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{output}: cannot be written ({error.strerror or type(error).__name__}).") from error
    return count


def _write_batches(batches: pa.RecordBatchReader, sink: Any, *, csv: bool) -> int:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    from mesh_catalog.errors import InputError

    try:
        writer = (arrow_csv.CSVWriter if csv else parquet.ParquetWriter)(sink, batches.schema)
        count = 0
        with writer:
            for batch in batches:
                writer.write_batch(batch)
                count += batch.num_rows
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        nested = [field.name for field in batches.schema if pa.types.is_nested(field.type)]
        if csv and nested:
            raise InputError(
                f"sql: column {', '.join(nested)} is nested, which CSV cannot hold. Write .parquet, or --json."
            ) from error
        raise
    return count
