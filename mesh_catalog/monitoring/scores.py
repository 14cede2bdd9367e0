"""The score that each of Evidently's drift methods gives two columns, from the counts of their values.

Each gives what Evidently 0.7.23 computes with scipy on the rows themselves (1e-7 is tested). Where Evidently's score is
not a number because both columns hold one and the same value, a p-value is 1 here: neither finds drift. Where Evidently
raises, and its whole report fails, a `ScoreError` says why. Pure numpy and `scipy.special`; `scipy.stats` is imported
only by what needs it, since that takes a second.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mesh_catalog.lake.statistics import (
    LEAST_DEVIATION,
    Aligned,
    Counts,
    align,
    chi_square_p,
    deviation,
    jensen_shannon_distance,
    kolmogorov_smirnov_p,
    wasserstein_distance,
    z_test_p,
)
from mesh_catalog.specs import DriftMethod, DriftType

__all__ = ["Sample", "ScoreError", "score_columns"]

_KEYED_VALUES = 20
"""Values of the reference up to which a number's shares are compared value by value, and not bin by bin."""
_RARE_SHARE = 0.0001
_MMD_ROWS = 5_000
"""Rows of both sides up to which maximum mean discrepancy is computed: its matrix has the square of them."""
_MMD_ROUNDS = 100
_EXACT_RANKS = 8
_EXACT_VON_MISES = 20
_SAME_TOTAL = 1e-8


class ScoreError(ValueError):
    """A method cannot be applied to these columns; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Two columns, as counts of their cleaned values; neither is empty."""

    reference: Counts
    current: Counts
    type: DriftType
    whole: bool
    """Whether pandas holds both as integers; numpy makes bins of at least 1 of those."""
    aligned: Aligned = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "aligned", align(self.reference, self.current))

    @property
    def constant(self) -> bool:
        """Whether one value is all there is, on both sides."""
        return len(self.aligned) == 1


def score_columns(method: DriftMethod, sample: Sample) -> float:
    """What the method says of the two columns.

    Raises:
        ScoreError: It cannot be applied to them.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of capped p-values and of columns that hardly vary
        return float(_SCORES[method](sample))


def _shares(sample: Sample) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both sides' shares: of Sturges's bins for a number of more than 20 values, else of each value."""
    found = sample.aligned
    if sample.type == "numerical" and len(sample.reference) > _KEYED_VALUES:
        edges = _sturges(found.values, sample.reference.total + sample.current.total, whole=sample.whole)
        counts = [_binned((found.values, side), edges) for side in (found.reference, found.current)]
    else:
        counts = [found.reference, found.current]
    return counts[0] / sample.reference.total, counts[1] / sample.current.total


def _sturges(values: NDArray[Any], size: int, *, whole: bool) -> NDArray[np.float64]:
    """numpy's `histogram_bin_edges(…, bins="sturges")` of a sample of this size between the extremes of `values`."""
    low, high = values[0].item(), values[-1].item()
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    width = float(high - low) / (math.log2(size) + 1)
    if not math.isfinite(width):
        raise ScoreError("its values are too large to compute with")
    number = math.ceil((high - low) / max(width, 1 if whole else 0))
    edges = np.linspace(float(low), float(high), number + 1)
    if (edges[:-1] >= edges[1:]).any():
        raise ScoreError("its values lie too close together for bins")
    return edges


def _binned(column: tuple[NDArray[Any], NDArray[np.float64]], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows in each bin; the last one holds its right edge."""
    values, counts = column
    places = np.searchsorted(values, edges, side="left")
    places[-1] = np.searchsorted(values, edges[-1], side="right")
    return np.diff(np.concatenate([[0.0], np.cumsum(counts)])[places])


def _filled(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of nothing made small, so that their logarithm exists."""
    least = shares[shares > 0].min()
    return np.where(shares == 0, least / 10**6 if least <= _RARE_SHARE else _RARE_SHARE, shares)


def _psi(sample: Sample) -> float:
    reference, current = map(_filled, _shares(sample))
    return float(((reference - current) * np.log(reference / current)).sum())


def _kullback_leibler(sample: Sample) -> float:
    reference, current = map(_filled, _shares(sample))
    return float(special.rel_entr(reference / reference.sum(), current / current.sum()).sum())


def _jensen_shannon(sample: Sample) -> float:
    reference, current = _shares(sample)
    return jensen_shannon_distance(Aligned(values=sample.aligned.values, reference=reference, current=current))


def _hellinger(sample: Sample) -> float:
    found = sample.aligned
    reference, current = found.reference / sample.reference.total, found.current / sample.current.total
    if sample.type == "numerical":
        edges = _sturges(found.values, len(found), whole=sample.whole)
        widths = np.diff(edges)
        mean_width = (edges[-1] - edges[0]) / (len(edges) - 1)
        reference, current = (
            _binned((found.values, side), edges) / widths for side in (found.reference, found.current)
        )
        reference, current = reference / sample.reference.total, current / sample.current.total
        overlap = math.fsum(np.sqrt(reference * current) * mean_width)
    else:
        overlap = math.fsum(np.sqrt(reference * current))
    return math.sqrt(1 - min(max(overlap, 0.0), 1.0))


def _wasserstein(sample: Sample) -> float:
    return wasserstein_distance(sample.aligned) / max(deviation(sample.reference), LEAST_DEVIATION)


def _energy(sample: Sample) -> float:
    found = sample.aligned
    gaps = np.cumsum(found.reference) / sample.reference.total - np.cumsum(found.current) / sample.current.total
    return math.sqrt(2 * float((gaps[:-1] ** 2 * np.diff(found.values.astype(np.float64))).sum()))


def _chi_square(sample: Sample) -> float:
    return 1.0 if sample.constant else chi_square_p(sample.aligned)


def _g_test(sample: Sample) -> float:
    found = sample.aligned
    _require_equal_totals(sample)
    if sample.constant:
        return 1.0
    if (found.current[found.reference == 0] > 0).any():
        return 0.0
    statistic = 2 * float(special.xlogy(found.current, found.current / found.reference).sum())
    return float(special.chdtrc(len(found) - 1, statistic))


def _require_equal_totals(sample: Sample) -> None:
    totals = sample.reference.total, sample.current.total
    if abs(totals[0] - totals[1]) > _SAME_TOTAL * min(totals):
        raise ScoreError("this method takes as many rows on either side")


def _fisher(sample: Sample) -> float:
    from scipy import stats  # late: takes a second

    found = sample.aligned
    if sample.reference.total != sample.current.total:
        raise ScoreError("this method takes as many rows on either side")
    if len(found) > 2:
        raise ScoreError("this method takes two values, and there are more")
    if sample.constant:
        return 1.0
    table = [[int(side[1]), int(side[0])] for side in (found.current, found.reference)]
    return float(stats.fisher_exact(table).pvalue)


def _t_test(sample: Sample) -> float:
    rows = sample.reference.total, sample.current.total
    means, squares = zip(*map(_moments, (sample.reference, sample.current)), strict=True)
    freedom = rows[0] + rows[1] - 2
    if sample.constant or freedom < 1:
        return 1.0
    spread = math.sqrt((squares[0] + squares[1]) / freedom * (1 / rows[0] + 1 / rows[1]))
    if not spread:
        return 0.0
    return float(2 * special.stdtr(freedom, -abs(means[0] - means[1]) / spread))


def _moments(column: Counts) -> tuple[float, float]:
    """Mean, and sum of squared differences from it."""
    first = float(column.values[0])
    values = column.values.astype(np.float64) - first
    mean = float((values * column.counts).sum()) / column.total
    return first + mean, float(((values - mean) ** 2 * column.counts).sum())


def _mann_whitney(sample: Sample) -> float:
    found = sample.aligned
    rows = sample.reference.total, sample.current.total
    both = found.reference + found.current
    if min(rows) <= _EXACT_RANKS and (both <= 1).all():
        from scipy import stats  # late: takes a second

        return float(stats.mannwhitneyu(*_rows(sample), alternative="less").pvalue)
    n = sum(rows)
    ranks = _mid_ranks(both)
    mean = rows[0] * rows[1] / 2
    statistic = rows[0] * rows[1] - (float((found.reference * ranks).sum()) - rows[0] * (rows[0] + 1) / 2)
    ties = float((both**3 - both).sum())
    spread = math.sqrt(max(rows[0] * rows[1] / 12 * ((n + 1) - ties / (n * (n - 1))), 0.0))
    if not spread:
        return 1.0
    return float(special.ndtr(-(statistic - mean - 0.5) / spread))


def _mid_ranks(both: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of each value among all rows; rows of one value share their mean rank."""
    return np.cumsum(both) - both + (both + 1) / 2


def _cramer_von_mises(sample: Sample) -> float:
    rows = sample.reference.total, sample.current.total
    if min(rows) < 2:
        raise ScoreError("this method takes two rows at least on either side")
    if max(rows) <= _EXACT_VON_MISES:
        from scipy import stats  # late: takes a second

        return float(stats.cramervonmises_2samp(*_rows(sample), method="exact").pvalue)
    found = sample.aligned
    ranks = _mid_ranks(found.reference + found.current)
    total = sum(
        size * _rank_gaps(side, ranks) for size, side in zip(rows, (found.reference, found.current), strict=True)
    )
    k, n = rows[0] * rows[1], sum(rows)
    statistic = total / (k * n) - (4 * k - 1) / (6 * n)
    expected = (1 + 1 / n) / 6
    variance = (n + 1) * (4 * k * n - 3 * (rows[0] ** 2 + rows[1] ** 2) - 2 * k) / (45 * n**2 * 4 * k)
    normal = 1 / 6 + (statistic - expected) / math.sqrt(45 * variance)
    return 1.0 if normal < 0.003 else max(0.0, 1.0 - _von_mises_limit(normal))


def _rank_gaps(counts: NDArray[np.float64], ranks: NDArray[np.float64]) -> float:
    """Sum over a side's rows of the squared difference of rank among all rows and rank in the side."""
    away = ranks - (np.cumsum(counts) - counts)  # the k-th row of a value has rank `away` - k more
    squares = counts * (counts + 1) * (2 * counts + 1) / 6
    return float((counts * away**2 - away * counts * (counts + 1) + squares).sum())


def _von_mises_limit(x: float) -> float:
    """The limiting distribution of the Cramér-von Mises statistic (Csörgő and Faraway 1996, 1.3), as scipy sums it."""
    total = 0.0
    for k in count():
        y = 4 * k + 1
        q = y * y / (16 * x)
        factor = math.exp(special.gammaln(k + 0.5) - special.gammaln(k + 1)) / (math.pi**1.5 * math.sqrt(x))
        term = factor * math.sqrt(y) * math.exp(-q) * float(special.kv(0.25, q))
        total += term
        if abs(term) < 1e-7:
            break
    return total


def _anderson_darling(sample: Sample) -> float:
    """Scholz and Stephens 1987, equation 7; the p-value is interpolated, and lies between 0.001 and 0.25."""
    if sample.constant:
        raise ScoreError("this method takes two values at least, and there is one")
    found, rows = sample.aligned, (sample.reference.total, sample.current.total)
    n = sum(rows)
    both = found.reference + found.current
    before = np.cumsum(both) - both / 2
    spread = before * (n - before) - n * both / 4
    total = 0.0
    for size, counts in zip(rows, (found.reference, found.current), strict=True):
        below = np.cumsum(counts) - counts / 2
        total += float((both / n * (n * below - before * size) ** 2 / spread).sum()) / size
    statistic = (total * (n - 1) / n - 1) / math.sqrt(_anderson_variance(rows))
    critical = np.array([0.675, 1.281, 1.645, 1.96, 2.326, 2.573, 3.085])
    critical = critical + np.array([-0.245, 0.25, 0.678, 1.149, 1.822, 2.364, 3.615])
    critical = critical + np.array([-0.105, -0.305, -0.362, -0.391, -0.396, -0.345, -0.154])
    levels = np.array([0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001])
    if statistic < critical.min():
        return float(levels.max())
    if statistic > critical.max():
        return float(levels.min())
    return math.exp(float(np.polyval(np.polyfit(critical, np.log(levels), 2), statistic)))


def _anderson_variance(rows: tuple[int, int]) -> float:
    n, k = sum(rows), 2
    if n < 4:
        raise ScoreError("this method takes more rows")
    inverse = 1 / rows[0] + 1 / rows[1]
    sums = (1.0 / np.arange(n - 1, 1, -1)).cumsum()
    h = float(sums[-1]) + 1
    g = float((sums / np.arange(2, n)).sum())
    a = (4 * g - 6) * (k - 1) + (10 - 6 * g) * inverse
    b = (2 * g - 4) * k**2 + 8 * h * k + (2 * g - 14 * h - 4) * inverse - 8 * h + 4 * g - 6
    c = (6 * h + 2 * g - 2) * k**2 + (4 * h - 4 * g + 6) * k + (2 * h - 6) * inverse + 4 * h
    d = (2 * h + 6) * k**2 - 4 * h * k
    return (a * n**3 + b * n**2 + c * n + d) / ((n - 1.0) * (n - 2.0) * (n - 3.0))


def _epps_singleton(sample: Sample) -> float:
    """Epps and Singleton 1986: the characteristic functions at 0.4 and 0.8 of half the interquartile range."""
    rows = sample.reference.total, sample.current.total
    if min(rows) < 5:
        raise ScoreError("this method takes five rows at least on either side")
    found = sample.aligned
    both = Counts(values=found.values, counts=(found.reference + found.current).astype(np.int64))
    scale = (_quantile(both, 0.75) - _quantile(both, 0.25)) / 2
    if not scale:
        raise ScoreError("half of its values or more are the same, which this method does not take")
    if len(sample.reference) == len(sample.current) == 1:
        return 0.0  # two constants, and not the same
    n = sum(rows)
    means, spread = [], np.zeros((4, 4))
    for size, counts in zip(rows, (found.reference, found.current), strict=True):
        angles = np.outer(np.array([0.4, 0.8]) / scale, found.values.astype(np.float64))
        waves = np.concatenate([np.cos(angles), np.sin(angles)])
        mean = waves @ counts / size
        off = waves - mean[:, None]
        means.append(mean)
        spread += n / size * ((off * counts) @ off.T / size)
    inverse = np.linalg.pinv(spread)
    rank = int(np.linalg.matrix_rank(inverse))
    gap = means[0] - means[1]
    statistic = n * float(gap @ inverse @ gap)
    if max(rows) < 25:
        statistic *= 1.0 / (1.0 + n ** (-0.45) + 10.1 * (rows[0] ** (-1.7) + rows[1] ** (-1.7)))
    return float(special.chdtrc(rank, statistic))


def _quantile(column: Counts, share: float) -> float:
    """Between the rows around the share of the way, as numpy's default has it."""
    ends = np.cumsum(column.counts)
    place = share * (column.total - 1)
    low, high = (float(column.values[np.searchsorted(ends, math.floor(place) + step, "right")]) for step in (0, 1))
    return low + (high - low) * (place - math.floor(place))


def _mean_discrepancy(sample: Sample) -> float:
    """Maximum mean discrepancy by a radial kernel, its p-value from 100 permutations.

    Evidently permutes without a seed, so that its p-value moves by some hundredths; here the seed is 0.
    """
    rows = [side.reshape(-1, 1).astype(np.float64) for side in _rows(sample, limit=_MMD_ROWS)]
    if min(map(len, rows)) < 2:
        raise ScoreError("this method takes two rows at least on either side")
    x = np.concatenate(rows)
    size = len(rows[0])
    distances = (x**2).T - 2 * np.dot(x, x.T) + x**2
    sigma = (0.5 * np.percentile(distances[:size, :size].ravel(), q=50, method="nearest")) ** 0.5
    kernel = np.exp(-distances / (2.0 * (float(sigma) if sigma else 0.5**0.5) ** 2))
    kernel -= np.diag(np.diagonal(kernel))
    observed = _discrepancy(kernel, size)
    order = np.random.RandomState(0)
    rounds = []
    for _ in range(_MMD_ROUNDS):
        places = order.permutation(len(kernel))
        rounds.append(_discrepancy(kernel[places][:, places], size))
    return float((observed <= np.array(rounds)).mean())


def _discrepancy(kernel: NDArray[np.float64], size: int) -> float:
    rest = len(kernel) - size
    inside = kernel[:size, :size].sum() / (size * (size - 1)) + kernel[size:, size:].sum() / (rest * (rest - 1))
    return float(inside - 2.0 * kernel[size:, :size].mean())


def _rows(sample: Sample, *, limit: int | None = None) -> list[NDArray[Any]]:
    """Both sides as rows, sorted."""
    if limit is not None and sample.reference.total + sample.current.total > limit:
        raise ScoreError(f"this method takes at most {limit:,} rows of both sides together")
    return [np.repeat(side.values, side.counts) for side in (sample.reference, sample.current)]


_SCORES: Mapping[str, Callable[[Sample], float]] = {
    "anderson": _anderson_darling,
    "chisquare": _chi_square,
    "cramer_von_mises": _cramer_von_mises,
    "ed": _energy,
    "empirical_mmd": _mean_discrepancy,
    "es": _epps_singleton,
    "fisher_exact": _fisher,
    "g_test": _g_test,
    "hellinger": _hellinger,
    "jensenshannon": _jensen_shannon,
    "kl_div": _kullback_leibler,
    "ks": lambda sample: kolmogorov_smirnov_p(sample.aligned),
    "mannw": _mann_whitney,
    "psi": _psi,
    "t_test": _t_test,
    "wasserstein": _wasserstein,
    "z": lambda sample: z_test_p(sample.aligned),
}
