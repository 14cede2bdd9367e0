"""A product's Delta table as an object with a history: its properties, its constraints, the run behind each commit.

Reads the log by delta-rs, without a JVM; changes go through Spark.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.lake.checks import constraints
from mesh_catalog.lake.collect import column_kind
from mesh_catalog.lake.commit_log import read_commits
from mesh_catalog.lake.constraints import add_constraints, same_condition
from mesh_catalog.lake.damage import table_error
from mesh_catalog.lake.storage import open_delta, storage_options

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import SparkSession

    from mesh_catalog.catalog.runs import CheckRecord
    from mesh_catalog.contracts.contract import Contract

__all__ = [
    "Commit",
    "TableState",
    "complete_properties",
    "read_table_state",
    "reconcile_properties",
    "table_properties",
]

_STATS_COLUMNS = "delta.dataSkippingStatsColumns"
_STATS_COUNT = "delta.dataSkippingNumIndexedCols"
_CHANGE_DATA_FEED = "delta.enableChangeDataFeed"
_CONSTRAINT = "delta.constraints."


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit that a run of ours made."""

    version: int
    run_id: str
    committed_at: datetime


@dataclass(frozen=True, kw_only=True)
class TableState:
    """What a table's log says at one moment; `version` is None where there is no table."""

    version: int | None
    transaction: int = 0
    """The newest transaction number of our publishes; each publish takes the next, so two at once conflict."""
    configuration: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    partition_columns: tuple[str, ...] = ()
    commits: tuple[Commit, ...] = ()
    """Newest first, as far back as was asked for."""

    @property
    def data_columns(self) -> tuple[str, ...]:
        """Those that stand in the files; Delta refuses to be told of statistics of the others."""
        return tuple(name for name in self.columns if name not in self.partition_columns)

    def commit_of(self, run_id: str) -> Commit | None:
        return next((commit for commit in self.commits if commit.run_id == run_id), None)


def read_table_state(product: str, location: str, *, history: int = 20) -> TableState:
    """Read a table's log.

    Args:
        history: So many commits of our runs are looked for; those of upkeep in between do not count.

    Raises:
        StorageError: There is a log, and it cannot be read.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        options = storage_options(location)
        if not DeltaTable.is_deltatable(location, options):
            return TableState(version=None)
        table = open_delta(location)
        commits = _commits(table, history)
        return TableState(
            version=table.version(),
            transaction=table.transaction_version(product) or 0,
            configuration=dict(table.metadata().configuration),
            columns=tuple(field.name for field in table.schema().fields),
            partition_columns=tuple(table.metadata().partition_columns),
            commits=commits,
        )
    except TableNotFoundError:
        return TableState(version=None)
    except (DeltaError, OSError, ValueError) as error:
        raise table_error(product, location, error) from error


def _commits(table: DeltaTable, count: int) -> tuple[Commit, ...]:
    """Those of our runs, but for runs that were undone."""
    reach = count
    while True:
        entries = read_commits(table, reach)
        undone = {_metadata(entry, "mesh_undo") for entry in entries}
        commits = [commit for commit in map(_commit, entries) if commit and commit.run_id not in undone]
        if len(commits) >= count or len(entries) < reach:
            return tuple(commits[:count])
        reach *= 4


def _metadata(entry: Mapping[str, Any], key: str) -> str | None:
    """A word that we left with a commit."""
    try:
        return str(json.loads(entry.get("userMetadata") or "{}")[key])
    except (ValueError, KeyError, TypeError):
        return None


def _commit(entry: Mapping[str, Any]) -> Commit | None:
    run_id = _metadata(entry, "mesh_run")
    if run_id is None:
        return None
    at = datetime.fromtimestamp(int(entry["timestamp"]) / 1000, UTC)
    return Commit(version=int(entry["version"]), run_id=run_id, committed_at=at)


def table_properties(contract: Contract) -> dict[str, str]:
    """Properties of a new table: which columns may have statistics (never personal ones), and its constraints."""
    found = _statistics_property(contract)
    if contract.change_data_feed:
        found |= _change_data_property(contract)
    return found | {_CONSTRAINT + name: text for name, text in constraints(contract).items()}


def _change_data_property(contract: Contract) -> dict[str, str]:
    return {_CHANGE_DATA_FEED: "true" if contract.change_data_feed else "false"}


def _statistics_property(contract: Contract, there: Collection[str] | None = None) -> dict[str, str]:
    """Of the columns that are there; of all where None."""
    without = ("boolean", "other")  # Delta keeps no statistics of them, and refuses to be told so
    shown = [
        c.name
        for c in contract.columns
        if not c.personal
        and column_kind(c.spark_type) not in without
        and c.partition_position is None
        and (there is None or c.name in there)
    ]
    if not shown:
        return {_STATS_COUNT: "0"}
    return {_STATS_COLUMNS: ",".join(spark_name(name) for name in shown)}


def reconcile_properties(spark: SparkSession, location: str, state: TableState, contract: Contract) -> bool:
    """Bring an existing table's properties to the contract before a write; returns whether that took a commit.

    As far as its columns are there; `complete_properties` does the rest. A constraint that the contract no longer has,
    or has otherwise, is dropped, or Delta would stop the write and print the row.
    """
    table = f"delta.{spark_name(location)}"
    changed = False
    wanted = constraints(contract)
    for key, text in state.configuration.items():
        name = key.removeprefix(_CONSTRAINT)
        if key.startswith(_CONSTRAINT + "mesh_") and not same_condition(wanted.get(name), text):
            spark.sql(f"alter table {table} drop constraint if exists {spark_name(name)}")
            changed = True
    defaults = {_CHANGE_DATA_FEED: "false"}
    for key, text in (_statistics_property(contract, state.data_columns) | _change_data_property(contract)).items():
        if state.configuration.get(key, defaults.get(key)) != text:
            _set_property(spark, location, key, text)
            changed = True
    return changed


def complete_properties(
    spark: SparkSession, location: str, state: TableState, contract: Contract
) -> tuple[CheckRecord, ...]:
    """Bring an existing table's properties to the contract after a write that may have added columns.

    Args:
        state: The table's state before the write, reconciled.

    Returns:
        A warning for each constraint that cannot be set.
    """
    for key, text in _statistics_property(contract).items():
        if _statistics_property(contract, state.data_columns).get(key) != text:
            _set_property(spark, location, key, text)
    return add_constraints(spark, location, state.configuration, contract)


def _set_property(spark: SparkSession, location: str, key: str, text: str) -> None:
    escaped = text.replace("'", "\\'")
    spark.sql(f"alter table delta.{spark_name(location)} set tblproperties ('{key}' = '{escaped}')")
