"""Intervals at 95 %: of a share (Wilson), a difference of shares (Newcombe), their ratio (Katz), an error, a metric.

Pure numbers: no rows, no files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mesh_catalog.models.evaluate import ScoreCounts

__all__ = ["DECISION", "Interval", "bootstrap", "difference", "error_intervals", "ratio", "wilson"]

_Z = 1.959963984540054
_ERROR_Z = 1.96
"""Rounded, as it was when the first verdicts were kept: replayed, they must come out equal."""
_CELLS = 512
DECISION = 0.5
"""The score from which on a row is taken for a 1, where nothing is said of costs."""
_SAMPLES = 200

Interval = tuple[float, float]


def wilson(hits: float, rows: float) -> Interval:
    """Wilson's score interval of a share; (0, 1) of nothing."""
    if rows <= 0:
        return 0.0, 1.0
    share, square = hits / rows, _Z * _Z
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    half = _Z / (1 + square / rows) * math.sqrt(share * (1 - share) / rows + square / (4 * rows * rows))
    return max(0.0, middle - half), min(1.0, middle + half)


def difference(hits: float, rows: float, other_hits: float, other_rows: float) -> Interval:
    """Newcombe's hybrid score interval of the first share minus the second."""
    p, q = hits / rows, other_hits / other_rows
    (low, high), (other_low, other_high) = wilson(hits, rows), wilson(other_hits, other_rows)
    return (
        p - q - math.hypot(p - low, other_high - q),
        p - q + math.hypot(high - p, q - other_low),
    )


def ratio(hits: float, rows: float, other_hits: float, other_rows: float) -> Interval:
    """Katz's interval of the first share over the second, on the logarithm; (0, inf) where a side has no hit."""
    if not hits or not other_hits:
        return 0.0, math.inf
    found = (hits / rows) / (other_hits / other_rows)
    half = _Z * math.sqrt(max(1 / hits - 1 / rows + 1 / other_hits - 1 / other_rows, 0.0))
    return found * math.exp(-half), found * math.exp(half)


def error_intervals(*, mae: float, mse: float, fourth: float, rows: int) -> dict[str, Interval]:
    """The intervals of mae, mse and rmse, from the means of |error|, error² and error⁴ of independent rows."""
    half_mae = _ERROR_Z * math.sqrt(max(mse - mae * mae, 0.0) / rows)
    half_mse = _ERROR_Z * math.sqrt(max(fourth - mse * mse, 0.0) / rows)
    low, high = max(mse - half_mse, 0.0), mse + half_mse
    return {
        "mae": (mae - half_mae, mae + half_mae),
        "mse": (low, high),
        "rmse": (math.sqrt(low), math.sqrt(high)),
    }


def bootstrap(
    counts: ScoreCounts,
    measure: Callable[[ScoreCounts], dict[str, float]],
    *,
    seed: int = 0,
    cuts: Sequence[float] = (DECISION,),
) -> dict[str, Interval]:
    """The interval of each metric of counted scores, by a Poisson bootstrap of their cells.

    Scores are gathered in 512 cells for it, and the spread found there is put around the exact metric. The same counts
    and seed give the same interval.

    Args:
        cuts: Scores where decisions change.
    """
    coarse = _gathered(counts, cuts)
    exact, middle = measure(counts), measure(coarse)
    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {name: [] for name in exact}
    for _ in range(_SAMPLES):
        drawn = _drawn(coarse, rng)
        if drawn.positives.sum() and drawn.negatives.sum():
            for name, value in measure(drawn).items():
                found[name].append(value - middle[name])
    return {
        name: (exact[name] + float(np.quantile(shifts, 0.025)), exact[name] + float(np.quantile(shifts, 0.975)))
        for name, shifts in found.items()
        if shifts
    }


def _gathered(counts: ScoreCounts, cuts: Sequence[float]) -> ScoreCounts:
    from mesh_catalog.models.evaluate import ScoreCounts

    if counts.scores.size <= _CELLS:
        return counts
    weights = counts.positives + counts.negatives
    ranks = np.cumsum(weights) / weights.sum()
    # cells of equal weight, but never across a score where decisions change
    sides = sum((counts.scores < cut).astype(int) for cut in cuts)
    cells = np.minimum((ranks * _CELLS / 2).astype(int), _CELLS // 2) * (len(cuts) + 1) + sides
    _, place = np.unique(cells, return_inverse=True)

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(place, weights=values).astype(np.float64)

    scores = summed(counts.scores * weights) / summed(weights)
    order = np.argsort(-scores, kind="stable")
    positives, negatives = summed(counts.positives)[order], summed(counts.negatives)[order]
    return ScoreCounts(scores=scores[order], positives=positives, negatives=negatives, loss=counts.loss)


def _drawn(counts: ScoreCounts, rng: np.random.Generator) -> ScoreCounts:
    from mesh_catalog.models.evaluate import ScoreCounts

    positives = rng.poisson(counts.positives).astype(np.float64)
    negatives = rng.poisson(counts.negatives).astype(np.float64)
    drawn = positives + negatives > 0
    return ScoreCounts.of(counts.scores[drawn], positives[drawn], negatives[drawn])
