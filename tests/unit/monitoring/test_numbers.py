"""Intervals, agreement of attributions and bias from counts, against other people's numbers and their laws."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_catalog.models.evaluate import ScoreCounts
from mesh_catalog.monitoring.attribution import ndcg
from mesh_catalog.monitoring.bias import Group, bias_measures
from mesh_catalog.monitoring.error_estimate import ErrorModel
from mesh_catalog.monitoring.estimate import calibrate, expected_counts
from mesh_catalog.monitoring.intervals import bootstrap, difference, ratio, wilson
from mesh_catalog.monitoring.metrics import metrics_of, score_counts
from mesh_catalog.specs import BiasSpec, CostSpec, FacetSpec


def test_wilsons_and_newcombes_intervals_are_those_of_newcombe_1998() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert difference(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_ratio_has_no_end_where_a_side_has_no_hit() -> None:
    assert ratio(0, 10, 5, 10) == (0.0, math.inf)
    low, high = ratio(20, 100, 40, 100)
    assert low < 0.5 < high and low * high == pytest.approx(0.25)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
def test_a_difference_lies_within_its_interval_and_turns_with_its_sides(n: int, m: int, p: float, q: float) -> None:
    a, b = round(n * p), round(m * q)
    low, high = difference(a, n, b, m)
    assert -1 - 1e-9 <= low <= a / n - b / m <= high <= 1 + 1e-9
    assert difference(b, m, a, n) == pytest.approx((-high, -low))


def test_ndcg_is_sagemakers() -> None:
    reference = {"a": 0.5, "b": 0.3, "c": 0.2}
    assert ndcg(reference, {"a": 9, "b": 5, "c": 1}) == 1.0
    swapped = 0.3 + 0.5 / math.log2(3) + 0.2 / math.log2(4)
    assert ndcg(reference, {"a": 1, "b": 2, "c": 0}) == pytest.approx(swapped / (0.5 + 0.3 / math.log2(3) + 0.1))
    assert ndcg({"a": 0.0}, {"a": 1.0}) == 1.0


@given(st.lists(st.floats(0, 10), min_size=1, max_size=8), st.randoms())
def test_agreement_is_a_share_and_perfect_with_itself(values: list[float], random: object) -> None:
    reference = {str(place): value for place, value in enumerate(values)}
    other = dict(zip(reference, reversed(values), strict=True))
    assert 0 <= ndcg(reference, other) <= 1 + 1e-12
    assert ndcg(reference, reference) == pytest.approx(1.0)


def test_bias_is_clarifys_by_name_and_sign() -> None:
    women = Group(rows=100, chosen=70, hits=60, false_alarms=10, misses=10, rejections=20)
    men = Group(rows=200, chosen=40, hits=30, false_alarms=10, misses=20, rejections=140)
    found = {
        one.method: one
        for one in bias_measures(FacetSpec(column="sex", groups=("men",)), {"women": women, "men": men}, {}, BiasSpec())
    }
    scores = {name: one.score for name, one in found.items()}
    assert scores == pytest.approx(
        {
            "DPPL": 0.7 - 0.2,
            "DI": 0.2 / 0.7,
            "DPL": 70 / 100 - 50 / 200,
            "AD": 80 / 100 - 170 / 200,
            "RD": 60 / 70 - 30 / 50,
            "SD": 140 / 150 - 20 / 30,
            "DAR": 60 / 70 - 30 / 40,
            "DRR": 140 / 160 - 20 / 30,
        }
    )
    assert found["DPPL"].outcome == "fail" and found["AD"].outcome == "pass"


def test_a_group_of_few_rows_is_not_judged() -> None:
    few = Group(rows=10, chosen=10)
    told = list(bias_measures(FacetSpec(column="c"), {"a": few, "b": Group(rows=500, chosen=5)}, {}, BiasSpec()))
    assert [one.outcome for one in told] == ["not_run"] and "30 are needed" in str(told[0].reason)


def test_an_interval_of_a_metric_is_as_wide_as_other_samples_differ() -> None:
    rng = np.random.default_rng(0)

    def drawn() -> ScoreCounts:
        scores = rng.beta(2, 3, 1500)
        labels = (rng.random(1500) < scores).astype(float)
        return score_counts(scores, labels, 1 - labels)

    counts, costs = drawn(), CostSpec(false_negative=120, false_positive=30)
    metrics = partial(metrics_of, costs=costs)
    intervals = bootstrap(counts, metrics, cuts=(0.5, costs.threshold))
    assert bootstrap(counts, metrics, cuts=(0.5, costs.threshold)) == intervals
    others = [metrics(drawn()) for _ in range(150)]
    for name in ("roc_auc", "average_precision", "accuracy", "f1", "log_loss", "expected_cost"):
        low, high = intervals[name]
        assert low < metrics(counts)[name] < high
        assert (high - low) / 3.92 == pytest.approx(np.std([one[name] for one in others]), rel=0.3), name


def test_calibration_turns_scores_into_the_shares_of_ones() -> None:
    rng = np.random.default_rng(4)
    truth = rng.beta(1, 2, 20_000)
    labels = (rng.random(20_000) < truth).astype(float)
    past = score_counts(truth**2, labels, 1 - labels)
    found = calibrate(past, np.array([0.01, 0.25, 0.64, 2.0]))
    assert found == pytest.approx([0.1, 0.5, 0.8, found[3]], abs=0.05) and found[3] <= 1
    expected = expected_counts(np.array([0.2, 0.2]), np.array([0.5, 0.5]), np.array([10.0, 30.0]))
    assert (expected.positives.tolist(), expected.negatives.tolist()) == ([20.0], [20.0])


@pytest.mark.slow
def test_an_error_is_estimated_where_it_depends_on_the_features() -> None:
    rng = np.random.default_rng(5)
    kind = np.array([("calm", "wild", None)[place] for place in rng.integers(0, 3, 6000)], dtype=object)
    spread = np.where(kind == "wild", 3.0, 1.0)
    scores = rng.normal(size=6000)
    labels = scores + rng.normal(size=6000) * spread
    learned = ErrorModel({"kind": kind}, scores, labels)
    wild = np.full(500, "wild", dtype=object)
    absolute, square = learned.expected({"kind": wild}, scores[:500])
    assert absolute.mean() == pytest.approx(3 * math.sqrt(2 / math.pi), rel=0.1)
    assert square.mean() == pytest.approx(9, rel=0.15)
