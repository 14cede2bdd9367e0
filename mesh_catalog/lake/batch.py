"""One batch into one table: cast, observe, write under the gate, commit, record. One pass over the data.

Knows nothing of where the rows come from (`publish.py` does), nor of what they do to the table's rows (`modes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from mesh_catalog.catalog.edges import ColumnEdge
from mesh_catalog.catalog.openlineage.events import ALL_COLUMNS
from mesh_catalog.catalog.runs import finish_run, latest_version
from mesh_catalog.errors import (
    BatchRefusedError,
    MeshError,
    StorageError,
    TransformError,
    listed,
)
from mesh_catalog.lake.audit import Audit
from mesh_catalog.lake.checks import ColumnsDifferError, ConformedBatch, conform
from mesh_catalog.lake.damage import broken_files, table_error
from mesh_catalog.lake.gate import PendingCommit, commit_gate
from mesh_catalog.lake.intervals import covered_intervals, interval_condition
from mesh_catalog.lake.lineage_events import EventMark, column_edges, mark_events
from mesh_catalog.lake.manifest import Committed, Manifest, Member
from mesh_catalog.lake.messages import (
    conflict,
    describe_error,
    is_conflict,
    spark_condition,
    storage_failure,
    unreadable_file,
)
from mesh_catalog.lake.modes import (
    Write,
    batch_key,
    built_contract,
    check_table,
    is_staged,
    mode_rules,
    write_rows,
    writing_session,
)
from mesh_catalog.lake.others import request_others
from mesh_catalog.lake.session import openlineage_file
from mesh_catalog.lake.staging import delete_left_behind, staged, staging_root
from mesh_catalog.lake.table import TableState, complete_properties, read_table_state, reconcile_properties

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation, SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.lake.sources import SourceBatch
    from mesh_catalog.specs import Interval

__all__ = ["Batch", "commit_batch", "observation"]


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
    awaited: frozenset[str] = frozenset()
    """Inputs that are read as their table and rows which are about to join it: of such a union Spark's listener loses
    what is done to its columns further on, an aggregate for one."""
    source: SourceBatch | None = None
    declared_columns: Callable[[], Sequence[ColumnEdge]] = tuple
    """The columns' origins as the transform's text says them, for inputs that Spark's plan does not show whole."""
    chosen_by: frozenset[tuple[str, str]] = frozenset()
    """Product and column of what the framework itself filtered the rows by; no value of it is in them."""
    interval: Interval | None = None
    """What an `overwrite_interval` replaces, where it is not what the batch's own event times cover."""
    earlier_rows: int | None = None
    """Rows of the table now, where it lost some since the catalog was told of them."""

    @property
    def product(self) -> str:
        return self.contract.id


def observation() -> Observation:
    """A new observation: each write needs one of its own."""
    from pyspark.sql import Observation

    return Observation(f"mesh_{uuid4().hex}")


def commit_batch(
    spark: SparkSession,
    mesh: Mesh,
    batch: Batch,
    *,
    settle: Callable[[PendingCommit], tuple[Member, ...]] = lambda _pending: (),
) -> Committed:
    """Write, audit and commit a batch; the catalog is yet to be told.

    Args:
        settle: Called in the gate once the audit has passed; the commit waits for it. Where it raises, there is none.

    Raises:
        BatchRefusedError: The batch breaks its contract; nothing was written, and its checks are in the catalog.
        InputError: The table that is there cannot be written in the contract's mode.
        TransformError: Its columns are not the contract's, or computing its rows failed.
        ConflictError: Somebody else committed at the same time.
        StorageError: The disk is full, or the table's log cannot be read.
    """
    check_table(batch.contract, batch.state, batch.interval)
    with _told_errors(batch):
        batch = _reconciled(spark, batch)
    delete_left_behind(spark, batch.location, transaction=batch.state.transaction)
    conformed = _conform(batch)
    rules = observation()
    rows = conformed.kept(conformed.typed.observe(rules, *conformed.metrics()))
    latest = latest_version(mesh.catalog, batch.product)
    audit = Audit(
        spark=spark,
        contract=batch.contract,
        conformed=conformed,
        location=batch.location,
        run_id=batch.run_id,
        transaction=batch.state.transaction + 1,
        rules=rules,
        source=batch.source,
        earlier_rows=batch.earlier_rows if batch.earlier_rows is not None else latest.total_rows if latest else None,
        earlier_version=batch.state.version,
        batch_key=batch_key(batch.contract),
        batch_condition=interval_condition(batch.contract, [batch.interval]) if batch.interval else None,
        inputs=batch.inputs,
        settle=settle,
        others=request_others(mesh, batch.contract),
    )
    events = mark_events(openlineage_file(spark))
    try:
        with _told_errors(batch):
            _commit(spark, batch, rows, audit)
    except BatchRefusedError as refusal:
        finish_run(mesh.catalog, batch.run_id, outcome="refused", message=str(refusal), checks=audit.checks)
        raise
    manifest = audit.manifest
    if batch.state.version is not None:
        warnings = complete_properties(spark, batch.location, batch.state, batch.contract)
        manifest = replace(manifest, checks=(*manifest.checks, *warnings))
    return _committed(spark, batch, manifest, events)


def _conform(batch: Batch) -> ConformedBatch:
    try:
        conformed = conform(batch.frame, built_contract(batch.contract))
        return replace(conformed, mode_rules=mode_rules(batch.contract, batch.interval))
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
    write = Write(
        contract=batch.contract,
        location=batch.location,
        state=batch.state,
        rows=rows,
        run_id=batch.run_id,
        at=datetime.now(UTC),
        intervals=(batch.interval,) if batch.interval else (),
    )
    with (
        _looked_at(write, audit) if is_staged(batch.contract, batch.interval) else nullcontext(write) as ready,
        commit_gate(spark, batch.location, audit, turn=write.turn, reads_table=audit.reads_table),
    ):
        write_rows(ready)


def _reconciled(spark: SparkSession, batch: Batch) -> Batch:
    """The batch with the table's state once the table's properties are the contract's."""
    if batch.state.version is None or not reconcile_properties(spark, batch.location, batch.state, batch.contract):
        return batch
    state = read_table_state(batch.product, batch.location)
    if state.transaction != batch.state.transaction:
        raise conflict(batch.product)
    return replace(batch, state=state)


@contextmanager
def _looked_at(write: Write, audit: Audit) -> Iterator[Write]:
    """The write with its rows staged, judged, and their intervals known, in a session of its own."""
    with staged(write.rows, write.location, transaction=write.state.transaction + 1) as folder:
        session = writing_session(write.rows.sparkSession, write.options)
        rows = session.read.schema(write.rows.schema).parquet(folder)
        audit.check_staged(rows)
        intervals = write.intervals
        if write.contract.write_mode == "overwrite_interval":
            intervals = covered_intervals(rows, write.contract)
        yield replace(write, rows=rows, intervals=intervals)


@contextmanager
def _told_errors(batch: Batch) -> Iterator[None]:
    """What Spark or the storage raises in this block becomes an error of ours; a conflict where the table moved on."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except StorageError as error:
        if _is_overtaken(batch):  # whoever came first deletes what others staged: rows that are gone are no fault
            raise conflict(batch.product) from error
        raise
    except MeshError:
        raise
    except (PySparkException, Py4JJavaError, OSError) as error:
        raise _write_error(batch, error) from error


def _is_overtaken(batch: Batch) -> bool:
    return read_table_state(batch.product, batch.location).transaction != batch.state.transaction


def _write_error(batch: Batch, error: Exception) -> MeshError:
    if is_conflict(error) or _is_overtaken(batch):
        return conflict(batch.product)
    condition = spark_condition(error) or ""
    failure = storage_failure(error)
    if failure == "full":
        return StorageError(
            f"{batch.product}: the disk is full. Readers stay on the version they had; free space and publish again."
        )
    if failure == "denied":
        return StorageError(
            f"{batch.product}: {batch.location} may not be written by this user. Readers stay on the version they had; "
            "give the right and publish again."
        )
    if isinstance(error, OSError):
        return StorageError(
            f"{batch.product}: {batch.location} cannot be used ({type(error).__name__}). Publish again."
        )
    if condition.startswith("DELTA_") and "STATE" in condition:
        return table_error(batch.product, batch.location, error)
    if condition.startswith("FAILED_READ_FILE"):
        own = {batch.location: batch.product} if batch.state.version is not None else {}
        if broken := broken_files({**own, **batch.input_locations}):
            return StorageError(broken)
    if batch.source is not None and (unreadable := unreadable_file(error)) is not None:
        return unreadable
    told = describe_error(error, quote=not batch.personal_inputs)
    return TransformError(
        f"failed while its rows were computed: {told}. Readers stay on the version they had.", product=batch.product
    )


def _committed(spark: SparkSession, batch: Batch, manifest: Manifest, events: EventMark) -> Committed:
    commit = read_table_state(batch.product, batch.location).commit_of(batch.run_id)
    if commit is None:
        raise StorageError(
            f"{batch.product}: the commit of run {batch.run_id} is not in the table's log. Publish again."
        )
    outputs = (batch.location, staging_root(batch.location))
    edges = column_edges(spark, events, product=batch.product, outputs=outputs, inputs=batch.input_locations)
    only_consents = {product for product, _ in batch.chosen_by}.difference(batch.input_locations.values())
    if untold := (batch.inputs.keys() - only_consents - {edge.from_product for edge in edges}) | batch.awaited:
        declared = [edge for edge in batch.declared_columns() if edge.from_product in untold]
        better = {(edge.from_product, edge.to_column) for edge in declared}
        edges = [*(edge for edge in edges if (edge.from_product, edge.to_column) not in better), *declared]
    return Committed(manifest=manifest, commit=commit, edges=[*edges, *_filters(batch, edges)])


def _filters(batch: Batch, edges: Sequence[ColumnEdge]) -> Iterator[ColumnEdge]:
    """Of a product that the transform reads too, and hides the columns of, none: what is hidden would look told."""
    hidden = set(batch.input_locations.values()) - {edge.from_product for edge in edges}
    for product, column in sorted(batch.chosen_by):
        if product not in hidden and product != batch.product:
            yield ColumnEdge(
                from_product=product,
                from_column=column,
                to_product=batch.product,
                to_column=ALL_COLUMNS,
                kind="FILTER",
                source="declared",
            )
