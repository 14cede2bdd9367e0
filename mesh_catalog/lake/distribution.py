"""A column's values as its profile tells them: exact counts, intervals, variance, and how far two profiles are apart.

Pure: profiles in, numbers out. No rows are read and no value of a personal column is there to be read.
"""

from __future__ import annotations

import numpy as np

from mesh_catalog.contracts.contract import DistributionMethod
from mesh_catalog.lake.profile import ColumnProfile, bin_bounds
from mesh_catalog.lake.statistics import (
    LEAST_DEVIATION,
    Aligned,
    Counts,
    Pieces,
    align,
    deviation,
    jensen_shannon_distance,
    population_stability_index,
    wasserstein_distance,
)

__all__ = ["column_distance", "known_counts", "pieces", "variance"]

_ROUNDING = 2.0**-53
_FEW_VALUES = 20
"""Values up to which the shares of single values are compared, and not those of tenths."""


def known_counts(column: ColumnProfile) -> Counts | None:
    """Exact counts, where the profile alone has them."""
    if column.values is not None:
        return Counts.of(column.values)
    if column.kind in ("integer", "float") and column.minimum is not None and column.minimum == column.maximum:
        return Counts.of({column.minimum: column.valid_count})
    return None


def pieces(column: ColumnProfile) -> Pieces | None:
    known = known_counts(column)
    if known is not None:
        return Pieces.exact(known)
    if column.bins is None or column.minimum is None or column.maximum is None:
        return None
    if sum(column.bins.values()) != column.valid_count:
        return None
    bounds = {bin_bounds(index): count for index, count in column.bins.items()}
    return Pieces.within(
        bounds, minimum=float(column.minimum), maximum=float(column.maximum), whole=column.kind == "integer"
    )


def variance(column: ColumnProfile) -> dict[str, float]:
    """The reference's variance from its sums, and how far rounding can have moved it.

    A sum of n rounded terms is off by at most n times the rounding of the sum of their sizes; here every such sum, and
    the square of the mean, is bounded by the mean square.
    """
    known = known_counts(column)
    if known is not None:
        return {"variance": deviation(known) ** 2, "variance_error": 0.0}
    rows = column.valid_count
    mean, mean_square = column.total / rows, column.squares / rows
    return {"variance": mean_square - mean * mean, "variance_error": 4 * (rows + 2) * _ROUNDING * mean_square}


def column_distance(method: DistributionMethod, reference: ColumnProfile, current: ColumnProfile) -> float:
    """How far the values of a column are from those of the reference, nulls left aside.

    Jensen-Shannon and PSI compare shares: of each value; for a number with more than 20 values, of the tenths into
    which the reference's values fall (known to half a percent). Wasserstein is divided by the reference's standard
    deviation, as Evidently does.

    Raises:
        ValueError: The profiles cannot tell; the message says why.
    """
    if reference.kind != current.kind:
        raise ValueError(f"the column was {reference.kind} in the last version and is {current.kind} now")
    before, after = _counts(reference), _counts(current)
    if method == "wasserstein":
        return wasserstein_distance(align(before, after)) / max(deviation(before), LEAST_DEVIATION)
    number = reference.kind in ("integer", "float")
    found = align(before, after)
    if number and len(found) > _FEW_VALUES:
        found = _tenths(before, after)
    return jensen_shannon_distance(found) if method == "jensenshannon" else population_stability_index(found)


def _counts(column: ColumnProfile) -> Counts:
    exact = known_counts(column)
    if exact is not None:
        return exact
    bins = pieces(column)
    if bins is None:
        raise ValueError("it has too many different values for exact counts, and only numbers are kept in bins")
    return bins.middles


def _tenths(reference: Counts, current: Counts) -> Aligned:
    """Both sides' rows in the reference's tenths; the outer two are open."""
    shares = np.cumsum(reference.counts) / reference.total
    edges = np.unique(reference.values[np.searchsorted(shares, np.arange(1, 10) / 10 - 1e-12)])
    sides = []
    for side in (reference, current):
        rows = np.zeros(len(edges) + 1)
        np.add.at(rows, np.searchsorted(edges, side.values, side="left"), side.counts)
        sides.append(rows)
    return Aligned(values=np.arange(len(edges) + 1), reference=sides[0], current=sides[1])
