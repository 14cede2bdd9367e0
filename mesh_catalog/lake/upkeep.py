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
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.locations import table_location
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
from mesh_catalog.errors import ConflictError, InputError, MeshError, StorageError, listed
from mesh_catalog.lake.leftovers import Leftover, delete_leftovers, find_leftovers, sizes
from mesh_catalog.lake.table import read_table_state
from mesh_catalog.lake.upkeep_report import SMALL_FILE_BYTES, TableFiles, read_table_files

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import Contract

__all__ = ["MIN_RETENTION", "UpkeepPlan", "UpkeepResult", "maintain_table", "maintainable", "plan_upkeep"]

MIN_RETENTION: Final = timedelta(days=7)
"""Delta's own: a reader or a writer that is slower than this loses files under its feet."""
_TARGET_FILE_BYTES: Final = 128 * 1024 * 1024
_LOG_RETENTION: Final = "delta.logRetentionDuration"
_LOG_DEFAULT_DAYS: Final = 30
_LOG_MARGIN: Final = timedelta(days=7)
_LEASE_SECONDS: Final = 3_600
_PUBLISH_UNDER_WAY: Final = timedelta(hours=1)
_UNSORTED_RATIO: Final = 0.25
"""Sort again from this share of files that came since."""
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
    outcome: Literal["done", "unchanged", "failed"]
    files_before: int
    files_after: int
    compacted_files: int = 0
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
    from mesh_catalog.catalog.inventory import list_products, read_product

    for name in names:
        read_product(mesh.catalog, name)
    found = [name for name in names or list_products(mesh.catalog) if read_versions(mesh.catalog, name)]
    missing = sorted(set(names) - set(found))
    if missing:
        raise InputError(f"{listed(missing)}: has no table yet. Publish it: mesh publish {missing[0]}")
    return list(dict.fromkeys(found))


def plan_upkeep(mesh: Mesh, product: str, *, now: datetime | None = None) -> UpkeepPlan:
    """Look at a table and say what there is to do; changes nothing.

    Raises:
        StorageError: The log or the folder cannot be read.
    """
    at = now or datetime.now(UTC)
    location = table_location(mesh.settings, product)
    contract = _contract(mesh, product)
    files = read_table_files(product, location)
    retention = _retention(contract)
    versions = read_versions(mesh.catalog, product)
    recent = _recent_versions([(v.version, v.committed_at) for v in versions], at - retention)
    pinned = pinned_versions(mesh.catalog, product)
    kept = tuple(sorted({*recent, *pinned}))
    hours = int(retention.total_seconds() // 3_600)
    unreferenced, notes = _unreferenced(product, location, hours, kept)
    state = read_table_state(product, location, history=_HISTORY)
    runs = {commit.run_id for commit in state.commits} | {version.run_id for version in versions}
    cluster_by = _sort_columns(location, files, contract.cluster_by if contract else ())
    return UpkeepPlan(
        product=product,
        location=location,
        files=files,
        compact=files.small_files > 1 or bool(cluster_by),
        cluster_by=cluster_by,
        retention_hours=hours,
        kept_versions=kept,
        pins={version: models for version, models in pinned.items() if version not in recent},
        unreferenced=unreferenced,
        unreferenced_bytes=sizes(location, unreferenced),
        leftovers=tuple(find_leftovers(location, runs, now=at)) if versions else (),
        log_days=_log_days(files, retention, [v.committed_at for v in versions if v.version in pinned], at),
        notes=(*notes, *_statistics_note(files)),
    )


def maintain_table(
    mesh: Mesh, product: str, session: Callable[[], SparkSession], *, now: datetime | None = None
) -> UpkeepResult:
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
            plan = plan_upkeep(mesh, product, now=now)
            result = _carry_out(mesh, plan, run, lease, session)
        finally:
            release_lease(mesh.catalog, lease, holder=run)
    except MeshError as error:
        finish_run(mesh.catalog, run, outcome="failed", message=str(error))
        raise
    outcome: Literal["done", "unchanged"] = "unchanged" if result.outcome == "unchanged" else "done"
    finish_run(mesh.catalog, run, outcome=outcome, message=_message(result))
    return result


def _carry_out(
    mesh: Mesh, plan: UpkeepPlan, run: str, lease: str, session: Callable[[], SparkSession]
) -> UpkeepResult:
    result = UpkeepResult(
        product=plan.product,
        outcome="unchanged" if plan.is_empty else "done",
        files_before=plan.files.files,
        files_after=plan.files.files,
        pins=plan.pins,
        notes=plan.notes,
    )
    if plan.log_days is not None:
        _keep_log(plan, plan.log_days)
    if plan.unreferenced:  # before the compaction: what that leaves behind is too young to go
        _vacuum(plan)
        result = replace(result, removed_files=len(plan.unreferenced), removed_bytes=plan.unreferenced_bytes)
    delete_leftovers(plan.location, plan.leftovers)
    result = replace(result, leftovers=len(plan.leftovers))
    if not plan.compact:
        return result
    note = _publish_under_way(mesh, plan.product)
    if note is None and renew_lease(mesh.catalog, lease, holder=run, seconds=_LEASE_SECONDS):
        note = _compact(mesh, plan, run, session())
    after = read_table_files(plan.product, plan.location).files
    notes = (*result.notes, note) if note else result.notes
    compacted = 0 if note else plan.files.files
    return replace(result, files_after=after, compacted_files=compacted, notes=notes)


# Compaction --------------------------------------------------------------------------------------------------------


def _sort_columns(location: str, files: TableFiles, cluster_by: tuple[str, ...]) -> tuple[str, ...]:
    """The columns to sort by, where enough rows came since the last time; sorting rewrites every file."""
    if not cluster_by or files.files < 2:
        return ()
    from deltalake import DeltaTable

    table = DeltaTable(location)
    wanted = json.dumps(list(cluster_by)).replace(" ", "")
    for entry in table.history(_HISTORY):
        if entry.get("operation") == "OPTIMIZE" and _sorted_by(entry) == wanted:
            known = set(DeltaTable(location, version=int(entry["version"])).file_uris())
            new = [path for path in table.file_uris() if path not in known]
            return cluster_by if len(new) >= _UNSORTED_RATIO * files.files else ()
    return cluster_by


def _sorted_by(entry: Mapping[str, Any]) -> str:
    return str((entry.get("operationParameters") or {}).get("zOrderBy", "[]")).replace(" ", "")


def _publish_under_way(mesh: Mesh, product: str) -> str | None:
    since = datetime.now(UTC) - _PUBLISH_UNDER_WAY
    running = [run for run in unfinished_runs(mesh.catalog, product) if run.kind == "publish"]
    if any(run.started_at > since for run in running):
        return "not compacted: a publish is under way; try again when it is done"
    return None


def _compact(mesh: Mesh, plan: UpkeepPlan, run: str, spark: SparkSession) -> str | None:
    """Put the small files together; returns why it did not, where somebody else changed the table meanwhile."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    from mesh_catalog.lake.checks import quoted
    from mesh_catalog.lake.messages import spark_condition

    request_read(mesh, plan.product, purpose="upkeep")
    order = f" zorder by ({', '.join(map(quoted, plan.cluster_by))})" if plan.cluster_by else ""
    settings = {
        "spark.databricks.delta.optimize.minFileSize": str(SMALL_FILE_BYTES),
        "spark.databricks.delta.optimize.maxFileSize": str(_TARGET_FILE_BYTES),
        "spark.databricks.delta.commitInfo.userMetadata": json.dumps({"mesh_maintain": run}),
    }
    try:
        with _session_settings(spark, settings):
            spark.sql(f"optimize delta.{quoted(plan.location)}{order}").collect()
    except (PySparkException, Py4JJavaError) as error:
        condition = spark_condition(error) or type(error).__name__
        if "CONCURRENT" in condition.upper() or "Concurrent" in str(error)[:300]:
            return "not compacted: somebody published at the same time and goes first; try again"
        raise StorageError(
            f"{plan.product}: its files could not be put together ({condition}). Nothing has changed for readers."
        ) from error
    return None


@contextmanager
def _session_settings(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    earlier = {key: spark.conf.get(key, None) for key in settings}
    try:
        for key, value in settings.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, value in earlier.items():
            if value is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, value)


# Removal -----------------------------------------------------------------------------------------------------------


def _retention(contract: Contract | None) -> timedelta:
    said = contract.retention_seconds if contract else None
    return max(MIN_RETENTION, timedelta(seconds=said or 0))


def _recent_versions(versions: Sequence[tuple[int, datetime]], since: datetime) -> set[int]:
    """The versions that readers could see at or after `since`: those committed since, and the one before them."""
    left = [version for version, at in versions if at < since]
    return {version for version, at in versions if at >= since} | set(left[-1:])


def _unreferenced(
    product: str, location: str, hours: int, kept: tuple[int, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Data files that no kept version needs, and what there is to say about it."""
    from deltalake.exceptions import DeltaError

    table = _open(product, location)
    try:
        found = table.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True, keep_versions=list(kept))
    except (DeltaError, OSError):
        lost = [version for version in kept if not _opens(location, version)]
        if not lost:
            raise
        shown = listed(f"v{version}" for version in lost)
        return (), (f"no file removed: the log of {shown} is gone, so what they need is not known",)
    return tuple(sorted(found)), ()


def _opens(location: str, version: int) -> bool:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        DeltaTable(location, version=version)
    except (DeltaError, OSError):
        return False
    return True


def _vacuum(plan: UpkeepPlan) -> None:
    table = _open(plan.product, plan.location)
    with _writes(plan.product):
        table.vacuum(
            plan.retention_hours,
            dry_run=False,
            enforce_retention_duration=False,  # of the table's property; ours is never below Delta's seven days
            full=True,
            keep_versions=list(plan.kept_versions),
        )


def _log_days(files: TableFiles, retention: timedelta, pinned_at: Sequence[datetime], now: datetime) -> int | None:
    """How long the log must be kept so that every kept version still opens; None where it is kept so long already."""
    needed = max([retention + _LOG_MARGIN, *(now - at + 4 * _LOG_MARGIN for at in pinned_at)]).days
    match = re.fullmatch(r"interval (\d+) days?", files.configuration.get(_LOG_RETENTION, ""))
    present = int(match[1]) if match else _LOG_DEFAULT_DAYS
    return 2 * needed if needed > present else None


def _keep_log(plan: UpkeepPlan, days: int) -> None:
    table = _open(plan.product, plan.location)
    with _writes(plan.product):
        table.alter.set_table_properties({_LOG_RETENTION: f"interval {days} days"})


def _open(product: str, location: str) -> DeltaTable:
    from deltalake import DeltaTable

    with _writes(product):
        return DeltaTable(location)


@contextmanager
def _writes(product: str) -> Iterator[None]:
    from deltalake.exceptions import CommitFailedError, DeltaError

    try:
        yield
    except CommitFailedError as error:
        raise ConflictError(f"{product}: somebody else published it at the same time. Try again.") from error
    except (DeltaError, OSError) as error:
        raise StorageError(
            f"{product}: its table could not be kept up ({type(error).__name__}). Nothing has changed for readers."
        ) from error


# Words -------------------------------------------------------------------------------------------------------------


def _contract(mesh: Mesh, product: str) -> Contract | None:
    """The contract of the workspace; None for datasets that the framework writes itself, and for retired products."""
    spec = mesh.workspace.products.get(product)
    return spec.contract if spec else None


def _statistics_note(files: TableFiles) -> tuple[str, ...]:
    if not files.without_statistics:
        return ()
    return (f"{files.without_statistics} files have no statistics, so filters cannot skip them: publish the product anew",)


def _message(result: UpkeepResult) -> str:
    told = [
        f"{result.files_before} files into {result.files_after}" if result.compacted_files else "",
        f"{result.removed_files} files removed, {result.removed_bytes} bytes" if result.removed_files else "",
        f"{result.leftovers} leftovers removed" if result.leftovers else "",
        *result.notes,
    ]
    return "; ".join(filter(None, told)) or "nothing to do"
