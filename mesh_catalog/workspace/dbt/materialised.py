"""How dbt materialises a node, as a write mode: what a batch does to the rows that the table has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh_catalog.contracts.contract import HISTORY_COLUMNS, WriteMode
from mesh_catalog.contracts.types import is_temporal
from mesh_catalog.workspace.dbt.sql import UntranslatableSqlError

__all__ = ["Materialised", "materialised_as", "snapshot_as"]

_OVERWRITTEN: Final = ("table", "view", "ephemeral", "materialized_view")


@dataclass(frozen=True, kw_only=True)
class Materialised:
    """How a product is written."""

    mode: WriteMode = "overwrite"
    key: tuple[str, ...] = ()
    """The primary key's columns, in lower case."""
    event_time: str | None = None
    columns: Mapping[str, str]
    """Spark type of each column that the table will have."""
    notes: tuple[str, ...] = ()
    """Phrases that follow the node's name."""


def materialised_as(config: Mapping[str, Any], columns: Mapping[str, str]) -> Materialised:
    """How a model is written.

    Raises:
        UntranslatableSqlError: Its materialisation is not known, or its unique_key is no column.
    """
    kind = str(config.get("materialized", "view"))
    if kind == "ephemeral":
        return Materialised(columns=columns, notes=("is ephemeral in dbt, and a table here",))
    if kind in _OVERWRITTEN:
        return Materialised(columns=columns)
    if kind != "incremental":
        raise UntranslatableSqlError(f"is materialised as '{kind[:40]}', which is not known here")
    key = _key(config, columns)
    if key:
        return Materialised(mode="upsert", key=key, columns=columns)
    # An append of the whole query would repeat its rows.
    return Materialised(
        columns=columns, notes=("is incremental without a unique_key, and made whole at every publish",)
    )


def snapshot_as(config: Mapping[str, Any], columns: Mapping[str, str]) -> Materialised:
    """How a snapshot is written: as a history, whose own columns come after those of the query.

    Raises:
        UntranslatableSqlError: It has no unique_key of columns, or its updated_at is no time.
    """
    key = _key(config, columns)
    if not key:
        raise UntranslatableSqlError("has no unique_key, by which a history finds its rows")
    if taken := sorted(set(HISTORY_COLUMNS) & {name.lower() for name in columns}):
        raise UntranslatableSqlError(f"makes the column {taken[0]}, which a history makes itself")
    notes = ["keeps valid_from, valid_to and is_current in the place of dbt_valid_from and dbt_valid_to"]
    event_time = None
    if config.get("strategy") == "timestamp":
        wanted = str(config.get("updated_at", "")).lower()
        event_time = next((n for n, kind in columns.items() if n.lower() == wanted and is_temporal(kind)), None)
        if event_time is None:
            raise UntranslatableSqlError("has an updated_at that is no date or timestamp column of it")
    elif isinstance(config.get("check_cols"), list):
        notes.append("begins a new state when any column changes, not those of check_cols alone")
    if config.get("hard_deletes", "ignore") != "ignore" or config.get("invalidate_hard_deletes"):
        notes.append("keeps a row current that has gone from its input")
    found = {**columns, **HISTORY_COLUMNS}
    return Materialised(mode="history", key=key, event_time=event_time, columns=found, notes=tuple(notes))


def _key(config: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[str, ...]:
    unique = config.get("unique_key") or []
    key = tuple(str(one).lower() for one in (unique if isinstance(unique, list) else [unique]))
    if not set(key) <= {name.lower() for name in columns}:
        raise UntranslatableSqlError("has a unique_key that is no column of it")
    return key
