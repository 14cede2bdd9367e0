"""The paired bootstrap and the gate, against scikit-learn and by their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from mesh_catalog.errors import GateRefusedError, InputError
from mesh_catalog.models.compare import check_gate, higher_is_better, paired_bootstrap
from mesh_catalog.specs import METRICS, CostSpec, GateSpec

ORACLES = {
    "roc_auc": roc_auc_score,
    "average_precision": average_precision_score,
    "accuracy": lambda y, s: accuracy_score(y, s >= 0.5),
    "log_loss": lambda y, s: log_loss(y, np.clip(s, 1e-15, 1 - 1e-15), labels=[0, 1]),
    "mae": mean_absolute_error,
    "rmse": root_mean_squared_error,
    "r2": r2_score,
}
EVERY_METRIC = [name for names in METRICS.values() for name in names]


def scored_rows(seed: int, rows: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows).astype(float)
    labels[:2] = [0, 1]
    return labels, np.clip(np.round(0.5 + (labels - 0.5) * 0.4 + rng.normal(0, noise, rows), 2), 0.01, 0.99)


def test_of_two_models_the_one_whose_decisions_cost_less_is_better() -> None:
    labels, champion = scored_rows(3, 400, 0.4)
    challenger = np.where(labels == 1, np.maximum(champion, 0.3), champion)  # misses none where a miss is dear
    costs = CostSpec(false_negative=9, false_positive=3)
    result = paired_bootstrap(labels, champion, challenger, metric="expected_cost", samples=200, costs=costs)
    missed = ((champion < 0.25) & (labels == 1)).mean() * 9
    assert missed > 0 and result.champion - result.challenger == pytest.approx(missed)
    assert result.difference == pytest.approx(missed) and result.better_share == 1.0 and result.low > 0
    with pytest.raises(InputError, match="'expected_cost' is not a metric"):
        paired_bootstrap(labels, champion, challenger, metric="expected_cost")
    assert check_gate({"expected_cost": 1.2}, GateSpec(at_most={"expected_cost": 1})) == (
        "expected_cost 1.200 is above 1",
    )


@pytest.mark.parametrize("metric", EVERY_METRIC)
@given(seed=st.integers(0, 10_000), rows=st.integers(2, 300))
@settings(max_examples=30, deadline=None)
def test_whole_sample_metrics_equal_scikit_learns_ties_included(metric: str, seed: int, rows: int) -> None:
    labels, champion = scored_rows(seed, rows, 0.4)
    challenger = np.random.default_rng(seed + 1).permutation(champion)

    result = paired_bootstrap(labels, champion, challenger, metric=metric, samples=1)

    assert result.champion == pytest.approx(ORACLES[metric](labels, champion), abs=1e-9)
    assert result.challenger == pytest.approx(ORACLES[metric](labels, challenger), abs=1e-9)


@pytest.mark.parametrize("metric", EVERY_METRIC)
def test_resampled_differences_equal_scikit_learn_on_the_drawn_rows(metric: str) -> None:
    labels, champion = scored_rows(3, 80, 0.5)
    challenger = scored_rows(4, 80, 0.5)[1]
    drawn = np.random.default_rng(7).integers(0, 80, size=(20, 80))
    sign = 1 if higher_is_better(metric) else -1
    oracle = ORACLES[metric]
    expected = [sign * (oracle(labels[d], challenger[d]) - oracle(labels[d], champion[d])) for d in drawn]

    result = paired_bootstrap(labels, champion, challenger, metric=metric, seed=7, samples=20)

    assert [result.low, result.high] == pytest.approx(np.quantile(expected, [0.025, 0.975]), abs=1e-9)
    assert result.better_share == np.mean(np.array(expected) > 0)


@pytest.mark.parametrize("metric", EVERY_METRIC)
def test_a_clearly_better_challenger_is_better_in_every_resample(metric: str) -> None:
    labels, champion = scored_rows(1, 2_000, 1.0)
    challenger = scored_rows(1, 2_000, 0.1)[1]

    result = paired_bootstrap(labels, champion, challenger, metric=metric, samples=200)

    assert result.better_share == 1.0
    assert result.low > 0
    assert result.difference > 0


def test_a_model_against_itself_is_better_in_half_of_the_resamples() -> None:
    labels, champion = scored_rows(1, 500, 0.5)
    result = paired_bootstrap(labels, champion, champion, metric="roc_auc", samples=100)
    assert (result.better_share, result.difference, result.low, result.high) == (0.5, 0.0, 0.0, 0.0)


def test_the_same_seed_gives_the_same_result_and_swapping_the_models_mirrors_it() -> None:
    labels, champion = scored_rows(1, 500, 0.5)
    challenger = scored_rows(2, 500, 0.45)[1]
    first = paired_bootstrap(labels, champion, challenger, metric="average_precision", seed=5)
    mirrored = paired_bootstrap(labels, challenger, champion, metric="average_precision", seed=5)

    assert first == paired_bootstrap(labels, champion, challenger, metric="average_precision", seed=5)
    assert mirrored.difference == pytest.approx(-first.difference)
    assert mirrored.better_share == pytest.approx(1 - first.better_share)
    assert mirrored.low == pytest.approx(-first.high)


def test_resamples_of_one_class_are_left_out_and_counted() -> None:
    labels = np.array([1.0] + [0.0] * 9)
    scores = np.linspace(0.1, 0.9, 10)
    result = paired_bootstrap(labels, scores, scores[::-1], metric="roc_auc", samples=500)
    assert 250 < result.samples < 400


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 2], [0.1, 0.2], "neither 0 nor 1"),
        ([0, 1], [0.1, 1.2], "no probability"),
        ([0, 1], [0.1, float("nan")], "no probability"),
        ([0, 1, 1], [0.1, 0.2], "not of the same rows"),
    ],
)
def test_rows_that_cannot_be_compared_are_an_input_error(
    labels: list[float], scores: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        paired_bootstrap(labels, scores, scores, metric="roc_auc")


def test_numbers_of_any_size_are_compared_by_a_regressions_metrics_and_must_be_finite() -> None:
    labels = np.array([-1e6, 3.0, 5e6])
    result = paired_bootstrap(labels, labels + 10, labels + 1, metric="mae", samples=50)
    assert (result.champion, result.challenger, result.difference) == (10.0, 1.0, 9.0)
    assert result.better_share == 1.0
    with pytest.raises(InputError, match="not a finite number"):
        paired_bootstrap([1.0, 2.0], [1.0, float("nan")], [1.0, 2.0], metric="mae")
    with pytest.raises(GateRefusedError, match="hold one label only"):
        paired_bootstrap([2.0, 2.0], [1.0, 2.0], [1.0, 2.0], metric="r2")


def test_one_class_only_is_refused() -> None:
    with pytest.raises(GateRefusedError, match="one class only"):
        paired_bootstrap([1, 1], [0.1, 0.2], [0.1, 0.2], metric="accuracy")


def test_an_unknown_metric_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="'f1' is not a metric. Allowed: roc_auc"):
        paired_bootstrap([0, 1], [0.1, 0.2], [0.1, 0.2], metric="f1")


def test_the_gate_names_each_promise_that_is_not_kept() -> None:
    gate = GateSpec(at_least={"roc_auc": 0.85, "recall": 0.5})
    assert check_gate({"roc_auc": 0.8, "recall": 0.5}, gate) == ("roc_auc 0.800 is below 0.85",)
    assert check_gate({"roc_auc": float("nan"), "recall": 0.5}, gate) == ("roc_auc nan is below 0.85",)
    assert check_gate({"roc_auc": 0.9, "recall": 0.6}, gate) == ()


def test_a_loss_may_be_no_more_than_its_number() -> None:
    gate = GateSpec(at_least={"log_loss": 0.2})
    assert check_gate({"log_loss": 0.3}, gate) == ("log_loss 0.300 is above 0.2",)
    assert check_gate({"log_loss": 0.2}, gate) == ()


def test_an_error_may_be_at_most_its_number() -> None:
    gate = GateSpec(at_least={"r2": 0.5}, at_most={"mae": 40, "rmse": 60})
    assert check_gate({"mae": 40.0, "rmse": 61.5, "r2": 0.5}, gate) == ("rmse 61.500 is above 60",)
    with pytest.raises(InputError, match="gate.at_most: 'mae' is not measured"):
        check_gate({"r2": 0.6}, gate)


def test_a_gate_on_something_unmeasured_is_an_input_error() -> None:
    with pytest.raises(InputError, match="'roc_au' is not measured. Did you mean 'roc_auc'"):
        check_gate({"roc_auc": 0.3}, GateSpec(at_least={"roc_au": 0.2}))
