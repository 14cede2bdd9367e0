"""Versions of adopted tables: others write them; here the newest is looked at and made known to readers.

Readers see the newest version that was noted, so a table that breaks its contract stays where it was for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mesh_catalog.access.locations import own_folder, table_location
from mesh_catalog.catalog.runs import VersionRecord, finish_run, latest_version, start_run
from mesh_catalog.errors import BatchRefusedError, MeshError, RefusedError, StorageError, listed
from mesh_catalog.lake.adopted_rules import judge_rows
from mesh_catalog.lake.checks import failed_lines
from mesh_catalog.lake.collect import FilesProfile, profile_batches, profiled_columns
from mesh_catalog.lake.commit_log import read_commits
from mesh_catalog.lake.foreign import count_rows, open_foreign, stream_rows, table_columns
from mesh_catalog.lake.profiles import store_profile

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.runs import CheckRecord
    from mesh_catalog.contracts.contract import Contract

__all__ = ["PROFILED_BYTES", "note_newest_version"]

PROFILED_BYTES = 8 * 2**30
"""Of data files, up to which a table is looked through in this process; a larger one has no profile, and no rule on
its rows is checked."""
_LATE = 100
"""So many commits may come while one is looked at; its time is that of the look where there are more."""


def note_newest_version(mesh: Mesh, contract: Contract) -> VersionRecord | None:
    """Make an adopted table's newest version known; None where it is known already.

    Versions between the last one noted and the newest are passed over.
    Its profile is kept in the lake, since nobody but its writers writes beside the table.

    Cost: a scan of the table's columns for the profile, one for the row rules and one a key that is promised to be
    unique, without a JVM, where its files hold up to `PROFILED_BYTES`.

    Raises:
        RefusedError: It lacks a column that the contract promises, or has it with another type. Readers stay.
        BatchRefusedError: It breaks a rule. Readers stay.
        StorageError: The table cannot be read, or was replaced by another with a shorter history.
    """
    product = contract.id
    location = table_location(mesh.settings, product)
    table = open_foreign(product, location)
    latest = latest_version(mesh.catalog, product)
    version = table.version()
    if latest is not None and latest.version == version:
        return None
    if latest is not None and latest.version > version:
        raise StorageError(
            f"{product}: the table at {location} is at v{version}, but v{latest.version} was noted before: it was"
            " replaced. Remove the product's folder and adopt the new table under another name."
        )
    run = start_run(
        mesh.catalog,
        product=product,
        kind="adopt",
        principal=mesh.principal,
        contract_version=contract.version,
    )
    checks: tuple[CheckRecord, ...] = ()
    try:
        _require_promised(contract, table, latest)
        unread = _too_large(table)
        found = None if unread else _looked_through(contract, table)
        rows = found.profile.rows if found is not None else count_rows(product, table)
        newest = found.event_to if found is not None else None
        checks = judge_rows(contract, table, rows=rows, newest_event_at=newest, unread=unread)
        _require_kept(contract, table, latest, checks, run)
    except MeshError as error:
        outcome = "refused" if isinstance(error, RefusedError) else "failed"
        finish_run(mesh.catalog, run, outcome=outcome, message=str(error), checks=checks)  # type: ignore[arg-type]
        raise
    profile = found.profile if found is not None and contract.profiled else None
    record = VersionRecord(
        product=product,
        version=version,
        run_id=run,
        contract_version=contract.version,
        mode="overwrite",
        rows=rows,
        total_rows=rows,
        quarantined_count=0,
        event_from=found.event_from if found else None,
        event_to=found.event_to if found else None,
        profile_digest=profile.digest if profile else None,
        profile_path=store_profile(own_folder(mesh.settings, product), run, profile) if profile else None,
        committed_at=_committed_at(table, version),
        kept_from=version,
    )
    origin = f"delta {location} v{version}"
    finish_run(mesh.catalog, run, outcome="published", version=record, source_files=[origin], checks=checks)
    return record


def _too_large(table: DeltaTable) -> str | None:
    """Why the table is not looked through in this process."""
    import pyarrow as pa

    sizes = pa.table(table.get_add_actions(flatten=True)).column("size_bytes").to_pylist()
    if sum(map(int, sizes)) <= PROFILED_BYTES:
        return None
    return f"its files hold more than {PROFILED_BYTES / 2**30:g} GiB"


def _looked_through(contract: Contract, table: DeltaTable) -> FilesProfile | None:
    """The profile of the newest version; None where the contract wants none."""
    columns = [column.name for column in profiled_columns(contract)]
    if not columns:
        return None
    return profile_batches(contract, stream_rows(contract.id, table, columns))


def _require_promised(contract: Contract, table: DeltaTable, latest: VersionRecord | None) -> None:
    found = table_columns(contract.id, table)
    lacking = [column.name for column in contract.columns if column.name not in found]
    changed = [
        f"{c.name} ({found[c.name]}, not {c.spark_type})"
        for c in contract.columns
        if c.name in found and found[c.name] != c.spark_type
    ]
    if not lacking and not changed:
        return
    told = [
        f"lacks the column {listed(lacking)}" if lacking else "",
        f"has another type in {listed(changed)}" if changed else "",
    ]
    raise RefusedError(
        f"{contract.id}: v{table.version()}, written by somebody else, {' and '.join(filter(None, told))}."
        f" {_readers(latest)}; correct the table or contract.yaml, then publish again."
    )


def _require_kept(
    contract: Contract, table: DeltaTable, latest: VersionRecord | None, checks: Sequence[CheckRecord], run: str
) -> None:
    failed = [check for check in checks if check.verdict == "fail"]
    if failed:
        lines = [
            f"{contract.id}: v{table.version()}, written by somebody else, breaks its contract. {_readers(latest)}.",
            *failed_lines(failed),
            f"  {len(failed)} of {len(checks)} checks failed; correct the table or contract.yaml, then publish again.",
        ]
        raise BatchRefusedError("\n".join(lines), product=contract.id, run_id=run)


def _readers(latest: VersionRecord | None) -> str:
    return f"Readers stay on v{latest.version}" if latest else "Nobody reads it yet"


def _committed_at(table: DeltaTable, version: int) -> datetime:
    """When others wrote a version; they may have written more since it was looked at."""
    times = {int(entry["version"]): int(entry["timestamp"]) for entry in read_commits(table, _LATE)}
    return datetime.fromtimestamp(times[version] / 1000, UTC) if version in times else datetime.now(UTC)
