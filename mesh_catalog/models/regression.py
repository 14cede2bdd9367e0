"""How far predicted numbers are from the true ones: metrics with intervals, calibration and baselines of a test window.

Sums over the rows, made by Spark: exact at any number of rows, a few numbers on the driver.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mesh_catalog.models.evaluate import Curve, Evaluation

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["evaluate_numbers"]

_BINS = 50
_NORMAL_95 = 1.959964


def evaluate_numbers(
    scored: DataFrame, *, label: str, score: str, label_mean: float, constants: Mapping[str, float]
) -> Evaluation:
    """mae and rmse in the label's unit, r2 (1 is perfect, 0 the test rows' mean); each with its 95 % interval.

    The intervals are those of independent rows (delta method): where errors of neighbouring rows go together, as in
    most series, the truth is further off more often.

    Args:
        scored: Reads `label` (double, finite) and `score` (double).
        label_mean: The mean label of these rows.
        constants: What is compared with as baseline: a name, and the one number that it predicts for every row. The
            first one's metrics are called as the model's own, those of the others `<name>_<metric>`.

    Cost: two jobs over two columns.
    """
    from pyspark.sql import functions as F

    y, predicted = F.col(f"`{label}`").cast("double"), F.col(f"`{score}`").cast("double")
    error, spread = (y - predicted) * (y - predicted), (y - label_mean) * (y - label_mean)
    sums: dict[str, Any] = (
        scored.agg(
            F.count("*").alias("rows"),
            F.avg(F.abs(y - predicted)).alias("mae"),
            F.avg(error).alias("mse"),
            F.avg(spread).alias("variance"),
            F.avg(error * error).alias("error_error"),
            F.avg(error * spread).alias("error_spread"),
            F.avg(spread * spread).alias("spread_spread"),
            F.percentile_approx(predicted, [step / _BINS for step in range(1, _BINS)]).alias("cuts"),
            *(F.avg(F.abs(y - value)).alias(f"mae of {name}") for name, value in constants.items()),
        )
        .collect()[0]
        .asDict()
    )
    metrics = _metrics(sums["mae"], sums["mse"], sums["variance"])
    baseline: dict[str, float] = {}
    for index, (name, value) in enumerate(constants.items()):
        found = _metrics(sums[f"mae of {name}"], sums["variance"] + (label_mean - value) ** 2, sums["variance"])
        baseline |= found if index == 0 else {f"{name}_{metric}": number for metric, number in found.items()}
    return Evaluation(
        rows=sums["rows"],
        label_mean=label_mean,
        metrics=metrics,
        intervals={name: _interval(metrics[name], half) for name, half in _halves(metrics, sums).items()},
        baseline=baseline,
        curves={"calibration": _calibration(scored.select(y.alias("y"), predicted.alias("p")), sums["cuts"])},
    )


def _metrics(mae: float, mse: float, variance: float) -> dict[str, float]:
    return {"mae": mae, "rmse": math.sqrt(mse), "r2": 1 - mse / variance if variance > 0 else 0.0}


def _halves(metrics: Mapping[str, float], sums: Mapping[str, Any]) -> dict[str, float]:
    """Half the width of each metric's interval, from the variance of what it is the mean, root or ratio of."""
    mse, variance, rows = sums["mse"], sums["variance"], sums["rows"]
    share = mse / variance if variance > 0 else 0.0
    ratio = sums["error_error"] - 2 * share * sums["error_spread"] + share**2 * sums["spread_spread"]
    spreads = {
        "mae": mse - metrics["mae"] ** 2,
        "rmse": (sums["error_error"] - mse**2) / (4 * mse) if mse > 0 else 0.0,
        "r2": ratio / variance**2 if variance > 0 else 0.0,
    }
    return {name: _NORMAL_95 * math.sqrt(max(spread, 0.0) / rows) for name, spread in spreads.items()}


def _interval(value: float, half: float) -> tuple[float, float]:
    return value - half, value + half


def _calibration(pairs: DataFrame, cuts: list[float]) -> Curve:
    """Mean label by mean prediction, of _BINS groups of rows of about equal number."""
    from pyspark.sql import functions as F

    bounds = sorted(set(cuts))
    group = F.size(F.filter(F.array(*map(F.lit, bounds)), lambda bound: F.col("p") > bound))
    found = (
        pairs.groupBy(group.alias("group"))
        .agg(F.avg("p").alias("x"), F.avg("y").alias("y"), F.max("p").alias("most"))
        .orderBy("group")
        .collect()
    )
    return Curve(
        x=tuple(row["x"] for row in found),
        y=tuple(row["y"] for row in found),
        thresholds=tuple(row["most"] for row in found),
    )
