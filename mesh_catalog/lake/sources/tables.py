"""Foreign Delta tables as sources: read whole, at a version that is kept with the rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.lake.messages import spark_condition
from mesh_catalog.lake.sources.arrivals import is_remote
from mesh_catalog.lake.sources.batch import SourceBatch

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.specs import SourceSpec

__all__ = ["read_delta"]


def read_delta(spark: SparkSession, workspace: Path, source: SourceSpec) -> SourceBatch:
    """The rows of a Delta table that is no product, at the version asked for or the newest.

    Raises:
        NotFoundError: There is no table, or not that version.
        InputError: The table cannot be read.
    """
    from delta.tables import DeltaTable
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    location = source.path if is_remote(source.path) else str(workspace / source.path)
    if not DeltaTable.isDeltaTable(spark, location):
        raise NotFoundError(f"{source.path}: is no Delta table. Correct path in source.yaml.")
    try:
        newest = DeltaTable.forPath(spark, location).history(1).select("version").first()
        latest = int(newest["version"]) if newest else 0
        version = latest if source.version is None else source.version
        if version > latest:
            raise NotFoundError(f"{source.path}: has no version {version}; the newest is {latest}.")
        frame = spark.read.format("delta").option("versionAsOf", version).load(location)
    except (PySparkException, Py4JJavaError) as error:
        condition = spark_condition(error) or type(error).__name__
        told = f"version {source.version}: " if source.version is not None else ""
        raise InputError(f"{source.path}: {told}its Delta log cannot be read ({condition}). Is it vacuumed?") from error
    return SourceBatch(frame=frame, origins=(f"delta {source.path} v{version}",))
