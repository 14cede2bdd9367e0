"""One batch made known: the table's state before it, its commit, its quarantine, and what the catalog is told after.

What products and the framework's own datasets (training frames, predictions, quarantine) have in common.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.assets import register_product
from mesh_catalog.catalog.runs import CheckRecord, finish_run, latest_version, read_checks, read_versions, start_run
from mesh_catalog.errors import BatchRefusedError, MeshError, PolicyRefusedError, StorageError
from mesh_catalog.lake.batch import Batch, commit_batch
from mesh_catalog.lake.manifest import record_commits, repair_catalog
from mesh_catalog.lake.quarantine import publish_staged
from mesh_catalog.lake.table import TableState, read_table_state
from mesh_catalog.lake.together import undo_cut_off

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.edges import ColumnEdge
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.specs import Interval

__all__ = ["PublishResult", "is_committed", "known_state", "publish_batch", "publish_frame", "published", "recorded"]


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
    changes: tuple[str, ...] = ()
    """How the contract differs from the one of the version before."""
    warnings: tuple[str, ...] = ()
    """Policies of the organisation that it breaks, but which do not stop it."""
    seconds: float = 0.0


def publish_frame(
    spark: SparkSession,
    mesh: Mesh,
    contract: Contract,
    frame: DataFrame,
    *,
    owner: str,
    inputs: Mapping[str, int],
    run_id: str,
    interval: Interval | None = None,
    columns: Sequence[ColumnEdge] = (),
) -> PublishResult:
    """Publish rows that the framework made itself: training frames, predictions, quarantine.

    A dataset like any other: contract, checks, profile, lineage. A run that was committed is not written again.

    Args:
        contract: Its `id` is the dataset's name.
        inputs: Product → version that the rows were made from.
        run_id: Names the run; the caller's own, so that it can go on after a crash.
        interval: As of `publish_product`.
        columns: Where the columns come from, for inputs that Spark's plan does not show.

    Raises:
        ConflictError: Somebody else published it at the same time. Not tried again here: only the caller knows whether
            the rows are still right.
    """
    started = time.monotonic()
    register_product(mesh.catalog, contract, domain=contract.id.split(".")[0], owner=owner)
    with recorded(mesh, contract, run_id=run_id) as run:
        location = table_location(mesh.settings, contract.id)
        state = known_state(spark, mesh, contract, location, owner)
        if is_committed(mesh, contract.id, run):
            return published(mesh, contract.id, run, started)
        batch = Batch(
            contract=contract,
            frame=frame,
            location=location,
            run_id=run,
            owner=owner,
            state=state,
            personal_inputs=True,
            inputs=inputs,
            interval=interval,
            input_locations={table_location(mesh.settings, name): name for name in inputs},
            declared_columns=lambda: columns,
        )
        return publish_batch(spark, mesh, batch, started)


def known_state(spark: SparkSession, mesh: Mesh, contract: Contract, location: str, owner: str) -> TableState:
    """The table's state, with the catalog brought up to it and what a killed publisher left undone done.

    Read before anything else: a publish that commits later than this moment makes ours a conflict, so what the catalog
    says of consumed files cannot be stale in a committed batch.
    """
    state = read_table_state(contract.id, location)
    if state.version is None and (known := latest_version(mesh.catalog, contract.id)):
        raise StorageError(
            f"{contract.id}: the catalog knows v{known.version}, but there is no Delta table at {location}. "
            "Mount its storage, or restore its folder from a backup."
        )
    repair_catalog(mesh, contract.id, location, state)
    if state.version is not None:
        state = undo_cut_off(spark, mesh, contract.id, location, state)
        _publish_quarantine(spark, mesh, contract, location, state, owner)
    return state


def _publish_quarantine(
    spark: SparkSession, mesh: Mesh, contract: Contract, location: str, state: TableState, owner: str
) -> None:
    committed = {commit.run_id: commit.version for commit in state.commits}
    publish_staged(
        spark,
        mesh,
        contract,
        location,
        committed=committed,
        transaction=state.transaction,
        owner=owner,
        publish=publish_frame,
    )


@contextmanager
def recorded(
    mesh: Mesh, contract: Contract, *, run_id: str | None, definition_digest: str | None = None
) -> Iterator[str]:
    """A publish in the catalog from its start to its end, also where it failed; yields the run's id."""
    run = start_run(
        mesh.catalog,
        product=contract.id,
        kind="publish",
        principal=mesh.principal,
        run_id=run_id,
        contract_version=contract.version,
        definition_digest=definition_digest,
    )
    try:
        yield run
    except BatchRefusedError:
        raise  # recorded with its checks
    except MeshError as error:
        outcome: Literal["refused", "failed"] = "refused" if isinstance(error, PolicyRefusedError) else "failed"
        finish_run(mesh.catalog, run, outcome=outcome, message=str(error))
        raise


def published(mesh: Mesh, product: str, run_id: str, started: float) -> PublishResult:
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
        seconds=time.monotonic() - started,
    )


def publish_batch(spark: SparkSession, mesh: Mesh, batch: Batch, started: float) -> PublishResult:
    committed = commit_batch(spark, mesh, batch)
    record_commits(mesh, [committed])
    if committed.manifest.quarantined_count:
        state = read_table_state(batch.product, batch.location)
        _publish_quarantine(spark, mesh, batch.contract, batch.location, state, batch.owner)
    return published(mesh, batch.product, batch.run_id, started)


def is_committed(mesh: Mesh, product: str, run_id: str) -> bool:
    """Whether a run made a version; the catalog knows every one, once it was repaired."""
    return any(record.run_id == run_id for record in read_versions(mesh.catalog, product))
