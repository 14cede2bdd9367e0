"""The profile of data files, read once by Arrow while they lie in the disk's cache: after the write, before the commit.

On one machine threads share the columns; on a cluster the executors count where the files are near. Cost, and what was
tried instead: docs/adr/0002.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mesh_catalog.errors import StorageError
from mesh_catalog.lake.profile import ColumnProfile, Kind, Profile, merge_profiles
from mesh_catalog.lake.storage import filesystem_of
from mesh_catalog.lake.tally import Tally, tally_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet
    from pyspark.sql import SparkSession

    from mesh_catalog.contracts.contract import Column, Contract
    from mesh_catalog.lake.gate import AddedFile

__all__ = ["FilesProfile", "column_kind", "profile_batches", "profile_files", "profiled_columns"]


@dataclass(frozen=True, kw_only=True)
class FilesProfile:
    """What files hold."""

    profile: Profile
    event_from: datetime | None
    """The first and the last event time (UTC), of a personal column too; None where there is none."""
    event_to: datetime | None


def column_kind(spark_type: str) -> Kind:
    """The kind of profile a Spark type gets."""
    base = re.split(r"[(<]", spark_type.lower())[0]
    kinds: dict[str, Kind] = {
        "tinyint": "integer",
        "smallint": "integer",
        "int": "integer",
        "bigint": "integer",
        "float": "float",
        "double": "float",
        "decimal": "float",
        "string": "string",
        "boolean": "boolean",
        "date": "datetime",
        "timestamp": "datetime",
        "timestamp_ntz": "datetime",
    }
    return kinds.get(base, "other")


def profile_files(spark: SparkSession, contract: Contract, files: Sequence[AddedFile]) -> FilesProfile:
    """Profile Parquet files that hold a contract's columns; those it is partitioned by stand in the log.

    Of a contract without profiles only the event time is looked at.

    Raises:
        StorageError: A file cannot be read.
    """
    context = spark.sparkContext
    columns = profiled_columns(contract)
    try:
        if (context.master or "").startswith("local"):
            found = _by_threads(columns, files)
        else:
            found = _by_executors(spark, columns, files)
    except OSError as error:
        raise StorageError(f"{contract.id}: files that were just written cannot be read. Publish again.") from error
    return _of_contract(contract, found)


def profile_batches(contract: Contract, batches: Iterable[pa.RecordBatch]) -> FilesProfile:
    """Profile the rows of a table that others write, batch by batch; each has the columns of `profiled_columns`."""
    columns = profiled_columns(contract)
    tallies = _tallies(columns)
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        for column in columns:
            tallies[column.name].add(batch.column(column.name))
    return _of_contract(contract, _profile_of(rows, tallies))


def profiled_columns(contract: Contract) -> list[Column]:
    """The columns that are looked at: all, or of a contract without profiles the event time only."""
    return [column for column in contract.columns if contract.profiled or column.name == contract.event_time]


def _of_contract(contract: Contract, found: Profile) -> FilesProfile:
    event = found.columns.get(contract.event_time or "")
    return FilesProfile(
        profile=replace(found, columns={c.name: _shown(c, found.columns[c.name]) for c in profiled_columns(contract)}),
        event_from=_instant(event.minimum) if event else None,
        event_to=_instant(event.maximum) if event else None,
    )


def _shown(column: Column, profile: ColumnProfile) -> ColumnProfile:
    """Without what a personal column may not tell."""
    if not column.personal:
        return profile
    return ColumnProfile(kind=profile.kind, count=profile.count, null_count=profile.null_count, withheld=True)


def _instant(text: Any) -> datetime | None:
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _by_threads(columns: Sequence[Column], files: Sequence[AddedFile]) -> Profile:
    """Threads share the columns; numpy and Arrow let go of the interpreter while they count."""
    threads = os.cpu_count() or 1
    groups = [group for first in range(2 * threads) if (group := columns[first :: 2 * threads])] or [columns]
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda group: _profile(group, files), groups))
    return Profile(rows=found[0].rows, columns={name: one for part in found for name, one in part.columns.items()})


def _by_executors(spark: SparkSession, columns: Sequence[Column], files: Sequence[AddedFile]) -> Profile:
    """Executors share the files."""
    slots = min(len(files), spark.sparkContext.defaultParallelism)
    if not slots:
        return _profile(columns, files)
    parts = spark.sparkContext.parallelize([files[first::slots] for first in range(slots)], slots)
    return merge_profiles(parts.map(lambda part: _profile(columns, part)).collect())


def _tallies(columns: Sequence[Column]) -> dict[str, Tally]:
    # A personal event time is counted as any other here, for its range; `_shown` withholds the rest.
    return {
        column.name: tally_of(kind, withheld=column.personal and kind != "datetime")
        for column in columns
        for kind in [column_kind(column.spark_type)]
    }


def _profile_of(rows: int, tallies: Mapping[str, Tally]) -> Profile:
    return Profile(rows=rows, columns={name: tally.profile() for name, tally in tallies.items()})


def _profile(columns: Sequence[Column], files: Sequence[AddedFile]) -> Profile:
    tallies = _tallies(columns)
    texts = [column.name for column in columns if column_kind(column.spark_type) == "string"]
    rows = 0
    for file in files:
        with _opened(file.path, texts) as content:
            rows += content.metadata.num_rows
            for column in columns:
                for array in _arrays(content, file, column):
                    tallies[column.name].add(array)
    return _profile_of(rows, tallies)


def _opened(path: str, texts: Sequence[str]) -> parquet.ParquetFile:
    from pyarrow import parquet

    filesystem, inside = filesystem_of(path)
    source = filesystem.open_input_file(inside) if "://" in path else path
    # Spark's old INT96 timestamps hold years that nanoseconds do not.
    return parquet.ParquetFile(source, read_dictionary=list(texts), coerce_int96_timestamp_unit="us")


def _arrays(content: parquet.ParquetFile, file: AddedFile, column: Column) -> Iterator[pa.Array]:
    """One column's values, a row group after another: no more than one is in memory."""
    import pyarrow as pa

    for group in range(content.num_row_groups):
        if column.name in content.schema_arrow.names:
            yield from content.read_row_group(group, columns=[column.name], use_threads=False).column(0).chunks
        else:
            yield pa.repeat(_partition_value(file, column), content.metadata.row_group(group).num_rows)


def _partition_value(file: AddedFile, column: Column) -> pa.Scalar:
    """What the log says of a column that the table is partitioned by."""
    import pyarrow as pa

    kind = column_kind(column.spark_type)
    types = {"integer": pa.int64(), "float": pa.float64(), "boolean": pa.bool_(), "datetime": pa.timestamp("us")}
    text = file.partition_values.get(column.name)
    return pa.scalar(text, pa.string()).cast(
        pa.date32() if column.spark_type == "date" else types.get(kind, pa.string())
    )
