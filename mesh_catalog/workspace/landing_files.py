"""A file from outside, read batch by batch with pyarrow: its format, the names of its columns, and its values.

Bounded memory at any size, no JVM. CSV arrives as text, JSON and Parquet with the types they know. No message of this
module holds a value of the file: a broken row is named by its number.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal

from mesh_catalog.errors import InputError, NotFoundError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CsvLayout", "Encoding", "LandingFile", "NotUtf8Error", "open_landing_file", "read_batches"]

_SAMPLE_BYTES: Final = 256 * 1024
_BLOCK_BYTES: Final = 4 * 1024 * 1024
_JSON_ROWS: Final = 20_000
_COLUMN_LIMIT: Final = 5_000
_DELIMITERS: Final = (",", "\t", ";", "|")
_VALUE_LIKE: Final = re.compile(
    r"[-+]?[\d.,]*\d[\d.,eE+-]*|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*|.*@.*\..*|true|false", re.IGNORECASE
)
_MAGIC: Final[Mapping[bytes, str]] = {
    b"PK\x03\x04": "a ZIP archive or an Excel file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"SQLite format 3": "an SQLite database",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
}


Encoding = Literal["UTF-8", "ISO-8859-1", "windows-1252", "cp949"]
"""Names that Python and Java both know."""


@dataclass(frozen=True, kw_only=True)
class CsvLayout:
    delimiter: str
    header: bool
    encoding: Encoding = "UTF-8"
    quoted: bool = True
    """False where quotes are characters like any other."""


@dataclass(frozen=True, kw_only=True)
class LandingFile:
    """A file whose format is known."""

    path: Path
    format: Literal["csv", "json", "parquet"]
    gzipped: bool
    columns: tuple[str, ...]
    """Names as the file writes them; of JSON those found in its beginning, more may come."""
    layout: CsvLayout | None = None
    json_array: bool = False
    parquet_types: Mapping[str, Any] = field(default_factory=dict)


def open_landing_file(path: Path) -> LandingFile:
    """Find out what a file is.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is a folder, empty, binary, or has a header that names no columns.
    """
    if not path.exists():
        raise NotFoundError(f"{path}: there is no such file.")
    if not path.is_file():
        raise InputError(f"{path}: is not a file. Name one CSV, JSON or Parquet file.")
    gzipped, head = _head(path)
    if not head.strip():
        raise InputError(f"{path}: the file is empty. There is nothing to import.")
    if head.startswith(b"PAR1"):
        if gzipped:
            raise InputError(f"{path}: is a Parquet file inside gzip, which Spark does not read. Unpack it first.")
        return _parquet(path)
    _refuse_binary(path, head)
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first in (b"{", b"[") and not path.name.removesuffix(".gz").endswith((".csv", ".tsv")):
        return LandingFile(path=path, format="json", gzipped=gzipped, columns=(), json_array=first == b"[")
    return _csv(path, head, gzipped=gzipped)


def _head(path: Path) -> tuple[bool, bytes]:
    try:
        with path.open("rb") as file:
            gzipped = file.read(2) == b"\x1f\x8b"
        with _opened(path, gzipped=gzipped) as file:
            return gzipped, file.read(_SAMPLE_BYTES)
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: cannot be read: {_os_reason(error)}.") from error


def _os_reason(error: Exception) -> str:
    if isinstance(error, gzip.BadGzipFile | EOFError):
        return "the gzip data is damaged or cut off"
    return getattr(error, "strerror", None) or "the file is damaged"


@contextmanager
def _opened(path: Path, *, gzipped: bool) -> Iterator[IO[bytes]]:
    with gzip.open(path, "rb") if gzipped else path.open("rb") as file:
        yield file  # type: ignore[misc]


def _refuse_binary(path: Path, head: bytes) -> None:
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            raise InputError(f"{path}: is {kind}. Save it as CSV, JSON or Parquet (CSV and JSON may be gzipped).")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: is UTF-16 text. Save it as UTF-8.")
    if b"\x00" in head:
        raise InputError(f"{path}: is a binary file. Import reads CSV, JSON and Parquet.")


# CSV ---------------------------------------------------------------------------------------------------------------


def _csv(path: Path, head: bytes, *, gzipped: bool) -> LandingFile:
    text, encoding = _decoded(head)
    lines = text if len(head) < _SAMPLE_BYTES else text[: text.rfind("\n") + 1] or text
    delimiter, rows = _delimiter(lines)
    header = _has_header(rows)
    names = tuple(rows[0]) if header else tuple(f"column_{place}" for place in range(1, len(rows[0]) + 1))
    _check_names(path, names)
    layout = CsvLayout(delimiter=delimiter, header=header, encoding=encoding)
    return LandingFile(path=path, format="csv", gzipped=gzipped, columns=names, layout=layout)


def _decoded(head: bytes) -> tuple[str, Encoding]:
    for cut in range(4):  # the sample may end inside a character
        try:
            return head[: len(head) - cut].decode("utf-8-sig"), "UTF-8"
        except UnicodeDecodeError:
            continue
    found = guess_encoding(head)
    return head.decode(found, errors="replace"), found


def guess_encoding(head: bytes) -> Encoding:
    """The likeliest encoding of bytes that are not UTF-8: Korean where they make its syllables, else Western European.

    A guess: whoever imports is told of it.
    """
    for cut in range(2):
        try:
            text = head[: len(head) - cut].decode("cp949")
        except UnicodeDecodeError:
            continue
        foreign = [char for char in text if ord(char) > 127]
        if sum("가" <= char <= "힣" for char in foreign) > len(foreign) / 2:
            return "cp949"
    return "windows-1252" if re.search(rb"[\x80\x82-\x8c\x8e\x91-\x9c\x9e\x9f]", head) else "ISO-8859-1"


def _delimiter(text: str) -> tuple[str, list[list[str]]]:
    """The delimiter that cuts most of the first rows into equally many parts, and the most of them."""
    best: tuple[float, int, str, list[list[str]]] | None = None
    for delimiter in _DELIMITERS:
        try:
            reader = csv.reader(io.StringIO(text), delimiter=delimiter)
            rows = [row for row, _ in zip(reader, range(200), strict=False) if row]
        except csv.Error:
            continue
        if not rows:
            continue
        width = len(rows[0])
        share = sum(len(row) == width for row in rows) / len(rows)
        if width > 1 and (best is None or (share, width) > best[:2]):
            best = share, width, delimiter, rows
    if best is not None:
        return best[2], best[3]
    return ",", [[line] for line in text.splitlines()[:200] if line]


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns. In doubt it does not: a value of a person must not become a name."""
    first = [cell.strip() for cell in rows[0]]
    if any(_VALUE_LIKE.fullmatch(cell) or len(cell) > 100 for cell in first if cell) or len(set(first)) < len(first):
        return False
    if not any(first):
        return False
    below = [[cell.strip() for cell in row] for row in rows[1:] if len(row) == len(first)]
    if any(cell and cell in {row[place] for row in below} for place, cell in enumerate(first)):
        return False
    typed = any(row[place] and _VALUE_LIKE.fullmatch(row[place]) for row in below for place in range(len(first)))
    return typed or all(re.fullmatch(r"[^\W\d][\w .()/-]{0,60}", cell) for cell in first)


def _check_names(path: Path, names: Sequence[str]) -> None:
    if len(names) > _COLUMN_LIMIT:
        raise InputError(f"{path}: has {len(names):,} columns; at most {_COLUMN_LIMIT:,} are read.")
    seen: set[str] = set()
    for place, name in enumerate(names, start=1):
        if not name.strip():
            raise InputError(f"{path}: column {place} has no name in the header. Give it one.")
        if "`" in name or any(ord(char) < 32 for char in name) or len(name) > 255:
            raise InputError(f"{path}: the name of column {place} holds a backtick or a line break. Rename it.")
        if name.strip().lower() in seen:
            raise InputError(f"{path}: the header names '{name.strip()[:40]}' twice (Spark ignores case). Rename one.")
        seen.add(name.strip().lower())


def _csv_batches(file: LandingFile, layout: CsvLayout) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    broken: list[Any] = []

    def refuse(row: Any) -> str:
        broken.append(row)
        return "error"

    names = [f"f{place}" for place in range(len(file.columns))]
    with _opened(file.path, gzipped=file.gzipped) as stream:
        try:
            reader = arrow_csv.open_csv(
                stream,
                read_options=arrow_csv.ReadOptions(
                    use_threads=False,
                    block_size=_BLOCK_BYTES,
                    column_names=names,
                    skip_rows_after_names=1 if layout.header else 0,
                    encoding="utf8" if layout.encoding == "UTF-8" else layout.encoding.lower(),
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=layout.delimiter,
                    quote_char='"' if layout.quoted else False,
                    newlines_in_values=layout.quoted,
                    invalid_row_handler=refuse,
                ),
                convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
            )
            yield from reader
        except (pa.ArrowInvalid, OSError, EOFError, UnicodeDecodeError) as error:
            raise _csv_error(file, broken, error) from error


def _csv_error(file: LandingFile, broken: Sequence[Any], error: Exception) -> InputError:
    """A sentence without the row's text, which Arrow's own message quotes."""
    if broken:
        row = broken[0]
        place = f"row {row.number}" if row.number is not None else "a row"
        return InputError(
            f"{file.path}: {place} has {row.actual_columns} fields, but the first row has {row.expected_columns}."
            " Correct the row; nothing was imported."
        )
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        return InputError(
            f"{file.path}: is neither UTF-8 nor {file.layout.encoding if file.layout else 'text'} all through."
        )
    if "UTF8" in text or "utf-8" in text.lower():
        return NotUtf8Error(f"{file.path}: is not UTF-8 text all through. Save it as UTF-8.")
    if "straddling" in text:
        return InputError(f"{file.path}: a row is over {_BLOCK_BYTES // 2**20} MiB long; a quote may be left open.")
    if "Empty CSV" in text:
        return InputError(f"{file.path}: holds no rows.")
    if isinstance(error, OSError | EOFError):
        return InputError(f"{file.path}: cannot be read: {_os_reason(error)}.")
    return InputError(f"{file.path}: is not a CSV that can be read.")


class NotUtf8Error(InputError):
    """Bytes that are not UTF-8 appeared after the beginning was."""


# JSON --------------------------------------------------------------------------------------------------------------


def _json_records(file: LandingFile) -> Iterator[tuple[int, Any]]:
    """The records with their number, from 1: of lines, or of one array read piece by piece."""
    with _opened(file.path, gzipped=file.gzipped) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig")
        records = _array_items(text) if file.json_array else (line for line in text if line.strip())
        for number, record in enumerate(records, start=1):
            if not file.json_array:
                try:
                    record = json.loads(record)
                except ValueError:
                    raise InputError(
                        f"{file.path}: record {number} is not JSON. Write one object a line, or one array of objects."
                    ) from None
            yield number, record


def _array_items(text: IO[str]) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    buffer, at, ended = "", 0, False
    buffer = text.read(_SAMPLE_BYTES).lstrip()
    at = 1  # after the bracket
    while True:
        while at < len(buffer) and buffer[at] in " \t\r\n,":
            at += 1
        if at < len(buffer) and buffer[at] == "]":
            return
        try:
            item, end = decoder.raw_decode(buffer, at)
            if end == len(buffer) and not ended:  # a number may go on in the next piece
                raise ValueError
        except ValueError:
            if ended or len(buffer) - at > 64 * _SAMPLE_BYTES:
                raise InputError("the array is not well formed") from None
            piece = text.read(_SAMPLE_BYTES)
            buffer, at, ended = buffer[at:] + piece, 0, not piece
            continue
        yield item
        at = end


def _json_batches(file: LandingFile) -> Iterator[dict[str, list[Any]]]:
    """Columns as lists of Python values; a key that a record lacks is None."""
    rows: list[dict[str, Any]] = []
    number = 0
    try:
        for number, record in _json_records(file):
            if not isinstance(record, dict):
                raise InputError(f"{file.path}: record {number} is not an object. Write objects with one key a column.")
            rows.append(record)
            if len(rows) == _JSON_ROWS:
                yield _columns(file, rows)
                rows = []
    except UnicodeDecodeError:
        raise InputError(f"{file.path}: is not UTF-8 text all through. Save it as UTF-8.") from None
    except RecursionError:
        raise InputError(f"{file.path}: record {number + 1} is nested too deep.") from None
    except (OSError, EOFError) as error:
        raise InputError(f"{file.path}: cannot be read: {_os_reason(error)}.") from error
    except InputError as error:
        if str(error).startswith("the array"):
            raise InputError(f"{file.path}: {error} after record {number}. Correct it; nothing was imported.") from None
        raise
    if rows:
        yield _columns(file, rows)


def _columns(file: LandingFile, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = list(dict.fromkeys(key for row in rows for key in row))
    _check_names(file.path, names)
    return {name: [row.get(name) for row in rows] for name in names}


# Parquet -----------------------------------------------------------------------------------------------------------


def _parquet(path: Path) -> LandingFile:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: is a damaged Parquet file.") from error
    _check_names(path, schema.names)
    types = {column.name: column.type for column in schema}
    return LandingFile(path=path, format="parquet", gzipped=False, columns=tuple(schema.names), parquet_types=types)


def _parquet_batches(file: LandingFile) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file.path) as opened:
            yield from opened.iter_batches(batch_size=65_536)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file.path}: is a damaged Parquet file.") from error


def read_batches(file: LandingFile) -> Iterator[Mapping[str, Any]]:
    """The file's values, batch by batch: Arrow arrays, or lists of Python values for JSON.

    Raises:
        InputError: A row is broken or the file is damaged; says where, never what it holds.
    """
    if file.format == "json":
        yield from _json_batches(file)
        return
    batches = _parquet_batches(file) if file.layout is None else _csv_batches(file, file.layout)
    for batch in batches:
        yield dict(zip(file.columns, batch.columns, strict=True))
