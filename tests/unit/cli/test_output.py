"""What verbs print: JSON that machines read, tables that fit, numbers people read."""

from __future__ import annotations

import json
import math
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_catalog.cli.output import (
    emit_json,
    format_duration,
    format_number,
    format_table,
    format_time,
    print_table,
    progress,
    to_plain,
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    name: str
    at: datetime
    secret: str = field(default="hunter2", repr=False)


def test_json_holds_dataclasses_times_paths_and_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json(
        {
            "sample": Sample(name="é", at=datetime(2026, 6, 1, 9, 30, tzinfo=UTC)),
            "day": date(2026, 6, 1),
            "length": timedelta(minutes=2),
            "path": Path("a/b"),
            "price": Decimal("1.10"),
            "share": np.float64(0.25),
            "counts": MappingProxyType({1: (1, 2)}),
            "names": {"b", "a"},
            "flag": True,
        }
    )
    assert json.loads(capsys.readouterr().out) == {
        "sample": {"name": "é", "at": "2026-06-01T09:30:00+00:00"},
        "day": "2026-06-01",
        "length": 120.0,
        "path": "a/b",
        "price": "1.10",
        "share": 0.25,
        "counts": {"1": [1, 2]},
        "names": ["a", "b"],
        "flag": True,
    }


def test_fields_hidden_from_repr_are_hidden_from_json() -> None:
    assert "secret" not in to_plain(Sample(name="x", at=datetime(2026, 1, 1, tzinfo=UTC)))


def test_what_json_cannot_say_is_an_error_not_a_guess() -> None:
    with pytest.raises(TypeError, match="a object has no JSON form"):
        to_plain(object())


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=10))
def test_whatever_is_emitted_is_strict_json(value: object) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    json.loads(json.dumps(to_plain(value), allow_nan=False), parse_constant=refuse)


def test_a_table_aligns_numbers_to_the_right() -> None:
    assert format_table([("a", 1), ("bb", 12345), ("c", None)], ("name", "rows")) == (
        "name    rows\na          1\nbb    12,345\nc"
    )


def test_a_table_without_rows_shows_its_headers(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([], ("name", "rows"))
    assert capsys.readouterr().out == "name  rows\n"


@given(st.lists(st.tuples(st.text(), st.text(), st.integers()), max_size=5), st.integers(min_value=40, max_value=120))
def test_a_table_fits_its_width_and_keeps_one_line_a_row(rows: list[tuple[str, str, int]], width: int) -> None:
    lines = format_table([(a, b, n % 10**6) for a, b, n in rows], ("one", "two", "n"), width=width).split("\n")
    assert len(lines) == len(rows) + 1
    for line in lines:  # in cells of a terminal: a wide character takes two, a combining one none
        wide = sum(unicodedata.east_asian_width(c) in "WF" and not unicodedata.combining(c) for c in line)
        assert len(line) + wide - sum(map(bool, map(unicodedata.combining, line))) <= width


def test_wide_characters_count_two_cells_and_combining_ones_none() -> None:
    assert format_table([("고객", 1), ("ab", 22), ("e\u0301", 3)], ("이름", "n")) == (
        "이름   n\n고객   1\nab    22\ne\u0301      3"
    )
    assert format_table([("가나다라마바사아자차", "x")], ("a", "b"), width=15) == "a             b\n가나다라마…   x"


def test_control_characters_in_data_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in format_table([("\x1b[2Jx",)], ("name",))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (288062, "288,062"),
        (0.0143211, "0.01432"),
        (3.0, "3"),
        (1234.567, "1,234.57"),
        (math.nan, "nan"),
        (-1200, "-1,200"),
        (1.2e-9, "1.2e-09"),
    ],
)
def test_numbers_read_well(value: float, text: str) -> None:
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (12.2, "12 s"), (59.7, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (3600, "1 h")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_times_show_seconds_only_where_there_are_any() -> None:
    assert format_time(datetime(2026, 6, 1, 9, 30, tzinfo=UTC)) == "2026-06-01 09:30"
    assert format_time(datetime(2026, 6, 1, 9, 30, 5, tzinfo=UTC)) == "2026-06-01 09:30:05"


def test_progress_is_one_line_on_stderr_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("starts Spark"):
        pass
    assert capsys.readouterr() == ("", "starts Spark\n")


def test_progress_is_silent_on_request(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MESH_QUIET", "1")
    with progress("starts Spark"):
        pass
    assert capsys.readouterr() == ("", "")
