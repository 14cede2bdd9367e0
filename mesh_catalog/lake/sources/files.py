"""Files as frames: CSV, JSON, Parquet, and any file as it came; rows that cannot be read are set apart."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from mesh_catalog.contracts.classification import suspect_name
from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.errors import InputError
from mesh_catalog.lake.sources.arrivals import SourceFile, require_unchanged, spark_paths
from mesh_catalog.lake.sources.batch import BROKEN_METRIC, SourceBatch
from mesh_catalog.lake.sources.layout import by_column_order, check_parquet

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Observation, SparkSession

    from mesh_catalog.specs import SourceSpec

__all__ = ["read_files", "without_broken_rows"]

_CORRUPT = "_mesh_corrupt_record"
_UNDECODABLE = "\ufffd"
"""What a decoder writes for bytes that are not of the encoding."""
_REASONS = {
    "csv": "wrong number of fields, or a value that is not of its column's type",
    "json": "not one JSON object, or a value that is not of its column's type",
}


def read_files(spark: SparkSession, workspace: Path, source: SourceSpec, files: Sequence[SourceFile]) -> SourceBatch:
    """The rows of these files.

    Raises:
        InputError: A file is damaged, too large, or has other columns than source.yaml says.
    """
    unchanged = partial(require_unchanged, spark, workspace, tuple(files))
    origins = tuple(file.identity for file in files)
    if source.format in ("csv", "json"):
        return _text_batch(spark, workspace, source, files, origins=origins, require_unchanged=unchanged)
    frame = (_parquet if source.format == "parquet" else _binary)(spark, workspace, source, files)
    return SourceBatch(frame=frame, origins=origins, require_unchanged=unchanged)


def without_broken_rows(frame: DataFrame, broken: Column) -> tuple[DataFrame, Observation]:
    """The frame without its broken rows, and the observation that counts them."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    observation = Observation(f"mesh_{uuid4().hex}")
    observed = frame.observe(observation, F.count_if(broken).alias(BROKEN_METRIC))
    return observed.filter(~broken), observation


# CSV and JSON ------------------------------------------------------------------------------------------------------


def _text_batch(
    spark: SparkSession, workspace: Path, source: SourceSpec, files: Sequence[SourceFile], **given: object
) -> SourceBatch:
    from pyspark.sql import DataFrame
    from pyspark.sql import functions as F

    groups = by_column_order(spark, source, files)
    read = [_records(spark, source, order, group) for order, group in groups.items()]
    flagged = [frame.select(*map(spark_name, source.columns), _broken(source).alias(_CORRUPT)) for frame in read]
    rows, observation = without_broken_rows(reduce(DataFrame.unionAll, flagged), F.col(_CORRUPT))
    broken = [
        _broken_rows(spark, workspace, source, frame, group) for frame, group in zip(read, groups.values(), strict=True)
    ]
    return SourceBatch(
        frame=rows.drop(_CORRUPT),
        observation=observation,
        broken_rows=source.broken_rows,
        broken=reduce(DataFrame.unionAll, broken),
        personal=any(suspect_name(name) is not None for name in source.columns),
        **given,  # type: ignore[arg-type]
    )


def _records(spark: SparkSession, source: SourceSpec, order: Sequence[str], files: Sequence[SourceFile]) -> DataFrame:
    fields = [f"{spark_name(name)} {source.columns[name]}" for name in order]
    reader = (
        spark.read.schema(", ".join([*fields, f"{_CORRUPT} string"]))
        .option("mode", "PERMISSIVE")
        .option("columnNameOfCorruptRecord", _CORRUPT)
        .option("enforceSchema", "false")
        .options(**dict(source.options))
    )
    return reader.format(source.format).load(spark_paths(files))


def _broken(source: SourceSpec) -> Column:
    """True where a row could not be read; never null."""
    from pyspark.sql import functions as F

    found = F.col(_CORRUPT).isNotNull()
    return reduce(lambda told, damaged: told | damaged, _undecodable(source), found)


def _undecodable(source: SourceSpec) -> list[Column]:
    from pyspark.sql import functions as F

    texts = [name for name, kind in source.columns.items() if kind == "string"]
    return [F.coalesce(F.contains(F.col(spark_name(name)), F.lit(_UNDECODABLE)), F.lit(False)) for name in texts]


def _broken_rows(
    spark: SparkSession, workspace: Path, source: SourceSpec, frame: DataFrame, files: Sequence[SourceFile]
) -> DataFrame:
    """file, line, reason, raw of the rows that cannot be read; nothing runs until somebody asks."""
    from pyspark.sql import functions as F

    values = reduce(operator.add, (F.col(spark_name(name)).isNotNull().cast("int") for name in source.columns))
    reason = F.when(
        F.col(_CORRUPT).isNotNull(),
        F.concat(
            F.lit(f"{_REASONS[source.format]}; "), values, F.lit(f" of {len(source.columns)} values could be read")
        ),
    ).otherwise(F.lit("bytes that are not of the file's encoding"))
    found = frame.filter(_broken(source)).select(
        F.col("_metadata.file_path").alias("file"), reason.alias("reason"), F.col(_CORRUPT).alias("raw")
    )
    if source.options.get("multiLine", "false").lower() == "true":
        placed = found.withColumn("line", F.lit(None).cast("bigint"))
    else:
        placed = _with_lines(spark, found, files)
    return placed.select(_shown_name(workspace).alias("file"), "line", "reason", "raw")


def _with_lines(spark: SparkSession, broken: DataFrame, files: Sequence[SourceFile]) -> DataFrame:
    """The rows with their line numbers, by their text: every line that reads the same is broken too.

    A file is read in blocks by several tasks, so a line's number is its place in its block and the lines before it.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    lines = spark.read.text(spark_paths(files)).select(
        F.col("value").alias("raw"),
        F.col("_metadata.file_path").alias("file"),
        F.col("_metadata.file_block_start").alias("block"),
        F.monotonically_increasing_id().alias("place"),
    )
    blocks = lines.groupBy("file", "block").agg(F.min("place").alias("first"), F.count(F.lit(1)).alias("size"))
    earlier = Window.partitionBy("file").orderBy("block").rowsBetween(Window.unboundedPreceding, -1)
    starts = blocks.withColumn("before", F.coalesce(F.sum("size").over(earlier), F.lit(0))).drop("size")
    numbered = lines.join(F.broadcast(starts), on=["file", "block"]).select(
        "file", "raw", (F.col("before") + F.col("place") - F.col("first") + 1).alias("line")
    )
    placed = F.broadcast(broken.distinct()).join(numbered, on=["file", "raw"])
    rest = broken.join(numbered, on=["file", "raw"], how="left_anti")
    return placed.unionByName(rest.withColumn("line", F.lit(None).cast("bigint")))


def _shown_name(workspace: Path) -> Column:
    """A file's name within the workspace, out of the URI that Spark gives."""
    from pyspark.sql import functions as F

    plain = F.regexp_replace(F.col("file"), "^file:/+", "/")
    decoded = F.coalesce(F.try_url_decode(F.replace(plain, F.lit("+"), F.lit("%2B"))), plain)
    return F.replace(decoded, F.lit(f"{workspace.resolve()}/"), F.lit(""))


# Parquet, and files as they came ----------------------------------------------------------------------------------


def _parquet(spark: SparkSession, _workspace: Path, _source: SourceSpec, files: Sequence[SourceFile]) -> DataFrame:
    check_parquet(spark, files)
    return spark.read.parquet(*spark_paths(files))


def _binary(spark: SparkSession, workspace: Path, source: SourceSpec, files: Sequence[SourceFile]) -> DataFrame:
    """One row a file: path, modified_at, length, content, sha256 (hex), origin (its URI)."""
    from pyspark.sql import functions as F

    for file in files:
        if file.size > source.file_limit_bytes:
            raise InputError(
                f"{file.name}: has {file.size / 2**20:,.2f} MiB, over the limit of"
                f" {round(source.file_limit_bytes / 2**20, 2):g} MiB."
                " Raise file_limit_mib in source.yaml (to 1024 at most), or publish the file's address instead."
            )
    frame = spark.read.format("binaryFile").load(spark_paths(files))
    return frame.withColumn("file", F.col("_metadata.file_path")).select(
        _shown_name(workspace).alias("path"),
        F.col("modificationTime").alias("modified_at"),
        F.col("length"),
        F.col("content"),
        F.sha2(F.col("content"), 256).alias("sha256"),
        F.col("file").alias("origin"),
    )
