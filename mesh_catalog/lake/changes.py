"""Incremental publishes: a product takes of one input only what changed since its last run.

    the input's change-data feed ─► Structured Streaming, availableNow ─► foreachBatch: one gated publish ─► checkpoint

A micro-batch is a run, and it is committed exactly once: each version of the product says up to which version of the
input it goes (its run's inputs, in the manifest beside the table), so a micro-batch that the table has already is
passed over, and one that would leave a version out or take it twice is refused. The checkpoint only remembers where to
read on; lost or broken, it is made anew from what the table says.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.assets import definition_digest
from mesh_catalog.catalog.runs import finish_run, latest_version, read_run, read_versions, start_run
from mesh_catalog.errors import ConflictError, InputError, MeshError, StorageError, TransformError
from mesh_catalog.lake.checkpoint import (
    Checkpoint,
    CheckpointError,
    Span,
    drop_checkpoint,
    find_checkpoint,
    new_checkpoint,
)
from mesh_catalog.lake.inputs import Changes
from mesh_catalog.lake.manifest import repair_catalog
from mesh_catalog.lake.messages import spark_condition
from mesh_catalog.lake.table import read_table_state

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.contracts.contract import ReadChanges
    from mesh_catalog.lake.frames import PublishResult
    from mesh_catalog.specs import ProductSpec

__all__ = ["held_version", "publish_changes"]

_FILES_PER_BATCH: Final = 2**31 - 1
"""A limit could cut a version in two, and one publish into several."""
_FEED_IS_GONE: Final = re.compile(
    r"\[(DELTA_(?:MISSING_CHANGE_DATA|CHANGE_DATA\w*|CHANGE_TABLE_FEED\w*|SCHEMA_CHANGED\w*|STREAMING_\w*SCHEMA\w*"
    r"|INVALID_CDC_RANGE|VERSION_NOT_FOUND|FILE_NOT_FOUND\w*|TRUNCATED_TRANSACTION_LOG|LOG_FILE_NOT_FOUND\w*"
    r"|TABLE_NOT_FOUND|PATH_DOES_NOT_EXIST)|FAILED_READ_FILE\.\w+|DIFFERENT_DELTA_TABLE_READ_BY_STREAMING_SOURCE)"
)
_OTHER_STREAM: Final = re.compile(r"concurrently using|CONCURRENT_(?:STREAM|QUERY)|same id is already active")


def publish_changes(
    spark: SparkSession,
    mesh: Mesh,
    product: ProductSpec,
    changes: ReadChanges,
    *,
    run_id: str | None,
    whole: bool,
    fresh: bool,
    publish: Callable[..., PublishResult],
) -> PublishResult:
    """Publish what changed in one input since the product's last run; the whole input where there was none.

    Args:
        changes: Of the product's contract.
        run_id: Of the run where nothing changed or the stream cannot be read; a micro-batch has an id of its own.
        whole: Read the whole input once more, each of its rows as an insert.
        fresh: Throw the checkpoint away and go on after what the table holds.
        publish: Runs one transform: `publish(spark, mesh, product, run_id=, changes=)`.

    Raises:
        InputError: The input keeps no change data, or `whole` would append its rows a second time.
        StorageError: The checkpoint or the change data cannot be read; says how to go on.
        ConflictError: The input or this product is being published at the same time.
        BatchRefusedError: The changes break the contract; the next publish reads them once more, with newer ones.
    """
    location = table_location(mesh.settings, product.name)
    repair_catalog(mesh, product.name, location, read_table_state(product.name, location))
    stream = _Stream(mesh=mesh, product=product, input=changes.product, location=location, publish=publish)
    stream.require_feed()
    if whole and product.contract.write_mode == "append" and stream.held() is not None:
        raise InputError(
            f"{product.name}: is appended to, so the whole of {stream.input} would be added a second time. "
            "Move its table away and publish it anew, or write it by upsert."
        )
    if whole or fresh:
        drop_checkpoint(spark, location, stream.input)
    held = stream.held()
    if held is None or whole:
        return publish(spark, mesh, product, run_id=run_id)
    newest = latest_version(mesh.catalog, stream.input)
    if newest is not None and newest.version > held:
        stream.run(spark, held, run_id)
    if not stream.results:
        seen = newest.version if newest is not None else held
        nothing = Changes(product=stream.input, after=held, version=seen, rows=None)
        return publish(spark, mesh, product, run_id=run_id, changes=nothing)
    return replace(
        stream.results[-1],
        rows=sum(result.rows for result in stream.results),
        seconds=sum(result.seconds for result in stream.results),
    )


def held_version(mesh: Mesh, product: str, read: str) -> int | None:
    """The version of an input up to which a product's table goes; None where no run of it ever read that input."""
    for record in reversed(read_versions(mesh.catalog, product)):  # the newest may be of upkeep, which reads nothing
        version = read_run(mesh.catalog, record.run_id).inputs.get(read)
        if version is not None:
            return version
    return None


@dataclass(kw_only=True)
class _Stream:
    """One publish's turn of the stream over an input's changes."""

    mesh: Mesh
    product: ProductSpec
    input: str
    location: str
    publish: Callable[..., PublishResult]
    results: list[PublishResult] = field(default_factory=list)
    error: BaseException | None = None
    begun: bool = False
    """Whether a micro-batch has been begun, which has a run of its own."""
    checkpoint: Checkpoint = field(init=False)

    @property
    def input_location(self) -> str:
        return table_location(self.mesh.settings, self.input)

    def require_feed(self) -> None:
        """Refuse an input whose changes are not kept.

        Raises:
            InputError: Its table's property is not set.
        """
        state = read_table_state(self.input, self.input_location)
        if state.version is not None and state.configuration.get("delta.enableChangeDataFeed") != "true":
            raise InputError(
                f"{self.product.name}: reads the changes of {self.input}, whose table does not keep them. Add "
                f"customProperty changeDataFeed: true to the contract of {self.input}, publish it, then publish this."
            )

    def held(self) -> int | None:
        return held_version(self.mesh, self.product.name, self.input)

    def run(self, spark: SparkSession, held: int, run_id: str | None) -> None:
        """Read what came after `held`, and publish it; leave a failure in the catalog."""
        try:
            self._run(spark, held)
        except MeshError as error:
            if not self.begun:
                failed = start_run(
                    self.mesh.catalog,
                    product=self.product.name,
                    kind="publish",
                    principal=self.mesh.principal,
                    run_id=run_id,
                    contract_version=self.product.contract.version,
                    definition_digest=definition_digest(self.product),
                )
                finish_run(self.mesh.catalog, failed, outcome="failed", message=str(error))
            raise

    def _run(self, spark: SparkSession, held: int) -> None:
        from py4j.protocol import Py4JJavaError
        from pyspark.errors import PySparkException

        found = find_checkpoint(spark, self.location, self.input)
        self.checkpoint = found or new_checkpoint(spark, self.location, self.input, first_version=held + 1)
        callbacks = logging.getLogger("py4j.clientserver")  # would print the refusal with its stack
        callbacks.addFilter(self._is_news)
        try:
            self._plan_anew(held)
            self._read(spark)
        except CheckpointError as error:
            raise self._broken_checkpoint(held) from error
        except (PySparkException, Py4JJavaError) as error:
            if isinstance(self.error, CheckpointError):
                raise self._broken_checkpoint(held) from self.error
            if self.error is not None:
                raise self._gone_while_written(self.error, held) from self.error.__cause__
            raise self._stream_error(error, held) from error
        finally:
            callbacks.removeFilter(self._is_news)

    def _plan_anew(self, held: int) -> None:
        """Let a micro-batch that was refused be planned again with what came since; one that is committed, stays."""
        batch = self.checkpoint.planned
        if batch is not None and self._newest_of(self.checkpoint.span(batch)) > held:
            self.checkpoint.forget(batch)

    def _read(self, spark: SparkSession) -> None:
        reader = spark.readStream.format("delta").option("readChangeFeed", "true")
        reader = reader.option("maxFilesPerTrigger", _FILES_PER_BATCH)
        if not self.checkpoint.is_begun:  # later it would hold the schema of that version against today's
            reader = reader.option("startingVersion", self.checkpoint.first_version)
        writer = reader.load(self.input_location).writeStream.foreachBatch(self._on_batch)
        query = writer.option("checkpointLocation", self.checkpoint.path).trigger(availableNow=True).start()
        try:
            query.awaitTermination()
        finally:
            query.stop()

    def _on_batch(self, rows: DataFrame, batch: int) -> None:
        """foreachBatch: runs in the stream's own thread, where Delta looks for the gate."""
        try:
            self.publish_batch(rows, batch)
        except BaseException as error:  # noqa: BLE001 - kept, and raised by `run` in the caller's thread
            self.error = error
            raise RuntimeError("refused") from None  # its text goes into Spark's log

    def publish_batch(self, rows: DataFrame, batch: int) -> None:
        """Publish a micro-batch, once."""
        changes = self._changes(rows, self.checkpoint.span(batch))
        if changes is not None:
            name = f"{self.product.name} {self.checkpoint.query_id} {batch}"
            run_id = hashlib.sha256(name.encode()).hexdigest()[:32]
            self.begun = True
            result = self.publish(rows.sparkSession, self.mesh, self.product, run_id=run_id, changes=changes)
            self.results.append(result)

    def _changes(self, rows: DataFrame, span: Span) -> Changes | None:
        """A micro-batch, as what changed up to a version of the input; None where the table has it, or it is empty.

        Raises:
            ConflictError: It holds rows of a version that the catalog does not know yet.
            StorageError: It does not begin where the table ends.
        """
        held, newest = self.held(), self._newest_of(span)
        if span.last > newest and not rows.filter(f"_commit_version > {newest}").isEmpty():
            raise ConflictError(
                f"{self.input}: has a version after v{newest} that the catalog does not know; it is being published, "
                f"or its publisher died. Publish it, then {self.product.name} again."
            )
        if held is None or newest <= held:
            return None
        known = self._known()
        if any(held < version < span.first for version in known) or any(span.first <= v <= held for v in known):
            raise CheckpointError(f"{self.checkpoint.path}: goes on at v{span.first}, the table at v{held + 1}")
        return Changes(product=self.input, after=held, version=newest, rows=rows)

    def _known(self) -> list[int]:
        return [record.version for record in read_versions(self.mesh.catalog, self.input)]

    def _newest_of(self, span: Span) -> int:
        """The newest version in a span that the catalog knows; the one before the span where there is none."""
        return max((v for v in self._known() if span.first <= v <= span.last), default=span.first - 1)

    def _is_news(self, _record: logging.LogRecord) -> bool:
        return self.error is None

    def _stream_error(self, error: Exception, held: int) -> MeshError:
        text = str(error)
        if _OTHER_STREAM.search(text):
            return ConflictError(
                f"{self.product.name}: somebody else publishes it at the same time. Publish again; where that does not "
                f"help, its checkpoint is broken: {self._again('--new-checkpoint')}"
            )
        gone = _FEED_IS_GONE.search(text)
        return self._feed_is_gone(gone[1], held) if gone else self._broken_checkpoint(held)

    def _gone_while_written(self, error: BaseException, held: int) -> BaseException:
        """The error of a micro-batch; one of the feed itself where its files are not there."""
        cause = error.__cause__
        if isinstance(error, TransformError) and cause is not None:
            gone = _FEED_IS_GONE.search(f"[{spark_condition(cause)}] {cause}")
            return self._feed_is_gone(gone[1], held) if gone else error
        return error

    def _feed_is_gone(self, condition: str, held: int) -> StorageError:
        return StorageError(
            f"{self.product.name}: the changes of {self.input} after v{held} cannot be read ({condition}): they were "
            f"removed by upkeep, or its columns changed. Read all of it once more: {self._again('--whole')}"
        )

    def _broken_checkpoint(self, held: int) -> StorageError:
        return StorageError(
            f"{self.product.name}: its checkpoint {self.checkpoint.path} cannot be used. Nothing is lost: the table "
            f"holds {self.input} up to v{held}. Go on after it with a new one: {self._again('--new-checkpoint')}"
        )

    def _again(self, flag: str) -> str:
        return f"mesh publish {self.product.name} {flag}"
