"""How well scores tell the classes apart: metrics, curves and the baseline of a test window.

One Spark job counts labels per score; the rest is numpy on those counts, so that the cost on the driver is bounded at
any number of rows. Metrics are exact up to EXACT_ROWS test rows; above, scores are counted on a grid of 2^-20, which
can move a ranking metric by no more than the share of pairs that fall into one cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mesh_catalog.specs import EXPECTED_COST, METRICS, CostSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    Floats = NDArray[np.float64]

__all__ = [
    "EXACT_ROWS",
    "LOSS_DEVIATION",
    "Curve",
    "Evaluation",
    "ScoreCounts",
    "baseline_metrics",
    "count_scores",
    "evaluate_counts",
    "log_losses",
    "loss_deviation",
    "row_costs",
    "row_losses",
    "score_cell",
]

EXACT_ROWS = 1_000_000
LOSS_DEVIATION = "log_loss_sd"
"""Beside a trained model's metrics: the spread of the rows' logarithmic loss, which a later test of it needs."""
_GRID = 2**20
_CURVE_POINTS = 200
_CLIP = 1e-15


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Points of a curve, at most 201, in the order of their thresholds."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    thresholds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ScoreCounts:
    """Rows per distinct score, scores falling."""

    scores: Floats
    positives: Floats
    negatives: Floats
    loss: float
    """Sum of the rows' logarithmic loss."""

    @classmethod
    def of(cls, scores: Floats, positives: Floats, negatives: Floats) -> ScoreCounts:
        """With the loss that follows from the counts, as far as the scores are exact."""
        import numpy as np  # late: weight

        clipped = np.clip(scores, _CLIP, 1 - _CLIP)
        loss = float(-(positives * np.log(clipped) + negatives * np.log1p(-clipped)).sum())
        return cls(scores=scores, positives=positives, negatives=negatives, loss=loss)

    @property
    def rows(self) -> int:
        return int(self.positives.sum() + self.negatives.sum())


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a model of any kind shows on its test rows."""

    rows: int
    label_mean: float
    """Of a binary label: the share of 1."""
    metrics: Mapping[str, float]
    """Of a probability: roc_auc, average_precision, log_loss; accuracy, precision and recall at a threshold of 0.5;
    0..1 but the loss; expected_cost where costs are known, at theirs. Of a number: mae, rmse, r2."""
    curves: Mapping[str, Curve]
    """Of a probability: roc (x false-positive rate, y true-positive rate) and precision_recall (x recall, y precision).
    Of a number: calibration (x mean prediction, y mean label of groups of rows)."""
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """95 % interval of the metrics that have one."""
    baseline: Mapping[str, float] = field(default_factory=dict)
    """What a prediction that knows no feature scores."""


def score_cell(score: str, *, rows: int) -> str:
    """What scores are counted by, in SQL of Spark's and DataFusion's: a double as it is, above EXACT_ROWS a grid's."""
    return score if rows <= EXACT_ROWS else f"floor({score} * {_GRID}) / {_GRID}"


def count_scores(scored: DataFrame, *, label: str, score: str, rows: int) -> ScoreCounts:
    """Count labels per score.

    Args:
        scored: Reads `label` (0 or 1, never null) and `score` (double, 0..1).
        rows: About how many rows `scored` has: decides between exact scores and the grid.

    Cost: one job, one shuffle of at most min(rows, 2^20) groups per task.
    """
    import numpy as np  # late: weight
    from pyspark.sql import functions as F

    value = F.col(f"`{score}`").cast("double")
    positive = F.col(f"`{label}`").cast("double")
    clipped = F.least(F.greatest(value, F.lit(_CLIP)), F.lit(1 - _CLIP))
    loss = -(positive * F.log(clipped) + (1 - positive) * F.log1p(-clipped))
    cell = F.expr(score_cell(f"cast(`{score}` as double)", rows=rows))
    table = (
        scored.select(cell.alias("s"), positive.alias("y"), loss.alias("l"))
        .groupBy("s")
        .agg(F.sum("y").alias("p"), F.sum(1 - F.col("y")).alias("n"), F.sum("l").alias("l"))
        .toArrow()
    )
    found = {name: table.column(name).to_numpy() for name in ("s", "p", "n", "l")}
    order = np.argsort(-found["s"], kind="stable")
    return ScoreCounts(
        scores=found["s"][order],
        positives=found["p"][order],
        negatives=found["n"][order],
        loss=float(np.sort(found["l"]).sum()),
    )


def evaluate_counts(
    counts: ScoreCounts, *, train_share: float | None = None, costs: CostSpec | None = None
) -> Evaluation:
    """Metrics and curves of counted scores.

    Args:
        train_share: Share of 1 among the training rows, for the baseline; none is told without it.
        costs: Of wrong decisions: their expected cost is measured too, at its own threshold.

    Raises:
        ValueError: One of the classes has no row.
    """
    import numpy as np

    hits, misses = np.cumsum(counts.positives), np.cumsum(counts.negatives)
    positives, negatives, rows = float(hits[-1]), float(misses[-1]), counts.rows
    if not positives or not negatives:
        raise ValueError("the test rows hold one class only")
    precision = hits / (hits + misses)
    below = negatives - misses + counts.negatives / 2
    called = counts.scores >= 0.5
    true_positives, false_positives = float(counts.positives[called].sum()), float(counts.negatives[called].sum())
    metrics = {
        "roc_auc": float((counts.positives * below).sum() / (positives * negatives)),
        "average_precision": float((precision * counts.positives).sum() / positives),
        "accuracy": (true_positives + negatives - false_positives) / rows,
        "log_loss": counts.loss / rows,
        "precision": true_positives / (true_positives + false_positives) if called.any() else 0.0,
        "recall": true_positives / positives,
    }
    if costs is not None:
        metrics[EXPECTED_COST] = _expected_cost(counts, costs)
    return Evaluation(
        rows=rows,
        label_mean=positives / rows,
        metrics=metrics,
        curves={
            "roc": _curve(np.r_[0.0, misses / negatives], np.r_[0.0, hits / positives], np.r_[1.0, counts.scores]),
            "precision_recall": _curve(hits / positives, precision, counts.scores),
        },
        baseline={}
        if train_share is None
        else baseline_metrics(train_share=train_share, test_share=positives / rows, costs=costs),
    )


def log_losses(counts: ScoreCounts) -> tuple[Floats, Floats]:
    """The logarithmic loss of a row of 1, and of a row of 0, at each score."""
    import numpy as np

    least = _CLIP if counts.rows <= EXACT_ROWS else 0.5 / _GRID  # on the grid, a score of 0 is any within its cell
    scores = np.clip(counts.scores, least, 1 - _CLIP)
    return -np.log(scores), -np.log1p(-scores)


def row_losses(labels: Floats, scores: Floats, *, metric: str) -> Floats:
    """Of each row: 1 for a wrong class where the metric is the accuracy, the absolute error of a number, and else the
    logarithmic loss."""
    import numpy as np

    if metric in METRICS["regression"]:
        return np.asarray(np.abs(labels - scores))
    if metric == "accuracy":
        return np.asarray((scores >= 0.5) != (labels == 1), dtype=np.float64)
    clipped = np.clip(scores, _CLIP, 1 - _CLIP)
    return np.asarray(-np.where(labels == 1, np.log(clipped), np.log1p(-clipped)))


def loss_deviation(counts: ScoreCounts) -> float:
    """Standard deviation of the rows' logarithmic loss."""
    import math

    hits, misses = log_losses(counts)
    mean, squares = (
        float((counts.positives * hits**power + counts.negatives * misses**power).sum()) / counts.rows
        for power in (1, 2)
    )
    return math.sqrt(max(squares - mean**2, 0.0))


def _expected_cost(counts: ScoreCounts, costs: CostSpec) -> float:
    """Of a row, in the costs' currency."""
    called = counts.scores >= costs.threshold
    missed, alarmed = float(counts.positives[~called].sum()), float(counts.negatives[called].sum())
    return (missed * costs.false_negative + alarmed * costs.false_positive) / counts.rows


def row_costs(labels: Floats, scores: Floats, costs: CostSpec) -> Floats:
    """What the decision on each row costs."""
    import numpy as np

    called = scores >= costs.threshold
    return np.asarray(np.where(labels == 1, ~called * costs.false_negative, called * costs.false_positive))


def baseline_metrics(*, train_share: float, test_share: float, costs: CostSpec | None = None) -> dict[str, float]:
    """What a model scores that gives every test row the training rows' share of 1.

    Args:
        train_share: Share of 1 among the training rows, between 0 and 1.
        test_share: The same of the test rows.
        costs: Of wrong decisions.
    """
    import math

    right = test_share if train_share >= 0.5 else 1 - test_share
    share = min(max(train_share, _CLIP), 1 - _CLIP)
    cost = {}
    if costs is not None:
        always = train_share >= costs.threshold
        cost[EXPECTED_COST] = (1 - test_share) * costs.false_positive if always else test_share * costs.false_negative
    return {
        **cost,
        "roc_auc": 0.5,
        "average_precision": test_share,
        "accuracy": right,
        "log_loss": -(test_share * math.log(share) + (1 - test_share) * math.log1p(-share)),
    }


def _curve(x: Any, y: Any, thresholds: Any) -> Curve:
    """At most _CURVE_POINTS + 1 of the points, spread evenly along x and y, the first and the last among them."""
    import numpy as np

    if x.size > _CURVE_POINTS:
        way = np.r_[0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))]
        kept = np.unique(np.searchsorted(way, np.linspace(0.0, way[-1], _CURVE_POINTS)))
        kept = np.unique(np.r_[0, np.minimum(kept, x.size - 1), x.size - 1])
        x, y, thresholds = x[kept], y[kept], thresholds[kept]
    return Curve(x=tuple(map(float, x)), y=tuple(map(float, y)), thresholds=tuple(map(float, thresholds)))
