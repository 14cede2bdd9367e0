"""Rows kept out of a table: those that break a rule of severity `quarantine`, and those that cannot be read.

The first go to `<product>__quarantine`. The second, where source.yaml says `broken_rows: quarantine`, go to
`<product>__broken_rows` with file, line, reason and text, the text only where no column can tell of people. Both are
staged as plain files in the commit gate, where nobody reads them, and published once the batch they came with is
committed: all or none. Personal values are left out; the key says which row it was.
A folder is named by the transaction number of its publish, as in `staging.py`, so that rows of a publish which may yet
commit are left alone by all others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from mesh_catalog.catalog.edges import ColumnEdge
from mesh_catalog.catalog.openlineage.events import ALL_COLUMNS
from mesh_catalog.contracts.contract import Column, Contract
from mesh_catalog.errors import MeshError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.lake.checks import ConformedBatch
    from mesh_catalog.lake.sources import SourceBatch

__all__ = ["broken_rows_contract", "publish_staged", "quarantine_contract", "stage_broken_rows", "stage_quarantine"]

_QUARANTINE = "_quarantine"
_BROKEN = "_broken_rows"


def stage_quarantine(conformed: ConformedBatch, location: str, run_id: str, *, transaction: int) -> None:
    """Write the quarantined rows, personal columns as null, where only `publish_staged` finds them.

    Args:
        transaction: The number that the batch's commit takes.
    """
    from pyspark.sql import functions as F

    personal = set(conformed.contract.personal_columns)
    rows = conformed.quarantined()
    columns = [
        F.lit(None).cast(kind).alias(name) if name in personal else F.col(name)
        for name, kind in rows.dtypes
        if not name.startswith("_")
    ]
    rows.select(
        *columns, F.array_join("_broken_rules", ", ").alias("broken_rules"), F.lit(run_id).alias("run_id")
    ).write.mode("overwrite").parquet(_staging(location, _QUARANTINE, run_id, transaction))


def _staging(location: str, kind: str, run_id: str, transaction: int) -> str:
    return f"{location}/{kind}/{transaction}-{quote(run_id, safe='')}"


def stage_broken_rows(
    spark: SparkSession,
    source: SourceBatch,
    contract: Contract,
    location: str,
    run_id: str,
    *,
    transaction: int,
    count: int,
) -> None:
    """Write the rows that cannot be read; their text is withheld where a column of theirs may tell of people.

    Where there are none, what an earlier try of the run staged is taken away.
    """
    from pyspark.sql import functions as F

    staging = _staging(location, _BROKEN, run_id, transaction)
    if source.broken is None or not count:
        jvm: Any = spark._jvm
        folder = jvm.org.apache.hadoop.fs.Path(staging)
        folder.getFileSystem(spark._jsc.hadoopConfiguration()).delete(folder, True)
        return
    withheld = source.personal or bool(contract.personal_columns)
    raw = F.lit(None).cast("string").alias("raw") if withheld else F.col("raw")
    rows = source.broken.select("file", "line", "reason", raw, F.lit(run_id).alias("run_id"))
    rows.write.mode("overwrite").parquet(staging)


def quarantine_contract(contract: Contract) -> Contract:
    """The same columns without promises, and why each row is there."""
    columns = [
        replace(c, required=False, unique=False, primary_key_position=None, partition_position=None)
        for c in contract.built_columns
    ]
    told = [
        Column(name="broken_rules", logical_type="string", spark_type="string", required=True),
        Column(name="run_id", logical_type="string", spark_type="string", required=True),
    ]
    return Contract(
        id=f"{contract.id}__quarantine",
        version=contract.version,
        status=contract.status,
        description=f"Rows kept out of {contract.id}, and the rules they break. Personal values are left out.",
        columns=(*columns, *told),
        write_mode="append",
        event_time=None,
    )


def broken_rows_contract(contract: Contract) -> Contract:
    """Where each row stood, and why it could not be read."""
    texts = [
        Column(name=name, logical_type="string", spark_type="string") for name in ("file", "reason", "raw", "run_id")
    ]
    line = Column(name="line", logical_type="integer", spark_type="bigint")
    return Contract(
        id=f"{contract.id}__broken_rows",
        version=contract.version,
        status=contract.status,
        description=f"Rows of {contract.id}'s source that could not be read; raw is empty where it may tell of people.",
        columns=(texts[0], line, *texts[1:]),
        write_mode="append",
        event_time=None,
    )


def publish_staged(
    spark: SparkSession,
    mesh: Mesh,
    contract: Contract,
    location: str,
    *,
    committed: Mapping[str, int],
    transaction: int,
    owner: str,
    publish: Callable[..., Any],
) -> None:
    """Publish what committed runs staged, once; what a run staged that can be committed no more is deleted.

    Called after each commit, and before each publish for what a killed publisher left behind; two publishers that do it
    at once do it once.

    Args:
        committed: Run id → version of the table that the rows were kept out of.
        transaction: The table's transaction number.
    """
    for kind, promised, mark in ((_QUARANTINE, quarantine_contract, "q"), (_BROKEN, broken_rows_contract, "b")):
        for folder in _staged(spark, f"{location}/{kind}"):
            number, _, name = str(folder.getName()).partition("-")
            run_id = unquote(name)
            told: dict[str, Any] = {
                "owner": owner,
                "inputs": {contract.id: committed.get(run_id)},
                "run_id": f"{run_id}{mark}",
            }
            if run_id in committed:
                kept_out = promised(contract)
                told["columns"] = _origins(contract, kept_out)
                _publish_folder(spark, mesh, kept_out, folder, told, publish)
            elif number.isdigit() and int(number) > transaction:
                continue
            folder.getFileSystem(spark._jsc.hadoopConfiguration()).delete(folder, True)


def _origins(contract: Contract, kept_out: Contract) -> list[ColumnEdge]:
    """Which columns of a product the columns of rows kept out of it hold; the text of a broken row, any of them."""
    own = {column.name: column.name for column in contract.built_columns if not column.personal}
    if kept_out.id.endswith("__broken_rows"):
        own = {"raw": ALL_COLUMNS}
    return [
        ColumnEdge(
            from_product=contract.id,
            from_column=own[column.name],
            to_product=kept_out.id,
            to_column=column.name,
            kind="IDENTITY",
            source="declared",
        )
        for column in kept_out.columns
        if column.name in own
    ]


def _publish_folder(
    spark: SparkSession,
    mesh: Mesh,
    contract: Contract,
    folder: Any,
    told: Mapping[str, Any],
    publish: Callable[..., Any],
) -> None:
    """Publish one staged folder, unless another publisher has done it meanwhile."""
    from pyspark.errors import PySparkException

    try:
        publish(spark, mesh, contract, spark.read.parquet(str(folder)), **told)
    except (MeshError, PySparkException):
        if folder.getFileSystem(spark._jsc.hadoopConfiguration()).exists(folder):
            raise


def _staged(spark: SparkSession, location: str) -> list[Any]:
    """Hadoop paths of the staged runs, oldest first."""
    jvm: Any = spark._jvm
    folder = jvm.org.apache.hadoop.fs.Path(location)
    filesystem = folder.getFileSystem(spark._jsc.hadoopConfiguration())
    if not filesystem.exists(folder):
        return []
    found = sorted(filesystem.listStatus(folder), key=lambda status: status.getModificationTime())
    return [status.getPath() for status in found]
