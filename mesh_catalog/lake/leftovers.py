"""Files of the framework's own beside a table that no committed run refers to: a publisher was refused or died.

Profiles, manifests and cards (`_profiles/<run>.json`, `_runs/<run>.json`, `_catalog/<run>.json`), staged quarantine
(`_quarantine/<run>/`) and staged rows (`_staging/<transaction>-…`). Spark and delta-rs leave these folders alone, so
nobody else removes them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.errors import StorageError
from mesh_catalog.lake.storage import filesystem_of

if TYPE_CHECKING:
    from pyarrow import fs

__all__ = ["Leftover", "delete_leftovers", "find_leftovers", "sizes"]

_FOLDERS: Final = ("_profiles", "_runs", "_catalog", "_quarantine", "_staging")
_MIN_AGE: Final = timedelta(days=1)
"""A run under way has written its files and not yet committed."""


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A file, or a folder with all in it."""

    path: str
    """As the file system of the table's location takes it."""
    is_folder: bool
    size_bytes: int


def find_leftovers(location: str, committed: Collection[str], *, transaction: int, now: datetime) -> list[Leftover]:
    """What runs left behind that are not among `committed` and wrote it over a day ago.

    Args:
        committed: Ids of runs.
        transaction: The newest transaction number of the table: what is staged for a later one may still be needed.

    Raises:
        StorageError: The folder cannot be listed.
    """
    from pyarrow import fs

    filesystem, root = _open(location)
    runs = set(committed)
    found = []
    try:
        for folder in _FOLDERS:
            entries = filesystem.get_file_info(fs.FileSelector(f"{root}/{folder}", allow_not_found=True))
            for entry in entries:
                if folder == "_staging":
                    number = entry.base_name.partition("-")[0]
                    if not number.isdigit() or int(number) > transaction:
                        continue
                elif entry.base_name.removesuffix(".json") in runs:
                    continue
                inside = _inside(filesystem, entry)
                newest = max((file.mtime for file in inside if file.mtime), default=None)
                if newest is None or newest.astimezone(UTC) <= now - _MIN_AGE:
                    is_folder = entry.type == fs.FileType.Directory
                    size = sum(file.size or 0 for file in inside)
                    found.append(Leftover(path=entry.path, is_folder=is_folder, size_bytes=size))
    except OSError as error:
        raise StorageError(f"{location}: cannot be listed ({type(error).__name__}). Check that it is there.") from error
    return found


def delete_leftovers(location: str, leftovers: Collection[Leftover]) -> None:
    """Delete them; one that is gone already is no error."""
    filesystem, _ = _open(location)
    for leftover in leftovers:
        try:
            (filesystem.delete_dir if leftover.is_folder else filesystem.delete_file)(leftover.path)
        except FileNotFoundError:
            continue


def sizes(location: str, paths: Collection[str]) -> int:
    """Bytes of files that are given relative to the table."""
    if not paths:
        return 0
    filesystem, root = _open(location)
    return sum(info.size or 0 for info in filesystem.get_file_info([f"{root}/{path}" for path in paths]))


def _inside(filesystem: fs.FileSystem, entry: Any) -> list[Any]:
    from pyarrow import fs

    if entry.type != fs.FileType.Directory:
        return [entry]
    return [entry, *filesystem.get_file_info(fs.FileSelector(entry.path, recursive=True))]


def _open(location: str) -> tuple[fs.FileSystem, str]:
    filesystem, root = filesystem_of(location)
    return filesystem, root.rstrip("/")
