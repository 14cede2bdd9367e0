"""The five statistics of Evidently's default drift decision, and PSI, from counts of values instead of rows.

Each of the five gives what Evidently 0.7.23 computes with scipy on the rows themselves; the formulas are scipy's, so
the results agree to rounding (1e-9 is tested). Owns the arithmetic only: which statistic a column gets is `drift.py`'s.
Pure numpy and `scipy.special`; `scipy.stats`, which takes a second to load, only for Kolmogorov-Smirnov.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = [
    "LEAST_DEVIATION",
    "Aligned",
    "Counts",
    "Pieces",
    "Span",
    "align",
    "chi_square_p",
    "deviation",
    "jensen_shannon_distance",
    "kolmogorov_smirnov_p",
    "population_stability_index",
    "wasserstein_distance",
    "wasserstein_span",
    "z_test_p",
]

LEAST_DEVIATION = 0.001
"""Evidently divides the Wasserstein distance by the reference's deviation, or by this where that is smaller."""
_LEAST_SHARE = 0.0001
_EXACT_ROWS = 10_000
"""scipy's `ks_2samp` computes the exact p-value up to this many rows a side."""
_EDGE_SLACK = 1e-9
"""Relative width added to a bin on both sides: the index came from a rounded logarithm."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How often each value of a column occurs: no nulls, NaN or infinities, values distinct and ascending."""

    values: NDArray[Any]
    """float64 or int64, or objects that are all `str`."""
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, found: Mapping[Any, int]) -> Counts:
        """Counts from a mapping; nulls, NaN and infinities are dropped, as Evidently drops them; False is 0, True 1."""
        items = [(value, count) for value, count in found.items() if count and _is_clean(value)]
        values = _array([value for value, _count in items])
        return cls.summed(values, np.array([count for _value, count in items], dtype=np.int64))

    @classmethod
    def summed(cls, values: NDArray[Any], counts: NDArray[np.int64]) -> Counts:
        """Counts from values that may repeat, each with a count."""
        order = np.argsort(values, kind="stable")
        values, counts = values[order], counts[order]
        starts = _run_starts(values)
        return cls(values=values[starts], counts=np.add.reduceat(counts, starts) if len(starts) else counts)

    @classmethod
    def of_rows(cls, rows: NDArray[Any]) -> Counts:
        """Counts of numbers; sorts `rows` in place."""
        rows.sort()
        starts = _run_starts(rows)
        return cls(values=rows[starts], counts=np.diff(starts, append=len(rows)))

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def __len__(self) -> int:
        return len(self.values)


def _run_starts(values: NDArray[Any]) -> NDArray[np.int64]:
    """Where each new value begins in sorted values."""
    changes = np.ones(len(values), dtype=bool)
    changes[1:] = values[1:] != values[:-1]
    return np.flatnonzero(changes)


def _is_clean(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _array(values: list[Any]) -> NDArray[Any]:
    if any(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    if all(isinstance(value, int) and abs(value) < 2**63 for value in values):
        return np.array([int(value) for value in values], dtype=np.int64)
    return np.array([float(value) for value in values], dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """Two columns' counts over the values of both, ascending."""

    values: NDArray[Any]
    reference: NDArray[np.float64]
    current: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)


def align(reference: Counts, current: Counts) -> Aligned:
    """The counts of both sides over all values that occur on either."""
    values = np.concatenate([reference.values, current.values])
    values.sort()
    values = values[_run_starts(values)]
    return Aligned(values=values, reference=_spread(reference, values), current=_spread(current, values))


def _spread(found: Counts, values: NDArray[Any]) -> NDArray[np.float64]:
    spread = np.zeros(len(values))
    spread[np.searchsorted(values, found.values)] = found.counts
    return spread


def chi_square_p(found: Aligned) -> float:
    """p-value of the current counts where the reference's shares are expected; 0 when a category is new."""
    expected = found.reference * (found.current.sum() / found.reference.sum())
    with np.errstate(divide="ignore"):
        statistic = float(((found.current - expected) ** 2 / expected).sum())
    return float(special.chdtrc(len(found) - 1, statistic)) if math.isfinite(statistic) else 0.0


def z_test_p(found: Aligned) -> float:
    """Two-sided p-value of the difference in the share of all values but the smallest, pooled; for up to two values."""
    if len(found) == 1:
        return 1.0
    reference_rows, current_rows = found.reference.sum(), found.current.sum()
    reference_share = (reference_rows - found.reference[0]) / reference_rows
    current_share = (current_rows - found.current[0]) / current_rows
    pooled = (reference_share * reference_rows + current_share * current_rows) / (reference_rows + current_rows)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / reference_rows + 1 / current_rows))
    return float(2 * (1 - special.ndtr(abs(reference_share - current_share) / spread)))


def jensen_shannon_distance(found: Aligned) -> float:
    """Square root of the Jensen-Shannon divergence, natural logarithm."""
    reference = found.reference / found.reference.sum()
    current = found.current / found.current.sum()
    middle = (reference + current) / 2
    divergence = special.rel_entr(reference, middle).sum() + special.rel_entr(current, middle).sum()
    return math.sqrt(max(float(divergence), 0.0) / 2)


def population_stability_index(found: Aligned) -> float:
    """PSI of two sets of shares; a share of nothing counts as a ten-thousandth, so that the logarithm exists."""
    reference = np.maximum(found.reference / found.reference.sum(), _LEAST_SHARE)
    current = np.maximum(found.current / found.current.sum(), _LEAST_SHARE)
    return float(((current - reference) * np.log(current / reference)).sum())


def kolmogorov_smirnov_p(found: Aligned) -> float:
    """Two-sided p-value of the two-sample Kolmogorov-Smirnov test: exact up to 10,000 rows a side, else asymptotic."""
    from scipy import stats  # late: takes a second

    rows = int(found.reference.sum()), int(found.current.sum())
    if max(rows) <= _EXACT_ROWS:
        samples = (np.repeat(found.values, counts.astype(np.int64)) for counts in (found.reference, found.current))
        return float(stats.ks_2samp(*samples).pvalue)
    gap = np.abs(np.cumsum(found.reference) / rows[0] - np.cumsum(found.current) / rows[1]).max()
    large, small = float(max(rows)), float(min(rows))
    return float(np.clip(stats.kstwo.sf(gap, np.round(large * small / (large + small))), 0, 1))


def wasserstein_distance(found: Aligned) -> float:
    """First Wasserstein distance, in the column's unit."""
    values = found.values.astype(np.float64)
    reference = np.cumsum(found.reference)[:-1] / found.reference.sum()
    current = np.cumsum(found.current)[:-1] / found.current.sum()
    return float((np.abs(reference - current) * np.diff(values)).sum())


def deviation(found: Counts) -> float:
    """Population standard deviation."""
    values = found.values.astype(np.float64)
    mean = (values * found.counts).sum() / found.total
    return math.sqrt(float(((values - mean) ** 2 * found.counts).sum() / found.total))


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """A column known up to intervals: `counts[i]` values lie somewhere in low[i]..high[i]."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: NDArray[np.int64]

    @classmethod
    def exact(cls, found: Counts) -> Pieces:
        values = found.values.astype(np.float64)
        return cls(low=values, high=values, counts=found.counts)

    @classmethod
    def within(cls, bins: Mapping[tuple[float, float], int], *, minimum: float, maximum: float, whole: bool) -> Pieces:
        """From bins, narrowed to the column's extremes, and to whole numbers where it holds no others."""
        edges = np.array(list(bins), dtype=np.float64).reshape(-1, 2)
        low = edges[:, 0] - _EDGE_SLACK * np.abs(edges[:, 0])
        high = edges[:, 1] + _EDGE_SLACK * np.abs(edges[:, 1])
        if whole:
            low, high = np.ceil(low), np.floor(high)
        low, high = np.clip(low, minimum, maximum), np.clip(high, minimum, maximum)
        return cls(low=low, high=np.maximum(low, high), counts=np.array(list(bins.values()), dtype=np.int64))

    @property
    def middles(self) -> Counts:
        return Counts.summed(self.low / 2 + self.high / 2, self.counts)

    @property
    def uncertainty(self) -> float:
        """How far the distance between the middles and the true values can be: the mean of the half widths."""
        return float(((self.high / 2 - self.low / 2) * self.counts).sum() / self.counts.sum())


@dataclass(frozen=True, kw_only=True)
class Span:
    """A score, and what it surely lies between."""

    score: float
    low: float
    high: float


def wasserstein_span(reference: Pieces, current: Pieces, *, variance: float, variance_error: float) -> Span:
    """The normed Wasserstein distance, as far as intervals and rounded sums tell.

    The distance is a metric, so moving every value of a side to its interval's middle changes it by no more than the
    mean of the half widths of that side.

    Args:
        variance: The reference's population variance, and how far rounding may have moved it (`variance_error`).
    """
    moved = wasserstein_distance(align(reference.middles, current.middles))
    doubt = reference.uncertainty + current.uncertainty
    norm, least, most = (
        max(math.sqrt(max(number, 0.0)), LEAST_DEVIATION)
        for number in (variance, variance - variance_error, variance + variance_error)
    )
    return Span(score=moved / norm, low=max(moved - doubt, 0.0) / most, high=(moved + doubt) / least)
