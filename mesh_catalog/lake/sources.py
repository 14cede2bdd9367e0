"""Files from outside, as frames: what has arrived, what of it is new, and which of its rows cannot be read.

A file is known by its name and its size and time of change, so a corrected file under the same name is new again.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesh_catalog.errors import NotFoundError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation, SparkSession

    from mesh_catalog.specs import SourceSpec

__all__ = ["BROKEN_METRIC", "SourceFile", "listed_files", "new_files", "read_source"]

BROKEN_METRIC = "broken_source_rows"
_CORRUPT = "_mesh_corrupt_record"


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file that has arrived."""

    path: str
    identity: str
    """Its name with size and time of change: what the catalog remembers of a consumed file."""


def new_files(spark: SparkSession, workspace: Path, source: SourceSpec, consumed: Collection[str]) -> list[SourceFile]:
    """Files that match the source's path and were in no committed batch, by name.

    Raises:
        NotFoundError: No file matches at all.
    """
    found = _remote_files(spark, source.path) if "://" in source.path else _local_files(workspace, source.path)
    if not found:
        raise NotFoundError(f"{source.path}: no file has arrived. Put one there and publish again.")
    return [file for file in sorted(found, key=lambda file: file.path) if file.identity not in consumed]


def listed_files(workspace: Path, source: SourceSpec) -> list[SourceFile] | None:
    """Files that match the source's path; None where only Spark can list them."""
    return None if "://" in source.path else _local_files(workspace, source.path)


def _local_files(workspace: Path, pattern: str) -> list[SourceFile]:
    files = []
    for text in glob.glob(str(workspace / pattern)):
        stat = os.stat(text)
        name = os.path.relpath(text, workspace)
        files.append(SourceFile(path=text, identity=f"{name} {stat.st_size} {stat.st_mtime_ns}"))
    return files


def _remote_files(spark: SparkSession, pattern: str) -> list[SourceFile]:
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(pattern)
    statuses = path.getFileSystem(spark._jsc.hadoopConfiguration()).globStatus(path) or []
    return [
        SourceFile(path=str(s.getPath()), identity=f"{s.getPath()} {s.getLen()} {s.getModificationTime()}")
        for s in statuses
    ]


def read_source(
    spark: SparkSession, source: SourceSpec, files: list[SourceFile], observation: Observation
) -> DataFrame:
    """The rows of these files, and in `observation` how many rows could not be read (metric BROKEN_METRIC).

    A row that cannot be read is left out here and must stop the batch: the audit looks at the metric.
    """
    from pyspark.sql import functions as F

    paths = [file.path for file in files]
    if source.format == "parquet":
        frame = spark.read.parquet(*paths)
        return frame.observe(observation, F.count_if(F.lit(False)).alias(BROKEN_METRIC))
    fields = [f"`{name}` {kind}" for name, kind in source.columns.items()]
    reader = (
        spark.read.schema(", ".join([*fields, f"{_CORRUPT} string"]))
        .option("mode", "PERMISSIVE")
        .option("columnNameOfCorruptRecord", _CORRUPT)
        .option("enforceSchema", "false")
        .options(**dict(source.options))
    )
    frame = reader.format(source.format).load(paths)
    observed = frame.observe(observation, F.count_if(F.col(_CORRUPT).isNotNull()).alias(BROKEN_METRIC))
    return observed.filter(F.col(_CORRUPT).isNull()).drop(_CORRUPT)
