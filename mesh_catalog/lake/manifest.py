"""The manifest of a run: what the catalog must know of a version, kept beside the table until and after it knows.

Written in the commit gate, before the commit. Delta's commit carries the run id; with the manifest the catalog's row of
a version can be made anew at any time, so a crash between commit and catalog loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.canonical import canonical_json
from mesh_catalog.catalog.run_card import read_card
from mesh_catalog.catalog.runs import CheckRecord, RunEnd, VersionRecord, finish_runs, read_versions
from mesh_catalog.errors import StorageError
from mesh_catalog.lake.files import exists, read_text, write_text
from mesh_catalog.lake.table import Commit, TableState, read_table_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.edges import ColumnEdge

__all__ = [
    "Committed",
    "Manifest",
    "Member",
    "cut_off",
    "load_card",
    "load_manifest",
    "record_commits",
    "repair_catalog",
    "store_manifest",
]


class Member(NamedTuple):
    """One product of a set that is published together, and its run."""

    product: str
    run_id: str


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
    together: tuple[Member, ...] = ()
    """The set that it is published with, itself included; nobody is told of one without the others."""

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
        return Manifest(
            **{
                **data,
                **times,
                "checks": checks,
                "source_files": tuple(data["source_files"]),
                "together": tuple(Member(*member) for member in data.get("together", ())),
            }
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{location}/_runs/{run_id}.json: is missing or broken, and the catalog does not know that run's version. "
            "Restore the file from a backup, or the catalog."
        ) from error


@dataclass(frozen=True, kw_only=True)
class Committed:
    """A run whose commit is in the table's log, and which the catalog is to be told of."""

    manifest: Manifest
    commit: Commit
    edges: Sequence[ColumnEdge] = ()


def record_commits(mesh: Mesh, committed: Sequence[Committed]) -> None:
    """Tell the catalog of committed runs, of all at once; telling it twice changes nothing."""
    finish_runs(mesh.catalog, [_end(mesh, one) for one in committed])
    for one in committed:
        store_card(mesh, one.manifest.product, one.manifest.run_id, one.edges)


def _end(mesh: Mesh, one: Committed) -> RunEnd:
    manifest, commit = one.manifest, one.commit
    kept_from = commit.version
    if manifest.mode != "overwrite":
        earlier = [
            record for record in read_versions(mesh.catalog, manifest.product) if record.version < commit.version
        ]
        kept_from = earlier[-1].kept_from if earlier else commit.version
    return RunEnd(
        run_id=manifest.run_id,
        outcome="published",
        checks=manifest.checks,
        version=manifest.version_record(commit, kept_from=kept_from),
        inputs=manifest.inputs,
        column_edges=one.edges,
        source_files=manifest.source_files,
    )


def store_card(mesh: Mesh, product: str, run_id: str, edges: Sequence[ColumnEdge]) -> None:
    """Keep beside the table what only the catalog knows of a run, for `rebuild_catalog`; a run keeps its first card."""
    path = _card_path(table_location(mesh.settings, product), run_id)
    if not exists(path):
        write_text(path, canonical_json(read_card(mesh.catalog, run_id, edges)))


def load_card(location: str, run_id: str) -> dict[str, Any] | None:
    """A run's card; None for a run of before there were cards, and where it is broken."""
    try:
        found: dict[str, Any] = json.loads(read_text(_card_path(location, run_id)))
    except (OSError, ValueError):
        return None
    return found


def _card_path(location: str, run_id: str) -> str:
    return f"{location}/_catalog/{run_id}.json"


def repair_catalog(mesh: Mesh, product: str, location: str, state: TableState) -> None:
    """Record the commits that the catalog has not heard of: a publisher died between the two.

    Those of a set that was cut off before all of it was committed stay untold; `together.undo_cut_off` undoes them.

    Raises:
        StorageError: A commit's manifest is gone.
    """
    for commit, manifest in _untold(mesh, product, location, state):
        if not manifest.together:
            record_commits(mesh, [Committed(manifest=manifest, commit=commit)])
        elif (whole := _whole_set(mesh, manifest)) is not None:
            record_commits(mesh, whole)


def cut_off(mesh: Mesh, product: str, location: str, state: TableState) -> list[tuple[Commit, tuple[Member, ...]]]:
    """Commits, newest first, of sets that were not committed whole, with the set's members."""
    untold = _untold(mesh, product, location, state)
    return [(commit, one.together) for commit, one in reversed(untold) if one.together]


def _untold(mesh: Mesh, product: str, location: str, state: TableState) -> list[tuple[Commit, Manifest]]:
    """Commits that the catalog has not heard of, oldest first."""
    known = {record.run_id for record in read_versions(mesh.catalog, product)}
    unknown = [commit for commit in reversed(state.commits) if commit.run_id not in known]
    return [(commit, load_manifest(location, commit.run_id)) for commit in unknown]


def _whole_set(mesh: Mesh, manifest: Manifest) -> list[Committed] | None:
    """All members of a set, where all are committed."""
    found = []
    for member in manifest.together:
        location = table_location(mesh.settings, member.product)
        commit = read_table_state(member.product, location).commit_of(member.run_id)
        if commit is not None:
            found.append(Committed(manifest=load_manifest(location, member.run_id), commit=commit))
    return found if len(found) == len(manifest.together) else None
