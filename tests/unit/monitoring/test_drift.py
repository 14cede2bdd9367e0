"""What is decided from profiles alone, when exact counts are asked for, and what cannot be compared."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from datasketches import hll_sketch

from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.lake.profile import VALUE_LIMIT, ColumnProfile, Kind, Profile
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.monitoring.drift import ColumnDrift, DriftResult, compare_column, compare_profiles
from mesh_catalog.monitoring.files import profile_counts


def column(values: dict[Any, int], kind: Kind, *, nulls: int = 0, sketched: bool = False) -> ColumnProfile:
    rows = sum(values.values()) + nulls
    found = profile_counts(Counts.of(values), kind=kind, rows=rows, nulls=nulls)
    if not sketched:
        return found
    sketch = hll_sketch(12)
    for value in values:
        sketch.update(value)
    return replace(found, distinct_sketch=sketch.serialize_compact().hex())


def normal(mean: float, rows: int = 5000, seed: int = 0) -> dict[Any, int]:
    return dict.fromkeys(np.random.default_rng(seed).normal(mean, 1, rows).tolist(), 1)


def never(side: str, name: str) -> dict[Any, int]:
    raise AssertionError(f"asked for {side} {name}")


def words(distinct: int, each: int) -> dict[Any, int]:
    return {f"w{number}": each for number in range(distinct)}


def test_a_number_far_from_the_threshold_is_decided_by_its_bins() -> None:
    found = compare_column("x", column(normal(0), "float"), column(normal(1), "float"), exact=never)
    assert found.drifted
    assert found.method == "Wasserstein distance (normed)"
    assert found.score == pytest.approx(1.0, abs=0.05)


def test_a_number_near_the_threshold_asks_for_the_exact_counts_of_both_sides() -> None:
    values = {"reference": normal(0), "current": normal(0.1, seed=0)}
    asked: list[tuple[str, str]] = []

    def exact(side: str, name: str) -> dict[Any, int]:
        asked.append((side, name))
        return values[side]

    found = compare_column("x", *(column(one, "float") for one in values.values()), exact=exact)
    assert sorted(asked) == [("current", "x"), ("reference", "x")]
    assert found.score == pytest.approx(0.1, abs=0.003)


def test_a_number_near_the_threshold_gets_a_reason_where_nothing_exact_is_at_hand() -> None:
    found = compare_column("x", column(normal(0), "float"), column(normal(0.1), "float"))
    assert found.reason == "the profile cannot decide, and the exact values are not at hand"
    assert not found.drifted
    assert found.score is None


def test_a_number_whose_mean_dwarfs_its_deviation_is_not_decided_by_its_bins() -> None:
    values = {"reference": normal(1e7), "current": normal(1e7 + 0.5)}
    asked: list[str] = []

    def exact(side: str, _name: str) -> dict[Any, int]:
        asked.append(side)
        return values[side]

    found = compare_column("x", *(column(one, "float") for one in values.values()), exact=exact)
    assert found.drifted
    assert asked


def test_constant_numbers_are_decided_without_exact_counts() -> None:
    found = compare_column("x", column({2.5: 5000}, "float"), column({2.5: 400}, "float"), exact=never)
    assert (found.method, found.score, found.drifted) == ("Jensen-Shannon distance", 0.0, False)


def test_an_integer_of_over_a_thousand_values_is_numerical_and_decided_by_its_bins() -> None:
    reference = column(dict.fromkeys(range(3000), 3), "integer")
    current = column(dict.fromkeys(range(2000, 5000), 3), "integer")
    assert reference.values is None
    found = compare_column("x", reference, current, exact=never)
    assert (found.type, found.drifted) == ("numerical", True)


@pytest.mark.parametrize(
    ("current", "type_"),
    [
        (column(words(2000, 5), "string", sketched=True), "categorical"),
        (column(words(2000, 1), "string", sketched=True), "text"),
        (column(words(VALUE_LIMIT + 1, 1), "string"), "text"),
        (column(words(600, 1), "string"), "text"),
        (column(words(600, 3), "string"), "categorical"),
    ],
)
def test_text_is_told_from_categories_without_a_scan(current: ColumnProfile, type_: str) -> None:
    asked: list[str] = []

    def exact(side: str, _name: str) -> dict[Any, int]:
        asked.append(side)
        return words(2000, 5)

    assert compare_column("x", column(words(3, 2000), "string"), current, exact=exact).type == type_
    assert asked == (["current"] if current.values is None and type_ == "categorical" else [])


def test_a_string_with_about_half_its_values_distinct_is_decided_by_exact_counts() -> None:
    values = {**words(1999, 2), "w1999": 3}  # 2,000 of 4,001: under the half, but within the sketch's error
    current = column(values, "string", sketched=True)
    found = compare_column("x", column(words(3, 2000), "string"), current, exact=lambda _side, _name: values)
    assert found.type == "categorical"
    assert compare_column("x", column(words(3, 2000), "string"), current).reason is not None


NUMBER = column({1.0: 2, 2.0: 3}, "float")
INFINITE = ColumnProfile(kind="float", count=5, null_count=1, infinite_count=4)
UNCOMPARED = [
    (NUMBER, ColumnProfile(kind="float", count=5, null_count=5), "no value in the current data"),
    (ColumnProfile(kind="string", count=5, null_count=5), NUMBER, "no value in the reference data"),
    (NUMBER, INFINITE, "no finite value in the current data"),
    (NUMBER, replace(NUMBER, withheld=True), "personal, so its values are in no profile"),
    (ColumnProfile(kind="datetime", count=5, null_count=0), NUMBER, "dates and times are not compared"),
    (NUMBER, ColumnProfile(kind="other", count=5, null_count=0), "its type is not compared"),
    (NUMBER, column({"a": 5, "b": 9}, "string"), "float in the reference data, string in the current"),
    (NUMBER, None, "missing in the current data"),
    (None, NUMBER, "missing in the reference data"),
    (NUMBER, column({"a": 1, "b": 1}, "string"), "float in the reference data, string in the current"),
]


@pytest.mark.parametrize(("reference", "current", "reason"), UNCOMPARED)
def test_a_column_that_cannot_be_compared_says_why_and_counts_in_no_share(
    reference: ColumnProfile | None, current: ColumnProfile | None, reason: str
) -> None:
    drifts = column({"a": 900, "b": 100}, "string"), column({"a": 100, "b": 900}, "string")
    profiles = [
        Profile(rows=1000, columns={"seen": seen} | ({"x": odd} if odd is not None else {}))
        for seen, odd in zip(drifts, (reference, current), strict=True)
    ]
    result = compare_profiles(*profiles, exact=never)
    odd = next(one for one in result.columns if one.column == "x")
    assert odd.reason == reason
    assert (odd.drifted, odd.score, odd.method) == (False, None, None)
    assert (result.share, result.drifted) == (1.0, True)


def test_nothing_compared_is_no_drift() -> None:
    empty = Profile(rows=3, columns={"x": ColumnProfile(kind="float", count=3, null_count=3)})
    result = compare_profiles(empty, empty)
    assert (result.drifted, result.share) == (False, 0.0)


@pytest.mark.parametrize(("limit", "drifted"), [(0.5, True), (0.51, False)])
def test_the_dataset_drifts_from_the_limit_on(limit: float, drifted: bool) -> None:
    columns = [ColumnDrift(column=name, type="numerical", drifted=name == "a") for name in ("a", "b")]
    assert DriftResult.of(columns, limit=limit).drifted is drifted


def test_a_column_that_nobody_has_is_named_with_its_nearest() -> None:
    profile = Profile(rows=5, columns={"amount": NUMBER})
    with pytest.raises(NotFoundError, match=r"no column 'amuont' on either side\. Did you mean 'amount'\?"):
        compare_profiles(profile, profile, columns=["amuont"])


@pytest.mark.parametrize("limit", [0, -1, 1.5])
def test_a_limit_that_is_no_share_is_refused(limit: float) -> None:
    with pytest.raises(InputError, match="is not a share of columns"):
        compare_profiles(Profile(rows=0), Profile(rows=0), limit=limit)


def test_the_json_of_a_result_has_the_promised_keys_in_order() -> None:
    result = compare_profiles(Profile(rows=5, columns={"x": NUMBER}), Profile(rows=5, columns={"x": NUMBER}))
    data = result.to_dict()
    assert list(data) == ["drifted", "share", "columns"]
    assert list(data["columns"][0]) == [
        *("column", "type", "method", "score", "threshold", "drifted", "reason", "critical_value", "adjusted")
    ]


def test_a_verdict_from_profiles_loads_neither_pandas_nor_evidently_nor_spark() -> None:
    code = (
        "import sys; import mesh_catalog.monitoring.drift; "
        "print(sorted({'pandas', 'evidently', 'pyspark', 'scipy.stats'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"
