"""The commit gate: an audit between the writing of files and Delta's commit.

Delta calls a `TransactionExecutionObserver` around every transaction of a thread. The gate is one, in Python: it is
handed the files that the transaction adds and removes, runs the audit, and stops the commit where the audit raises.
Until then nothing is visible; after a veto, and after a conflict, the files that were written are deleted at once.

The observer is Delta's own extension point but not part of its public API: Delta is pinned, and
`tests/lake/test_gate.py` is the contract test. Not available on Spark Connect.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from mesh_catalog.lake.folder_lock import FolderLock
from mesh_catalog.lake.messages import conflict, is_conflict
from mesh_catalog.lake.storage import open_delta

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["AddedFile", "PendingCommit", "RemovedFile", "Turn", "commit_gate"]

_log = logging.getLogger(__name__)
_starting = Lock()
_CLOCKS_DIFFER_SECONDS = 60
_EMPTY_FILE_BYTES = 256 * 1024
"""A file without rows holds its schema, and is no larger."""
_OBSERVERS = "org.apache.spark.sql.delta"


@dataclass(frozen=True, kw_only=True)
class AddedFile:
    """A data file that waits for its commit."""

    path: str
    """Absolute, or as a URI."""
    rows: int | None
    """Delta's count; None where the file has no statistics."""
    partition_values: Mapping[str, str | None] = field(default_factory=dict)
    """Column → value as the log writes it, for columns that the table is partitioned by; they are not in the file."""


@dataclass(frozen=True, kw_only=True)
class RemovedFile:
    """A data file that the commit takes out of the table."""

    name: str
    """The last part of its path, which no other file of the table shares."""
    rows: int | None
    """None where Delta does not say it here; `written.removed_rows` knows."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The number that a publish takes among those of its table: of two that take the same one, one is a conflict.

    Written as Delta's `SetTransaction`, by the transaction itself: asked for as an option of the write, it would make
    Delta aggregate the table's whole state before each one (0.3 to 0.4 s).
    """

    product: str
    number: int
    version: int | None
    """The table's version when the number was found free; None where there was no table."""

    def is_taken(self, location: str) -> bool:
        return (open_delta(location).transaction_version(self.product) or 0) >= self.number


@dataclass(frozen=True, kw_only=True)
class PendingCommit:
    """What a transaction is about to commit."""

    files: tuple[AddedFile, ...]
    """Added. A MERGE or a replacement also copies rows that stay, so these may hold more than the batch."""
    removed: tuple[RemovedFile, ...] = ()
    read_version: int | None = None
    """The table's version that the transaction started from; None where there is no table yet."""

    @property
    def rows(self) -> int | None:
        """Rows of the added files."""
        counts = [file.rows for file in self.files]
        return None if None in counts else sum(count or 0 for count in counts)


class _Gate:
    """Implements the Scala trait; one for each gated write. The JVM calls its methods, so they keep their names."""

    class Java:
        implements = (f"{_OBSERVERS}.TransactionExecutionObserver",)

    def __init__(
        self,
        spark: SparkSession,
        location: str,
        audit: Callable[[PendingCommit], None],
        *,
        turn: Turn | None,
        reads_table: bool,
    ) -> None:
        self._spark = spark
        self._location = location.rstrip("/")
        self._audit = audit
        self._turn = turn
        self._reads_table = reads_table
        self._actions: Any = None
        self._read_version: int | None = None
        self._audited = False
        self.lock = FolderLock(self._location)
        self.error: BaseException | None = None
        self.written: tuple[str, ...] = ()
        """Every file of the transaction: data, and changes for the change data feed."""

    def startingTransaction(self, start: Any) -> Any:  # noqa: N802
        transaction = start.apply()
        if not self._audited:
            version = int(transaction.readVersion())
            self._read_version = None if version < 0 else version
            # later is too late for both: what was read is settled when the commit begins
            if self._turn is not None:
                self._take(self._turn, transaction)
            if self._reads_table:
                transaction.readWholeTable()
        return transaction

    def _take(self, turn: Turn, transaction: Any) -> None:
        if self._read_version != turn.version and turn.is_taken(self._location):
            self.error = conflict(turn.product)
            raise RuntimeError("the number is taken")
        now = self._spark._jvm.java.lang.Long.valueOf(time.time_ns() // 1_000_000)  # type: ignore[union-attr]
        transaction.updateSetTransaction(turn.product, turn.number, self._spark._jvm.scala.Some(now))  # type: ignore[union-attr]
        transaction.readTxn().addOne(turn.product)

    def preparingCommit(self, prepare: Any) -> Any:  # noqa: N802
        actions = prepare.apply()
        if not self._audited:
            self._actions = actions
        return actions

    def beginDoCommit(self) -> None:  # noqa: N802
        if self._audited:  # auto-compaction opens a second transaction in the same thread
            return
        self._audited = True
        try:
            self._audit(self._pending_commit())
        except BaseException as error:  # noqa: BLE001 - whatever it is stops the commit, and is raised by commit_gate
            self.error = error
            raise RuntimeError("refused by the audit") from None
        self.lock.take()

    def beginBackfill(self) -> None:  # noqa: N802
        return

    def beginPostCommit(self) -> None:  # noqa: N802
        self.lock.release()

    def transactionCommitted(self) -> None:  # noqa: N802
        return

    def transactionAborted(self) -> None:  # noqa: N802
        return

    def advanceToNextThreadObserver(self) -> None:  # noqa: N802
        return

    def createChild(self) -> Any:  # noqa: N802
        return self

    def getNextObserver(self) -> Any:  # noqa: N802
        jvm: Any = self._spark._jvm
        return jvm.scala.Option.empty()

    def setNextObserver(self, _observer: Any) -> None:  # noqa: N802
        return

    def is_news(self, _record: logging.LogRecord) -> bool:
        """False once the audit has stopped the commit: its error is raised, so it need not be logged."""
        return self.error is None

    def _pending_commit(self) -> PendingCommit:
        lines = [json.loads(action.json()) for action in _scala_values(self._actions)]
        self.written = tuple(self._path(line[kind]) for line in lines for kind in ("add", "cdc") if kind in line)
        return PendingCommit(
            files=tuple(self._added(line["add"]) for line in lines if "add" in line),
            removed=tuple(
                RemovedFile(name=self._path(line["remove"]).rpartition("/")[2], rows=_rows(line["remove"]))
                for line in lines
                if "remove" in line
            ),
            read_version=self._read_version,
        )

    def _added(self, action: Mapping[str, Any]) -> AddedFile:
        values = action.get("partitionValues") or {}
        return AddedFile(path=self._path(action), rows=_rows(action), partition_values=values)

    def _path(self, action: Mapping[str, Any]) -> str:
        path = unquote(str(action["path"]))
        return path if "://" in path or path.startswith("/") else f"{self._location}/{path}"


def _rows(action: Mapping[str, Any]) -> int | None:
    stats = json.loads(action["stats"]) if action.get("stats") else {}
    found = stats.get("numRecords")
    return None if found is None else int(found)


def _scala_values(sequence: Any) -> Iterator[Any]:
    iterator = sequence.iterator()
    while iterator.hasNext():
        yield iterator.next()


@contextmanager
def commit_gate(
    spark: SparkSession,
    location: str,
    audit: Callable[[PendingCommit], None],
    *,
    turn: Turn | None = None,
    reads_table: bool = False,
) -> Iterator[None]:
    """Run one Delta write inside this block under an audit.

    Args:
        spark: A classic session (not Connect).
        location: The table that is written; the paths of its files are made absolute with it.
        audit: Called once, before the commit. Spark jobs are allowed, but no other Delta write: a transaction is open
            in this thread. Raising stops the commit.
        turn: The number that the commit takes; none where None.
        reads_table: Whether the audit checks rules against rows that are in the table already: any commit that comes in
            between is then a conflict.

    Raises:
        ConflictError: The number is taken.
        Whatever the audit raised, as it was; the files of the stopped transaction are deleted first.
    """
    from pyspark import java_gateway

    gateway: Any = java_gateway
    with _starting:
        gateway.ensure_callback_server_started(spark._sc._gateway)
    jvm: Any = spark._jvm
    package = jvm.org.apache.spark.sql.delta
    observers = getattr(getattr(package, "TransactionExecutionObserver$"), "MODULE$")
    none = getattr(getattr(package, "NoOpTransactionExecutionObserver$"), "MODULE$")
    gate = _Gate(spark, location, audit, turn=turn, reads_table=reads_table)
    observers.setObserver(gate)
    started = time.time()
    callbacks = logging.getLogger("py4j.clientserver")  # would print the veto with its stack
    callbacks.addFilter(gate.is_news)
    try:
        yield
    except BaseException as error:
        if gate.error is not None:
            _delete_files(spark, location, gate.written, since=started)
            raise gate.error from None
        if is_conflict(error):  # sure to be uncommitted; after another failure of the commit itself nobody can know
            _delete_files(spark, location, gate.written, since=started)
        raise
    finally:
        gate.lock.release()
        callbacks.removeFilter(gate.is_news)
        observers.setObserver(none)


def _delete_files(spark: SparkSession, location: str, files: tuple[str, ...], *, since: float) -> None:
    """Delete the files of a transaction that was stopped: nothing refers to them.

    Spark also writes a file without rows where all rows were kept out, and Delta takes such a file into no commit, so
    that nobody knows its name; every one of these that came meanwhile is deleted.
    """
    jvm: Any = spark._jvm
    conf = spark._jsc.hadoopConfiguration()
    for file in files:
        path = jvm.org.apache.hadoop.fs.Path(file)
        path.getFileSystem(conf).delete(path, False)
    folder = jvm.org.apache.hadoop.fs.Path(location)
    filesystem = folder.getFileSystem(conf)
    for status in filesystem.globStatus(jvm.org.apache.hadoop.fs.Path(folder, "part-*.parquet")) or ():
        recent = status.getModificationTime() / 1000 >= since - _CLOCKS_DIFFER_SECONDS
        if recent and status.getLen() <= _EMPTY_FILE_BYTES and _is_empty(spark, status.getPath()):
            filesystem.delete(status.getPath(), False)
    _log.info("deleted %d files of a batch that was not committed", len(files))


def _is_empty(spark: SparkSession, path: Any) -> bool:
    jvm: Any = spark._jvm
    reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(spark._jsc.hadoopConfiguration(), path)
    try:
        return int(reader.getRecordCount()) == 0
    finally:
        reader.close()
