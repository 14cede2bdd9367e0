"""Which data files of a table nobody can ask for any more, and removing them: VACUUM FULL, by delta-rs.

VACUUM LITE would leave the files of killed writers for ever. The versions to keep are named one by one, since Delta
forgets after a week which file an old version had; the log must therefore reach back to the oldest of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from mesh_catalog.errors import ConflictError, StorageError
from mesh_catalog.lake.storage import filesystem_of, open_delta

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from mesh_catalog.contracts.contract import Contract

__all__ = [
    "MIN_RETENTION",
    "find_unreferenced",
    "keep_log",
    "log_days",
    "openable",
    "recent_versions",
    "remove_files",
    "retention",
]

MIN_RETENTION: Final = timedelta(days=7)
"""Delta's own: a reader or a writer that is slower than this loses files under its feet."""
_LOG_RETENTION: Final = "delta.logRetentionDuration"
_LOG_DEFAULT_DAYS: Final = 30
_LOG_MARGIN: Final = timedelta(days=7)


def retention(contract: Contract | None) -> timedelta:
    """How long a version stays readable after the next one: what the contract says, seven days at least."""
    said = contract.retention_seconds if contract else None
    return max(MIN_RETENTION, timedelta(seconds=said or 0))


def recent_versions(versions: Sequence[tuple[int, datetime]], since: datetime) -> set[int]:
    """The versions that readers could see at or after `since`: those committed since, and the one before them.

    Args:
        versions: Version and when it was committed, oldest first.
    """
    left = [version for version, at in versions if at < since]
    return {version for version, at in versions if at >= since} | set(left[-1:])


def openable(location: str, versions: Collection[int]) -> set[int]:
    """Those of the versions whose log is there; the others cannot be read whatever files are kept."""
    from deltalake.exceptions import DeltaError

    found = set()
    for version in versions:
        try:
            open_delta(location, version=version)
        except (DeltaError, OSError):
            continue
        found.add(version)
    return found


def find_unreferenced(product: str, location: str, *, hours: int, kept: Collection[int]) -> tuple[str, ...]:
    """Data files, relative to the table, that no kept version needs and that are older than the retention.

    Raises:
        StorageError: The log or the folder cannot be read.
    """
    found = _vacuum(product, location, hours=hours, kept=kept, dry_run=True)
    return tuple(name for name in found if _is_there(location, name))  # also those that an earlier run removed


def _is_there(location: str, name: str) -> bool:
    from pyarrow import fs

    filesystem, root = filesystem_of(location)
    return bool(filesystem.get_file_info(f"{root}/{name}").type == fs.FileType.File)


def remove_files(product: str, location: str, *, hours: int, kept: Collection[int]) -> tuple[str, ...]:
    """Remove what `find_unreferenced` finds.

    Raises:
        StorageError: As there.
    """
    return _vacuum(product, location, hours=hours, kept=kept, dry_run=False)


def _vacuum(product: str, location: str, *, hours: int, kept: Collection[int], dry_run: bool) -> tuple[str, ...]:
    table = _open(product, location)
    with _upkeep_errors(product):
        found = table.vacuum(
            hours,
            dry_run=dry_run,
            enforce_retention_duration=False,  # of the table's property; ours is never below Delta's seven days
            full=True,
            keep_versions=sorted(kept),
        )
    return tuple(sorted(found))


def log_days(
    configuration: Mapping[str, str], kept_for: timedelta, pinned_at: Sequence[datetime], now: datetime
) -> int | None:
    """How many days the log must be kept so that every kept version still opens; None where it is already."""
    needed = max([kept_for + _LOG_MARGIN, *(now - at + 4 * _LOG_MARGIN for at in pinned_at)]).days
    match = re.fullmatch(r"interval (\d+) days?", configuration.get(_LOG_RETENTION, ""))
    present = int(match[1]) if match else _LOG_DEFAULT_DAYS
    return 2 * needed if needed > present else None


def keep_log(product: str, location: str, days: int) -> None:
    """Have Delta keep a table's log for so many days.

    Raises:
        ConflictError: Somebody changed the table at the same time.
        StorageError: The table cannot be written.
    """
    table = _open(product, location)
    with _upkeep_errors(product):
        table.alter.set_table_properties({_LOG_RETENTION: f"interval {days} days"})


def _open(product: str, location: str) -> DeltaTable:

    with _upkeep_errors(product):
        return open_delta(location)


@contextmanager
def _upkeep_errors(product: str) -> Iterator[None]:
    from deltalake.exceptions import CommitFailedError, DeltaError

    try:
        yield
    except CommitFailedError as error:
        raise ConflictError(f"{product}: somebody else published it at the same time. Try again.") from error
    except (DeltaError, OSError) as error:
        raise StorageError(
            f"{product}: its table could not be kept up ({type(error).__name__}). Nothing has changed for readers."
        ) from error
