"""The checkpoint of a product's stream over an input's changes: which versions each micro-batch covers.

Structured Streaming keeps it at `<table>/_checkpoints/<input>/from-<version>`: the folder says where the stream begins,
`offsets/<batch>` where each planned micro-batch ends, `commits/<batch>` which of them are done.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mesh_catalog.errors import StorageError
from mesh_catalog.lake.files import read_text

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Checkpoint", "CheckpointError", "Span", "drop_checkpoint", "find_checkpoint", "new_checkpoint"]

_BEGINS = "from-"


class CheckpointError(StorageError):
    """A checkpoint cannot be read."""


@dataclass(frozen=True)
class Span:
    """Versions of the input, both included."""

    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One checkpoint's folder."""

    spark: SparkSession
    path: str
    first_version: int
    """Of the input: where the stream begins."""

    @property
    def query_id(self) -> str:
        """The id that the stream keeps from run to run."""
        return str(self._json("metadata")["id"])

    @property
    def is_begun(self) -> bool:
        """Whether a micro-batch is done: from then on Spark knows where to go on."""
        return bool(self._numbers("commits"))

    @property
    def planned(self) -> int | None:
        """The micro-batch that was planned and is not done, left by a refusal or a crash."""
        last = max(self._numbers("offsets"), default=None)
        return last if last is not None and last not in self._numbers("commits") else None

    def span(self, batch: int) -> Span:
        """The versions that a planned micro-batch covers.

        Raises:
            CheckpointError: Its file cannot be read.
        """
        return Span(self._end(batch - 1) + 1 if batch else self.first_version, self._end(batch))

    def forget(self, batch: int) -> None:
        """Drop a planned micro-batch, so that the next one covers its versions and newer ones."""
        path = _path(self.spark, f"{self.path}/offsets/{batch}")
        _filesystem(self.spark, path).delete(path, False)

    def _end(self, batch: int) -> int:
        offset = self._json(f"offsets/{batch}")
        version = int(offset["reservoirVersion"])
        return version - 1 if int(offset["index"]) < 0 else version  # below 0: nothing of that version yet

    def _json(self, name: str) -> dict[str, Any]:
        """The last line of a file of the checkpoint."""
        try:
            found = json.loads(read_text(f"{self.path}/{name}").splitlines()[-1])
            return {key: found[key] for key in found}
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise CheckpointError(f"{self.path}/{name}: cannot be read ({type(error).__name__}).") from error

    def _numbers(self, folder: str) -> set[int]:
        names = _names(self.spark, f"{self.path}/{folder}")
        return {int(name) for name in names if name.isdecimal()}


def find_checkpoint(spark: SparkSession, table: str, product: str) -> Checkpoint | None:
    """The checkpoint that a table has for an input; None where it has none."""
    folder = _folder(table, product)
    found = [name.removeprefix(_BEGINS) for name in _names(spark, folder) if name.startswith(_BEGINS)]
    versions = [int(text) for text in found if text.isdecimal()]
    return _checkpoint(spark, folder, max(versions)) if versions else None


def new_checkpoint(spark: SparkSession, table: str, product: str, *, first_version: int) -> Checkpoint:
    """A checkpoint of a stream that has not begun."""
    return _checkpoint(spark, _folder(table, product), first_version)


def drop_checkpoint(spark: SparkSession, table: str, product: str) -> None:
    path = _path(spark, _folder(table, product))
    _filesystem(spark, path).delete(path, True)


def _checkpoint(spark: SparkSession, folder: str, version: int) -> Checkpoint:
    return Checkpoint(spark=spark, path=f"{folder}/{_BEGINS}{version}", first_version=version)


def _folder(table: str, product: str) -> str:
    return f"{table}/_checkpoints/{product}"


def _names(spark: SparkSession, folder: str) -> list[str]:
    path = _path(spark, folder)
    filesystem = _filesystem(spark, path)
    return (
        [str(status.getPath().getName()) for status in filesystem.listStatus(path)] if filesystem.exists(path) else []
    )


def _path(spark: SparkSession, text: str) -> Any:
    jvm: Any = spark._jvm
    return jvm.org.apache.hadoop.fs.Path(text)


def _filesystem(spark: SparkSession, path: Any) -> Any:
    return path.getFileSystem(spark._jsc.hadoopConfiguration())
