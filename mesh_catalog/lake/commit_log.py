"""The commits of a table's log, each with the version that it made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltalake import DeltaTable

__all__ = ["read_commits"]


def read_commits(table: DeltaTable, count: int | None = None) -> list[dict[str, Any]]:
    """The commits of a table, newest first, up to so many; the table is brought to the newest version by it.

    delta-rs lists the commits from the newest in the log, and numbers them from the version that was loaded
    (delta-rs issue 4488): where somebody commits in between, each would bear the version of the one before it. So what
    is listed counts only where the loaded version is still the newest afterwards.

    Args:
        table: Opened without a version.

    Returns:
        What each commit says of itself, its `version` and its `timestamp` in milliseconds among it.
    """
    while True:
        loaded = table.version()
        found = table.history(count)
        table.update_incremental()
        if table.version() == loaded:
            return found
