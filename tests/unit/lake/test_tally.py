"""Tallies against a plain count of the same values."""

from __future__ import annotations

import math
import pickle
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_catalog.lake.profile import VALUE_LIMIT, ColumnProfile, Kind, bin_bounds
from mesh_catalog.lake.tally import bin_places, tally_of


def tallied(kind: Kind, *arrays: pa.Array, withheld: bool = False) -> ColumnProfile:
    tally = tally_of(kind, withheld=withheld)
    for array in arrays:
        tally.add(array)
        tally = pickle.loads(pickle.dumps(tally))
    return tally.profile()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_every_finite_number_lies_in_its_bin(values: list[float]) -> None:
    places = bin_places(np.array(values, dtype=np.float64))
    assert len(places) == len(values)
    for value, place in zip(values, places.tolist(), strict=True):
        low, high = bin_bounds(place)
        slack = 1e-9 * abs(value)
        assert low - slack <= value <= high + slack


@given(st.lists(st.lists(st.one_of(st.none(), st.floats()), max_size=30), max_size=4))
def test_floats_are_counted_as_python_counts_them(parts: list[list[float | None]]) -> None:
    profile = tallied("float", *(pa.array(part, pa.float64()) for part in parts))
    values = [value for part in parts for value in part]
    finite = [value for value in values if value is not None and math.isfinite(value)]
    assert profile.count == len(values)
    assert profile.null_count == values.count(None)
    assert profile.nan_count == sum(value is not None and math.isnan(value) for value in values)
    assert profile.valid_count == len(finite)
    assert (profile.minimum, profile.maximum) == ((min(finite), max(finite)) if finite else (None, None))
    assert sum((profile.bins or {}).values()) == len(finite)
    assert profile.values is None
    if finite and max(map(abs, finite)) < 1e100:
        assert profile.total == pytest.approx(math.fsum(finite), abs=1e-6 * sum(map(abs, finite)) + 1e-300)


@pytest.mark.parametrize("span", [50, 2 * VALUE_LIMIT, 1 << 40])
def test_integers_keep_their_counts_while_they_are_few(span: int) -> None:
    generator = np.random.default_rng(3)
    values = generator.integers(-span // 2, span // 2, 20_000)
    profile = tallied("integer", *(pa.array(part) for part in np.array_split(values, 3)))
    counts = dict(Counter(values.tolist()))
    assert profile.values == (counts if len(counts) <= VALUE_LIMIT else None)
    assert profile.total == pytest.approx(float(values.sum()))
    assert profile.minimum == values.min() and isinstance(profile.minimum, int)


def test_counts_are_dropped_where_they_are_few_in_each_part_and_many_together() -> None:
    parts = [pa.array(range(start, start + 600)) for start in (0, 600)]
    assert tallied("integer", parts[0]).values is not None
    assert tallied("integer", *parts).values is None


@pytest.mark.parametrize("encoded", [False, True])
def test_texts_are_counted_and_estimated(encoded: bool) -> None:
    few = [None, "서울", "부산", "서울", ""]
    many = [f"user {number}" for number in range(5_000)]
    arrays = [pa.array(values) for values in (few, many)]
    shown = [array.dictionary_encode() if encoded else array for array in arrays]
    assert tallied("string", shown[0]).values == {"서울": 2, "부산": 1, "": 1}
    profile = tallied("string", *shown)
    assert profile.values is None
    assert (profile.count, profile.null_count) == (5_005, 1)
    assert profile.distinct_sketch is not None
    from datasketches import hll_sketch

    assert hll_sketch.deserialize(bytes.fromhex(profile.distinct_sketch)).get_estimate() == pytest.approx(
        5_003, rel=0.1
    )


def test_booleans_times_and_decimals() -> None:
    assert tallied("boolean", pa.array([True, None, False, True])).values == {0: 1, 1: 2}
    dates = tallied("datetime", pa.array([date(2026, 1, 2), None, date(2025, 3, 4)]))
    assert (dates.minimum, dates.maximum) == ("2025-03-04", "2026-01-02")
    times = tallied(
        "datetime",
        pa.array([0, 1_767_322_800_000_000], pa.timestamp("us")),
        pa.array([-62_135_596_800_000_000], pa.timestamp("us")),
    )
    assert (times.minimum, times.maximum) == ("0001-01-01T00:00:00+00:00", "2026-01-02T03:00:00+00:00")
    aware = tallied("datetime", pa.array([datetime(2026, 1, 2, tzinfo=UTC)]))
    assert aware.minimum == "2026-01-02T00:00:00+00:00"
    decimals = tallied("float", pa.array([Decimal("1.50"), Decimal("-2.25")]))
    assert (decimals.minimum, decimals.total) == (-2.25, -0.75)


@pytest.mark.parametrize("kind", ["integer", "string", "datetime", "other"])
def test_a_withheld_column_tells_rows_and_nulls_only(kind: Kind) -> None:
    found: dict[str, Any] = tallied(kind, pa.array([1, None]), withheld=True).__dict__
    told = {key: value for key, value in found.items() if value not in (None, 0, False, 0.0)}
    assert told == {"kind": kind, "count": 2, "null_count": 1, "withheld": True}


@pytest.mark.parametrize("kind", ["integer", "float", "string", "boolean", "datetime", "other"])
def test_no_row_and_nothing_but_nulls_are_profiles_too(kind: Kind) -> None:
    assert tallied(kind).count == 0
    found = tallied(kind, pa.nulls(3))
    assert (found.count, found.null_count, found.valid_count, found.minimum) == (3, 3, 0, None)
