"""Publishing: write the files, audit, commit, and tell the catalog. The one way rows get into the lake.

    transform → cast to the contract → observe (rules) → keep → Delta write, by the mode
                                                                    │ files are written
                      commit gate: files profiled, audit, profile and manifest stored, or veto
                                                                    │ Delta commits
                      catalog: version, checks, lineage

Rows are computed once. Nothing is visible before the audit passed; a refused batch leaves the table as it was. Killed
between commit and catalog, the next publish of the product repairs the catalog from the log.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from mesh_catalog.access.life_cycle import use_product
from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.assets import definition_digest, register_product
from mesh_catalog.catalog.evolution import plan_evolution, require_evolution
from mesh_catalog.catalog.runs import (
    CheckRecord,
    finish_run,
    latest_version,
    read_checks,
    read_versions,
    start_run,
)
from mesh_catalog.contracts.life_cycle import stage_of
from mesh_catalog.errors import BatchRefusedError, ConflictError, InputError, MeshError, StorageError
from mesh_catalog.lake.adopted import note_newest_version
from mesh_catalog.lake.batch import Batch, commit_batch
from mesh_catalog.lake.changes import held_version, publish_changes
from mesh_catalog.lake.inputs import read_inputs
from mesh_catalog.lake.intervals import within
from mesh_catalog.lake.manifest import Committed, record_commits, repair_catalog
from mesh_catalog.lake.quarantine import publish_staged
from mesh_catalog.lake.table import TableState, read_table_state
from mesh_catalog.lake.together import publish_group, undo_cut_off
from mesh_catalog.lake.transform import run_transform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract
    from mesh_catalog.lake.inputs import Changes
    from mesh_catalog.lake.together import Group
    from mesh_catalog.specs import Interval, ProductSpec

ATTEMPTS = 3
"""How often a publish is tried that meets another one of its product."""

__all__ = [
    "PublishResult",
    "publish_adopted",
    "publish_frame",
    "publish_product",
    "publish_together",
    "require_publishable",
]


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
    seconds: float = 0.0


def publish_product(
    spark: SparkSession,
    mesh: Mesh,
    product: ProductSpec,
    *,
    run_id: str | None = None,
    interval: Interval | None = None,
    whole: bool = False,
    fresh: bool = False,
    allow_breaking: bool = False,
) -> PublishResult:
    """Run a product's transform and publish what it makes.

    Args:
        run_id: Of an earlier call that may have been cut off; a run that was committed is not written again.
        interval: Publish this interval of event time only, from inputs cut to it.
        whole: Of a product that reads changes: read the whole input once more.
        fresh: Of a product that reads changes: go on with a new checkpoint after what its table holds.
        allow_breaking: Whether a new major version may break readers who are known.

    Raises:
        InputError: The product has no owner.
        TransformError: The transform failed, or its columns are not the contract's.
        BatchRefusedError: The batch breaks its contract. Nothing was written.
        BreakingChangeError: The contract breaks what was published. Nothing was written.
        ConflictError: Somebody else published at the same time.
        NotFoundError: An input was never published, or no source file has arrived.
        StorageError: A table's log cannot be read.

    Where somebody else published meanwhile, everything is read anew and tried again, `ATTEMPTS` times in all: nothing
    of a batch that met a conflict was committed, and nothing that was read for it is used again.
    """
    if product.contract.location is not None:
        return publish_adopted(mesh, product)
    require_publishable(product)
    evolution = plan_evolution(mesh.catalog, product.contract, mesh.workspace.products)
    require_evolution(evolution, allow_breaking=allow_breaking)
    if product.contract.read_changes is None:
        result = _publish_run(spark, mesh, product, run_id=run_id, interval=interval)
    else:
        result = publish_changes(
            spark,
            mesh,
            product,
            product.contract.read_changes,
            run_id=run_id,
            whole=whole,
            fresh=fresh,
            publish=_publish_run,
        )
    changes = tuple(one.sentence for one in evolution.differences) if evolution else ()
    return replace(result, changes=changes) if result.outcome == "published" else result


def publish_together(spark: SparkSession, mesh: Mesh, products: Sequence[ProductSpec]) -> list[PublishResult]:
    """Publish products together: readers see the new versions of all of them, or of none.

    One may read another: it is given the rows that the other is about to have.

    Returns:
        What was published, in the order given; products that had nothing new are left out.

    Raises:
        InputError: Fewer than two products, one without an owner, or one that reads changes.
        MeshError: What `publish_product` raises, of the first product that was refused or failed; none was published.
    """
    started = time.monotonic()
    for product in products:
        require_publishable(product)
        require_evolution(plan_evolution(mesh.catalog, product.contract, mesh.workspace.products), allow_breaking=False)
    done = publish_group(spark, mesh, products, lambda *member: _commit_member(mesh, *member))
    for one in done:
        if one.manifest.quarantined_count:
            _known_state_of(spark, mesh, mesh.workspace.product(one.manifest.product))
    return [_published(mesh, one.manifest.product, one.manifest.run_id, started) for one in done]


def _commit_member(
    mesh: Mesh, spark: SparkSession, product: ProductSpec, run_id: str, group: Group
) -> Committed | None:
    """Commit one product of a set; the catalog is told when all of it is committed."""
    run = start_run(
        mesh.catalog,
        product=product.name,
        kind="publish",
        principal=mesh.principal,
        run_id=run_id,
        contract_version=product.contract.version,
        definition_digest=definition_digest(product),
    )
    with _recorded(mesh, run):
        state = _known_state_of(spark, mesh, product)
        batch = _batch(spark, mesh, product, run, state, interval=None, changes=None, group=group)
        if batch is None:
            finish_run(mesh.catalog, run, outcome="unchanged")
            return None
        return commit_batch(
            spark, mesh, batch, settle=lambda pending: group.settle(product.contract, batch.location, pending)
        )


def _known_state_of(spark: SparkSession, mesh: Mesh, product: ProductSpec) -> TableState:
    location = table_location(mesh.settings, product.name)
    return _known_state(spark, mesh, product.contract, location, str(product.owner))


def _publish_run(
    spark: SparkSession,
    mesh: Mesh,
    product: ProductSpec,
    *,
    run_id: str | None,
    interval: Interval | None = None,
    changes: Changes | None = None,
) -> PublishResult:
    """One run: the transform over one slice of its inputs, written as one batch."""
    started = time.monotonic()
    run = start_run(
        mesh.catalog,
        product=product.name,
        kind="publish",
        principal=mesh.principal,
        run_id=run_id,
        contract_version=product.contract.version,
        definition_digest=definition_digest(product) if interval is None else None,
    )
    with _recorded(mesh, run):
        for attempt in range(ATTEMPTS):
            try:
                return _publish_once(spark, mesh, product, run, started, interval=interval, changes=changes)
            except ConflictError:
                if attempt + 1 == ATTEMPTS or changes is not None:  # which rows changed, cannot be read anew here
                    raise
                time.sleep(random.uniform(0, 2**attempt))
        raise AssertionError


def _publish_once(
    spark: SparkSession,
    mesh: Mesh,
    product: ProductSpec,
    run: str,
    started: float,
    *,
    interval: Interval | None,
    changes: Changes | None,
) -> PublishResult:
    state = _known_state_of(spark, mesh, product)
    if _is_committed(mesh, product.name, run):
        return _published(mesh, product.name, run, started)
    if changes is not None and held_version(mesh, product.name, changes.product) != changes.after:
        raise ConflictError(f"{product.name}: somebody else published it at the same time. Publish again.")
    batch = _batch(spark, mesh, product, run, state, interval=interval, changes=changes)
    if batch is None:
        seen = {changes.product: changes.version} if changes is not None else {}
        finish_run(mesh.catalog, run, outcome="unchanged", inputs=seen)
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


def _is_committed(mesh: Mesh, product: str, run_id: str) -> bool:
    """Whether a run made a version; the catalog knows every one, once it was repaired."""
    return any(record.run_id == run_id for record in read_versions(mesh.catalog, product))


def publish_adopted(mesh: Mesh, product: ProductSpec) -> PublishResult:
    """Make the newest version of a table that others write known to readers; no Spark is needed.

    Raises:
        RefusedError: It lacks what the contract promises. Readers stay on the version they had.
        StorageError: The table cannot be read.
    """
    require_publishable(product)
    started = time.monotonic()
    noted = note_newest_version(mesh, product.contract)
    found = noted or latest_version(mesh.catalog, product.name)
    assert found is not None
    return PublishResult(
        product=product.name,
        run_id=found.run_id,
        outcome="unchanged" if noted is None else "published",
        version=found.version,
        rows=found.rows,
        total_rows=found.total_rows,
        seconds=time.monotonic() - started,
    )


def require_publishable(product: ProductSpec) -> None:
    """Refuse a product that nobody answers for, or that is retired; no Spark is needed to say so.

    Raises:
        InputError: Its domain names no owner.
        RefusedError: It is retired.
    """
    if not product.owner:
        raise InputError(
            f"{product.name}: has no owner, so nobody answers for it. Name one in {product.domain.path.name} "
            f"of the domain {product.domain.name}, then publish again."
        )
    use_product(product.name, stage_of(product.contract))


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
) -> PublishResult:
    """Publish rows that the framework made itself: training frames, predictions, quarantine.

    A dataset like any other: contract, checks, profile, lineage. A run that was committed is not written again.

    Args:
        contract: Its `id` is the dataset's name.
        inputs: Product → version that the rows were made from.
        run_id: Names the run; the caller's own, so that it can go on after a crash.
        interval: As of `publish_product`.

    Raises:
        ConflictError: Somebody else published it at the same time. Not tried again here: only the caller knows whether
            the rows are still right.
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
        if _is_committed(mesh, contract.id, run):
            return _published(mesh, contract.id, run, started)
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
        )
        return _write(spark, mesh, batch, started)


def _known_state(spark: SparkSession, mesh: Mesh, contract: Contract, location: str, owner: str) -> TableState:
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


def _batch(
    spark: SparkSession,
    mesh: Mesh,
    product: ProductSpec,
    run_id: str,
    state: TableState,
    *,
    interval: Interval | None,
    changes: Changes | None,
    group: Group | None = None,
) -> Batch | None:
    """The batch that the transform makes of its inputs; None where nothing new has come."""
    inputs = read_inputs(spark, mesh, product, interval=interval, changes=changes, group=group)
    if inputs is None:
        return None
    frame = run_transform(spark, product, inputs.frames, quote=not inputs.personal)
    if interval is not None:
        frame = within(frame, product.contract.event_time, interval, keep_null=True)
    return Batch(
        contract=product.contract,
        frame=frame,
        location=table_location(mesh.settings, product.name),
        run_id=run_id,
        owner=str(product.owner),
        state=state,
        personal_inputs=inputs.personal,
        inputs=inputs.versions,
        input_locations=inputs.locations,
        source=inputs.source,
        interval=interval if product.contract.write_mode == "overwrite_interval" else None,
    )


def _write(spark: SparkSession, mesh: Mesh, batch: Batch, started: float) -> PublishResult:
    committed = commit_batch(spark, mesh, batch)
    record_commits(mesh, [committed])
    if committed.manifest.quarantined_count:
        state = read_table_state(batch.product, batch.location)
        _publish_quarantine(spark, mesh, batch.contract, batch.location, state, batch.owner)
    return _published(mesh, batch.product, batch.run_id, started)
