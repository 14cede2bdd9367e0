"""Rows kept out of a table because they break a rule of severity `quarantine`.

They are staged as plain files in the commit gate, where nobody reads them, and published into `<product>__quarantine`
once the batch they came with is committed: all or none. Personal values are left out; the key says which row it was.
A folder is named by the transaction number of its publish, as in `staging.py`, so that rows of a publish which may yet
commit are left alone by all others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from mesh_catalog.contracts.contract import Column, Contract
from mesh_catalog.errors import MeshError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.lake.checks import ConformedBatch

__all__ = ["publish_staged", "quarantine_contract", "stage_quarantine"]


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
    ).write.mode("overwrite").parquet(f"{location}/_quarantine/{transaction}-{quote(run_id, safe='')}")


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
    from pyspark.errors import PySparkException

    for folder in _staged(spark, location):
        number, _, name = str(folder.getName()).partition("-")
        run_id = unquote(name)
        filesystem = folder.getFileSystem(spark._jsc.hadoopConfiguration())
        if run_id in committed:
            inputs = {contract.id: committed[run_id]}
            try:
                rows = spark.read.parquet(str(folder))
                named = quarantine_contract(contract)
                publish(spark, mesh, named, rows, owner=owner, inputs=inputs, run_id=f"{run_id}q")
            except (MeshError, PySparkException):
                if filesystem.exists(folder):
                    raise
                continue  # another publisher has done it
        elif number.isdigit() and int(number) > transaction:
            continue
        filesystem.delete(folder, True)


def _staged(spark: SparkSession, location: str) -> list[Any]:
    """Hadoop paths of the staged runs, oldest first."""
    jvm: Any = spark._jvm
    folder = jvm.org.apache.hadoop.fs.Path(f"{location}/_quarantine")
    filesystem = folder.getFileSystem(spark._jsc.hadoopConfiguration())
    if not filesystem.exists(folder):
        return []
    found = sorted(filesystem.listStatus(folder), key=lambda status: status.getModificationTime())
    return [status.getPath() for status in found]
