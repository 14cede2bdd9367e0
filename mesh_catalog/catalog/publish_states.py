"""What was published last, of every product at once: enough to tell whether it is stale, without its table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, RowMapping, Select, case, func, select

from mesh_catalog.catalog.runs import FINAL_OUTCOMES, RunOutcome
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import run_files, run_inputs, runs, versions

__all__ = ["PublishState", "read_publish_states", "read_run_files"]

_BATCH = 500
"""How many run ids go into one query; a database has a bound of parameters."""


@dataclass(frozen=True, kw_only=True)
class PublishState:
    """A product that was published, or that a publish was tried of.

    All but `version` is of runs that made the whole of it by its transform: one that filled an interval alone says
    nothing about the rest.
    """

    version: int | None = None
    """The version that readers see; None before the first."""
    run_id: str | None = None
    """The newest run that made a version."""
    inputs: Mapping[str, int] = field(default_factory=dict)
    """Product → version up to which its rows go."""
    contract_digest: str | None = None
    """Of the last run that ended well, be it without a new version."""
    definition_digest: str | None = None
    """Of the same run; None where no run is known that made the whole of it."""
    tried: bool = False
    last_outcome: RunOutcome | None = None
    """How the newest run ended, where one was tried; None while it runs, or where it was killed."""


def read_publish_states(catalog: Catalog) -> dict[str, PublishState]:
    """By product, models' datasets included; one that nobody has tried to publish is not there."""
    with catalog.read() as connection:
        newest = dict(connection.execute(_newest_versions()).tuples().all())
        tried = _last_runs(connection)
        ended = _last_runs(connection, *FINAL_OUTCOMES)
        made = _last_runs(connection, "published")
        inputs = _inputs(connection, {run["id"] for found in (ended, made) for run in found.values()})
    states = {}
    for name in newest.keys() | tried.keys():
        well, whole, last = ended.get(name), made.get(name), tried.get(name)
        states[name] = PublishState(
            version=newest.get(name),
            run_id=whole["id"] if whole else None,
            inputs={key: at for run in (whole, well) if run for key, at in inputs.get(run["id"], {}).items()},
            contract_digest=well["contract_digest"] if well else None,
            definition_digest=well["definition_digest"] if well else None,
            tried=last is not None,
            last_outcome=last["outcome"] if last else None,
        )
    return states


def read_run_files(catalog: Catalog, run_id: str) -> set[str]:
    """The source files that a run has read."""
    with catalog.read() as connection:
        return set(connection.execute(select(run_files.c.path).where(run_files.c.run_id == run_id)).scalars())


def _newest_versions() -> Select[str, int]:
    return select(versions.c.product, func.max(versions.c.version)).group_by(versions.c.product)


def _last_runs(connection: Connection, *outcomes: str) -> dict[str, RowMapping]:
    """The newest run of each product that made the whole of it, or tried to; of those that ended in this way.

    Where no such run is known, as in a catalog of before: the newest of all.
    """
    slices = case((runs.c.definition_digest.is_(None), 1), else_=0)
    turn = func.row_number().over(partition_by=runs.c.product, order_by=(slices, runs.c.started_at.desc(), runs.c.id))
    query = select(runs, turn.label("turn")).where(runs.c.kind == "publish")
    if outcomes:
        query = query.where(runs.c.outcome.in_(outcomes))
    ordered = query.subquery()
    found = connection.execute(select(ordered).where(ordered.c.turn == 1)).mappings()
    return {row["product"]: row for row in found}


def _inputs(connection: Connection, run_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """Run id → product → version that it read."""
    found: dict[str, dict[str, int]] = {}
    ids = sorted(run_ids)
    for start in range(0, len(ids), _BATCH):
        query = select(run_inputs.c.run_id, run_inputs.c.product, run_inputs.c.version).where(
            run_inputs.c.run_id.in_(ids[start : start + _BATCH])
        )
        for run_id, product, version in connection.execute(query):
            found.setdefault(run_id, {})[product] = version
    return found
