"""A local Parquet or CSV file as one side of a comparison, a column at a time, without a JVM.

A column is tallied as profiles are (`lake/tally.py`), in one pass; where its bins cannot decide, it is read once more
and counted exactly. Values are read as pandas reads them, because that is what Evidently would see: the same words mean
null in a CSV, a date in a CSV is a string, an integer column with nulls is a float. A file is read in batches, so that
memory is bounded by the distinct values of the columns that must be counted exactly; a CSV is first spooled, as it is,
to a temporary Parquet file. Threads may read one column each.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mesh_catalog.errors import InputError, NotFoundError, nearest
from mesh_catalog.lake.profile import VALUE_LIMIT, ColumnProfile, Kind
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.lake.tally import bin_places, tally_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray
    from pyarrow import csv, parquet

__all__ = ["FileSide", "open_file", "profile_counts"]

_NULL_WORDS = [
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"),
    *("NULL", "NaN", "None", "n/a", "nan", "null"),
]
"""What pandas reads as null."""
_BOOLEAN_WORDS = ["True", "TRUE", "true", "False", "FALSE", "false"]
_BATCH_ROWS = 131_072
_BLOCK_BYTES = 8 * 1024 * 1024
_PENDING_VALUES = 4_000_000
"""Values of a column kept before they are summed up: 32 MB."""
_FIELDS = re.compile(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)")


class FileSide:
    """An opened file."""

    concurrent = True

    def __init__(self, path: Path, stored: Path, kinds: dict[str, Kind], rows: int) -> None:
        self._path = path
        self._stored = stored
        self._kinds = kinds
        self._rows = rows
        self._own = threading.local()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    @property
    def rows(self) -> int:
        return self._rows

    def column(self, name: str) -> ColumnProfile:
        """Tallied in one pass."""
        kind = self._kinds[name]
        if kind in ("datetime", "other"):
            return ColumnProfile(kind=kind, count=self.rows, null_count=0)
        tally = tally_of(kind, withheld=False)
        for batch in self._batches(name):
            tally.add(batch)
        found = tally.profile()
        return replace(found, kind="float") if kind == "integer" and found.null_count else found

    def counts(self, name: str) -> Counts | None:
        """Of every value, exactly."""
        kind = self._kinds[name]
        if kind in ("datetime", "other"):
            return None
        tally = _Texts() if kind == "string" else _Numbers(whole=kind != "float")
        for batch in self._batches(name):
            tally.add(batch)
        return tally.counts()

    def values(self, name: str) -> list[Any] | None:
        if self._kinds[name] in ("datetime", "other"):
            return None
        return [value for batch in self._batches(name) for value in batch.drop_null().to_pylist()]

    def _batches(self, name: str) -> Iterator[pa.Array]:
        """A column as arrays of its kind; a CSV's texts are read as what they stand for."""
        import pyarrow as pa

        kind = self._kinds[name]
        try:
            for batch in self._source().iter_batches(batch_size=_BATCH_ROWS, columns=[name], use_threads=False):
                yield _as_kind(batch.column(0), kind)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self._path}: column '{name[:80]}' cannot be read. Is the file damaged?") from error

    def _source(self) -> parquet.ParquetFile:
        """A reader for this thread alone."""
        from pyarrow import parquet

        if not hasattr(self._own, "source"):
            self._own.source = parquet.ParquetFile(self._stored)
        source: parquet.ParquetFile = self._own.source
        return source


def _as_kind(column: pa.Array, kind: Kind) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    types = pa.types
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kind == "string":
        return column if types.is_string(column.type) else column.cast(pa.large_string())
    if types.is_string(column.type):
        column = pc.utf8_trim_whitespace(column)
    target = {"integer": pa.int64(), "float": pa.float64(), "boolean": pa.bool_()}[kind]
    return column if column.type == target else column.cast(target)


def profile_counts(
    counts: Counts, *, kind: Kind, rows: int, nulls: int, nans: int = 0, infinities: int = 0
) -> ColumnProfile:
    """The profile of a column from the exact counts of its values."""
    number = kind in ("integer", "float")
    values = counts.values.astype(np.float64) if number else np.zeros(0)
    keep = kind != "float" and len(counts) <= VALUE_LIMIT
    convert = str if kind == "string" else int
    return ColumnProfile(
        kind=kind,
        count=rows,
        null_count=nulls,
        nan_count=nans,
        infinite_count=infinities,
        minimum=counts.values[0].item() if number and len(counts) else None,
        maximum=counts.values[-1].item() if number and len(counts) else None,
        total=float((values * counts.counts).sum()) if number else 0.0,
        squares=float((values * values * counts.counts).sum()) if number else 0.0,
        values={convert(v): int(n) for v, n in zip(counts.values, counts.counts, strict=True)} if keep else None,
        bins=_bins(values, counts.counts) if number else None,
    )


def _bins(values: NDArray[np.float64], counts: NDArray[np.int64]) -> dict[int, int]:
    index, where = np.unique(bin_places(values), return_inverse=True)
    total = np.zeros(len(index), dtype=np.int64)
    np.add.at(total, where, counts)
    return {int(key): int(count) for key, count in zip(index, total, strict=True)}


class _Numbers:
    """Exact counts of integers, floats and booleans."""

    def __init__(self, *, whole: bool) -> None:
        self._type: type[Any] = np.int64 if whole else np.float64
        self._pending: list[NDArray[Any]] = []
        self._pending_count = 0
        self._summed: Counts | None = None

    def add(self, column: pa.Array) -> None:
        values = column.drop_null().to_numpy(zero_copy_only=False).astype(self._type, copy=False)
        if self._type is np.float64 and not (finite := np.isfinite(values)).all():
            values = values[finite]
        self._pending.append(values)
        self._pending_count += len(values)
        if self._pending_count > _PENDING_VALUES and (self._summed is None or self._repeats):
            self._summed = self.counts()

    @property
    def _repeats(self) -> bool:
        """Whether summing up spared memory the last time."""
        return self._summed is None or 2 * len(self._summed) < self._summed.total

    def counts(self) -> Counts:
        """The counts of all that was added."""
        found = Counts.of_rows(np.concatenate([np.zeros(0, dtype=self._type), *self._pending]))
        self._pending, self._pending_count = [], 0
        if self._summed is None:
            return found
        return Counts.summed(
            np.concatenate([self._summed.values, found.values]), np.concatenate([self._summed.counts, found.counts])
        )


class _Texts:
    """Exact counts of strings, kept in Arrow until the end."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._pending_count = 0

    def add(self, column: pa.Array) -> None:
        import pyarrow as pa

        found = column.drop_null().cast(pa.large_string()).value_counts()
        self._tables.append(pa.table({"value": found.field(0), "count": found.field(1)}))
        self._pending_count += len(found)
        if self._pending_count > _PENDING_VALUES // 4:
            self._tables, self._pending_count = [self._sum()], 0

    def _sum(self) -> pa.Table:
        import pyarrow as pa

        empty = pa.table({"value": pa.array([], pa.large_string()), "count": pa.array([], pa.int64())})
        summed = pa.concat_tables([empty, *self._tables]).group_by("value").aggregate([("count", "sum")])
        return summed.rename_columns({"count_sum": "count"}).select(["value", "count"])

    def counts(self) -> Counts:
        """The counts of all that was added, ascending by code point, as Python and pandas sort strings."""
        table = self._sum().sort_by("value")
        values = np.empty(len(table), dtype=object)
        values[:] = table["value"].to_pylist()
        return Counts(values=values, counts=table["count"].to_numpy())


@contextmanager
def open_file(path: Path) -> Iterator[FileSide]:
    """Open a Parquet, CSV or TSV file (a CSV may be gzipped) for comparison.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is empty, of another kind, or damaged; a message never holds a value of the file.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])
    if not path.exists():
        raise NotFoundError(f"{path}: there is no such file.{_neighbour(path)}")
    if not path.is_file():
        raise InputError(f"{path}: is a folder. Name one file.")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty.")
    if kind in (".parquet", ".pq"):
        yield _opened(path, path, None)
    elif kind in (".csv", ".tsv", ".tab"):
        with tempfile.TemporaryDirectory(prefix="mesh-") as folder:
            spooled = Path(folder) / "rows.parquet"
            kinds = _spool_csv(path, spooled, delimiter="," if kind == ".csv" else "\t")
            yield _opened(path, spooled, kinds)
    else:
        raise InputError(f"{path}: is neither .parquet, .csv nor .tsv. Name such a file, or product@version.")


def _neighbour(path: Path) -> str:
    folder = path.parent
    return nearest(path.name, [file.name for file in folder.iterdir() if file.is_file()]) if folder.is_dir() else ""


def _opened(path: Path, stored: Path, kinds: dict[str, Kind] | None) -> FileSide:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        source = parquet.ParquetFile(stored)
        schema = source.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: is not a Parquet file, or a damaged one.") from error
    if source.metadata.num_rows == 0:
        raise InputError(f"{path}: has columns, but no rows.")
    _require_once(path, schema.names)
    if kinds is None:
        kinds = {field.name: _arrow_kind(field.type) for field in schema}
    return FileSide(path, stored, kinds, int(source.metadata.num_rows))


def _require_once(path: Path, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: column '{twice[0][:80]}' stands twice. Give each column a name of its own.")


def _arrow_kind(type_: pa.DataType) -> Kind:
    from pyarrow import types

    if types.is_dictionary(type_):
        return _arrow_kind(type_.value_type)
    tests: tuple[tuple[Kind, tuple[Any, ...]], ...] = (
        ("float", (types.is_floating, types.is_decimal, types.is_null, types.is_uint64)),
        ("integer", (types.is_integer,)),
        ("boolean", (types.is_boolean,)),
        ("string", (types.is_string, types.is_large_string)),
        ("datetime", (types.is_temporal,)),
    )
    return next((kind for kind, checks in tests if any(check(type_) for check in checks)), "other")


def _spool_csv(path: Path, target: Path, *, delimiter: str) -> dict[str, Kind]:
    """Copy a CSV's fields as text into a Parquet file; returns the kind that each column's texts allow."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with _csv_reader(path, delimiter, None) as first:
            names = _header_names(first.schema.names)
        guesses = {name: _Guess() for name in names}
        with _csv_reader(path, delimiter, names) as reader, parquet.ParquetWriter(target, reader.schema) as writer:
            for batch in reader:
                for name, column in zip(names, batch.columns, strict=True):
                    guesses[name].look(column)
                writer.write_batch(batch)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise InputError(f"{path}: {_csv_sentence(str(error))}") from error
    return {name: guess.kind for name, guess in guesses.items()}


def _header_names(header: list[str]) -> list[str]:
    """The header's names as pandas has them: `x`, `x.1` where a name stands twice, `Unnamed: 3` where it is missing."""
    found: list[str] = []
    for place, written in enumerate(header):
        base, number = written or f"Unnamed: {place}", 0
        name = base
        while name in found:
            number += 1
            name = f"{base}.{number}"
        found.append(name)
    return found


def _csv_reader(path: Path, delimiter: str, names: list[str] | None) -> csv.CSVStreamingReader:
    """The rows as text under these names; names and types as Arrow guesses them where None."""
    import pyarrow as pa
    from pyarrow import csv

    return csv.open_csv(
        pa.input_stream(str(path), compression="detect"),
        read_options=csv.ReadOptions(
            use_threads=False,  # so that errors name their row
            block_size=_BLOCK_BYTES,
            column_names=names,
            skip_rows=1 if names else 0,
        ),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types={name: pa.string() for name in names or ()},
            null_values=_NULL_WORDS,
            strings_can_be_null=True,
        ),
    )


def _csv_sentence(message: str) -> str:
    """What is wrong with a CSV, without the row that Arrow quotes."""
    if found := _FIELDS.search(message):
        row = f"row {found[1]}" if found[1] else "a row"
        fields = "1 field" if found[3] == "1" else f"{found[3]} fields"
        return f"{row} has {fields}, but the header has {found[2]}. Correct the row, or quote its separators."
    if "UTF8" in message or "utf8" in message:
        return "is not UTF-8 text. Save it as UTF-8."
    if "straddling" in message:
        return "a row is over 8 MiB. Is a quote missing?"
    return "is not a CSV file, or a damaged one."


class _Guess:
    """Which kind all texts of a CSV column can be read as."""

    def __init__(self) -> None:
        self._possible: list[Kind] = ["integer", "float", "boolean"]
        self._seen = False

    @property
    def kind(self) -> Kind:
        if not self._seen:
            return "float"  # nothing but nulls, as pandas has it
        return self._possible[0] if self._possible else "string"

    def look(self, column: pa.Array) -> None:
        import pyarrow.compute as pc

        found = column.drop_null()
        if not self._possible or not len(found):
            return
        self._seen = True
        trimmed = pc.utf8_trim_whitespace(found)
        self._possible = [kind for kind in self._possible if _reads_as(kind, found, trimmed)]


def _reads_as(kind: Kind, found: pa.Array, trimmed: pa.Array) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind == "boolean":
        return bool(pc.all(pc.is_in(found, pa.array(_BOOLEAN_WORDS))).as_py())
    try:
        trimmed.cast(pa.float64())  # also refuses hexadecimal integers, which only Arrow takes for numbers
        if kind == "integer":
            trimmed.cast(pa.int64())
    except pa.ArrowInvalid:
        return False
    return True
