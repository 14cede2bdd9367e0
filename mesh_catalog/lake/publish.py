"""Publishing: write the files, audit, commit, and tell the catalog. The one way rows get into the lake.

    transform → cast to the contract → observe (rules) → keep → observe (profile) → Delta write
                                                                                       │ files are written
                                              commit gate: audit, profile and manifest stored, or veto
                                                                                       │ Delta commits
                                              catalog: version, checks, lineage

One pass over the data. Nothing is visible before the audit passed; a refused batch leaves the table as it was. Killed
between commit and catalog, the next publish of the product repairs the catalog from the log.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.assets import register_product
from mesh_catalog.catalog.runs import CheckRecord, consumed_files, finish_run, latest_version, read_checks, start_run
from mesh_catalog.errors import BatchRefusedError, ConflictError, InputError, MeshError, StorageError, TransformError, listed
from mesh_catalog.lake.audit import Audit
from mesh_catalog.lake.checks import ColumnsDifferError, ConformedBatch, conform
from mesh_catalog.lake.collect import profile_metrics
from mesh_catalog.lake.gate import commit_gate
from mesh_catalog.lake.lineage_events import column_edges, mark_events
from mesh_catalog.lake.manifest import Manifest, record_commit, repair_catalog
from mesh_catalog.lake.messages import describe_error, spark_condition
from mesh_catalog.lake.profiles import load_profile
from mesh_catalog.lake.quarantine import publish_staged
from mesh_catalog.lake.read import read_table
from mesh_catalog.lake.session import openlineage_file
from mesh_catalog.lake.sources import new_files, read_source
from mesh_catalog.lake.table import TableState, read_table_state, reconcile_properties, table_properties
from mesh_catalog.lake.transform import run_transform
from mesh_catalog.workspace import product_reads

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation, SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.lake.profile import Profile
    from mesh_catalog.specs import ProductSpec

__all__ = ["PublishResult", "publish_frame", "publish_product"]


@dataclass(frozen=True, kw_only=True)
class PublishResult:
    """What a publish did."""

    product: str
    run_id: str
    outcome: Literal["published", "unchanged"]
    version: int | None
    """The version readers see now."""
    rows: int = 0
    """Rows that this version added (append), or that it holds (overwrite)."""
    total_rows: int | None = None
    quarantined_count: int = 0
    checks: tuple[CheckRecord, ...] = ()
    profile: Profile | None = field(default=None, repr=False)
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Batch:
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


def publish_product(spark: SparkSession, mesh: Mesh, product: ProductSpec, *, run_id: str | None = None) -> PublishResult:
    """Run a product's transform and publish what it makes.

    Args:
        run_id: Of an earlier call that may have been cut off; a run that was committed is not written again.

    Raises:
        InputError: The product has no owner.
        TransformError: The transform failed, or its columns are not the contract's.
        BatchRefusedError: The batch breaks its contract. Nothing was written.
        ConflictError: Somebody else published at the same time.
        NotFoundError: An input was never published, or no source file has arrived.
        StorageError: A table's log cannot be read.
    """
    if not product.owner:
        raise InputError(
            f"{product.name}: has no owner, so nobody answers for it. Name one in {product.domain.path.name} "
            f"of the domain {product.domain.name}, then publish again."
        )
    started = time.monotonic()
    run = start_run(
        mesh.catalog,
        product=product.name,
        kind="publish",
        principal=mesh.principal,
        run_id=run_id,
        contract_version=product.contract.version,
    )
    with _recorded(mesh, run):
        location = table_location(mesh.settings, product.name)
        state = _known_state(spark, mesh, product.contract, location, product.owner)
        if state.commit_of(run):
            return _published(mesh, product.name, run, started)
        batch = _read_inputs(spark, mesh, product, run, location, state)
        if batch is None:
            finish_run(mesh.catalog, run, outcome="unchanged")
            latest = latest_version(mesh.catalog, product.name)
            return PublishResult(
                product=product.name,
                run_id=run,
                outcome="unchanged",
                version=latest.version if latest else None,
                total_rows=latest.total_rows if latest else None,
                seconds=time.monotonic() - started,
            )
        return _write(spark, mesh, batch, started)


def publish_frame(
    spark: SparkSession,
    mesh: Mesh,
    contract: Contract,
    frame: DataFrame,
    *,
    owner: str,
    inputs: Mapping[str, int],
    run_id: str,
) -> PublishResult:
    """Publish rows that the framework made itself: training frames, predictions, quarantine.

    A dataset like any other: contract, checks, profile, lineage. A run that was committed is not written again.

    Args:
        contract: Its `id` is the dataset's name.
        inputs: Product → version that the rows were made from.
        run_id: Names the run; the caller's own, so that it can go on after a crash.
    """
    started = time.monotonic()
    register_product(mesh.catalog, contract, domain=contract.id.split(".")[0], owner=owner)
    run = start_run(
        mesh.catalog,
        product=contract.id,
        kind="publish",
        principal=mesh.principal,
        run_id=run_id,
        contract_version=contract.version,
    )
    with _recorded(mesh, run):
        location = table_location(mesh.settings, contract.id)
        state = _known_state(spark, mesh, contract, location, owner)
        if state.commit_of(run):
            return _published(mesh, contract.id, run, started)
        batch = _Batch(
            contract=contract,
            frame=frame,
            location=location,
            run_id=run,
            owner=owner,
            state=state,
            personal_inputs=True,
            inputs=inputs,
            input_locations={table_location(mesh.settings, name): name for name in inputs},
        )
        return _write(spark, mesh, batch, started)


def _known_state(spark: SparkSession, mesh: Mesh, contract: Contract, location: str, owner: str) -> TableState:
    """The table's state, with the catalog brought up to it and what a killed publisher left undone done.

    Read before anything else: a publish that commits later than this moment makes ours a conflict, so what the catalog
    says of consumed files cannot be stale in a committed batch.
    """
    state = read_table_state(contract.id, location)
    repair_catalog(mesh, contract.id, location, state)
    if state.version is not None:
        _publish_quarantine(spark, mesh, contract, location, state, owner)
    return state


def _publish_quarantine(
    spark: SparkSession, mesh: Mesh, contract: Contract, location: str, state: TableState, owner: str
) -> None:
    committed = {commit.run_id for commit in state.commits}
    publish_staged(spark, mesh, contract, location, committed=committed, owner=owner, publish=publish_frame)


@contextmanager
def _recorded(mesh: Mesh, run_id: str) -> Iterator[None]:
    """Leave the run's end in the catalog, also where it failed."""
    try:
        yield
    except BatchRefusedError:
        raise  # recorded with its checks
    except MeshError as error:
        finish_run(mesh.catalog, run_id, outcome="failed", message=str(error))
        raise


def _published(mesh: Mesh, product: str, run_id: str, started: float) -> PublishResult:
    from mesh_catalog.catalog.runs import read_versions

    record = next(record for record in read_versions(mesh.catalog, product) if record.run_id == run_id)
    return PublishResult(
        product=product,
        run_id=run_id,
        outcome="published",
        version=record.version,
        rows=record.rows,
        total_rows=record.total_rows,
        quarantined_count=record.quarantined_count,
        checks=tuple(read_checks(mesh.catalog, run_id)),
        profile=load_profile(mesh, product, record.version),
        seconds=time.monotonic() - started,
    )


def _read_inputs(
    spark: SparkSession, mesh: Mesh, product: ProductSpec, run_id: str, location: str, state: TableState
) -> _Batch | None:
    """The batch that the transform makes of its inputs at their newest versions; None where no new file has come."""
    frames: dict[str, DataFrame] = {}
    inputs: dict[str, int] = {}
    locations: dict[str, str] = {}
    personal = bool(product.contract.personal_columns)
    files: tuple[str, ...] = ()
    observation = None
    for name in product_reads(product):
        if name == "source":
            if product.source is None:
                raise TransformError("reads `source`, but has no source.yaml. Add one.", product=product.name)
            consumed = consumed_files(mesh.catalog, product.name) if product.contract.write_mode == "append" else set()
            arrived = new_files(spark, mesh.settings.workspace, product.source, consumed)
            if not arrived:
                return None
            observation = _observation()
            frames[name] = read_source(spark, product.source, arrived, observation)
            files = tuple(file.identity for file in arrived)
            continue
        ticket = request_read(mesh, name, purpose="build")
        frames[name] = read_table(spark, ticket)
        inputs[name] = ticket.version
        locations[ticket.location] = name
        personal = personal or _is_personal(mesh, name)
    frame = run_transform(spark, product, frames, quote=not personal)
    return _Batch(
        contract=product.contract,
        frame=frame,
        location=location,
        run_id=run_id,
        owner=str(product.owner),
        state=state,
        personal_inputs=personal,
        inputs=inputs,
        input_locations=locations,
        source_files=files,
        source_observation=observation,
    )


def _is_personal(mesh: Mesh, product: str) -> bool:
    spec = mesh.workspace.products.get(product) if mesh.workspace else None
    return spec is None or bool(spec.contract.personal_columns)


def _observation() -> Observation:
    from pyspark.sql import Observation

    return Observation(f"mesh_{uuid4().hex}")


def _write(spark: SparkSession, mesh: Mesh, batch: _Batch, started: float) -> PublishResult:
    conformed = _conform(batch)
    rules, profile = _observation(), _observation()
    kept = conformed.kept(conformed.typed.observe(rules, *conformed.metrics()))
    rows = kept.observe(profile, *profile_metrics(batch.contract))
    latest = latest_version(mesh.catalog, batch.product)
    audit = Audit(
        spark=spark,
        conformed=conformed,
        location=batch.location,
        run_id=batch.run_id,
        rules=rules,
        profile=profile,
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
    return _record(spark, mesh, batch, audit.manifest, events, audit, started)


def _conform(batch: _Batch) -> ConformedBatch:
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


def _commit(spark: SparkSession, batch: _Batch, rows: DataFrame, audit: Audit) -> None:
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


def _write_error(batch: _Batch, error: Exception) -> MeshError:
    condition = spark_condition(error) or ""
    if "CONCURRENT" in condition.upper() or "Concurrent" in str(error)[:300]:
        return _conflict(batch.product)
    if "No space left" in str(error):
        return StorageError(f"{batch.product}: the disk is full. Readers stay on the version they had; free space and publish again.")
    if condition.startswith("DELTA_") and "STATE" in condition:
        return StorageError(f"{batch.product}: its Delta log cannot be read ({condition}). Restore the table's folder.")
    told = describe_error(error, quote=not batch.personal_inputs)
    return TransformError(f"failed while its rows were computed: {told}. Readers stay on the version they had.", product=batch.product)


def _conflict(product: str) -> ConflictError:
    return ConflictError(f"{product}: somebody else published it at the same time. Publish again.")


def _record(
    spark: SparkSession, mesh: Mesh, batch: _Batch, manifest: Manifest, events: Any, audit: Audit, started: float
) -> PublishResult:
    state = read_table_state(batch.product, batch.location)
    commit = state.commit_of(batch.run_id)
    if commit is None:
        raise StorageError(f"{batch.product}: the commit of run {batch.run_id} is not in the table's log. Publish again.")
    edges = column_edges(
        spark, events, output=(batch.product, batch.location), inputs=batch.input_locations
    )
    record = record_commit(mesh, manifest, commit, edges=edges)
    if manifest.quarantined_count:
        _publish_quarantine(spark, mesh, batch.contract, batch.location, state, batch.owner)
    return PublishResult(
        product=batch.product,
        run_id=batch.run_id,
        outcome="published",
        version=record.version,
        rows=manifest.rows,
        total_rows=manifest.total_rows,
        quarantined_count=manifest.quarantined_count,
        checks=manifest.checks,
        profile=audit.profile_found,
        seconds=time.monotonic() - started,
    )
