"""Which files have arrived: found by name, known by size and time of change, and whole.

A file is known by its name and its size and time of change, so a corrected file under the same name is new again. Log
files that are renamed and compressed (`rotating`) are known by their beginning.
"""

from __future__ import annotations

import glob
import hashlib
import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesh_catalog.errors import ConflictError, InputError, NotFoundError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.specs import SourceSpec

__all__ = ["SourceFile", "is_remote", "listed_files", "new_files", "read_head", "require_unchanged", "spark_paths"]

_FINGERPRINT_BYTES = 64 * 1024
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file that has arrived."""

    path: str
    """Absolute, or a URI."""
    name: str
    """As it is shown: within the workspace, or the URI."""
    size: int
    """In bytes."""
    changed_ns: int
    """Time of the last change, in nanoseconds."""
    fingerprint: str | None = None
    """Of a rotating file: digest of its beginning and length, both decompressed."""

    @property
    def identity(self) -> str:
        """What the catalog remembers of a consumed file."""
        if is_remote(self.path):
            return f"{self.name} {self.size} {self.changed_ns // 1_000_000}"
        return " ".join(filter(None, [f"{self.name} {self.size} {self.changed_ns}", self.fingerprint]))


def is_remote(path: str) -> bool:
    return "://" in path


def new_files(spark: SparkSession, workspace: Path, source: SourceSpec, consumed: Collection[str]) -> list[SourceFile]:
    """Files that match the source's path and were in no committed batch, by name.

    Left for later are files that changed just now (`settled`); passed over are names that begin with `_` or `.`, which
    writers use for what is not finished.

    Raises:
        NotFoundError: No file matches at all.
        InputError: A folder matches.
    """
    found = list(_remote_files(spark, source.path) if is_remote(source.path) else _local_files(workspace, source.path))
    if not found:
        raise NotFoundError(f"{source.path}: no file has arrived. Put one there and publish again.")
    limit = time.time_ns() - int(source.settled.total_seconds() * 1e9)
    settled = [file for file in sorted(found, key=lambda file: file.path) if file.changed_ns <= limit]
    if source.rotating:
        return list(_new_logs(settled, consumed))
    return [file for file in settled if file.identity not in consumed]


def listed_files(workspace: Path, source: SourceSpec) -> list[SourceFile] | None:
    """Files that match the source's path; None where only a look at what they hold, or Spark, tells what is new."""
    if source.format in ("delta", "jdbc") or source.rotating or is_remote(source.path):
        return None
    return list(_local_files(workspace, source.path))


def _new_logs(files: Iterable[SourceFile], consumed: Iterable[str]) -> Iterator[SourceFile]:
    """Logs whose beginning is new, and those that are longer than when they were read: rather twice than never."""
    known: dict[str, int] = {}
    for text in consumed:
        _note_log(known, text.rpartition(" ")[2])
    for file in files:
        digest = hashlib.sha256(read_head(None, file, _FINGERPRINT_BYTES)).hexdigest()[:24]
        length = _plain_length(file)
        if digest not in known or length > known[digest]:
            fingerprint = f"{digest}:{length}"
            _note_log(known, fingerprint)
            yield replace(file, fingerprint=fingerprint)


def _note_log(known: dict[str, int], fingerprint: str) -> None:
    digest, _, length = fingerprint.partition(":")
    if length.isdigit():
        known[digest] = max(known.get(digest, 0), int(length))


def _plain_length(file: SourceFile) -> int:
    """Bytes of a log before compression; where its format does not say, they are counted."""
    if file.path.endswith(".gz"):
        with Path(file.path).open("rb") as opened:
            opened.seek(-min(4, file.size), os.SEEK_END)
            return int.from_bytes(opened.read(4), "little")
    if not file.path.endswith((".zst", ".bz2")):
        return file.size
    import pyarrow as pa

    try:
        with pa.input_stream(file.path, compression="detect") as stream:
            return sum(len(block) for block in iter(lambda: stream.read(_BLOCK_BYTES), b""))
    except OSError as error:
        raise _damaged(file) from error


def _local_files(workspace: Path, pattern: str) -> Iterator[SourceFile]:
    for path in glob.glob(str(workspace / pattern)):
        file = _local_file(workspace, path)
        if file is not None:
            yield file


def _local_file(workspace: Path, path: str) -> SourceFile | None:
    name = os.path.relpath(path, workspace)
    if Path(path).name.startswith(("_", ".")):
        return None
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise _folder_error(name)
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{name}: is not a file. Take it away, or narrow path in source.yaml.")
    return SourceFile(path=path, name=name, size=found.st_size, changed_ns=found.st_mtime_ns)


def _folder_error(name: str) -> InputError:
    return InputError(f"{name}: is a folder, but path in source.yaml names files. Write {name}/* or narrow the path.")


def _remote_files(spark: SparkSession, pattern: str) -> Iterator[SourceFile]:
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(pattern)
    for status in path.getFileSystem(spark._jsc.hadoopConfiguration()).globStatus(path) or []:
        name = str(status.getPath())
        if status.getPath().getName().startswith(("_", ".")):
            continue
        if status.isDirectory():
            raise _folder_error(name)
        yield _remote_file(name, status)


def _remote_file(name: str, status: Any) -> SourceFile:
    return SourceFile(path=name, name=name, size=status.getLen(), changed_ns=status.getModificationTime() * 1_000_000)


def require_unchanged(spark: SparkSession, workspace: Path, files: Iterable[SourceFile]) -> None:
    """Look at the files again.

    Raises:
        ConflictError: One has changed or gone since it was listed, so that what was read of it is not sure.
    """
    jvm: Any = spark._jvm
    for file in files:
        now: SourceFile | None
        if is_remote(file.path):
            path = jvm.org.apache.hadoop.fs.Path(file.path)
            filesystem = path.getFileSystem(spark._jsc.hadoopConfiguration())
            now = _remote_file(file.name, filesystem.getFileStatus(path)) if filesystem.exists(path) else None
        else:
            now = _local_file(workspace, file.path)
        if now is None:
            raise ConflictError(f"{file.name}: went away while it was read. Nothing was written; publish again.")
        if (now.size, now.changed_ns) != (file.size, file.changed_ns):
            raise ConflictError(
                f"{file.name}: was written to while it was read. Nothing was written; publish again when it is whole, "
                "or write settled: 5min in source.yaml to leave young files for later."
            )


def read_head(spark: SparkSession | None, file: SourceFile, size: int) -> bytes:
    """The first bytes of a file, decompressed by its ending.

    Raises:
        InputError: It cannot be read, or is not compressed as its ending says.
    """
    if spark is not None and is_remote(file.path):
        return _remote_head(spark, file, size)
    import pyarrow as pa  # late: only files with a header or a rotation are looked into

    try:
        with pa.input_stream(file.path, compression="detect") as stream:
            return bytes(stream.read(size))
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise ConflictError(f"{file.name}: went away while it was read. Publish again.") from error
        raise _damaged(file) from error


def _damaged(file: SourceFile) -> InputError:
    return InputError(
        f"{file.name}: cannot be read; it is damaged or not compressed as its ending says. Send it again."
    )


def _remote_head(spark: SparkSession, file: SourceFile, size: int) -> bytes:
    from py4j.protocol import Py4JJavaError

    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(file.path)
    conf = spark._jsc.hadoopConfiguration()
    try:
        stream = path.getFileSystem(conf).open(path)
        codec = jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(conf).getCodec(path)
        opened = stream if codec is None else codec.createInputStream(stream)
        try:
            return bytes(opened.readNBytes(size))
        finally:
            opened.close()
    except Py4JJavaError as error:
        raise InputError(f"{file.name}: cannot be read ({error.java_exception.getClass().getSimpleName()}).") from error


def spark_paths(files: Iterable[SourceFile]) -> list[str]:
    """The paths as Spark takes them: it would read signs like [ in a name as wildcards."""
    return ["".join(f"\\{sign}" if sign in "\\*?[]{}" else sign for sign in file.path) for file in files]
