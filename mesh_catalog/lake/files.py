"""Small text files beside a table, on a disk or in an object store, without a JVM."""

from __future__ import annotations

from pathlib import Path

from mesh_catalog.documents import write_whole
from mesh_catalog.lake.storage import filesystem_of

__all__ = ["exists", "read_text", "write_text"]


def exists(location: str) -> bool:
    """Whether there is something at a path or URI."""
    if "://" not in location:
        return Path(location).exists()
    from pyarrow import fs

    filesystem, path = filesystem_of(location)
    return bool(filesystem.get_file_info(path).type != fs.FileType.NotFound)


def read_text(location: str) -> str:
    """The text of a file at a path or URI.

    Raises:
        OSError: It is missing or cannot be read.
    """
    if "://" not in location:
        return Path(location).read_text(encoding="utf-8")
    filesystem, path = filesystem_of(location)
    with filesystem.open_input_stream(path) as stream:
        return bytes(stream.read()).decode()


def write_text(location: str, text: str) -> None:
    """Write a file that is seen whole or not at all."""
    if "://" not in location:
        write_whole(Path(location), text)
        return
    filesystem, path = filesystem_of(location)
    with filesystem.open_output_stream(path) as stream:
        stream.write(text.encode())
