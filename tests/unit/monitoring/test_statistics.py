"""The statistics from counts are scipy's from rows, and the bounds from bins hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mesh_catalog.lake.profile import bin_bounds
from mesh_catalog.lake.statistics import (
    Counts,
    Pieces,
    align,
    chi_square_p,
    deviation,
    jensen_shannon_distance,
    kolmogorov_smirnov_p,
    wasserstein_distance,
    wasserstein_span,
    z_test_p,
)
from mesh_catalog.monitoring.files import profile_counts

finite = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)
samples = st.lists(finite, min_size=2, max_size=60)


def _counts(values: list[float]) -> Counts:
    return Counts.summed(np.array(values, dtype=float), np.ones(len(values), dtype=np.int64))


@given(samples, samples)
@settings(max_examples=150, deadline=None)
def test_distance_and_p_value_from_counts_are_scipys_from_rows(reference: list[float], current: list[float]) -> None:
    aligned = align(_counts(reference), _counts(current))
    scale = max(1.0, *map(abs, reference), *map(abs, current))
    expected = stats.wasserstein_distance(reference, current)
    assert wasserstein_distance(aligned) == pytest.approx(expected, abs=1e-9 * scale)
    assert kolmogorov_smirnov_p(aligned) == pytest.approx(stats.ks_2samp(reference, current).pvalue, abs=1e-12)
    assert deviation(_counts(reference)) == pytest.approx(float(np.std(reference)), abs=1e-9 * scale)


@given(samples, samples, st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_exact_distance_lies_within_the_span_that_the_bins_give(
    reference: list[float], current: list[float], whole: bool
) -> None:
    if whole:
        reference, current = [float(round(x)) for x in reference], [float(round(x)) for x in current]
    counts = _counts(reference), _counts(current)
    pieces = []
    for side in counts:
        profile = profile_counts(side, kind="integer" if whole else "float", rows=side.total, nulls=0)
        assert profile.bins is not None
        bounds = {bin_bounds(index): count for index, count in profile.bins.items()}
        least, most = float(side.values[0]), float(side.values[-1])
        pieces.append(Pieces.within(bounds, minimum=least, maximum=most, whole=whole))
    norm = max(deviation(counts[0]), 0.001)
    exact = wasserstein_distance(align(*counts)) / norm
    span = wasserstein_span(*pieces, variance=norm**2, variance_error=0.0)
    slack = 1e-9 * max(1.0, exact)
    assert span.low - slack <= exact <= span.high + slack
    assert span.low <= span.score <= span.high


def test_a_kolmogorov_smirnov_test_of_many_rows_is_asymptotic_as_scipys() -> None:
    rng = np.random.default_rng(1)
    reference, current = rng.integers(0, 50, 700), rng.integers(0, 51, 20_000)
    aligned = align(*(Counts.summed(values, np.ones(len(values), dtype=np.int64)) for values in (reference, current)))
    assert kolmogorov_smirnov_p(aligned) == pytest.approx(stats.ks_2samp(reference, current).pvalue, rel=1e-12)


def test_a_new_category_gives_a_p_value_of_nothing() -> None:
    aligned = align(Counts.of({"a": 10, "b": 12}), Counts.of({"a": 5, "b": 6, "c": 1}))
    assert chi_square_p(aligned) == 0.0


def test_equal_shares_of_unequal_totals_are_at_no_distance() -> None:
    aligned = align(Counts.of({"a": 1, "b": 2}), Counts.of({"a": 10, "b": 20}))
    assert jensen_shannon_distance(aligned) == 0.0
    assert z_test_p(aligned) == 1.0


def test_nulls_and_infinities_are_no_values_and_false_is_zero() -> None:
    counts = Counts.of({None: 5, float("nan"): 2, float("inf"): 3, 0.0: 2, 1.5: 4})
    assert counts.values.tolist() == [0.0, 1.5]
    assert counts.counts.tolist() == [2, 4]
    assert Counts.of({True: 2, False: 3}).values.tolist() == [0, 1]
