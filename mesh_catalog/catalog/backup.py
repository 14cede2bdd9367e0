"""A catalog in one file and back: the same file for SQLite and for PostgreSQL, so it also moves a catalog between them.

Gzipped lines of JSON: what the file is, then each table's columns and rows, then how many rows there were. Written from
one consistent view while others go on writing; restored in one transaction, into an empty catalog only.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import Connection, DateTime, MetaData, Table, func, inspect, select, text

from mesh_catalog.catalog.canonical import plain
from mesh_catalog.catalog.migrations import HEAD
from mesh_catalog.catalog.store import Catalog, connect_catalog
from mesh_catalog.catalog.tables import metadata
from mesh_catalog.errors import ConflictError, InputError, StorageError

__all__ = ["Archived", "back_up", "restore"]

_FORMAT = "mesh-catalog backup 1"
_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True)
class Archived:
    """What a backup holds."""

    path: Path
    rows: int
    size_bytes: int


def back_up(catalog: Catalog, path: Path) -> Archived:
    """Write the whole catalog to a new file that only its owner may read.

    Raises:
        InputError: There is such a file already.
        StorageError: The file cannot be written.
    """
    if path.exists():
        raise InputError(f"{path}: exists already. Name a new file.")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        opened = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with (
            os.fdopen(opened, "wb") as raw,
            gzip.open(raw, "wt", encoding="utf-8", compresslevel=5) as file,
            catalog.snapshot() as connection,
        ):
            rows = _write(connection, file)
        os.replace(unfinished, path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error}). Name another place.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return Archived(path=path, rows=rows, size_bytes=path.stat().st_size)


def _write(connection: Connection, file: TextIO) -> int:
    def line(value: Any) -> None:
        file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")

    line({"is": _FORMAT, "revision": HEAD, "made_at": datetime.now(UTC).isoformat()})
    count = 0
    for table in metadata.sorted_tables:
        line({"table": table.name, "columns": [column.name for column in table.columns]})
        for row in connection.execution_options(yield_per=_AT_ONCE).execute(select(table)):
            line([plain(value) for value in row])
            count += 1
    line({"rows": count})
    return count


def restore(url: str, path: Path) -> Archived:
    """Fill an empty catalog from a backup of this or an older mesh-catalog, all or nothing.

    Raises:
        ConflictError: The catalog is not empty.
        InputError: The file is no backup, or not whole.
        StorageError: The database or the file cannot be read, or the file is of a newer mesh-catalog.
    """
    from mesh_catalog.catalog.migrations.run import knows, upgrade  # late: alembic, 0.5 s
    from mesh_catalog.catalog.search_entries import fill_index

    catalog = connect_catalog(url)
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = iter(file)
            head = _line(path, lines)
            if not isinstance(head, dict) or head.get("is") != _FORMAT:
                raise InputError(f"{path}: is no backup of a catalog. Make one: mesh catalog backup FILE")
            revision = str(head["revision"])
            if not knows(revision):
                raise StorageError(f"{path}: was made by a newer mesh-catalog. Upgrade mesh-catalog.")
            with catalog.write() as connection:
                _require_empty(catalog, connection)
                upgrade(connection, revision)
                rows = _read(connection, path, lines)
                if revision != HEAD:
                    upgrade(connection)
                    fill_index(connection)
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no whole backup. Nothing was restored; take another one.") from error
    except FileNotFoundError as error:
        raise InputError(f"{path}: does not exist.") from error
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{path}: cannot be read ({error.strerror or error}).") from error
    finally:
        catalog.close()
    return Archived(path=path, rows=rows, size_bytes=path.stat().st_size)


def _require_empty(catalog: Catalog, connection: Connection) -> None:
    """Clear away tables that hold nothing, as opening a catalog makes them."""
    there = set(inspect(connection).get_table_names())
    for table in metadata.sorted_tables:
        if table.name in there and connection.execute(select(text("1")).select_from(table).limit(1)).first():
            raise ConflictError(
                f"{catalog.address}: is not empty. A backup is restored into an empty catalog only: "
                "move this one away, or name another in conf/."
            )
    metadata.drop_all(connection, checkfirst=True)
    connection.execute(text("DROP TABLE IF EXISTS alembic_version"))


def _line(path: Path, lines: Iterator[str]) -> Any:
    try:
        return json.loads(next(lines))
    except (StopIteration, ValueError) as error:
        raise InputError(f"{path}: is no whole backup. Nothing was restored; take another one.") from error


def _read(connection: Connection, path: Path, lines: Iterator[str]) -> int:
    tables = MetaData()
    tables.reflect(connection)
    count = 0
    head = _line(path, lines)
    while "table" in head:
        table = tables.tables.get(head["table"])
        if table is None or not set(head["columns"]) <= set(table.columns.keys()):
            raise InputError(f"{path}: holds a table that is not of its version. Take another backup.")
        rows: list[Any] = []
        while isinstance(value := _line(path, lines), list):
            rows.append(value)
            if len(rows) == _AT_ONCE:
                count += _insert(connection, table, head["columns"], rows)
                rows = []
        count += _insert(connection, table, head["columns"], rows)
        head = value
    if head.get("rows") != count:
        raise InputError(f"{path}: is no whole backup. Nothing was restored; take another one.")
    _count_on(connection, tables.tables.values())
    return count


def _insert(connection: Connection, table: Table, columns: list[str], rows: list[Any]) -> int:
    if rows:
        values = [{n: _value(connection, table, n, v) for n, v in zip(columns, row, strict=True)} for row in rows]
        # a null is a parameter of its own kind: rows that have it in the same places go together
        by_nulls: dict[frozenset[str], list[dict[str, Any]]] = {}
        for row in values:
            kept = {name: value for name, value in row.items() if value is not None}
            by_nulls.setdefault(frozenset(kept), []).append(kept)
        for alike in by_nulls.values():
            connection.execute(table.insert(), alike)
    return len(rows)


def _value(connection: Connection, table: Table, name: str, value: Any) -> Any:
    if value is not None and isinstance(table.c[name].type, DateTime):
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=None) if connection.dialect.name == "sqlite" else at
    return value


def _count_on(connection: Connection, tables: Iterable[Table]) -> None:
    """Let PostgreSQL count on from the numbers that were restored; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        for column in table.primary_key:
            sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar()
            if sequence is not None:
                highest = connection.execute(select(func.max(column))).scalar()
                connection.execute(select(func.setval(sequence, highest or 1, highest is not None)))
