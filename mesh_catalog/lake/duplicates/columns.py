"""How surely one column holds the rows of another, from their profiles alone.

The question is always whether the smaller column's rows can be some of the larger one's. Counts of values and of bins
are exact, so a real part breaks none of them: where the larger one has n rows of a value, the smaller one has at most
n. Two columns of other rows break many, even where both are drawn from one distribution: how many is known (Poisson),
and so how surprising it is that none is broken. That surprise, in bits, is the evidence; no threshold on a similarity
would mean the same for small and large tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mesh_catalog.lake.profile import ColumnProfile

__all__ = ["ColumnCounts", "ColumnMatch", "compare_columns"]

_BITS_LIMIT: Final = 40.0
"""Of one column: no single one decides alone."""
_COUNT_LIMIT: Final = 400
_NEARLY: Final = 0.02
"""Share of counts that may be broken: a copy that was corrected here and there."""


class ColumnCounts:
    """A column's profile, and what many comparisons of it need, made once."""

    def __init__(self, profile: ColumnProfile) -> None:
        self.profile = profile
        self.is_row_number = _is_row_number(profile)

    @cached_property
    def whole(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of numbers: values, or bins where there are too many, in order, and how many rows have each."""
        counts = self.profile.values if self.profile.values is not None else self.profile.bins or {}
        keys = np.fromiter(counts, dtype=np.int64, count=len(counts))
        order = np.argsort(keys)
        return keys[order], np.fromiter(counts.values(), dtype=np.int64, count=len(counts))[order]


@dataclass(frozen=True)
class ColumnMatch:
    """What speaks for the smaller column's rows being some of the larger one's."""

    bits: float
    """Evidence; 0 where nothing is known either way."""
    known: bool
    """False where the profiles say nothing of the values."""


def compare_columns(smaller: ColumnCounts, larger: ColumnCounts) -> ColumnMatch | None:
    """Compare a column with one of at least as many rows; None where it cannot hold some of its rows."""
    small, large = smaller.profile, larger.profile
    if small.kind != large.kind or small.null_count > large.null_count + _NEARLY * small.count:
        return None
    if small.withheld or large.withheld or small.kind == "other" or not small.valid_count or not large.valid_count:
        return ColumnMatch(0.0, known=False) if small.withheld == large.withheld else None
    if small.kind == "datetime":
        return _times(small, large)
    if small.kind == "string":
        return _texts(small, large)
    if small.kind == "boolean":
        return _values(small.values or {}, large.values or {}, small, large)
    return _numbers(smaller, larger)


def _times(small: ColumnProfile, large: ColumnProfile) -> ColumnMatch | None:
    low, high = str(small.minimum), str(small.maximum)
    if low < str(large.minimum) or high > str(large.maximum):
        return None
    shared = [one for one, other in ((low, large.minimum), (high, large.maximum)) if one == str(other)]
    return ColumnMatch(sum(_moment_bits(one) for one in shared), known=True)


def _moment_bits(text: str) -> float:
    """How unlikely it is that two tables begin at one moment by chance: hardly, where that is a round one."""
    if len(text) <= 10 or "T00:00:00" in text:
        return 1.0
    return 12.0 if "." in text else 8.0


def _texts(small: ColumnProfile, large: ColumnProfile) -> ColumnMatch | None:
    if small.values is not None and large.values is not None:
        return _values(small.values, large.values, small, large)
    if small.distinct_sketch is None or large.distinct_sketch is None:
        return ColumnMatch(0.0, known=False)
    alone, distinct = _distinct(large.distinct_sketch), _distinct(small.distinct_sketch)
    new = (_distinct_together(large.distinct_sketch, small.distinct_sketch) - alone) / max(distinct, 1.0)
    if new > _NEARLY:
        return None
    keys = distinct > 0.9 * small.valid_count and alone > 0.9 * large.valid_count
    # texts that name each row are in two tables only where the rows are; others may come from one list
    return ColumnMatch(min(_BITS_LIMIT, distinct / 4) if keys else min(4.0, distinct / 100), known=True)


@lru_cache(maxsize=65_536)
def _distinct(sketch: str) -> float:
    return _distinct_together(sketch)


def _distinct_together(*sketches: str) -> float:
    """Distinct values of all; told twice, for then the estimate looks at registers only, and what adds none is none."""
    from datasketches import hll_sketch, hll_union

    union = hll_union(12)
    for one in (*sketches, *sketches):
        union.update(hll_sketch.deserialize(bytes.fromhex(one)))
    return float(union.get_estimate())


def _numbers(smaller: ColumnCounts, larger: ColumnCounts) -> ColumnMatch | None:
    small, large = smaller.profile, larger.profile
    if _number(small.minimum) < _number(large.minimum) or _number(small.maximum) > _number(large.maximum):
        return None
    if smaller.is_row_number or larger.is_row_number:
        return ColumnMatch(0.0, known=False)
    if (small.values is None) != (large.values is None):  # a part of few values: by bins, which both have
        smaller, larger = ColumnCounts(replace(small, values=None)), ColumnCounts(replace(large, values=None))
    (keys, few), (known, many) = smaller.whole, larger.whole
    if not len(keys) or not len(known):
        return ColumnMatch(0.0, known=False)
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    there = known[places] == keys
    return _counts(few[there], many[places[there]], many, few[~there], small, large)


def _values(
    few: Mapping[Any, int], many: Mapping[Any, int], small: ColumnProfile, large: ColumnProfile
) -> ColumnMatch | None:
    there = [key for key in few if key in many]
    if len(few) - len(there) > _NEARLY * len(few):
        return None
    return _counts(
        np.array([few[key] for key in there], dtype=np.int64),
        np.array([many[key] for key in there], dtype=np.int64),
        np.fromiter(many.values(), dtype=np.int64, count=len(many)),
        np.array([count for key, count in few.items() if key not in many], dtype=np.int64),
        small,
        large,
    )


def _number(value: Any) -> float:
    return float(value) if value is not None else math.nan


def _is_row_number(column: ColumnProfile) -> bool:
    """Whether it counts rows: such columns agree in tables that have nothing in common."""
    if column.kind != "integer" or column.minimum is None or column.maximum is None:
        return False
    span = float(column.maximum) - float(column.minimum) + 1
    if column.values is not None and max(column.values.values()) > 1:
        return False
    middle = (float(column.maximum) + float(column.minimum)) / 2
    mean = column.mean or 0.0
    return span < 1.2 * column.valid_count and column.valid_count <= span + 1 and abs(mean - middle) < 0.05 * span


def _counts(
    few: NDArray[np.int64],
    many: NDArray[np.int64],
    every: NDArray[np.int64],
    strange: NDArray[np.int64],
    small: ColumnProfile,
    large: ColumnProfile,
) -> ColumnMatch | None:
    """Weigh counts.

    Args:
        few, many: Of the values that both have, how many rows of the smaller and of the larger column have each.
        every: Of all values of the larger column.
        strange: Rows of each value that only the smaller one has.
    """
    ratio = min(small.valid_count / large.valid_count, 1.0)
    broken = float(np.count_nonzero(few > many)) / len(every)
    expected = float(_break_chances(max(round(ratio, 2), 0.01))[np.minimum(every, _COUNT_LIMIT)].sum()) / len(every)
    if len(strange) > _NEARLY * (len(few) + len(strange)) or broken > max(_NEARLY, 0.25 * expected):
        return None
    bits = len(every) * _divergence(min(broken, expected), expected)
    # Good and Turing: as large a share of independent rows has a new value as, of the known ones, is alone with its own
    new = int(strange.sum()) / small.valid_count
    unseen = min(int(np.count_nonzero(every == 1)) / large.valid_count, 0.99)
    bits += small.valid_count * _divergence(min(new, unseen), unseen)
    return ColumnMatch(min(_BITS_LIMIT, bits), known=True)


def _divergence(found: float, expected: float) -> float:
    """Kullback-Leibler divergence of two coins, in bits."""
    if expected <= 0.0 or expected >= 1.0:
        return 0.0
    first = found * math.log2(found / expected) if found > 0 else 0.0
    return first + (1 - found) * math.log2((1 - found) / (1 - expected))


@cache
def _break_chances(ratio: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """For n = 0, 1, 2…: how likely independent rows, `ratio` times as many, have more than n of a value that n have."""
    chances = np.zeros(_COUNT_LIMIT + 1)
    for n in range(1, _COUNT_LIMIT + 1):
        mean = ratio * n
        term = total = math.exp(-mean)
        for k in range(1, n + 1):
            term *= mean / k
            total += term
        chances[n] = max(0.0, 1.0 - total)
    return chances
