"""Write modes: what a batch does to the rows that its table has. One function a mode, one Delta commit each.

A mode that must look at its batch first (`STAGED`) is given rows that are staged beside the table, so that they are
computed and counted once however often Delta reads them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.contracts.contract import HISTORY_COLUMNS, Contract, Rule
from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.errors import InputError, listed
from mesh_catalog.lake.gate import Turn
from mesh_catalog.lake.history import history_changes
from mesh_catalog.lake.intervals import interval_condition
from mesh_catalog.lake.table import TableState, table_properties
from mesh_catalog.specs import Interval

if TYPE_CHECKING:
    from datetime import datetime

    from pyspark.sql import DataFrame, SparkSession

__all__ = [
    "Write",
    "batch_key",
    "built_contract",
    "check_table",
    "is_staged",
    "mode_rules",
    "write_rows",
    "writing_session",
]


@dataclass(frozen=True, kw_only=True)
class Write:
    """A batch that is written now."""

    contract: Contract
    location: str
    state: TableState
    rows: DataFrame
    """Kept rows, in the columns that the transform makes; staged where the mode asks for it."""
    run_id: str
    at: datetime
    """The run's time."""
    intervals: tuple[Interval, ...] = ()
    """What `overwrite_interval` replaces."""

    @property
    def options(self) -> dict[str, str]:
        """Delta's options that make the commit known by its run."""
        return {"userMetadata": json.dumps({"mesh_run": self.run_id})}

    @property
    def turn(self) -> Turn:
        """What makes a second commit of the same number impossible."""
        return Turn(product=self.contract.id, number=self.state.transaction + 1, version=self.state.version)


def write_rows(write: Write) -> None:
    """Write a batch in its contract's mode: one Delta transaction."""
    if write.state.version is None:
        _create(write)
    else:
        _WRITERS[write.contract.write_mode](write)


def is_staged(contract: Contract, interval: Interval | None) -> bool:
    """Whether the mode must look at the batch before it writes."""
    mode = contract.write_mode
    return mode in ("upsert", "history") or (mode == "overwrite_interval" and interval is None)


def _create(write: Write) -> None:
    rows = write.rows
    if write.contract.write_mode == "history":
        rows = history_changes(rows, None, write.contract, at=write.at)
    elif write.contract.delete_when:
        rows = rows.filter(f"not {_is_deletion(write.contract, '')}")
    _save(replace(write, rows=rows), "append", **table_properties(write.contract))


def _append(write: Write) -> None:
    _save(write, "append", mergeSchema="true")


def _overwrite(write: Write) -> None:
    _save(write, "overwrite", overwriteSchema="true")


def _overwrite_partitions(write: Write) -> None:
    _save(write, "overwrite", partitionOverwriteMode="dynamic", mergeSchema="true")


def _overwrite_interval(write: Write) -> None:
    if write.intervals:
        condition = interval_condition(write.contract, write.intervals)
        _save(write, "overwrite", replaceWhere=condition, mergeSchema="true")
    else:  # a batch without rows covers no time
        _save(write, "append", mergeSchema="true")


def _upsert(write: Write) -> None:
    merge = _merge(write, write.rows, write.contract.primary_key)
    insert = None
    if write.contract.delete_when:
        merge = merge.whenMatchedDelete(_is_deletion(write.contract, "new."))
        insert = f"not {_is_deletion(write.contract, 'new.')}"
    merge.whenMatchedUpdateAll(_differs(write)).whenNotMatchedInsertAll(insert).execute()


def _history(write: Write) -> None:
    session = write.rows.sparkSession
    old = session.read.format("delta").option("versionAsOf", str(write.state.version)).load(write.location)
    changes = history_changes(write.rows, old, write.contract, at=write.at)
    merge = _merge(write, changes, (*write.contract.primary_key, "valid_from"))
    merge = merge.whenMatchedDelete("new.is_current is null").whenMatchedUpdateAll("new.is_current is not null")
    merge.whenNotMatchedInsertAll("new.is_current is not null").execute()


_WRITERS: Final[Mapping[str, Callable[[Write], None]]] = {
    "append": _append,
    "overwrite": _overwrite,
    "overwrite_partitions": _overwrite_partitions,
    "overwrite_interval": _overwrite_interval,
    "upsert": _upsert,
    "history": _history,
}


def _save(write: Write, save_mode: str, **options: str) -> None:
    writer = write.rows.write.format("delta").mode(save_mode).options(**write.options, **options)
    if write.contract.partition_columns:
        writer = writer.partitionBy(*write.contract.partition_columns)
    writer.save(write.location)


def _merge(write: Write, rows: DataFrame, key: Sequence[str]) -> Any:
    from delta.tables import DeltaTable

    table = DeltaTable.forPath(rows.sparkSession, write.location).alias("old")
    same = " and ".join(f"old.{spark_name(name)} = new.{spark_name(name)}" for name in key)
    return table.merge(rows.alias("new"), same).withSchemaEvolution()


def _differs(write: Write) -> str | None:
    """A row that is there already is not a change; None where Spark cannot tell, or the table lacks a column."""
    columns = write.contract.columns
    if any("map<" in column.spark_type or column.name not in write.state.columns for column in columns):
        return None
    same = " and ".join(f"old.{spark_name(column.name)} <=> new.{spark_name(column.name)}" for column in columns)
    return f"not ({same})"


def _is_deletion(contract: Contract, prefix: str) -> str:
    marker = contract.delete_when
    if marker is None:
        return "false"
    text = json.dumps(marker.value) if not isinstance(marker.value, str) else _sql_text(marker.value)
    return f"coalesce({prefix}{spark_name(marker.column)} = {text}, false)"


def _sql_text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


# The session of a MERGE ---------------------------------------------------------------------------------------------


def writing_session(spark: SparkSession, options: Mapping[str, str]) -> SparkSession:
    """A session of its own for one write: MERGE takes a commit's run from the session's settings only."""
    from pyspark.sql import SparkSession as Session

    session = Session(spark.sparkContext, spark._jsparkSession.cloneSession())
    session.conf.set("spark.databricks.delta.commitInfo.userMetadata", options["userMetadata"])
    return session


# What a mode asks of a batch and of its table -----------------------------------------------------------------------


def built_contract(contract: Contract) -> Contract:
    """The contract of the rows that the transform makes: without the columns, and their rules, that `history` makes."""
    if contract.write_mode != "history":
        return contract
    rules = tuple(rule for rule in contract.rules if rule.column not in HISTORY_COLUMNS)
    return replace(contract, columns=contract.built_columns, rules=rules)


def mode_rules(contract: Contract, interval: Interval | None) -> tuple[tuple[Rule, str], ...]:
    """Row rules that the way of writing adds to the contract's, each with its condition."""
    found: list[tuple[Rule, str]] = []
    for name in contract.partition_columns:
        column = contract.column(name)
        if column is not None and column.spark_type == "string":  # Delta would write it as null
            text = f"{name} is not empty, as a partition's value"
            rule = Rule(id=f"{name}.partition", kind="required", column=name, text=text)
            found.append((rule, f"coalesce({spark_name(name)} != '', true)"))
    time = contract.event_time
    if time is not None and contract.write_mode in ("overwrite_interval", "history"):
        if interval is not None:
            condition, text = interval_condition(contract, [interval]), f"{time} from {interval}"
        else:
            condition, text = f"{spark_name(time)} is not null", f"{time} says when"
        found.append((Rule(id="batch.interval", kind="required", column=time, text=text), condition))
    return tuple(found)


def batch_key(contract: Contract) -> Rule | None:
    """The rule that a batch holds a key once, where the mode finds rows by key: a MERGE would stop in its own words."""
    if contract.write_mode not in ("upsert", "history"):
        return None
    names = contract.primary_key
    if contract.write_mode == "history" and contract.event_time and contract.event_time not in names:
        names = (*names, contract.event_time)
    return Rule(id="batch.key", kind="unique", argument=names, text=f"{', '.join(names)} once in the batch")


def check_table(contract: Contract, state: TableState, interval: Interval | None) -> None:
    """Check that the table that is there can be written in the contract's mode.

    Raises:
        InputError: It cannot: it is partitioned otherwise, or holds no history; or an interval was given to a mode that
            would not put it in the place of what is there.
    """
    mode = contract.write_mode
    if interval is not None and mode not in ("overwrite_interval", "upsert"):
        raise InputError(
            f"{contract.id}: an interval was given, but writeMode {mode} cannot write one again. "
            "Set writeMode overwrite_interval or upsert in its contract, or publish without an interval."
        )
    if state.version is None or mode == "overwrite":
        return
    if state.partition_columns != contract.partition_columns:
        have = listed(state.partition_columns) or "nothing"
        raise InputError(
            f"{contract.id}: its table is partitioned by {have}, its contract by "
            f"{listed(contract.partition_columns) or 'nothing'}. Publish it once with writeMode overwrite, "
            "which writes the table anew, or change the contract back."
        )
    if mode == "history" and not set(HISTORY_COLUMNS) <= set(state.columns):
        raise InputError(
            f"{contract.id}: its table holds no history: {', '.join(HISTORY_COLUMNS)} are missing. "
            "Give the history a product of its own, which reads this one, or empty the table's folder."
        )
