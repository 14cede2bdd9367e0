"""What the verbs print: results on stdout (a table, or one JSON document), progress on stderr."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any

import click

from mesh_catalog.errors import without_controls

__all__ = [
    "emit_json",
    "format_duration",
    "format_number",
    "format_table",
    "format_time",
    "print_facts",
    "print_table",
    "progress",
    "to_plain",
]

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MIN_COLUMN = 12


def emit_json(data: Any, *, line: bool = False) -> None:
    """Print one JSON document: dataclasses as objects, times as ISO text, paths as text, NaN and infinities as null.

    Args:
        line: On one line, for a stream of documents.
    """
    click.echo(json.dumps(to_plain(data), ensure_ascii=False, indent=None if line else 2, allow_nan=False))


def to_plain(value: Any) -> Any:
    """`value` as what JSON knows.

    Raises:
        TypeError: It holds something that has no JSON form.
    """
    if value is None or isinstance(value, bool | int | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.repr}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, Set):
        return sorted((to_plain(item) for item in value), key=str)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [to_plain(item) for item in value]
    return _leaf(value)


def _leaf(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, Decimal | PurePath):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if hasattr(value, "item"):  # a number of numpy's
        return to_plain(value.item())
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def print_table(rows: Sequence[Sequence[Any]], headers: Sequence[str]) -> None:
    """Print rows under headers, numbers to the right; on a terminal, long text is cut to its width."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    click.echo(format_table(rows, headers, width=width))


def print_facts(facts: Sequence[tuple[str, str | None]]) -> None:
    """Print labels and what they are, a line each; those without a text are left out."""
    for label, text in facts:
        if text:
            click.echo(f"  {label:<10}{_cell(text)}")


def format_table(rows: Sequence[Sequence[Any]], headers: Sequence[str], *, width: int | None = None) -> str:
    """The lines of a table; `width` None never cuts."""
    texts = [[_cell(value) for value in row] for row in rows]
    numeric = [
        bool(rows) and all(isinstance(row[i], int | float | Decimal) or row[i] is None for row in rows)
        for i in range(len(headers))
    ]
    widths = [max([_cells(header), *(_cells(row[i]) for row in texts)]) for i, header in enumerate(headers)]
    if width is not None:
        widths = _narrowed(widths, width - 2 * (len(widths) - 1))
    lines = []
    for row in [list(headers), *texts]:
        cells = [_cut(text, size) for text, size in zip(row, widths, strict=True)]
        sided = [_padded(t, w, right=n) for t, w, n in zip(cells, widths, numeric, strict=True)]
        lines.append("  ".join(sided).rstrip())
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return format_number(value)
    if isinstance(value, datetime):
        return format_time(value)
    return without_controls(str(value))


def _narrowed(widths: list[int], room: int) -> list[int]:
    """Take from the widest column until all fit, or none is wider than the least."""
    widths = list(widths)
    while sum(widths) > room and max(widths) > _MIN_COLUMN:
        widths[widths.index(max(widths))] -= 1
    return widths


def _cut(text: str, size: int) -> str:
    """The text in at most `size` cells of a terminal."""
    if _cells(text) <= size:
        return text
    kept, room = "", size - 1
    for char in text:
        room -= _cells(char)
        if room < 0:
            break
        kept += char
    return kept + "…"


def _padded(text: str, size: int, *, right: bool) -> str:
    space = " " * (size - _cells(text))
    return space + text if right else text + space


def _cells(text: str) -> int:
    """How many cells of a terminal a text takes: two a wide character, as Hangul, none a combining one."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def format_number(value: int | float | Decimal) -> str:
    """`288,062` · `0.0143` · `1.2e-09`: whole numbers with thousands, others to four significant digits."""
    if isinstance(value, int):
        return f"{value:,}"
    number = float(value)
    if not math.isfinite(number):
        return str(number)
    if number.is_integer() and abs(number) < 1e15:
        return f"{int(number):,}"
    return f"{number:,.2f}" if abs(number) >= 1000 else f"{number:.4g}"


def format_duration(seconds: float) -> str:
    """`0.4 s` · `12 s` · `3 min 20 s` · `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def format_time(at: datetime) -> str:
    """`2026-06-14 09:30`, or with seconds where it has any."""
    return at.strftime("%Y-%m-%d %H:%M:%S" if at.second else "%Y-%m-%d %H:%M")


@contextmanager
def progress(text: str) -> Iterator[None]:
    """Show on stderr that a step is under way: a moving line on a terminal, else one line when the step begins."""
    if os.environ.get("MESH_QUIET"):
        yield
        return
    if not sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)
        yield
        return
    done = threading.Event()
    spinner = threading.Thread(target=_spin, args=(text, done), daemon=True)
    spinner.start()
    try:
        yield
    finally:
        done.set()
        spinner.join()


def _spin(text: str, done: threading.Event) -> None:
    started = time.monotonic()
    for turn in range(sys.maxsize):
        passed = time.monotonic() - started
        shown = _cut(
            f"{_FRAMES[turn % len(_FRAMES)]} {text}   {format_duration(passed)}", shutil.get_terminal_size().columns - 1
        )
        sys.stderr.write(f"\r\x1b[K{shown}")
        sys.stderr.flush()
        if done.wait(0.1 if passed < 10 else 1.0):
            break
    sys.stderr.write("\r\x1b[K")
    sys.stderr.flush()
