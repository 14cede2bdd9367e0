"""Champion against challenger on the same rows: a paired bootstrap, and the model's gate.

Pure numpy but for `sample_scores`, which brings a bounded sample of scored rows to the driver. Nothing here decides:
the retraining room does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mesh_catalog.errors import GateRefusedError, InputError, listed, nearest
from mesh_catalog.models.evaluate import row_costs
from mesh_catalog.specs import EXPECTED_COST, LESS_IS_BETTER, METRICS, CostSpec, GateSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    Floats = NDArray[np.float64]

__all__ = [
    "SAMPLE_LIMIT",
    "BootstrapResult",
    "ScoreSample",
    "check_gate",
    "higher_is_better",
    "paired_bootstrap",
    "sample_scores",
]

SAMPLE_LIMIT = 50_000
"""Most test rows that come to the driver for a comparison, 24 bytes each; chosen by a hash of their keys."""
_BLOCK = 50
"""Resamples weighed at once: 50 x 50,000 doubles are 20 MB."""
_CLIP = 1e-15


@dataclass(frozen=True, kw_only=True)
class BootstrapResult:
    """What a paired bootstrap found. Differences are challenger minus champion, turned so that above 0 is better."""

    metric: str
    rows: int
    champion: float
    """The champion's metric on all the rows."""
    challenger: float
    difference: float
    low: float
    """2.5 % quantile of the resampled differences."""
    high: float
    """97.5 % quantile."""
    better_share: float
    """Share of resamples in which the challenger is better; equal counts half."""
    samples: int
    """Resamples that could be measured (that held both classes), of those asked for."""


@dataclass(frozen=True, kw_only=True)
class ScoreSample:
    """Labels and both models' scores of the same rows, in the same order."""

    labels: Floats
    champion: Floats
    challenger: Floats
    total: int
    """Rows that the sample was drawn from."""
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Other columns of the same rows."""


def higher_is_better(metric: str) -> bool:
    return metric not in LESS_IS_BETTER


def check_gate(metrics: Mapping[str, float], gate: GateSpec) -> tuple[str, ...]:
    """The promises of `gate.at_least` and `at_most` that these metrics do not keep, as sentences; empty where all are.

    "At least" is meant as "at least as good as": a loss or an error may be no more than its number.

    Raises:
        InputError: The gate names a metric that is not measured.
    """
    unmet = []
    asked = [("at_least", *one) for one in gate.at_least.items()] + [("at_most", *one) for one in gate.at_most.items()]
    for key, name, limit in asked:
        if name not in metrics:
            raise InputError(f"gate.{key}: '{name}' is not measured.{nearest(name, metrics)}")
        if key == "at_most" or not higher_is_better(name):
            if not metrics[name] <= limit:
                unmet.append(f"{name} {metrics[name]:.3f} is above {limit:g}")
        elif not metrics[name] >= limit:
            unmet.append(f"{name} {metrics[name]:.3f} is below {limit:g}")
    return tuple(unmet)


def paired_bootstrap(
    labels: Sequence[float] | Floats,
    champion_scores: Sequence[float] | Floats,
    challenger_scores: Sequence[float] | Floats,
    *,
    metric: str,
    seed: int = 0,
    samples: int = 1000,
    margin: float = 0.0,
    costs: CostSpec | None = None,
) -> BootstrapResult:
    """Resample the rows with replacement, the same rows for both models, and see how often the challenger is better.

    Args:
        labels: 0 or 1 for each row; of a regression's metric any number.
        champion_scores: Probability of 1, or predicted number, for each row.
        challenger_scores: The same rows by the other model.
        metric: One of METRICS, or expected_cost.
        seed: Of the resampling: the same numbers give the same result.
        samples: How many resamples, 1 to 100,000.
        margin: The challenger counts as better where the difference is above this.
        costs: Of wrong decisions, which expected_cost needs.

    Raises:
        InputError: Unknown metric, lengths that differ, labels other than 0 and 1, scores outside 0..1; of a
            regression's metric: labels or scores that are not finite.
        GateRefusedError: There is no row, or the labels are all of one class, so that nothing can be told.

    Cost: about `samples` x rows x 40 ns: 1,000 x 50,000 rows take 2 s.
    """
    import numpy as np  # late: weight

    y, scores = _checked(labels, champion_scores, challenger_scores, metric, samples, costs)
    measure = [_weighted_metric(metric, y, score, costs) for score in scores]
    sign = 1.0 if higher_is_better(metric) else -1.0
    whole = [float(m(np.ones((1, y.size)))[0]) for m in measure]
    rng = np.random.default_rng(seed)
    found = []
    for start in range(0, samples, _BLOCK):
        count = min(_BLOCK, samples - start)
        drawn = rng.integers(0, y.size, size=(count, y.size))
        weights = np.stack([np.bincount(row, minlength=y.size) for row in drawn]).astype(np.float64)
        if metric not in METRICS["regression"]:
            positives = weights @ y
            weights = weights[(positives > 0) & (positives < y.size)]
        found.append(sign * (measure[1](weights) - measure[0](weights)))
    differences = np.concatenate(found)
    low, high = np.quantile(differences, [0.025, 0.975]) if differences.size else (0.0, 0.0)
    better = (differences > margin).sum() + 0.5 * (differences == margin).sum()
    return BootstrapResult(
        metric=metric,
        rows=int(y.size),
        champion=whole[0],
        challenger=whole[1],
        difference=sign * (whole[1] - whole[0]),
        low=float(low),
        high=float(high),
        better_share=float(better / differences.size) if differences.size else 0.5,
        samples=int(differences.size),
    )


def sample_scores(
    rows: DataFrame,
    *,
    keys: Sequence[str],
    label: str,
    champion: str,
    challenger: str,
    extra: Sequence[str] = (),
    limit: int = SAMPLE_LIMIT,
) -> ScoreSample:
    """Bring the labels and two score columns of at most `limit` rows to the driver.

    Args:
        rows: Scored rows; reads `keys`, `label` (double), `champion` and `challenger` (double).
        keys: What names a row: the sample is the rows with the smallest hash of these, the same at every call.
        extra: Other columns to bring.
        limit: Most rows to bring, at most SAMPLE_LIMIT.

    Raises:
        InputError: `limit` is outside 1 to SAMPLE_LIMIT.

    Cost: two jobs over `rows`, the second a top-`limit` by hash; persist `rows` where scoring is dear.
    """
    from pyspark.sql import functions as F

    if not 1 <= limit <= SAMPLE_LIMIT:
        raise InputError(f"sample of scores: {limit} rows are asked for. Allowed: 1 to {SAMPLE_LIMIT:,}.")
    picked = rows.select(
        F.xxhash64(*(F.col(f"`{key}`") for key in (keys or rows.columns))).alias("hash"),
        *(
            F.col(f"`{name}`").cast("double").alias(alias)
            for name, alias in ((label, "y"), (champion, "a"), (challenger, "b"))
        ),
        *(F.col(f"`{name}`").alias(f"extra_{place}") for place, name in enumerate(extra)),
    )
    total = rows.count()
    table = picked.orderBy("hash", "y", "a", "b").limit(limit).toArrow()
    values = {name: table.column(name).to_numpy() for name in ("y", "a", "b")}
    others = {name: table.column(f"extra_{place}").to_numpy(zero_copy_only=False) for place, name in enumerate(extra)}
    return ScoreSample(labels=values["y"], champion=values["a"], challenger=values["b"], total=total, extra=others)


def _checked(
    labels: Any, champion: Any, challenger: Any, metric: str, samples: int, costs: CostSpec | None
) -> tuple[Floats, tuple[Floats, Floats]]:
    import numpy as np

    known = [*(name for names in METRICS.values() for name in names), *([EXPECTED_COST] if costs is not None else [])]
    if metric not in known:
        raise InputError(f"comparison: '{metric}' is not a metric. Allowed: {listed(known)}.")
    if not 1 <= samples <= 100_000:
        raise InputError(f"comparison: {samples} resamples are asked for. Allowed: 1 to 100,000.")
    y, a, b = (np.asarray(values, dtype=np.float64) for values in (labels, champion, challenger))
    if not y.shape == a.shape == b.shape or y.ndim != 1:
        raise InputError(
            "comparison: labels and scores are not of the same rows. Score the same frame with both models."
        )
    if metric in METRICS["regression"]:
        if not all(np.isfinite(values).all() for values in (y, a, b)):
            raise InputError("comparison: a label or a prediction is not a finite number.")
        if y.size == 0 or (metric == "r2" and y.min() == y.max()):
            raise GateRefusedError(
                f"comparison: {y.size} rows hold one label only, so nothing can be told. Take a longer window."
            )
        return y, (a, b)
    if not np.isin(y, (0.0, 1.0)).all():
        raise InputError("comparison: a label is neither 0 nor 1.")
    if not all(((score >= 0) & (score <= 1)).all() for score in (a, b)):
        raise InputError("comparison: a score is no probability (0 to 1).")
    if y.size == 0 or y.min() == y.max():
        raise GateRefusedError(
            f"comparison: {y.size} rows hold one class only, so nothing can be told. Take a longer window."
        )
    return y, (a, b)


def _weighted_metric(metric: str, y: Floats, scores: Floats, costs: CostSpec | None) -> Callable[[Floats], Floats]:
    """A function from weights (resamples x rows) to the metric of each resample."""
    import numpy as np

    if metric == "accuracy":
        right = ((scores >= 0.5) == (y == 1)).astype(np.float64)
        return lambda weights: (weights @ right) / weights.sum(axis=1)
    if metric == EXPECTED_COST and costs is not None:
        cost = row_costs(y, scores, costs)
        return lambda weights: (weights @ cost) / weights.sum(axis=1)
    if metric == "log_loss":
        clipped = np.clip(scores, _CLIP, 1 - _CLIP)
        loss = -(y * np.log(clipped) + (1 - y) * np.log1p(-clipped))
        return lambda weights: (weights @ loss) / weights.sum(axis=1)
    if metric in METRICS["regression"]:
        return _weighted_error(metric, y, scores)
    order = np.argsort(-scores, kind="stable")
    sorted_y = y[order]
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])

    def ranked(weights: Floats) -> Floats:
        # Weights in order of falling score, added up over equal scores: no sorting per resample.
        inside = weights[:, order]
        hits = np.add.reduceat(inside * sorted_y, starts, axis=1)
        misses = np.add.reduceat(inside * (1 - sorted_y), starts, axis=1)
        found = _area(hits, misses) if metric == "roc_auc" else _precision(hits, misses)
        return np.asarray(found)

    return ranked


def _weighted_error(metric: str, y: Floats, predicted: Floats) -> Callable[[Floats], Floats]:
    import numpy as np

    if metric == "mae":
        distance = np.abs(y - predicted)
        return lambda weights: (weights @ distance) / weights.sum(axis=1)
    square = (y - predicted) ** 2
    if metric == "rmse":
        return lambda weights: np.sqrt((weights @ square) / weights.sum(axis=1))
    centred = y - y.mean()

    def explained(weights: Floats) -> Floats:
        rows = weights.sum(axis=1)
        spread = weights @ centred**2 - (weights @ centred) ** 2 / rows
        found = np.divide(weights @ square, spread, out=np.ones_like(rows), where=spread > 0)
        return np.asarray(1 - found)

    return explained


def _area(hits: Floats, misses: Floats) -> Floats:
    import numpy as np

    below = misses.sum(axis=1, keepdims=True) - np.cumsum(misses, axis=1)
    pairs = (hits * (below + misses / 2)).sum(axis=1)
    return np.asarray(pairs / (hits.sum(axis=1) * misses.sum(axis=1)))


def _precision(hits: Floats, misses: Floats) -> Floats:
    import numpy as np

    caught = np.cumsum(hits, axis=1)
    flagged = caught + np.cumsum(misses, axis=1)
    precision = np.divide(caught, flagged, out=np.zeros_like(caught), where=flagged > 0)
    return np.asarray((precision * hits).sum(axis=1) / hits.sum(axis=1))
