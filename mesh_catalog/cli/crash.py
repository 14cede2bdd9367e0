"""The log of an internal error: which exception, and where. No message of any: they may hold values of rows."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mesh_catalog import __version__
from mesh_catalog.errors import MeshError

__all__ = ["write_crash"]

_JAVA_FRAMES = 25


def write_crash(error: BaseException) -> Path:
    """Write what is known of an exception, and return the file."""
    now = datetime.now(UTC)
    folder = _log_folder()
    path = folder / f"crash-{now:%Y%m%dT%H%M%S}-{os.getpid()}.log"
    lines = [
        f"mesh {__version__}, Python {platform.python_version()}, {platform.platform()}, {now:%Y-%m-%d %H:%M:%S} UTC",
        f"command: {' '.join(sys.argv[1:2])}",
        *_described(error),
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError:
        path = Path(tempfile.gettempdir()) / path.name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _log_folder() -> Path:
    from mesh_catalog.settings import load_settings

    try:
        return load_settings().state / "logs"
    except (MeshError, OSError):
        return Path(tempfile.gettempdir())


def _described(error: BaseException | None) -> Iterator[str]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kind = type(error)
        yield f"{kind.__module__}.{kind.__qualname__}{_condition(error)}"
        for frame in traceback.extract_tb(error.__traceback__):
            yield f"  {frame.filename}:{frame.lineno} {frame.name}"
        yield from _java_frames(getattr(error, "java_exception", None) or getattr(error, "_origin", None))
        error = error.__cause__ or error.__context__
        if error is not None:
            yield "from"


def _condition(error: BaseException) -> str:
    """Spark's name of the error, for example CAST_INVALID_INPUT."""
    condition = getattr(error, "getCondition", None)
    try:
        return f" {condition()}" if callable(condition) else ""
    except Exception:  # the JVM that knows it may be gone, and this is the last resort
        return ""


def _java_frames(error: Any) -> Iterator[str]:
    if error is None:
        return
    try:
        yield f"  java: {error.getClass().getName()}"
        for frame in list(error.getStackTrace())[:_JAVA_FRAMES]:
            yield f"    {frame.toString()}"
    except Exception:  # as above
        return
