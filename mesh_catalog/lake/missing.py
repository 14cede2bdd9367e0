"""Data files that a version needs and that are gone: after a VACUUM, or deleted by hand. Says what can be read instead.

Looks at the log and at the folder, without a JVM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh_catalog.errors import listed
from mesh_catalog.lake.storage import filesystem_of, open_delta, path_within

if TYPE_CHECKING:
    from collections.abc import Collection

    from mesh_catalog.access.gate import Ticket

__all__ = ["describe_missing", "require_files"]

_VERSIONS = 200
"""So many commits back a version to read instead is looked for."""


def require_files(ticket: Ticket) -> None:
    """Stop before a version is opened whose files are gone; Spark would notice only while it reads them.

    Cost: a look at each file that the version has and the newest has not.

    Raises:
        StorageError: Files of the version are gone, or the log cannot be read.
    """
    from mesh_catalog.lake.arrow import storage_errors

    with storage_errors(ticket):
        left_behind = _files(ticket.location, ticket.version) - _files(ticket.location, None)
        if _gone(left_behind):
            raise FileNotFoundError(ticket.location)


def describe_missing(ticket: Ticket) -> str | None:
    """One sentence about the files of the ticket's version that are gone; None where none is.

    Raises:
        DeltaError, OSError: The log or the folder cannot be read.
    """
    files = _files(ticket.location, ticket.version)
    gone = _gone(files)
    if not gone:
        return None
    named = listed([path.rpartition("/")[2] for path in gone], limit=3)
    told = f"{ticket.product} v{ticket.version}: {len(gone)} of its {len(files)} data files are missing: {named}"
    whole = _whole_versions(ticket)
    if not whole:
        return f"{told}. Restore the table's folder from a backup; no newer version is whole."
    oldest = f" is whole again from v{whole[-1]} on" if len(whole) > 1 else f" is whole at v{whole[0]}"
    return f"{told}, as after a VACUUM. The table{oldest}: read v{whole[0]}, or leave out the version."


def _whole_versions(ticket: Ticket) -> list[int]:
    """Published versions newer than the ticket's of which every file is there, newest first, without a break."""
    from mesh_catalog.lake.table import read_table_state

    state = read_table_state(ticket.product, ticket.location, history=_VERSIONS)
    found: list[int] = []
    for commit in state.commits:
        if commit.version <= ticket.version or _gone(_files(ticket.location, commit.version)):
            break
        found.append(commit.version)
    return found


def _files(location: str, version: int | None) -> set[str]:

    return set(open_delta(location, version=version).file_uris())


def _gone(files: Collection[str]) -> list[str]:
    from pyarrow import fs

    if not files:
        return []
    paths = sorted(files)
    filesystem, _ = filesystem_of(paths[0])
    found = filesystem.get_file_info([path_within(path) for path in paths])
    return [info.path for info in found if info.type == fs.FileType.NotFound]
