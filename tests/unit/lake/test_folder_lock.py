"""Of two processes at their commit, one waits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from mesh_catalog.lake.folder_lock import FolderLock

HOLDER = """
import sys
from mesh_catalog.lake.folder_lock import FolderLock
lock = FolderLock(sys.argv[1])
print(lock.take(), flush=True)
sys.stdin.read()
"""


@contextmanager
def another_holds(folder: Path) -> Iterator[subprocess.Popen[str]]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "True\n"
        try:
            yield holder
        finally:
            holder.kill()


def test_one_waits_for_the_other_process_and_has_the_lock_when_that_dies(tmp_path: Path) -> None:
    with another_holds(tmp_path) as holder:
        assert not FolderLock(str(tmp_path), wait_seconds=0.05).take()
        lock = FolderLock(str(tmp_path))
        death = Timer(0.2, holder.kill)
        death.start()
        assert lock.take()
        assert holder.wait() < 0  # it had ended before
        lock.release()
    again = FolderLock(str(tmp_path), wait_seconds=0)
    assert again.take()
    again.release()


def test_two_of_one_process_wait_too_and_a_release_lets_go(tmp_path: Path) -> None:
    first, second = FolderLock(str(tmp_path)), FolderLock(str(tmp_path), wait_seconds=0)
    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()
    second.release()


def test_what_cannot_be_locked_is_no_error_and_nothing_is_made(tmp_path: Path) -> None:
    assert not FolderLock(str(tmp_path / "none")).take()
    assert not FolderLock("s3a://bucket/table").take()
    assert list(tmp_path.iterdir()) == []
