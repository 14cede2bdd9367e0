"""Lines that change in place on stderr while several things run; on no terminal, each is printed once as it begins."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from mesh_catalog.cli.output import format_duration

__all__ = ["LiveLines"]

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class LiveLines:
    """Use as a context manager; results are printed inside `above()`, where the lines are out of the way."""

    def __init__(self) -> None:
        self._silent = bool(os.environ.get("MESH_QUIET"))
        self._moves = not self._silent and sys.stderr.isatty()
        self._lines: dict[str, tuple[str, float | None]] = {}
        self._drawn = 0
        self.turns = 0
        """How often the lines were drawn."""
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._painter = threading.Thread(target=self._paint, name="progress", daemon=True)

    def __enter__(self) -> LiveLines:
        if self._moves:
            self._painter.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        if self._moves:
            self._painter.join()
        self._erase()

    def show(self, key: str, text: str, *, timed: bool = True) -> None:
        """Show a line, or change it; a timed one says for how long it has been there."""
        with self._lock:
            known = self._lines.get(key)
            since = known[1] if known else (time.monotonic() if timed else None)
            self._lines[key] = (text, since)
        if not self._moves and not self._silent and timed:
            click.echo(text, err=True)

    @property
    def count(self) -> int:
        """How many timed lines there are."""
        return sum(since is not None for _, since in self._lines.values())

    def drop(self, key: str) -> None:
        with self._lock:
            self._lines.pop(key, None)

    @contextmanager
    def above(self) -> Iterator[None]:
        """Print something that stays, on stdout or stderr."""
        with self._lock:
            self._erase()
            yield
            sys.stdout.flush()

    def _paint(self) -> None:
        while not self._over.wait(0.15):
            with self._lock:
                self._erase()
                self._draw()

    def _draw(self) -> None:
        self.turns += 1
        room = shutil.get_terminal_size()
        frame = _FRAMES[self.turns % len(_FRAMES)]
        texts = []
        for text, since in list(self._lines.values())[: max(room.lines - 2, 1)]:
            told = text if since is None else f"{frame} {text}   {format_duration(time.monotonic() - since)}"
            texts.append(told if len(told) < room.columns else told[: room.columns - 2] + "…")
        sys.stderr.write("\n".join(texts))
        sys.stderr.flush()
        self._drawn = len(texts)

    def _erase(self) -> None:
        if self._drawn:
            up = f"\x1b[{self._drawn - 1}A" if self._drawn > 1 else ""
            sys.stderr.write(f"\r{up}\x1b[J")
            sys.stderr.flush()
            self._drawn = 0
