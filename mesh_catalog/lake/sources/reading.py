"""The one call that reads a source.yaml, whatever it names."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from mesh_catalog.errors import InputError
from mesh_catalog.lake.messages import describe_error, unreadable_file
from mesh_catalog.lake.sources.arrivals import new_files
from mesh_catalog.lake.sources.database import read_database
from mesh_catalog.lake.sources.files import read_files
from mesh_catalog.lake.sources.tables import read_delta

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.lake.sources.batch import SourceBatch
    from mesh_catalog.specs import SourceSpec

__all__ = ["read_source"]


def read_source(
    spark: SparkSession, workspace: Path, source: SourceSpec, consumed: Collection[str]
) -> SourceBatch | None:
    """What has come and was in no committed batch; None where nothing has.

    Args:
        workspace: The folder that paths are relative to.
        consumed: Origins of the product's committed runs.

    Raises:
        NotFoundError: No file matches at all, or there is no table.
        InputError: A file is damaged or has other columns; a database has no such table.
        SettingsError: A database's password is not in the environment.
        StorageError: A database cannot be reached.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    if source.format == "jdbc":
        return read_database(spark, source, consumed)
    if source.format == "delta":
        return read_delta(spark, workspace, source)
    files = new_files(spark, workspace, source, consumed)
    if not files:
        return None
    try:
        return read_files(spark, workspace, source, files)
    except (PySparkException, Py4JJavaError) as error:
        told = unreadable_file(error) or InputError(f"{source.path}: cannot be read: {describe_error(error)}.")
        raise told from error
