"""Metrics of a window's scores, real or expected, held against limits: what performance and its estimate share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mesh_catalog.catalog.verdicts import Measure, Outcome
from mesh_catalog.errors import InputError
from mesh_catalog.models.evaluate import ScoreCounts, evaluate_counts, score_cell
from mesh_catalog.monitoring.finding import Finding, worst
from mesh_catalog.monitoring.intervals import DECISION, Interval, bootstrap
from mesh_catalog.specs import LESS_IS_BETTER

if TYPE_CHECKING:
    import pyarrow as pa

    from mesh_catalog.monitoring.rows import Rows
    from mesh_catalog.monitoring.window import Window
    from mesh_catalog.specs import CostSpec, ModelSpec, PerformanceSpec

__all__ = ["judge_metrics", "measured", "metrics_of", "model_of", "read_scores", "score_counts"]


def read_scores(rows: Rows, label: str | None, *, rows_about: int) -> pa.Table:
    """Score, label and number of rows `n`, one row for each score and label; `label` None: all nulls.

    Scores are exact up to a million rows, above on a grid of 2^-20.
    """
    cell = score_cell("cast(score as double)", rows=rows_about)
    shown = label or "cast(null as double)"
    query = f"(select {cell} as s, {shown} as y from {rows.relation} as q)"  # noqa: S608 - names of ours
    return type(rows)(tickets=rows.tickets, relation=query).select("s, y, count(*) as n", rest="group by s, y")


def measured(counts: ScoreCounts, model: ModelSpec) -> tuple[dict[str, float], dict[str, Interval]]:
    """All metrics of a model's counted scores, and their intervals."""
    metrics = partial(metrics_of, costs=model.costs)
    cuts = (DECISION, *([model.costs.threshold] if model.costs is not None else []))
    return metrics(counts), bootstrap(counts, metrics, seed=model.seed, cuts=cuts)


def score_counts(scores: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> ScoreCounts:
    """Counts of rows, or expected ones, per score; scores may repeat and come in any order."""
    found, place = np.unique(scores, return_inverse=True)
    hits = np.bincount(place, weights=positives, minlength=found.size)[::-1].astype(np.float64)
    misses = np.bincount(place, weights=negatives, minlength=found.size)[::-1].astype(np.float64)
    return ScoreCounts.of(found[::-1], hits, misses)


def metrics_of(counts: ScoreCounts, costs: CostSpec | None = None) -> dict[str, float]:
    """All metrics of a binary model; decisions are cut at a score of 0.5, those of the expected cost at its own."""
    found = dict(evaluate_counts(counts, costs=costs).metrics)
    precision, recall = found["precision"], found["recall"]
    called = counts.scores >= DECISION
    negatives = float(counts.negatives.sum())
    found["f1"] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    found["specificity"] = float(counts.negatives[~called].sum()) / negatives
    return found


def model_of(window: Window) -> ModelSpec:
    """The window's model.

    Raises:
        InputError: It is a product's window.
    """
    if window.model is None:
        raise InputError(f"{window.subject}: is no model, so it has no performance.")
    return window.model


def judge_metrics(
    window: Window,
    spec: PerformanceSpec,
    values: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]],
    *,
    beside: Measure,
    note: str = "",
    by_test: bool = True,
) -> Finding:
    """Metrics against their limits: those that the section names, and the champion's on its test window.

    Args:
        beside: A measure of what the metrics rest on; it does not count.
        note: The end of the sentence.
        by_test: Whether the champion's test window limits the model's own metric.
    """
    metric = model_of(window).metric
    known = dict(window.champion.metrics) if window.champion else {}
    limits = _limits(spec, metric, known.get(metric) if by_test else None)
    measures = _measured(values, intervals, limits, known)
    reason = _told(measures, metric) + note
    return Finding(outcome=worst([one.outcome for one in measures]), reason=reason, measures=(*measures, beside))


def _limits(spec: PerformanceSpec, metric: str, known: float | None) -> dict[str, float]:
    """Limit by metric: what the section names, and the model's metric against its value on the test window."""
    limits = {**spec.at_least, **spec.at_most}
    if metric not in limits and known is not None:
        worse = 1 + spec.loses if metric in LESS_IS_BETTER else 1 - spec.loses
        limits[metric] = known * worse if known >= 0 else known - spec.loses * abs(known)
    return limits


def _measured(
    values: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]],
    limits: Mapping[str, float],
    known: Mapping[str, float],
) -> tuple[Measure, ...]:
    """Each metric as a measure: fail where its whole interval is beyond its limit, warn where only the value is.

    Args:
        known: The champion's metrics on its test window, kept beside.
    """
    found = []
    for name, value in values.items():
        low, high = intervals.get(name, (value, value))
        limit = limits.get(name)
        details = {"test_window": known[name]} if name in known else {}
        outcome = _outcome(name, value, low, high, limit)
        measure = Measure(
            method=name, score=value, threshold=limit, outcome=outcome, low=low, high=high, details=details
        )
        found.append(measure)
    return tuple(found)


def _outcome(name: str, value: float, low: float, high: float, limit: float | None) -> Outcome:
    if limit is None:
        return "pass"
    if name in LESS_IS_BETTER:
        return "fail" if low > limit else "warn" if value > limit else "pass"
    return "fail" if high < limit else "warn" if value < limit else "pass"


def _told(measures: tuple[Measure, ...], metric: str) -> str:
    """A sentence on the metrics that are beyond their limits, or else on the model's own."""
    bad = [one for one in measures if one.outcome in ("fail", "warn")]
    shown = bad or [one for one in measures if one.method == metric] or list(measures[:1])
    return "; ".join(map(_sentence, shown))


def _sentence(measure: Measure) -> str:
    text = f"{measure.method} {measure.score:.3f}"
    if measure.low is not None and measure.high is not None:
        text += f" [{measure.low:.3f}, {measure.high:.3f}]"
    if measure.threshold is None:
        return text
    word = "most" if measure.method in LESS_IS_BETTER else "least"
    return f"{text}, at {word} {measure.threshold:.3f} wanted"
