"""Rows that many tell of, in any order: a row that is known takes the greatest, the least or the newest of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, Table, and_, case, or_

from mesh_catalog.catalog.store import dialect_insert, in_bytes

__all__ = ["Rule", "batches", "merge_rows"]

Rule = Literal["greatest", "least"]
_BATCH = 400


def merge_rows(
    connection: Connection,
    table: Table,
    rows: Iterable[Mapping[str, Any]],
    rules: Mapping[str, Rule] | None = None,
    *,
    newest_by: Sequence[str] = (),
) -> None:
    """Insert rows of any order and number into a table, so that every order gives the same rows.

    Args:
        rules: Column → which of two values stays; null gives way to any value. Columns without a rule keep the first.
        newest_by: Columns of which the greatest combination wins; then the whole row is replaced.
    """
    keys = [column.name for column in table.primary_key]
    ordered = sorted(rows, key=lambda row: [row[key] for key in keys])  # one order of locks for all writers
    if not ordered:
        return
    statement = dialect_insert(connection, table)
    told = statement.excluded
    if newest_by:
        statement = statement.on_conflict_do_update(
            index_elements=keys,
            set_={column.name: told[column.name] for column in table.columns if column.name not in keys},
            where=_is_newer(connection, table, told, newest_by),
        )
    elif rules:
        changed = {name: _merged(connection, table.c[name], told[name], rule) for name, rule in rules.items()}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, ordered)


def _merged(connection: Connection, known: Any, told: Any, rule: Rule) -> Any:
    left, right = in_bytes(connection, known), in_bytes(connection, told)
    wins = right > left if rule == "greatest" else right < left
    return case((known.is_(None), told), (wins, told), else_=known)


def _is_newer(connection: Connection, table: Table, told: Any, names: Sequence[str]) -> Any:
    found: list[Any] = []
    for index, name in enumerate(names):
        same = [told[earlier] == table.c[earlier] for earlier in names[:index]]
        found.append(and_(*same, in_bytes(connection, told[name]) > in_bytes(connection, table.c[name])))
    return or_(*found)


def batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Databases bound the number of parameters."""
    found = list(items)
    for start in range(0, len(found), _BATCH):
        yield found[start : start + _BATCH]
