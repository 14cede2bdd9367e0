"""SQL over products: `mesh sql` and `mesh_catalog.sql`. Opens what the query names, through the one door, and reads it.

Only the columns that the query uses are asked for. It runs on DataFusion without a JVM, or on Spark as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh_catalog.access.gate import Ticket, find_version, request_read
from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.inventory import read_version_columns
from mesh_catalog.errors import InputError, MeshError, StorageError
from mesh_catalog.lake.arrow import query_batches
from mesh_catalog.lake.sql_dialect import to_datafusion
from mesh_catalog.lake.sql_text import Input, Query, ResolvedQuery, parse_query, resolve_columns, with_views

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh

__all__ = ["QueryRows", "query_products", "sql"]


@dataclass(frozen=True, kw_only=True)
class QueryRows:
    """What a query gives: its rows in batches, and which versions they come from."""

    batches: pa.RecordBatchReader
    inputs: Mapping[str, int]
    """Product, or `product@v3` where a query names it at several versions → version."""


def sql(query: str, *, spark: bool = False) -> pa.Table:
    """Query the products of the workspace around the current folder.

    Args:
        query: One SELECT of Spark SQL over `domain.product`, `domain.product@v3` or `… TIMESTAMP AS OF '2026-05-01'`.
        spark: Run it on Spark, which knows every function; by default it runs on DataFusion, without a JVM.

    Returns:
        The rows; `.to_pandas()` and `polars.from_arrow` take them on. `schema.metadata[b"mesh.inputs"]` says which
        versions they come from, as JSON.

    Raises:
        InputError: The query is wrong, does not only read, or needs Spark.
        NotFoundError: No such product, version or column.
        StorageError: A table cannot be read.
    """
    import json

    with open_mesh(with_workspace=spark) as mesh:
        session = _session(mesh) if spark else None
        rows = query_products(mesh, query, spark=session)
        table = rows.batches.read_all()
    return table.replace_schema_metadata({"mesh.inputs": json.dumps(dict(rows.inputs))})


def _session(mesh: Mesh) -> SparkSession:
    from mesh_catalog.lake.session import open_session

    return open_session(mesh.settings, app_name="mesh sql")


def query_products(mesh: Mesh, text: str, *, spark: SparkSession | None = None, limit: int | None = None) -> QueryRows:
    """Run a query.

    Args:
        spark: Run it there; on DataFusion where None.
        limit: At most so many rows.

    Raises:
        As `sql`; StorageError also while the batches are read.
    """
    query = parse_query(text)
    found = {one.view: _find(mesh, one) for one in query.inputs}
    schemas = {
        one.view: {c.name: c.spark_type for c in read_version_columns(mesh.catalog, one.product, found[one.view])}
        for one in query.inputs
    }
    resolved = _resolve(query, schemas, strict=spark is None)
    translated = to_datafusion(resolved.tree) if resolved and spark is None else None
    tickets = {
        one.view: request_read(
            mesh,
            one.product,
            purpose="analysis",
            version=found[one.view],
            columns=resolved.columns[one.view] if resolved else None,
        )
        for one in query.inputs
    }
    if spark is not None:
        batches = _run_on_spark(spark, query, tickets, limit)
    else:
        assert resolved is not None and translated is not None
        batches = _run_on_datafusion(resolved, translated, tickets, limit)
    several = len({one.product for one in query.inputs}) < len(query.inputs)
    inputs = {f"{one.product}@v{found[one.view]}" if several else one.product: found[one.view] for one in query.inputs}
    return QueryRows(batches=batches, inputs=inputs)


def _find(mesh: Mesh, one: Input) -> int:
    try:
        return find_version(mesh, one.product, version=one.version, as_of=one.as_of)
    except MeshError:
        request_read(mesh, one.product, purpose="analysis", version=one.version, as_of=one.as_of)  # leaves its event
        raise


def _resolve(query: Query, schemas: Mapping[str, Mapping[str, str]], *, strict: bool) -> ResolvedQuery | None:
    """Which columns are used; None where only Spark can tell."""
    try:
        return resolve_columns(query, schemas)
    except InputError:
        if strict:
            raise
        return None


def _run_on_datafusion(
    resolved: ResolvedQuery, translated: str, tickets: Mapping[str, Ticket], limit: int | None
) -> pa.RecordBatchReader:
    import pyarrow as pa

    found = query_batches(tickets, translated, lower_case=True)
    names = [resolved.names.get(name, name) for name in found.schema.names]
    schema = pa.schema([field.with_name(name) for field, name in zip(found.schema, names, strict=True)])
    return pa.RecordBatchReader.from_batches(schema, _bounded(found, schema, limit))


def _bounded(found: pa.RecordBatchReader, schema: pa.Schema, limit: int | None) -> Iterator[pa.RecordBatch]:
    """The batches under their columns' names, up to so many rows; no more is read than that."""
    import pyarrow as pa

    left = limit
    for batch in found:
        part = batch if left is None else batch.slice(0, left)
        yield pa.RecordBatch.from_arrays(part.columns, schema=schema)
        if left is not None:
            left -= part.num_rows
            if left <= 0:
                return


def _run_on_spark(
    spark: SparkSession, query: Query, tickets: Mapping[str, Ticket], limit: int | None
) -> pa.RecordBatchReader:
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import AnalysisException, PySparkException

    from mesh_catalog.lake.messages import describe_error
    from mesh_catalog.lake.missing import require_files
    from mesh_catalog.lake.read import read_table

    for ticket in tickets.values():
        require_files(ticket)
    try:
        for view, ticket in tickets.items():
            read_table(spark, ticket).createOrReplaceTempView(view)
        frame = spark.sql(with_views(query))
        table: pa.Table = (frame if limit is None else frame.limit(limit)).toArrow()
    except AnalysisException as error:
        raise InputError(f"sql: {describe_error(error)}") from error
    except (PySparkException, Py4JJavaError) as error:
        raise StorageError(f"sql: {describe_error(error)}.") from error
    finally:
        for view in tickets:
            spark.catalog.dropTempView(view)
    return table.to_reader()
