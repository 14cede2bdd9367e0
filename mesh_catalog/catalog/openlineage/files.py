"""Events in a file: one JSON a line, an array, or a single event; read as often as asked, checked each time."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mesh_catalog.catalog.openlineage.events import EventError, LineageEvent, parse_event
from mesh_catalog.errors import InputError

__all__ = ["read_event_file"]

_WHOLE_BYTES = 256 * 1024 * 1024
"""The longest array, which is read at once; lines have no limit but their own."""
_LINE_BYTES = 64 * 1024 * 1024


@contextmanager
def read_event_file(path: str) -> Iterator[Callable[[], Iterator[LineageEvent]]]:
    """Open a file of events, `-` for standard input.

    Yields:
        A function that reads all events from the start; it raises InputError with file and place where one is wrong.
    """
    shown = "standard input" if path == "-" else path
    with tempfile.TemporaryFile() if path == "-" else Path(path).open("rb") as file:
        if path == "-":
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield lambda: _events(file, shown)


def _events(file: IO[bytes], shown: str) -> Iterator[LineageEvent]:
    for place, document in _documents(file, shown):
        try:
            yield parse_event(document)
        except EventError as error:
            raise InputError(f"{shown}, {place}: {error}") from None


def _documents(file: IO[bytes], shown: str) -> Iterator[tuple[str, Any]]:
    file.seek(0)
    first = next((byte for byte in iter(lambda: file.read(1), b"") if not byte.isspace()), b"")
    file.seek(0)
    if first == b"[":
        text = file.read(_WHOLE_BYTES + 1)
        if len(text) > _WHOLE_BYTES:
            raise InputError(f"{shown}: is an array of more than {_WHOLE_BYTES >> 20} MiB. Write an event a line.")
        found = _loaded(text, shown, "its array")
        yield from ((f"event {number}", document) for number, document in enumerate(found, start=1))
        return
    start = file.readline(_LINE_BYTES + 1)
    if start.strip() and not _is_json(start):  # one event over several lines
        file.seek(0)
        yield "event 1", _loaded(file.read(_LINE_BYTES), shown, "line 1")
        return
    file.seek(0)
    for number, line in enumerate(iter(lambda: file.readline(_LINE_BYTES + 1), b""), start=1):
        if len(line) > _LINE_BYTES:
            raise InputError(f"{shown}, line {number}: is longer than {_LINE_BYTES >> 20} MiB.")
        if line.strip():
            yield f"line {number}", _loaded(line, shown, f"line {number}")


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _loaded(text: bytes, shown: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{shown}, {place}: is not JSON in UTF-8. Write one OpenLineage event a line.") from None
