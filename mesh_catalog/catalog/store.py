"""The catalog's database: opening it, reading and writing in transactions, and errors that a person can read.

SQLite by default (WAL, foreign keys on, writers wait their turn), PostgreSQL for teams. Alembic is imported only when
the schema is behind. The URL's password is never printed.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import (
    JSON,
    URL,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Integer,
    RowMapping,
    String,
    Table,
    collate,
    create_engine,
    event,
    func,
    literal,
    make_url,
    select,
    text,
)
from sqlalchemy import exc as sql_errors
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.types import TypeEngine

from mesh_catalog.catalog.arrays import array_of, array_text
from mesh_catalog.catalog.canonical import canonical_json
from mesh_catalog.catalog.migrations import HEAD
from mesh_catalog.errors import ConflictError, NotFoundError, SettingsError, StorageError

__all__ = [
    "Catalog",
    "ClashError",
    "among",
    "connect_catalog",
    "dialect_insert",
    "in_bytes",
    "insert_rows",
    "insert_values",
    "open_catalog",
    "retried",
    "unique_row",
    "upsert",
    "utc_now",
    "value_list",
]

_BUSY_SECONDS = 60.0
"""How long a writer of SQLite waits for the others."""
_CACHE_KIB = 64 * 1024
_LOG_PAGES = 64_000
"""So long may SQLite's log grow, 256 MiB, before it is folded into the file: a page changed often is written once."""
_WRITES = "mesh_writes"
_CLASHES = ("40001", "40P01")
"""PostgreSQL's codes of a serialization failure and of a deadlock."""
_TRIES = 6
_P = ParamSpec("_P")
_T = TypeVar("_T")
_MIGRATION_LOCK = 7_260_114
"""Key of PostgreSQL's advisory lock under which one process migrates."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class ClashError(ConflictError):
    """PostgreSQL gave up one of several transactions that were in each other's way; the same again will do."""


def retried(use_case: Callable[_P, _T]) -> Callable[_P, _T]:
    """Of a function that writes the catalog in one transaction and nothing else: do it again after a clash."""

    @wraps(use_case)
    def again(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        for turn in range(_TRIES):
            try:
                return use_case(*args, **kwargs)
            except ClashError:
                time.sleep(random.uniform(0, 0.05 * 2**turn))
        return use_case(*args, **kwargs)

    return again


class Catalog:
    """An open catalog database. Safe to share between threads; each process opens its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.address = _address(engine.url)
        self.on_runs_ended: Callable[[Sequence[str]], None] | None = None
        """Told of the ids of runs once their end is in the catalog."""

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view; nothing is written."""
        with self._sentences(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, whole or not at all. Other writers of SQLite wait until it ends: keep it short."""
        with self._sentences(), self._engine.connect() as plain:
            connection = plain.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A view that stays the same over several statements, for as long as it takes."""
        with self._sentences(), self._engine.connect() as plain:
            postgres = plain.dialect.name == "postgresql"
            connection = plain.execution_options(isolation_level="REPEATABLE READ") if postgres else plain
            with connection.begin():
                yield connection

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except sql_errors.StatementError as error:
            if isinstance(
                error.orig, ValueError
            ):  # a value that no column takes: a caller's mistake, not the storage's
                raise error.orig from None
            raise self._error(error) from error
        except sql_errors.SQLAlchemyError as error:
            raise self._error(error) from error

    def _error(self, error: sql_errors.SQLAlchemyError) -> ConflictError | StorageError:
        reason = _reason(error, self._engine.url)
        if getattr(getattr(error, "orig", None), "sqlstate", None) in _CLASHES:
            return ClashError(f"{self.address}: others have been writing the same at the same time. Try again.")
        if "is locked" in reason:
            return ConflictError(f"{self.address}: somebody else has been writing for too long. Try again.")
        if "malformed" in reason or "not a database" in reason or "corrupt" in reason:
            return StorageError(
                f"{self.address}: is damaged ({reason}). Move it away, with its -wal and -shm, then: mesh catalog"
                " restore FILE; without a backup: mesh catalog rebuild."
            )
        return StorageError(f"{self.address}: {reason}. Check that it is reachable, or restore it from a backup.")


def open_catalog(url: str) -> Catalog:
    """Open the catalog, and make or migrate its tables where they are missing or behind.

    Raises:
        SettingsError: The URL is none, or its driver is not installed.
        StorageError: The database cannot be reached or read, or was written by a newer mesh-catalog.
    """
    catalog = connect_catalog(url)
    try:
        if _revision(catalog) != HEAD:
            _migrate(catalog)
            _fill_search(catalog)
    except BaseException:
        catalog.close()
        raise
    return catalog


def connect_catalog(url: str) -> Catalog:
    """The catalog as it is, without a look at its tables."""
    return Catalog(_engine(url))


def unique_row(connection: Connection, table: Table, beginning: str, *, none: str, several: str) -> RowMapping:
    """The row of an id, or of the beginning of one where no other id begins so.

    Args:
        none: What is said where there is none; `{}` in it is what was asked for.
        several: The same, where more than one begins so.

    Raises:
        NotFoundError: There is none, or more than one.
    """
    query = select(table).where(table.c.id.startswith(beginning, autoescape=True)).limit(2)
    rows = connection.execute(query).mappings().all()
    if len(rows) != 1 or not beginning:
        raise NotFoundError((several if rows else none).format(beginning[:40]))
    return rows[0]


def dialect_insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, which SQLite and PostgreSQL spell alike and SQLAlchemy keeps apart."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # late: only teams pay for it

        return insert(table)
    return sqlite_insert(table)


def upsert(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, change: Sequence[str] = ()
) -> None:
    """Insert rows; where the primary key exists, set the columns named in `change`, or leave the row as it is."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    if len(rows) > 1:
        quote = connection.dialect.identifier_preparer.quote
        told = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in change)
        action = f"UPDATE SET {told}" if change else "NOTHING"
        _insert_many(connection, table, rows, f" ON CONFLICT ({', '.join(map(quote, keys))}) DO {action}")
        return
    statement = dialect_insert(connection, table)
    if change:
        statement = statement.on_conflict_do_update(
            index_elements=keys, set_={name: statement.excluded[name] for name in change}
        )
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, list(rows))


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, which all have the same columns; many at once cost little each."""
    if rows:
        _insert_many(connection, table, rows, "")


def insert_values(
    connection: Connection, table: Table, names: Sequence[str], values: Sequence[tuple[int | str, ...]]
) -> None:
    """Insert rows of plain numbers and texts, as tuples in the order of `names`: the cheapest that there is."""
    if not values:
        return
    quote = connection.dialect.identifier_preparer.quote
    head = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, names))})"
    if connection.dialect.name == "postgresql":
        _insert_arrays(connection, table, names, list(zip(*values, strict=True)), "")
        return
    connection.exec_driver_sql(f"{head} VALUES ({', '.join('?' * len(names))})", list(values))


def _insert_many(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], clash: str) -> None:
    """Past SQLAlchemy's compiler, which takes longer over each row than the database does."""
    names = list(rows[0])
    columns = [[row[name] for row in rows] for name in names]
    if connection.dialect.name == "postgresql":
        for index, name in enumerate(names):
            if isinstance(table.c[name].type, JSON):
                columns[index] = [None if value is None else canonical_json(value) for value in columns[index]]
        _insert_arrays(connection, table, names, columns, clash)
        return
    quote = connection.dialect.identifier_preparer.quote
    head = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, names))})"
    for index, name in enumerate(names):
        if bind := _binding(connection, table.c[name].type):
            columns[index] = [bind(value) for value in columns[index]]
    marks = ", ".join("?" * len(names))
    connection.exec_driver_sql(f"{head} VALUES ({marks}){clash}", list(zip(*columns, strict=True)))


def _insert_arrays(
    connection: Connection, table: Table, names: Sequence[str], columns: Sequence[Sequence[Any]], clash: str
) -> None:
    """PostgreSQL takes an array a column apart ten times as fast as a parameter a value."""
    quote = connection.dialect.identifier_preparer.quote
    kinds = [table.c[name].type.compile(connection.dialect).partition(" COLLATE")[0] for name in names]
    lists = ", ".join(f"CAST(:c{index} AS {kind}[])" for index, kind in enumerate(kinds))
    head = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, names))})"
    whole = text(f"{head} SELECT * FROM unnest({lists}){clash}")  # noqa: S608 - names of our own tables
    connection.execute(whole, {f"c{index}": array_text(column) for index, column in enumerate(columns)})


def _binding(connection: Connection, kind: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    """What makes a value one that the driver takes; None where it is one already."""
    return kind.dialect_impl(connection.dialect).bind_processor(connection.dialect)


def value_list(connection: Connection, values: Collection[str] | Collection[int]) -> FromClause:
    """Values as a table of one column `value`: one parameter, and one statement's text, however many they are."""
    if connection.dialect.name == "postgresql":
        numbers = bool(values) and isinstance(next(iter(values)), int)
        asked = array_of(values, Integer() if numbers else String())
        return func.unnest(asked).table_valued("value", name="v").render_derived()
    return func.json_each(literal(canonical_json(list(values)))).table_valued("value", name="v")


def among(
    connection: Connection, asked: ColumnElement[Any], values: Collection[str] | Collection[int]
) -> ColumnElement[bool]:
    """Whether a column is one of `values`, of which there may be tens of thousands."""
    if connection.dialect.name == "postgresql":
        return asked == func.any(array_of(values, asked.type))
    return asked.in_(select(value_list(connection, values).c.value))


def in_bytes(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column as it is compared and sorted; text by its bytes, whatever the language of the database."""
    if connection.dialect.name == "postgresql" and isinstance(column.type, String):
        return collate(column, "C")
    return column


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise SettingsError("catalog: neither SQLite nor PostgreSQL. Write sqlite:///… or postgresql://….")
        arguments: dict[str, Any] = {"json_serializer": canonical_json, "hide_parameters": True}
        if parsed.get_backend_name() == "sqlite":
            arguments["connect_args"] = {"timeout": _BUSY_SECONDS}
        engine = create_engine(parsed, **arguments)
    except (sql_errors.ArgumentError, ValueError):
        # from None: the cause's text may hold the URL, and so its password
        raise SettingsError("catalog: its URL cannot be read. Write sqlite:///… or postgresql://….") from None
    except ImportError as error:
        raise SettingsError(f"catalog: the driver '{error.name}' is not installed. Install it with pip.") from None
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    else:
        event.listen(engine, "connect", _prefer_indexes)
    return engine


def _prefer_indexes(connection: Any, _record: Any) -> None:
    """PostgreSQL reckons with disks that turn: for some thousands of rows it would read a table whole."""
    connection.execute("SET random_page_cost = 1.1")
    connection.commit()


def _prepare_sqlite(engine: Engine) -> None:
    database = engine.url.database
    if database and database != ":memory:" and not database.startswith("file:"):
        folder = Path(database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"catalog {database}: its folder cannot be made ({error.strerror}).") from error

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # sqlite3 would begin transactions by itself, and not for reads
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        _use_wal(connection)

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # a transaction that reads first and writes later fails at once where another one wrote in between
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; SQLite does not wait for a lock here, so wait ourselves."""
    give_up_at = time.monotonic() + _BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return  # also where the file's storage cannot have one: SQLite then keeps its rollback journal
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)


def _revision(catalog: Catalog) -> str | None:
    """The revision of the schema, or None for a database without one."""
    with catalog.read() as connection:
        return _revision_in(connection)


def _revision_in(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def _migrate(catalog: Catalog) -> None:
    """Bring the schema up to date; of several processes one does it, the others wait and find it done."""
    from mesh_catalog.catalog.migrations.run import knows, upgrade  # late: alembic, 0.5 s

    with catalog.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        found = _revision_in(connection)
        if found == HEAD:
            return
        if found is not None and not knows(found):
            raise StorageError(
                f"{catalog.address}: was written by a newer mesh-catalog (schema {found}, this one has {HEAD}). "
                "Upgrade mesh-catalog."
            )
        upgrade(connection)


def _fill_search(catalog: Catalog) -> None:
    from mesh_catalog.catalog.search_entries import fill_index  # late: only after a migration

    with catalog.write() as connection:
        fill_index(connection)


def _address(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"catalog {url.database or 'in memory'}"
    # without the query, which may hold a password too
    return f"catalog {url.set(query={}).render_as_string(hide_password=True)}"


def _reason(error: sql_errors.SQLAlchemyError, url: URL) -> str:
    original = getattr(error, "orig", None) or error
    text = (str(original).strip().splitlines() or [type(original).__name__])[0].rstrip(".")
    secrets = [str(url.password or ""), *(str(value) for key, value in url.query.items() if "pass" in key)]
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text
