"""The manifest of a run: what the catalog must know of a version, kept beside the table until and after it knows.

Written in the commit gate, before the commit. Delta's commit carries the run id; with the manifest the catalog's row of
a version can be made anew at any time, so a crash between commit and catalog loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mesh_catalog.catalog.runs import CheckRecord, VersionRecord, finish_run, read_versions
from mesh_catalog.errors import StorageError
from mesh_catalog.lake.files import read_text, write_text
from mesh_catalog.lake.table import Commit, TableState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.edges import ColumnEdge

__all__ = ["Manifest", "load_manifest", "record_commit", "repair_catalog", "store_manifest"]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a run is about to commit."""

    product: str
    run_id: str
    mode: str
    contract_version: str
    rows: int
    total_rows: int | None
    quarantined_count: int
    event_from: datetime | None
    event_to: datetime | None
    profile_path: str | None
    profile_digest: str | None
    checks: tuple[CheckRecord, ...]
    inputs: Mapping[str, int]
    source_files: tuple[str, ...]

    def version_record(self, commit: Commit, *, kept_from: int) -> VersionRecord:
        return VersionRecord(
            product=self.product,
            version=commit.version,
            run_id=self.run_id,
            contract_version=self.contract_version,
            mode=self.mode,
            rows=self.rows,
            total_rows=self.total_rows,
            quarantined_count=self.quarantined_count,
            event_from=self.event_from,
            event_to=self.event_to,
            profile_digest=self.profile_digest,
            profile_path=self.profile_path,
            committed_at=commit.committed_at,
            kept_from=kept_from,
        )


def _path(location: str, run_id: str) -> str:
    return f"{location}/_runs/{run_id}.json"


def store_manifest(location: str, manifest: Manifest) -> None:
    write_text(_path(location, manifest.run_id), json.dumps(asdict(manifest), default=_json, sort_keys=True))


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a manifest")


def load_manifest(location: str, run_id: str) -> Manifest:
    """Read a run's manifest.

    Raises:
        StorageError: It is gone or not a manifest.
    """
    try:
        data = json.loads(read_text(_path(location, run_id)))
        times = {key: datetime.fromisoformat(data[key]) if data[key] else None for key in ("event_from", "event_to")}
        checks = tuple(CheckRecord(**{**c, "example_keys": tuple(c["example_keys"])}) for c in data["checks"])
        return Manifest(**{**data, **times, "checks": checks, "source_files": tuple(data["source_files"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{location}/_runs/{run_id}.json: is missing or broken, and the catalog does not know that run's version. "
            "Restore the file from a backup, or the catalog."
        ) from error


def record_commit(mesh: Mesh, manifest: Manifest, commit: Commit, *, edges: Sequence[ColumnEdge] = ()) -> VersionRecord:
    """Tell the catalog of a committed run; telling it twice changes nothing."""
    kept_from = commit.version
    if manifest.mode != "overwrite":
        earlier = [
            record for record in read_versions(mesh.catalog, manifest.product) if record.version < commit.version
        ]
        kept_from = earlier[-1].kept_from if earlier else commit.version
    record = manifest.version_record(commit, kept_from=kept_from)
    finish_run(
        mesh.catalog,
        manifest.run_id,
        outcome="published",
        checks=manifest.checks,
        version=record,
        inputs=manifest.inputs,
        column_edges=edges,
        source_files=manifest.source_files,
    )
    return record


def repair_catalog(mesh: Mesh, product: str, location: str, state: TableState) -> None:
    """Record the commits that the catalog has not heard of: a publisher died between the two.

    Raises:
        StorageError: A commit's manifest is gone.
    """
    known = {record.run_id for record in read_versions(mesh.catalog, product)}
    for commit in reversed(state.commits):
        if commit.run_id not in known:
            record_commit(mesh, load_manifest(location, commit.run_id), commit)
