"""One batch into one table: cast, observe, write under the gate, commit, record. One pass over the data.

Knows nothing of where the rows come from; `publish.py` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from mesh_catalog.catalog.runs import VersionRecord, finish_run, latest_version
from mesh_catalog.errors import (
    BatchRefusedError,
    ConflictError,
    MeshError,
    StorageError,
    TransformError,
    listed,
)
from mesh_catalog.lake.audit import Audit
from mesh_catalog.lake.checks import ColumnsDifferError, ConformedBatch, conform
from mesh_catalog.lake.gate import commit_gate
from mesh_catalog.lake.lineage_events import EventMark, column_edges, mark_events
from mesh_catalog.lake.manifest import Manifest, record_commit
from mesh_catalog.lake.messages import describe_error, spark_condition
from mesh_catalog.lake.session import openlineage_file
from mesh_catalog.lake.table import TableState, read_table_state, reconcile_properties, table_properties

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation, SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract

__all__ = ["Batch", "observation", "write_batch"]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows on their way into a table."""

    contract: Contract
    frame: DataFrame
    location: str
    run_id: str
    owner: str
    state: TableState
    personal_inputs: bool
    inputs: Mapping[str, int] = field(default_factory=dict)
    input_locations: Mapping[str, str] = field(default_factory=dict)
    source_files: tuple[str, ...] = ()
    source_observation: Observation | None = None

    @property
    def product(self) -> str:
        return self.contract.id


def observation() -> Observation:
    """A new observation: each write needs one of its own."""
    from pyspark.sql import Observation

    return Observation(f"mesh_{uuid4().hex}")


def write_batch(spark: SparkSession, mesh: Mesh, batch: Batch) -> VersionRecord:
    """Write, audit and commit a batch, and tell the catalog.

    Returns:
        The version as the catalog knows it.

    Raises:
        BatchRefusedError: The batch breaks its contract; nothing was written, and its checks are in the catalog.
        TransformError: Its columns are not the contract's, or computing its rows failed.
        ConflictError: Somebody else committed at the same time.
        StorageError: The disk is full, or the table's log cannot be read.
    """
    conformed = _conform(batch)
    rules = observation()
    rows = conformed.kept(conformed.typed.observe(rules, *conformed.metrics()))
    latest = latest_version(mesh.catalog, batch.product)
    audit = Audit(
        spark=spark,
        conformed=conformed,
        location=batch.location,
        run_id=batch.run_id,
        rules=rules,
        source=batch.source_observation,
        earlier_rows=(latest.total_rows or 0) if latest and batch.contract.write_mode == "append" else 0,
        earlier_version=batch.state.version if batch.contract.write_mode == "append" else None,
        inputs=batch.inputs,
        source_files=batch.source_files,
    )
    events = mark_events(openlineage_file(spark))
    try:
        _commit(spark, batch, rows, audit)
    except BatchRefusedError as refusal:
        finish_run(mesh.catalog, batch.run_id, outcome="refused", message=str(refusal), checks=audit.checks)
        raise
    return _record(spark, mesh, batch, audit.manifest, events)


def _conform(batch: Batch) -> ConformedBatch:
    try:
        return conform(batch.frame, batch.contract)
    except ColumnsDifferError as error:
        told = []
        if error.missing:
            told.append(f"column {listed(error.missing)} of contract.yaml is missing in its rows")
        if error.extra:
            told.append(f"column {listed(error.extra)} is not in contract.yaml")
        raise TransformError(
            f"{'; '.join(told)}. Make the transform and the contract agree.", product=batch.product
        ) from error


def _commit(spark: SparkSession, batch: Batch, rows: DataFrame, audit: Audit) -> None:
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    if batch.state.version is None:
        options = table_properties(batch.contract)
    else:
        reconcile_properties(spark, batch.location, batch.state, batch.contract)
        options = {"mergeSchema" if batch.contract.write_mode == "append" else "overwriteSchema": "true"}
    options |= {
        "userMetadata": json.dumps({"mesh_run": batch.run_id}),
        "txnAppId": batch.product,
        "txnVersion": str(batch.state.transaction + 1),
    }
    try:
        with commit_gate(spark, batch.location, audit, reads_table=audit.reads_table):
            rows.write.format("delta").mode(batch.contract.write_mode).options(**options).save(batch.location)
    except (PySparkException, Py4JJavaError) as error:
        raise _write_error(batch, error) from error
    if audit.manifest_stored is False:  # Delta skipped the write: its transaction number was taken meanwhile
        raise _conflict(batch.product)


def _write_error(batch: Batch, error: Exception) -> MeshError:
    condition = spark_condition(error) or ""
    if "CONCURRENT" in condition.upper() or "Concurrent" in str(error)[:300]:
        return _conflict(batch.product)
    if "No space left" in str(error):
        return StorageError(
            f"{batch.product}: the disk is full. Readers stay on the version they had; free space and publish again."
        )
    if condition.startswith("DELTA_") and "STATE" in condition:
        return StorageError(f"{batch.product}: its Delta log cannot be read ({condition}). Restore the table's folder.")
    told = describe_error(error, quote=not batch.personal_inputs)
    return TransformError(
        f"failed while its rows were computed: {told}. Readers stay on the version they had.", product=batch.product
    )


def _conflict(product: str) -> ConflictError:
    return ConflictError(f"{product}: somebody else published it at the same time. Publish again.")


def _record(spark: SparkSession, mesh: Mesh, batch: Batch, manifest: Manifest, events: EventMark) -> VersionRecord:
    commit = read_table_state(batch.product, batch.location).commit_of(batch.run_id)
    if commit is None:
        raise StorageError(
            f"{batch.product}: the commit of run {batch.run_id} is not in the table's log. Publish again."
        )
    edges = column_edges(spark, events, output=(batch.product, batch.location), inputs=batch.input_locations)
    return record_commit(mesh, manifest, commit, edges=edges)
