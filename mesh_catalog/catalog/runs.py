"""Runs: what was started, how it ended, which checks it made, which version it committed.

A run's end is written in one transaction and once: telling it again changes nothing. `refused` and `failed` are not
final, since the same run may be tried again, and since what Delta committed is the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select, update

from mesh_catalog.catalog.edges import ColumnEdge, record_run_edges
from mesh_catalog.catalog.leases import acquire_lease, release_lease, renew_lease
from mesh_catalog.catalog.store import Catalog, retried, upsert, utc_now
from mesh_catalog.catalog.tables import checks, run_files, run_inputs, runs
from mesh_catalog.catalog.versions import (
    VersionRecord,
    contract_digest_of,
    insert_version,
    latest_version,
    read_versions,
)
from mesh_catalog.errors import ConflictError, NotFoundError

__all__ = [
    "FINAL_OUTCOMES",
    "CheckRecord",
    "CheckVerdict",
    "RunEnd",
    "RunKind",
    "RunOutcome",
    "RunRecord",
    "VersionRecord",
    "acquire_lease",
    "consumed_files",
    "finish_run",
    "finish_runs",
    "latest_version",
    "read_checks",
    "read_run",
    "read_runs",
    "read_versions",
    "release_lease",
    "renew_lease",
    "start_run",
    "unfinished_runs",
]

RunKind = Literal["publish", "adopt", "train", "score", "monitor", "retrain", "maintain"]
RunOutcome = Literal["published", "unchanged", "refused", "failed", "done"]
CheckVerdict = Literal["pass", "warn", "fail", "quarantine", "not_run"]
FINAL_OUTCOMES = ("published", "unchanged", "done")
"""Of a run that ended well: nothing about it changes any more."""


@dataclass(frozen=True, kw_only=True)
class CheckRecord:
    """One check of one run."""

    rule: str
    """Id of the contract's rule, for example `tx_amount.minimum`."""
    text: str
    column: str | None
    severity: str
    verdict: CheckVerdict
    broken_count: int | None = None
    rows: int | None = None
    example_keys: tuple[str, ...] = ()
    """Keys of a few rows that break it, as text; never personal values."""
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    id: str
    product: str
    """The product, or the model for its runs."""
    kind: RunKind
    principal: str
    contract_version: str | None
    started_at: datetime
    finished_at: datetime | None
    outcome: RunOutcome | None
    """None while it runs, or where it was killed."""
    message: str | None
    inputs: Mapping[str, int] = field(default_factory=dict)
    """Product → version that was read."""


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """How a run ended."""

    run_id: str
    outcome: RunOutcome
    message: str | None = None
    checks: Sequence[CheckRecord] = ()
    version: VersionRecord | None = None
    inputs: Mapping[str, int] = field(default_factory=dict)
    column_edges: Sequence[ColumnEdge] = ()
    source_files: Sequence[str] = ()


@retried
def start_run(
    catalog: Catalog,
    *,
    product: str,
    kind: RunKind,
    principal: str,
    run_id: str | None = None,
    contract_version: str | None = None,
    definition_digest: str | None = None,
) -> str:
    """Note that a run begins; returns its id.

    A run id that is known is taken up again: the run counts as running where it had failed or was refused, and stays as
    it is where it was committed.

    Raises:
        ConflictError: The run id belongs to another product's run, or to one of another kind.
    """
    chosen = run_id or uuid4().hex
    with catalog.write() as connection:
        known = connection.execute(select(runs).where(runs.c.id == chosen).with_for_update()).mappings().one_or_none()
        if known is None:
            digest = contract_digest_of(connection, product, contract_version)
            connection.execute(
                insert(runs).values(
                    id=chosen,
                    product=product,
                    kind=kind,
                    principal=principal,
                    contract_version=contract_version,
                    contract_digest=digest,
                    definition_digest=definition_digest,
                    started_at=utc_now(),
                )
            )
        elif (known["product"], known["kind"]) != (product, kind):
            raise ConflictError(
                f"{product}: the run {chosen} is a {known['kind']} of {known['product']}. A run has an id of its own."
            )
        elif known["outcome"] not in FINAL_OUTCOMES:
            connection.execute(
                update(runs).where(runs.c.id == chosen).values(outcome=None, finished_at=None, message=None)
            )
    return chosen


def finish_run(
    catalog: Catalog,
    run_id: str,
    *,
    outcome: RunOutcome,
    message: str | None = None,
    checks: Sequence[CheckRecord] = (),
    version: VersionRecord | None = None,
    inputs: Mapping[str, int] | None = None,
    column_edges: Sequence[ColumnEdge] = (),
    source_files: Sequence[str] = (),
) -> None:
    """Write a run's end and everything that it found, as `finish_runs`."""
    end = RunEnd(
        run_id=run_id,
        outcome=outcome,
        message=message,
        checks=checks,
        version=version,
        inputs=inputs or {},
        column_edges=column_edges,
        source_files=source_files,
    )
    finish_runs(catalog, [end])


@retried
def finish_runs(catalog: Catalog, ends: Sequence[RunEnd]) -> None:
    """Write the ends of runs and everything that they found, in one transaction: readers see all or none.

    Nothing changes where a run is committed already. A committed version whose run the catalog has never heard of is
    taken in, so that a lost catalog can be rebuilt from the lake.

    Raises:
        NotFoundError: No such run and no version, or the version's product is not registered.
        StorageError: Another run is known to have made this version.
    """
    with catalog.write() as connection:
        for end in ends:
            _finish(connection, end)
    if catalog.on_runs_ended is not None:
        catalog.on_runs_ended([end.run_id for end in ends])


def _finish(connection: Connection, end: RunEnd) -> None:
    if _find_run(connection, end.run_id, end.version) in FINAL_OUTCOMES:
        return
    if end.version is not None:
        insert_version(connection, end.run_id, end.version)
        record_run_edges(
            connection,
            end.version.product,
            end.version.version,
            inputs=end.inputs,
            columns=end.column_edges,
            has_files=bool(end.source_files),
        )
    _replace_details(connection, end.run_id, end.checks, end.inputs, end.source_files)
    told = {"outcome": end.outcome, "message": end.message, "finished_at": utc_now()}
    connection.execute(update(runs).where(runs.c.id == end.run_id).values(told))


def _find_run(connection: Connection, run_id: str, version: VersionRecord | None) -> str | None:
    row = connection.execute(select(runs.c.outcome).where(runs.c.id == run_id).with_for_update()).one_or_none()
    if row is not None:
        return row[0]
    if version is None:
        raise NotFoundError(f"run {run_id}: was never started.")
    connection.execute(
        insert(runs).values(
            id=run_id,
            product=version.product,
            kind="publish",
            principal="unknown",
            contract_version=version.contract_version,
            contract_digest=contract_digest_of(connection, version.product, version.contract_version),
            started_at=version.committed_at,
        )
    )
    return None


def _replace_details(
    connection: Connection,
    run_id: str,
    made: Sequence[CheckRecord],
    inputs: Mapping[str, int],
    files: Sequence[str],
) -> None:
    for table in (checks, run_inputs, run_files):
        connection.execute(delete(table).where(table.c.run_id == run_id))
    rows = [{**asdict(check), "run_id": run_id, "position": index} for index, check in enumerate(made)]
    if rows:
        connection.execute(insert(checks), rows)
    upsert(connection, run_inputs, [{"run_id": run_id, "product": n, "version": v} for n, v in inputs.items()])
    upsert(connection, run_files, [{"run_id": run_id, "path": path} for path in dict.fromkeys(files)])


def read_run(catalog: Catalog, run_id: str) -> RunRecord:
    """One run.

    Raises:
        NotFoundError: There is none of this id.
    """
    found = _select_runs(catalog, select(runs).where(runs.c.id == run_id))
    if not found:
        raise NotFoundError(f"run {run_id}: does not exist.")
    return found[0]


def read_runs(
    catalog: Catalog,
    product: str,
    *,
    limit: int = 20,
    kind: RunKind | None = None,
    outcome: RunOutcome | None = None,
) -> list[RunRecord]:
    """The newest runs of a product or a model, newest first."""
    query = select(runs).where(runs.c.product == product)
    if kind is not None:
        query = query.where(runs.c.kind == kind)
    if outcome is not None:
        query = query.where(runs.c.outcome == outcome)
    return _select_runs(catalog, query.order_by(runs.c.started_at.desc(), runs.c.id).limit(limit))


def unfinished_runs(catalog: Catalog, product: str) -> list[RunRecord]:
    """Runs that are under way, or whose process was killed; oldest first."""
    query = select(runs).where(runs.c.product == product, runs.c.outcome.is_(None))
    return _select_runs(catalog, query.order_by(runs.c.started_at, runs.c.id))


def _select_runs(catalog: Catalog, query: Any) -> list[RunRecord]:
    with catalog.read() as connection:
        rows = connection.execute(query).mappings().all()
        ids = [row["id"] for row in rows]
        inputs: dict[str, dict[str, int]] = {run_id: {} for run_id in ids}
        for run_id, product, version in connection.execute(
            select(run_inputs.c.run_id, run_inputs.c.product, run_inputs.c.version).where(run_inputs.c.run_id.in_(ids))
        ):
            inputs[run_id][product] = version
    kept = [name for name in RunRecord.__dataclass_fields__ if name != "inputs"]
    return [RunRecord(**{name: row[name] for name in kept}, inputs=inputs[row["id"]]) for row in rows]


def read_checks(catalog: Catalog, run_id: str) -> list[CheckRecord]:
    """The checks of a run, in the contract's order."""
    query = select(checks).where(checks.c.run_id == run_id).order_by(checks.c.position)
    kept = list(CheckRecord.__dataclass_fields__)
    with catalog.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [
        CheckRecord(**{**{name: row[name] for name in kept}, "example_keys": tuple(row["example_keys"])})
        for row in rows
    ]


def consumed_files(catalog: Catalog, product: str) -> set[str]:
    """The source files that committed runs of the product have read."""
    query = (
        select(run_files.c.path)
        .join(runs, runs.c.id == run_files.c.run_id)
        .where(runs.c.product == product, runs.c.outcome.in_(FINAL_OUTCOMES))
    )
    with catalog.read() as connection:
        return set(connection.execute(query).scalars())
