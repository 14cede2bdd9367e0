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
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mesh_catalog.access.locations import table_location
from mesh_catalog.access.rights import publish_warnings, require_publishable
from mesh_catalog.catalog.assets import definition_digest
from mesh_catalog.catalog.evolution import plan_evolution, require_evolution
from mesh_catalog.catalog.runs import (
    finish_run,
    latest_version,
)
from mesh_catalog.errors import ConflictError
from mesh_catalog.lake.adopted import note_newest_version
from mesh_catalog.lake.batch import commit_batch
from mesh_catalog.lake.changes import held_version, publish_changes
from mesh_catalog.lake.consent import remove_withdrawn
from mesh_catalog.lake.frames import (
    PublishResult,
    is_committed,
    known_state,
    publish_batch,
    published,
    recorded,
)
from mesh_catalog.lake.making import make_batch
from mesh_catalog.lake.manifest import Committed
from mesh_catalog.lake.messages import conflict
from mesh_catalog.lake.table import TableState
from mesh_catalog.lake.together import publish_group

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.lake.inputs import Changes
    from mesh_catalog.lake.together import Group
    from mesh_catalog.specs import Interval, ProductSpec

ATTEMPTS = 3
"""How often a publish is tried that meets another one of its product."""

__all__ = [
    "publish_adopted",
    "publish_product",
    "publish_together",
]


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
        PolicyRefusedError: A policy of the organisation, or a right in its inputs, does not allow it; or it receives
            personal data that its contract does not declare. Nothing was written.
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
    require_publishable(mesh, product)
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
    return _told(mesh, result, changes) if result.outcome == "published" else result


def _told(mesh: Mesh, result: PublishResult, changes: tuple[str, ...] = ()) -> PublishResult:
    warnings = publish_warnings(mesh, mesh.workspace.product(result.product))
    return replace(result, changes=changes, warnings=warnings)


def publish_together(
    spark: SparkSession, mesh: Mesh, products: Sequence[ProductSpec], *, allow_breaking: bool = False
) -> list[PublishResult]:
    """Publish products together: readers see the new versions of all of them, or of none.

    One may read another: it is given the rows that the other is about to have.

    Args:
        allow_breaking: As `publish_product` takes it, of each.

    Returns:
        What was published, in the order given; products that had nothing new are left out.

    Raises:
        InputError: Fewer than two products, one without an owner, or one that reads changes.
        MeshError: What `publish_product` raises, of the first product that was refused or failed; none was published.
    """
    started = time.monotonic()
    for product in products:
        require_publishable(mesh, product)
        evolution = plan_evolution(mesh.catalog, product.contract, mesh.workspace.products)
        require_evolution(evolution, allow_breaking=allow_breaking)
    done = publish_group(spark, mesh, products, lambda *member: _commit_member(mesh, *member))
    for one in done:
        if one.manifest.quarantined_count:
            _known_state(spark, mesh, mesh.workspace.product(one.manifest.product))
    return [_told(mesh, published(mesh, one.manifest.product, one.manifest.run_id, started)) for one in done]


def _commit_member(
    mesh: Mesh, spark: SparkSession, product: ProductSpec, run_id: str, group: Group
) -> Committed | None:
    """Commit one product of a set; the catalog is told when all of it is committed."""
    digest = definition_digest(product)
    with recorded(mesh, product.contract, run_id=run_id, definition_digest=digest) as run:
        state = _known_state(spark, mesh, product)
        state, rows = remove_withdrawn(
            spark, mesh, product.contract, table_location(mesh.settings, product.name), state, run_id=run
        )
        batch = make_batch(
            spark, mesh, product, run, state, interval=None, changes=None, earlier_rows=rows, group=group
        )
        if batch is None:
            finish_run(mesh.catalog, run, outcome="unchanged")
            return None
        return commit_batch(
            spark, mesh, batch, settle=lambda pending: group.settle(product.contract, batch.location, pending)
        )


def _known_state(spark: SparkSession, mesh: Mesh, product: ProductSpec) -> TableState:
    location = table_location(mesh.settings, product.name)
    return known_state(spark, mesh, product.contract, location, str(product.owner))


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
    digest = definition_digest(product) if interval is None else None
    with recorded(mesh, product.contract, run_id=run_id, definition_digest=digest) as run:
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
    state = _known_state(spark, mesh, product)
    if is_committed(mesh, product.name, run):
        return published(mesh, product.name, run, started)
    if changes is not None and held_version(mesh, product.name, changes.product) != changes.after:
        raise conflict(product.name)
    location = table_location(mesh.settings, product.name)
    state, rows = remove_withdrawn(spark, mesh, product.contract, location, state, run_id=run)
    batch = make_batch(spark, mesh, product, run, state, interval=interval, changes=changes, earlier_rows=rows)
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
    return publish_batch(spark, mesh, batch, started)


def publish_adopted(mesh: Mesh, product: ProductSpec) -> PublishResult:
    """Make the newest version of a table that others write known to readers; no Spark is needed.

    Raises:
        RefusedError: It lacks what the contract promises, or breaks a rule. Readers stay on the version they had.
        StorageError: The table cannot be read.
    """
    require_publishable(mesh, product)
    started = time.monotonic()
    noted = note_newest_version(mesh, product.contract)
    if noted is not None:
        return published(mesh, product.name, noted.run_id, started)
    found = latest_version(mesh.catalog, product.name)
    assert found is not None
    return PublishResult(
        product=product.name,
        run_id=found.run_id,
        outcome="unchanged",
        version=found.version,
        rows=found.rows,
        total_rows=found.total_rows,
        seconds=time.monotonic() - started,
    )
