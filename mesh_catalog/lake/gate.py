"""The commit gate: an audit between the writing of files and Delta's commit.

Delta calls a `TransactionExecutionObserver` around every transaction of a thread. The gate is one, in Python: it is
handed the files that the transaction wrote, runs the audit, and stops the commit where the audit raises. Until then
nothing is visible; after a veto the files are deleted at once.

The observer is Delta's own extension point but not part of its public API: Delta is pinned, and
`tests/lake/test_gate.py` is the contract test. Not available on Spark Connect.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["AddedFile", "PendingCommit", "commit_gate"]

_log = logging.getLogger(__name__)
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
class PendingCommit:
    """What a transaction is about to commit."""

    files: tuple[AddedFile, ...]

    @property
    def rows(self) -> int | None:
        counts = [file.rows for file in self.files]
        return None if None in counts else sum(count or 0 for count in counts)


class _Gate:
    """Implements the Scala trait; one for each gated write. The JVM calls its methods, so they keep their names."""

    class Java:
        implements = (f"{_OBSERVERS}.TransactionExecutionObserver",)

    def __init__(
        self, spark: SparkSession, location: str, audit: Callable[[PendingCommit], None], *, reads_table: bool
    ) -> None:
        self._spark = spark
        self._location = location.rstrip("/")
        self._audit = audit
        self._reads_table = reads_table
        self._actions: Any = None
        self._audited = False
        self.error: BaseException | None = None
        self.files: tuple[AddedFile, ...] = ()

    def startingTransaction(self, start: Any) -> Any:  # noqa: N802
        transaction = start.apply()
        if self._reads_table and not self._audited:
            transaction.readWholeTable()  # later is too late: what was read is settled when the commit begins
        return transaction

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
            self.files = self._added_files()
            self._audit(PendingCommit(files=self.files))
        except BaseException as error:  # noqa: BLE001 - whatever it is stops the commit, and is raised by commit_gate
            self.error = error
            raise RuntimeError("refused by the audit") from None

    def beginBackfill(self) -> None:  # noqa: N802
        return

    def beginPostCommit(self) -> None:  # noqa: N802
        return

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

    def _added_files(self) -> tuple[AddedFile, ...]:
        lines = [json.loads(action.json()) for action in _scala_values(self._actions)]
        return tuple(self._added_file(line["add"]) for line in lines if "add" in line)

    def _added_file(self, add: Mapping[str, Any]) -> AddedFile:
        path = unquote(str(add["path"]))
        stats = json.loads(add["stats"]) if add.get("stats") else {}
        absolute = path if "://" in path or path.startswith("/") else f"{self._location}/{path}"
        return AddedFile(path=absolute, rows=stats.get("numRecords"), partition_values=add.get("partitionValues") or {})


def _scala_values(sequence: Any) -> Iterator[Any]:
    iterator = sequence.iterator()
    while iterator.hasNext():
        yield iterator.next()


@contextmanager
def commit_gate(
    spark: SparkSession, location: str, audit: Callable[[PendingCommit], None], *, reads_table: bool = False
) -> Iterator[None]:
    """Run one Delta write inside this block under an audit.

    Args:
        spark: A classic session (not Connect).
        location: The table that is written; the paths of its files are made absolute with it.
        audit: Called once, before the commit. Spark jobs are allowed, but no other Delta write: a transaction is open
            in this thread. Raising stops the commit.
        reads_table: Whether the audit checks rules against rows that are in the table already: any commit that comes in
            between is then a conflict.

    Raises:
        Whatever the audit raised, as it was; the files of the stopped transaction are deleted first.
    """
    from pyspark import java_gateway

    gateway: Any = java_gateway
    gateway.ensure_callback_server_started(spark._sc._gateway)
    jvm: Any = spark._jvm
    package = jvm.org.apache.spark.sql.delta
    observers = getattr(getattr(package, "TransactionExecutionObserver$"), "MODULE$")
    none = getattr(getattr(package, "NoOpTransactionExecutionObserver$"), "MODULE$")
    gate = _Gate(spark, location, audit, reads_table=reads_table)
    observers.setObserver(gate)
    callbacks = logging.getLogger("py4j.clientserver")  # would print the veto with its stack
    callbacks.addFilter(gate.is_news)
    try:
        yield
    except BaseException:
        if gate.error is not None:
            _delete_files(spark, gate.files)
            raise gate.error from None
        raise
    finally:
        callbacks.removeFilter(gate.is_news)
        observers.setObserver(none)


def _delete_files(spark: SparkSession, files: tuple[AddedFile, ...]) -> None:
    """Delete the files of a vetoed transaction: nothing refers to them."""
    jvm: Any = spark._jvm
    conf = spark._jsc.hadoopConfiguration()
    for file in files:
        path = jvm.org.apache.hadoop.fs.Path(file.path)
        path.getFileSystem(conf).delete(path, False)
    _log.info("deleted %d files of a refused batch", len(files))
