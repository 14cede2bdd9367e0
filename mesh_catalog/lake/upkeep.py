"""Upkeep of a product's table: small files put together, files that nobody can ask for removed, leftovers deleted.

Rows never change. Compaction (OPTIMIZE) runs on Spark and commits Delta versions that are no publishes: readers go by
the catalog's versions and see nothing of it. Removal (VACUUM FULL, by delta-rs) keeps every file of

- each version that readers could see within the retention (the contract's, at least seven days),
- each version that a model was made from: a pin is a hold,

and every file younger than the retention, so a write under way loses nothing. A lease keeps two upkeeps off one table;
against a publish Delta's own conflict check decides, and the loser is tried again next time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.inventory import list_products, read_product
from mesh_catalog.catalog.models import pinned_versions
from mesh_catalog.catalog.runs import (
    acquire_lease,
    finish_run,
    read_versions,
    release_lease,
    renew_lease,
    start_run,
    unfinished_runs,
)
from mesh_catalog.errors import ConflictError, InputError, MeshError, listed
from mesh_catalog.lake.compaction import compact, sort_columns
from mesh_catalog.lake.leftovers import Leftover, delete_leftovers, find_leftovers, sizes
from mesh_catalog.lake.removal import (
    find_unreferenced,
    keep_log,
    log_days,
    openable,
    recent_versions,
    remove_files,
    retention,
)
from mesh_catalog.lake.table import read_table_state
from mesh_catalog.lake.upkeep_report import TableFiles, read_table_files

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract

__all__ = ["UpkeepPlan", "UpkeepResult", "maintain_table", "maintainable", "plan_upkeep"]

_LEASE_SECONDS: Final = 3_600
_PUBLISH_UNDER_WAY: Final = timedelta(hours=1)
_HISTORY: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class UpkeepPlan:
    """What upkeep would do to one table now."""

    product: str
    location: str
    files: TableFiles
    compact: bool
    cluster_by: tuple[str, ...]
    """Columns that compaction sorts by; empty: it only puts files together."""
    retention_hours: int
    kept_versions: tuple[int, ...]
    pins: Mapping[int, tuple[str, ...]]
    """Version → the model versions that hold it, where the retention alone would have let it go."""
    unreferenced: tuple[str, ...]
    """Data files to remove, relative to the table."""
    unreferenced_bytes: int
    leftovers: tuple[Leftover, ...]
    log_days: int | None
    """The log's retention to set, where the present one would lose the history of a version that is kept."""
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.compact or self.unreferenced or self.leftovers or self.log_days)


@dataclass(frozen=True, kw_only=True)
class UpkeepResult:
    """What upkeep did to one table."""

    product: str
    outcome: Literal["done", "unchanged"]
    files_before: int
    files_after: int
    compacted: bool = False
    removed_files: int = 0
    removed_bytes: int = 0
    leftovers: int = 0
    pins: Mapping[int, tuple[str, ...]]
    notes: tuple[str, ...] = ()


def maintainable(mesh: Mesh, names: Sequence[str] = ()) -> list[str]:
    """The datasets that have a table: those named, or all that the catalog knows.

    Raises:
        NotFoundError: A name is no product.
        InputError: A product that was named has no table yet.
    """
    for name in names:
        read_product(mesh.catalog, name)
    found = [name for name in names or list_products(mesh.catalog) if read_versions(mesh.catalog, name)]
    missing = sorted(set(names) - set(found))
    if missing:
        raise InputError(f"{listed(missing)}: has no table yet. Publish it: mesh publish {missing[0]}")
    return list(dict.fromkeys(found))


def plan_upkeep(mesh: Mesh, product: str) -> UpkeepPlan:
    """Look at a table and say what there is to do; changes nothing.

    Raises:
        StorageError: The log or the folder cannot be read.
    """
    now = datetime.now(UTC)
    location = table_location(mesh.settings, product)
    contract = _contract(mesh, product)
    files = read_table_files(product, location)
    kept_for = retention(contract)
    hours = int(kept_for.total_seconds() // 3_600)
    versions = read_versions(mesh.catalog, product)
    recent = recent_versions([(v.version, v.committed_at) for v in versions], now - kept_for)
    pinned = pinned_versions(mesh.catalog, product)
    kept = openable(location, {*recent, *pinned})
    unreferenced = find_unreferenced(product, location, hours=hours, kept=kept)
    state = read_table_state(product, location, history=_HISTORY)
    runs = {commit.run_id for commit in state.commits} | {version.run_id for version in versions}
    cluster_by = sort_columns(location, files, contract.cluster_by if contract else ())
    return UpkeepPlan(
        product=product,
        location=location,
        files=files,
        compact=files.small_files > 1 or bool(cluster_by),
        cluster_by=cluster_by,
        retention_hours=hours,
        kept_versions=tuple(sorted(kept)),
        pins={version: models for version, models in pinned.items() if version in kept - recent},
        unreferenced=unreferenced,
        unreferenced_bytes=sizes(location, unreferenced),
        leftovers=tuple(find_leftovers(location, runs, transaction=state.transaction, now=now)),
        log_days=log_days(
            files.configuration, kept_for, [v.committed_at for v in versions if v.version in pinned], now
        ),
        notes=(*_lost_notes(pinned, kept), *_statistics_note(files)),
    )


def maintain_table(mesh: Mesh, product: str, session: Callable[[], SparkSession]) -> UpkeepResult:
    """Do what `plan_upkeep` finds. Called again, there is nothing left to do.

    Args:
        session: Called where files are put together; nothing else needs Spark.

    Raises:
        ConflictError: Another upkeep is at work on the table.
        StorageError: The table cannot be read or written.
    """
    run = start_run(mesh.catalog, product=product, kind="maintain", principal=mesh.principal)
    lease = f"maintain:{product}"
    try:
        if not acquire_lease(mesh.catalog, lease, holder=run, seconds=_LEASE_SECONDS):
            raise ConflictError(f"{product}: another mesh maintain is at work on it. Try again when it is done.")
        try:
            plan = plan_upkeep(mesh, product)
            result = _carry_out(mesh, plan, run, lease, session)
        finally:
            release_lease(mesh.catalog, lease, holder=run)
    except MeshError as error:
        finish_run(mesh.catalog, run, outcome="failed", message=str(error))
        raise
    finish_run(mesh.catalog, run, outcome=result.outcome, message=_message(result))
    return result


def _carry_out(mesh: Mesh, plan: UpkeepPlan, run: str, lease: str, session: Callable[[], SparkSession]) -> UpkeepResult:
    result = UpkeepResult(
        product=plan.product,
        outcome="unchanged" if plan.is_empty else "done",
        files_before=plan.files.files,
        files_after=plan.files.files,
        pins=plan.pins,
        notes=plan.notes,
    )
    if plan.unreferenced:  # before the compaction: what that leaves behind is too young to go
        removed = remove_files(plan.product, plan.location, hours=plan.retention_hours, kept=plan.kept_versions)
        result = replace(result, removed_files=len(removed), removed_bytes=plan.unreferenced_bytes)
    delete_leftovers(plan.location, plan.leftovers)
    result = replace(result, leftovers=len(plan.leftovers))
    if not (plan.compact or plan.log_days):
        return result
    if _publish_under_way(mesh, plan.product):
        return replace(
            result, notes=(*result.notes, "not compacted: a publish is under way; try again when it is done")
        )
    if plan.log_days:
        keep_log(plan.product, plan.location, plan.log_days)
    if not plan.compact or not renew_lease(mesh.catalog, lease, holder=run, seconds=_LEASE_SECONDS):
        return result
    ticket = request_read(mesh, plan.product, purpose="upkeep")
    if not compact(session(), ticket, sort_by=plan.cluster_by, metadata=json.dumps({"mesh_maintain": run})):
        return replace(result, notes=(*result.notes, "not compacted: somebody published meanwhile and goes first"))
    after = read_table_files(plan.product, plan.location).files
    return replace(result, compacted=True, files_after=after)


def _publish_under_way(mesh: Mesh, product: str) -> bool:
    """Whether one began within the hour: a compaction could cost it its commit."""
    since = datetime.now(UTC) - _PUBLISH_UNDER_WAY
    return any(run.kind == "publish" and run.started_at > since for run in unfinished_runs(mesh.catalog, product))


# Words -------------------------------------------------------------------------------------------------------------


def _contract(mesh: Mesh, product: str) -> Contract | None:
    """The contract of the workspace; None for datasets that the framework writes itself, and for retired products."""
    spec = mesh.workspace.products.get(product)
    return spec.contract if spec else None


def _lost_notes(pinned: Mapping[int, tuple[str, ...]], kept: Collection[int]) -> tuple[str, ...]:
    lost = [(version, models) for version, models in pinned.items() if version not in kept]
    return tuple(
        f"v{version} cannot be opened any more, though {listed(models)} was made from it" for version, models in lost
    )


def _statistics_note(files: TableFiles) -> tuple[str, ...]:
    if not files.without_statistics:
        return ()
    return (
        f"{files.without_statistics} files have no statistics, so filters cannot skip them: publish the product anew",
    )


def _message(result: UpkeepResult) -> str:
    told = [
        f"{result.files_before} files into {result.files_after}" if result.compacted else "",
        f"{result.removed_files} files removed, {result.removed_bytes} bytes" if result.removed_files else "",
        f"{result.leftovers} leftovers removed" if result.leftovers else "",
        *result.notes,
    ]
    return "; ".join(filter(None, told)) or "nothing to do"
