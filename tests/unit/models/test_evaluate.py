"""Metrics of counted scores, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    precision_score,
    recall_score,
    roc_auc_score,
)

from mesh_catalog.models.evaluate import ScoreCounts, baseline_metrics, evaluate_counts, loss_deviation, row_costs
from mesh_catalog.specs import CostSpec


def counted(labels: np.ndarray, scores: np.ndarray) -> ScoreCounts:
    values = np.unique(scores)[::-1]
    positives = np.array([((scores == value) & (labels == 1)).sum() for value in values], dtype=float)
    negatives = np.array([((scores == value) & (labels == 0)).sum() for value in values], dtype=float)
    return ScoreCounts(scores=values, positives=positives, negatives=negatives, loss=0.0)


@given(seed=st.integers(0, 10_000), rows=st.integers(2, 200))
@settings(max_examples=60, deadline=None)
def test_metrics_equal_scikit_learns_ties_included(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    labels[:2] = [0, 1]
    scores = np.round(rng.random(rows), 1)

    found = evaluate_counts(counted(labels, scores)).metrics

    assert found["roc_auc"] == pytest.approx(roc_auc_score(labels, scores))
    assert found["average_precision"] == pytest.approx(average_precision_score(labels, scores))
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, scores >= 0.5))
    assert found["precision"] == pytest.approx(precision_score(labels, scores >= 0.5, zero_division=0))
    assert found["recall"] == pytest.approx(recall_score(labels, scores >= 0.5))


@given(seed=st.integers(0, 10_000), rows=st.integers(2, 200), missed=st.floats(0.1, 500), alarmed=st.floats(0.1, 500))
@settings(max_examples=60, deadline=None)
def test_the_expected_cost_is_what_the_wrong_decisions_cost_at_the_costs_own_threshold(
    seed: int, rows: int, missed: float, alarmed: float
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    labels[:2] = [0, 1]
    scores = np.round(rng.random(rows), 1)
    costs = CostSpec(false_negative=missed, false_positive=alarmed)
    found = evaluate_counts(counted(labels, scores), train_share=0.3, costs=costs)
    called = scores >= alarmed / (alarmed + missed)
    _, false_alarms, misses, _ = confusion_matrix(labels, called, labels=[0, 1]).ravel()
    wanted = (misses * missed + false_alarms * alarmed) / rows
    assert found.metrics["expected_cost"] == pytest.approx(wanted)
    assert row_costs(labels.astype(float), scores, costs).mean() == pytest.approx(wanted)
    always = costs.threshold <= 0.3
    assert found.baseline["expected_cost"] == pytest.approx(
        (labels == 0).mean() * alarmed if always else labels.mean() * missed
    )


def test_no_other_threshold_is_cheaper_where_scores_are_probabilities() -> None:
    rng = np.random.default_rng(3)
    scores = rng.beta(1, 4, 200_000)
    labels = (rng.random(200_000) < scores).astype(float)
    costs = CostSpec(false_negative=12, false_positive=3)
    best = row_costs(labels, scores, costs).mean()
    for other in (0.05, 0.1, 0.3, 0.5):
        assert np.where(labels == 1, (scores < other) * 12, (scores >= other) * 3).mean() > best


def test_curves_are_bounded_keep_their_ends_and_their_area() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 20_000)
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1)

    values, where = np.unique(scores, return_inverse=True)
    positives = np.bincount(where, weights=labels)[::-1].astype(np.float64)
    negatives = np.bincount(where, weights=1 - labels)[::-1].astype(np.float64)
    found = evaluate_counts(ScoreCounts(scores=values[::-1], positives=positives, negatives=negatives, loss=0.0))

    assert len(found.curves["roc"].x) <= 202
    assert len(found.curves["precision_recall"].x) <= 202
    assert (
        found.curves["roc"].x[0],
        found.curves["roc"].y[0],
        found.curves["roc"].x[-1],
        found.curves["roc"].y[-1],
    ) == (0, 0, 1, 1)
    assert found.curves["precision_recall"].x[-1] == 1
    area = np.trapezoid(found.curves["roc"].y, found.curves["roc"].x)
    assert area == pytest.approx(found.metrics["roc_auc"], abs=1e-3)


def test_the_spread_of_the_logarithmic_loss_is_that_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 500), np.round(rng.random(500), 2)
    clipped = np.clip(scores, 1e-15, 1 - 1e-15)
    rows = np.where(labels == 1, -np.log(clipped), -np.log1p(-clipped))
    assert loss_deviation(counted(labels, scores)) == pytest.approx(rows.std())


def test_one_class_only_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="one class only"):
        evaluate_counts(counted(np.array([1, 1]), np.array([0.2, 0.3])))


def test_the_baseline_says_the_training_rows_majority() -> None:
    assert baseline_metrics(train_share=0.1, test_share=0.3)["accuracy"] == 0.7
    assert baseline_metrics(train_share=0.6, test_share=0.3)["accuracy"] == 0.3
    assert baseline_metrics(train_share=0.5, test_share=0.5)["log_loss"] == pytest.approx(np.log(2))
    assert baseline_metrics(train_share=0.0, test_share=0.5)["log_loss"] < 40
