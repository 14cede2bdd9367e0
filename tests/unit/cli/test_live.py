"""Lines that change in place: on a terminal they leave nothing behind, elsewhere each is printed once."""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import suppress

import pytest

from mesh_catalog.cli.live import LiveLines


def read_whole(terminal: int) -> str:
    """What was written to a terminal whose other end is closed."""
    found = b""
    with suppress(OSError):  # how Linux says that the other end is closed
        while chunk := os.read(terminal, 100_000):
            found += chunk
    os.close(terminal)
    return found.decode()


def test_elsewhere_than_on_a_terminal_each_line_is_printed_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MESH_QUIET", raising=False)
    with LiveLines() as lines:
        lines.show("a", "publishes a")
        lines.show("", "  3 more to come", timed=False)
        lines.drop("a")
        with lines.above():
            print("a   v0")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("a   v0\n", "publishes a\n")


def test_quiet_means_quiet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESH_QUIET", "1")
    with LiveLines() as lines:
        lines.show("a", "publishes a")
    assert capsys.readouterr().err == ""


def test_on_a_terminal_lines_tell_the_time_and_are_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESH_QUIET", raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    reader, writer = os.openpty()
    with os.fdopen(writer, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with LiveLines() as lines:
            lines.show("a", "publishes a")
            lines.show("b", "publishes what has a very long name")
            until = time.monotonic() + 20
            while lines.turns < 2 and time.monotonic() < until:
                time.sleep(0.01)
            with lines.above():
                terminal.write("a   v0\n")
                terminal.flush()
            lines.drop("a")
    seen = read_whole(reader)
    assert re.search(r"publishes a   \d", seen)
    assert "publishes what has a very …" in seen
    assert "\r\x1b[1A\x1b[Ja   v0" in seen
    assert seen.rstrip().endswith(("\x1b[J", "a   v0"))
