"""What is wrong with a table that cannot be read, in one sentence: which file, and what helps.

Looks only where something has failed already; changes nothing. Without a JVM.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mesh_catalog.errors import StorageError, listed
from mesh_catalog.lake.storage import filesystem_of, open_delta, path_within

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["broken_files", "table_error"]

_RESTORE = "Restore the table's folder from a backup."


def table_error(product: str, location: str, error: BaseException, *, version: int | None = None) -> StorageError:
    """The error of a table that could not be read.

    Args:
        error: What its reader raised; its type is named where nothing else is found.
        version: The version that was asked for; the newest where None.
    """
    address = product if version is None else f"{product} v{version}"
    try:
        found = _broken_log(location) or _missing_files(location, version)
    except Exception as unknown:  # noqa: BLE001 - the search for a reason must not hide the error itself
        found = f"its storage cannot be read ({type(unknown).__name__}). {_RESTORE}"
    return StorageError(f"{address}: {found or f'its table cannot be read ({type(error).__name__}). {_RESTORE}'}")


def broken_files(tables: Mapping[str, str]) -> str | None:
    """Of the first of these tables (location → product) that lacks a data file, which; None where none does."""
    for location, product in tables.items():
        found = _missing_files(location, None)
        if found:
            return f"{product}: {found}"
    return None


def _broken_log(location: str) -> str | None:
    from pyarrow import fs

    filesystem, path = filesystem_of(location)
    found = filesystem.get_file_info(fs.FileSelector(f"{path}/_delta_log", allow_not_found=True))
    files = {info.base_name: info.path for info in sorted(found, key=lambda info: info.base_name)}
    logs = [name for name in files if re.fullmatch(r"\d{20}\.json", name)]
    commits = [int(name[:20]) for name in logs]
    if not commits:
        return f"there is no Delta table at {location}. Mount its storage, or restore its folder from a backup."
    gaps = sorted(set(range(commits[0], commits[-1])) - set(commits))
    if gaps:
        return f"commit {listed(gaps)} is missing in its _delta_log. {_RESTORE}"
    for name in reversed(logs):
        if not _is_commit(filesystem, files[name]):
            return f"its commit _delta_log/{name} is empty or cut off. Restore that file from a backup."
    for name in (name for name in files if ".checkpoint." in name and name.endswith(".parquet")):
        if not _is_parquet(filesystem, files[name]):
            helps = "All commits are there: delete it and _delta_log/_last_checkpoint." if commits[0] == 0 else _RESTORE
            return f"its checkpoint _delta_log/{name} is broken. {helps}"
    return None


def _is_commit(filesystem: FileSystem, path: str) -> bool:
    with filesystem.open_input_stream(path) as stream:
        lines = bytes(stream.read()).splitlines()
    try:
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines)
    except ValueError:
        return False


def _is_parquet(filesystem: FileSystem, path: str) -> bool:
    from pyarrow import ArrowInvalid, parquet

    try:
        with filesystem.open_input_file(path) as file:
            parquet.ParquetFile(file)
    except (ArrowInvalid, OSError):
        return False
    return True


def _missing_files(location: str, version: int | None) -> str | None:
    from pyarrow import fs

    table = open_delta(location, version=version)
    filesystem, _ = filesystem_of(location)
    paths = sorted(map(path_within, table.file_uris()))
    infos = filesystem.get_file_info(paths)
    missing = [info.base_name for info in infos if info.type == fs.FileType.NotFound]
    broken = missing or [info.base_name for info in infos if not _is_parquet(filesystem, info.path)]
    if not broken:
        return None
    state = "missing" if missing else "broken"
    return f"{len(broken)} of its {len(paths)} data files are {state}: {listed(broken, limit=3)}. {_RESTORE}"
