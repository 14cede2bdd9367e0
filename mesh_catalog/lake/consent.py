"""Rows of people who have not agreed, or who have withdrawn: kept out of what is made of them, and taken out of tables.

Whoever reads a product to make something of it is given the rows that have consent now. A table that keeps rows of
earlier batches, and finds their consent by key in another product, loses the others before the next batch is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mesh_catalog.access.gate import Ticket, request_read
from mesh_catalog.access.rights import rights_of
from mesh_catalog.catalog.runs import latest_version
from mesh_catalog.contracts.contract import Consent, Contract
from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.errors import InputError, StorageError
from mesh_catalog.lake.messages import conflict, is_conflict
from mesh_catalog.lake.read import read_table
from mesh_catalog.lake.table import TableState, read_table_state

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.access.mesh import Mesh

__all__ = ["Consenting", "consent_of", "consenting_rows", "has_removed", "no_rows", "remove_withdrawn"]


@dataclass(frozen=True, kw_only=True)
class Consenting:
    """Rows that have consent, and the version of the product in which it stood."""

    rows: DataFrame
    inputs: Mapping[str, int]
    """Consent product → version; empty where the column is the table's own."""
    chosen_by: frozenset[tuple[str, str]] = frozenset()
    """That product with each of its columns that was looked at."""


def consent_of(mesh: Mesh, product: str) -> Consent | None:
    """How consent to a product's rows is found; None where its contract says nothing of it."""
    rights = rights_of(mesh.workspace, mesh.catalog, product)
    return rights.consent if rights is not None else None


def consenting_rows(
    spark: SparkSession, mesh: Mesh, product: str, rows: DataFrame, consent: Consent | None
) -> Consenting:
    """The rows whose people agree.

    Args:
        product: Whose rows they are; named in errors.
        rows: With the column, or the keys, that `consent` names.

    Raises:
        InputError: The table lacks one of these columns.
        NotFoundError: The product in which consent stands was never published.

    Cost: lazy; a join where consent stands in another product. One audit event then.
    """
    if consent is None:
        return Consenting(rows=rows, inputs={})
    if consent.product is None:
        _require_columns(product, rows, [consent.column])
        return Consenting(rows=rows.filter(_agrees(rows, consent.column)), inputs={})
    _require_columns(product, rows, [here for here, _ in consent.keys])
    listed, ticket, opted_in = _listed(spark, mesh, consent)
    same = _same_key(rows, listed, consent)
    return Consenting(
        rows=rows.join(listed, same, "left_semi" if opted_in else "left_anti"),
        inputs={ticket.product: ticket.version},
        chosen_by=frozenset((ticket.product, column) for column in consent.their_columns),
    )


def remove_withdrawn(
    spark: SparkSession, mesh: Mesh, contract: Contract, location: str, state: TableState, *, run_id: str
) -> tuple[TableState, int | None]:
    """Take rows without consent out of a table that keeps rows, before its next batch is written.

    By a commit of its own, which the catalog is not told of: readers see it with the next version.

    Returns:
        The table's state now, and how many rows it holds; None where that was not counted.

    Raises:
        ConflictError: Somebody else wrote at the same time.
        StorageError: The rows could not be removed.
    """
    consent = contract.rights.consent
    if consent is None or consent.product is None or contract.write_mode == "overwrite" or state.version is None:
        return state, None
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    table = spark.read.format("delta").load(location)
    keys = [here for here, _ in consent.keys]
    _require_columns(contract.id, table, keys)
    listed, _ticket, opted_in = _listed(spark, mesh, consent)
    gone = table.join(listed, _same_key(table, listed, consent), "left_anti" if opted_in else "left_semi")
    try:
        gone = gone.select(*(spark_name(name) for name in keys)).distinct()
        if not gone.isEmpty():
            _delete(spark, location, gone, keys, run_id)
            state = read_table_state(contract.id, location)
        return state, spark.read.format("delta").load(location).count()
    except (PySparkException, Py4JJavaError) as error:
        if is_conflict(error):
            raise conflict(contract.id) from error
        raise StorageError(
            f"{contract.id}: rows without consent could not be removed ({type(error).__name__}). Publish again."
        ) from error


def has_removed(mesh: Mesh, product: str, rows: int | None) -> bool:
    """Whether the table holds fewer rows than its newest version had, so that readers must be given a next one."""
    latest = latest_version(mesh.catalog, product)
    return rows is not None and latest is not None and latest.total_rows is not None and rows < latest.total_rows


def no_rows(spark: SparkSession, contract: Contract) -> DataFrame:
    """A batch of the contract without a row."""
    columns = ", ".join(f"{spark_name(column.name)} {column.spark_type}" for column in contract.built_columns)
    return spark.createDataFrame([], columns)


def _delete(spark: SparkSession, location: str, gone: DataFrame, keys: Sequence[str], run_id: str) -> None:
    """By MERGE: the predicate of a DELETE would leave the keys in the table's log."""
    from delta.tables import DeltaTable
    from pyspark.sql import SparkSession as Session

    session: Any = Session(spark.sparkContext, spark._jsparkSession.cloneSession())
    session.conf.set("spark.databricks.delta.commitInfo.userMetadata", json.dumps({"mesh_consent": run_id}))
    same = " and ".join(f"old.{spark_name(name)} <=> gone.{spark_name(name)}" for name in keys)
    DeltaTable.forPath(session, location).alias("old").merge(gone.alias("gone"), same).whenMatchedDelete().execute()


def _listed(spark: SparkSession, mesh: Mesh, consent: Consent) -> tuple[DataFrame, Ticket, bool]:
    """The keys that agree (True), or those that withdrew (False): a boolean is agreed to, a time is of withdrawal."""
    from pyspark.sql import functions as F

    theirs = [there for _, there in consent.keys]
    ticket = request_read(mesh, str(consent.product), purpose="consent", columns=consent.their_columns)
    table = read_table(spark, ticket)
    opted_in = dict(table.dtypes)[consent.column] == "boolean"
    agrees = _agrees(table, consent.column)
    by_key = table.groupBy(*(F.col(spark_name(name)).alias(f"_consent_{i}") for i, name in enumerate(theirs)))
    all_agree = by_key.agg(F.min(agrees).alias("_agrees"))
    return all_agree.filter("_agrees" if opted_in else "not _agrees").drop("_agrees"), ticket, opted_in


def _agrees(rows: DataFrame, name: str) -> SparkColumn:
    """True where a row agrees; never null."""
    from pyspark.sql import functions as F

    column = F.col(spark_name(name))
    if dict(rows.dtypes)[name] == "boolean":
        return F.coalesce(column, F.lit(False))
    return column.isNull() | (column.cast("timestamp") > F.current_timestamp())


def _same_key(rows: DataFrame, listed: DataFrame, consent: Consent) -> list[SparkColumn]:
    return [rows[spark_name(here)] == listed[f"_consent_{i}"] for i, (here, _there) in enumerate(consent.keys)]


def _require_columns(product: str, rows: DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in rows.columns:
            raise InputError(
                f"{product}: its table has no column '{name}', by which its contract finds consent. Publish it again."
            )
