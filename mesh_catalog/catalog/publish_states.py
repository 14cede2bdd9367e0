"""What was published last, of every product at once: enough to tell whether it is stale, without its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, func, select

from mesh_catalog.catalog.runs import FINAL_OUTCOMES, RunOutcome
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import run_files, run_inputs, runs, versions

__all__ = ["PublishState", "read_publish_states", "read_run_files"]


@dataclass(frozen=True, kw_only=True)
class PublishState:
    """A product that was published, or that a publish was tried of."""

    version: int | None = None
    """The version that readers see; None before the first."""
    run_id: str | None = None
    """The run that committed it."""
    inputs: Mapping[str, int] = field(default_factory=dict)
    """Product → version that this run read."""
    contract_digest: str | None = None
    """Of the last run that ended well, be it without a new version."""
    definition_digest: str | None = None
    """Of the same run; None where nobody wrote it down."""
    last_outcome: RunOutcome | None = None
    """How the newest run of all ended; None while it runs, or where it was killed."""


def read_publish_states(catalog: Catalog) -> dict[str, PublishState]:
    """By product, models' datasets included; one that nobody has tried to publish is not there."""
    with catalog.read() as connection:
        newest = {row["product"]: row for row in connection.execute(_newest_versions()).mappings()}
        inputs = _inputs(connection)
        last = {row["product"]: row for row in connection.execute(_last_runs(ended_well=False)).mappings()}
        ended = {row["product"]: row for row in connection.execute(_last_runs(ended_well=True)).mappings()}
    states = {}
    for name, run in last.items():
        version, well = newest.get(name), ended.get(name)
        states[name] = PublishState(
            version=version["version"] if version else None,
            run_id=version["run_id"] if version else None,
            inputs=inputs.get(version["run_id"], {}) if version else {},
            contract_digest=well["contract_digest"] if well else None,
            definition_digest=well["definition_digest"] if well else None,
            last_outcome=run["outcome"],
        )
    return states


def read_run_files(catalog: Catalog, run_id: str) -> set[str]:
    """The source files that a run has read."""
    with catalog.read() as connection:
        return set(connection.execute(select(run_files.c.path).where(run_files.c.run_id == run_id)).scalars())


def _newest_versions() -> Select[str, int, str]:
    newest = select(versions.c.product, func.max(versions.c.version).label("version")).group_by(versions.c.product)
    found = newest.subquery()
    return select(versions.c.product, versions.c.version, versions.c.run_id).join(
        found, (found.c.product == versions.c.product) & (found.c.version == versions.c.version)
    )


def _inputs(connection: Connection) -> dict[str, dict[str, int]]:
    """Of the runs that made the newest versions: run id → product → version."""
    made = _newest_versions().subquery()
    query = select(run_inputs.c.run_id, run_inputs.c.product, run_inputs.c.version)
    found: dict[str, dict[str, int]] = {}
    for run_id, product, version in connection.execute(query.join(made, made.c.run_id == run_inputs.c.run_id)):
        found.setdefault(run_id, {})[product] = version
    return found


def _last_runs(*, ended_well: bool) -> Select[Any]:
    """The newest publish of each product, or the newest that was committed or had nothing to do."""
    turn = func.row_number().over(partition_by=runs.c.product, order_by=(runs.c.started_at.desc(), runs.c.id))
    query = select(runs, turn.label("turn")).where(runs.c.kind == "publish")
    if ended_well:
        query = query.where(runs.c.outcome.in_(FINAL_OUTCOMES))
    ordered = query.subquery()
    return select(ordered).where(ordered.c.turn == 1)
