"""Performance without labels, estimated from the scores: CBPE, confidence-based performance estimation.

A calibrated score is the probability that its row is a 1, so the expected number of hits and misses at each score is
known without a label, and every metric follows from these. The scores are calibrated by isotonic regression on the
champion's earlier rows whose labels have come; where there are too few, they are taken as they are.

It holds as long as the scores are calibrated and the meaning of the features has not changed: a change of what leads
to the target (concept drift) is not seen, and neither are rows unlike all that the model has learned from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mesh_catalog.catalog.verdicts import Measure
from mesh_catalog.errors import InputError
from mesh_catalog.monitoring.finding import Finding, Monitor, not_run
from mesh_catalog.monitoring.metrics import judge_metrics, measured, model_of, read_scores, score_counts
from mesh_catalog.monitoring.rows import LABEL, labelled_rows, scored_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mesh_catalog.models.evaluate import ScoreCounts
    from mesh_catalog.monitoring.window import Window

    Floats = NDArray[np.float64]

__all__ = ["ESTIMATED_PERFORMANCE", "LIMITS", "calibrate", "expected_counts", "judge_estimate", "learned_from"]

LIMITS = "estimated; sees no concept drift"
_LEAST_CALIBRATION = 200


def judge_estimate(window: Window) -> Finding:
    """Expected metrics of the window's scores.

    Raises:
        StorageError: A table cannot be read.
    """
    model = model_of(window)
    table = read_scores(scored_rows(window, ["score"]), None, rows_about=window.current.rows)
    scores, rows = (np.asarray(table.column(name).to_numpy(), dtype=float) for name in ("s", "n"))
    usable = np.isfinite(scores)
    scores, rows = scores[usable], rows[usable]
    if not rows.sum():
        return not_run("the window has no row of the champion's")
    past = _past(window)
    probability = calibrate(past, scores) if past is not None else scores
    counts = expected_counts(scores, probability, rows)
    if not counts.positives.sum() or not counts.negatives.sum():
        return not_run("every score says the same, so nothing can be estimated")
    values, intervals = measured(counts, model)
    calibration = Measure(
        method="calibration rows",
        score=float(past.rows) if past is not None else 0.0,
        outcome="pass" if past is not None else "warn",
        reason="holds while scores are calibrated"
        if past is not None
        else "too few earlier labels: scores are taken as probabilities, which they may not be",
    )
    spec, note = window.spec.estimate, f" ({LIMITS})"
    return judge_metrics(window, spec, values, intervals, beside=calibration, note=note)


def calibrate(past: ScoreCounts, scores: Floats) -> Floats:
    """The probability of 1 at each score, by isotonic regression on scores with labels."""
    from sklearn.isotonic import IsotonicRegression  # late: weight

    rows = past.positives + past.negatives
    fitted = IsotonicRegression(out_of_bounds="clip", y_min=0.0, y_max=1.0)
    fitted.fit(past.scores, past.positives / rows, sample_weight=rows)
    found: Any = fitted.predict(scores)
    return np.asarray(found, dtype=np.float64)


def expected_counts(scores: Floats, probability: Floats, rows: Floats) -> ScoreCounts:
    """How many ones and zeros are expected at each score."""
    return score_counts(scores, rows * probability, rows * (1 - probability))


def _past(window: Window) -> ScoreCounts | None:
    """The champion's earlier rows whose labels have come; None where they are too few, or of one class."""
    if window.baseline is None or window.labels is None:
        return None
    try:
        rows = labelled_rows(window, ["score"], part=window.baseline)
    except InputError:
        return None
    table = read_scores(rows, LABEL, rows_about=window.baseline.rows)
    scores, labels, number = (np.asarray(table.column(name).to_numpy(), dtype=float) for name in ("s", "y", "n"))
    known = np.isin(labels, (0.0, 1.0)) & np.isfinite(scores)
    ones = labels[known] == 1
    if number[known].sum() < _LEAST_CALIBRATION or ones.all() or not ones.any():
        return None
    return score_counts(scores[known], number[known] * ones, number[known] * ~ones)


def learned_from(window: Window) -> tuple[str | None, ...]:
    """What an estimate depends on: the champion's training, and its earlier rows with the labels that they have."""
    return window.training, window.baseline_text, window.labels_text if window.baseline else None


ESTIMATED_PERFORMANCE = Monitor(
    kind="estimated_performance",
    title="estimated performance",
    applies=lambda window: window.model is not None and window.model.kind == "binary",
    reference=learned_from,
    judge=judge_estimate,
)
