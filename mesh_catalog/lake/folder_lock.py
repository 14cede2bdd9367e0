"""A lock on a table's folder, for the moment of its commit.

Delta commits to a local folder by looking whether the version's file is there and renaming its own to that name, and
Hadoop's local rename replaces what is there: of two processes between the two, one would lose its commit. Within one
process Delta has a lock of its own, and object stores and HDFS refuse the second by themselves.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from typing import Final

__all__ = ["FolderLock"]

_log = logging.getLogger(__name__)
_WAIT_SECONDS: Final = 30.0
"""A commit takes milliseconds; who holds the lock for longer stands still, and must not stop everybody."""
_PAUSE_SECONDS: Final = 0.005


class FolderLock:
    """Of one commit to the table at `location`; it ends with its process at the latest.

    Where the folder cannot be locked (NFS wants a file that is open for writing), and for URIs, it does nothing.
    """

    def __init__(self, location: str, *, wait_seconds: float = _WAIT_SECONDS) -> None:
        self._location = location
        self._wait_seconds = wait_seconds
        self._folder: int | None = None

    def take(self) -> bool:
        """Wait for whoever commits now; whether the lock is held."""
        if "://" in self._location:
            return False
        try:
            self._folder = os.open(self._location, os.O_RDONLY | os.O_DIRECTORY)
            if self._locked(self._folder):
                return True
            _log.warning("%s: another process is in its commit for %g s; going on", self._location, self._wait_seconds)
        except OSError as error:
            _log.info("%s: its folder cannot be locked (%s)", self._location, type(error).__name__)
        self.release()
        return False

    def _locked(self, folder: int) -> bool:
        end = time.monotonic() + self._wait_seconds
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    return False
                time.sleep(_PAUSE_SECONDS)
            else:
                return True

    def release(self) -> None:
        """Let the next one commit; nothing where it is not held."""
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None
