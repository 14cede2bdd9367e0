"""Evidently's default drift decision, from profiles instead of rows.

Owns the decision: which type a column has, which statistic it gets, on which side of which threshold it lies, and the
dataset's verdict. It is that of Evidently 0.7.23's `DataDriftPreset` (the table stands in docs/guide), with these
differences, each one a case where Evidently fails or leaves a column out without a word:

- Types follow the schema, not pandas: an integer or boolean column with nulls stays one.
- A column without a finite value on a side, where Evidently's whole report fails, gets a reason instead.
- Infinities are dropped everywhere; Evidently's dataset verdict keeps them where a column has no nulls.
- Dates, other types, personal columns and text get a reason. Evidently compares text by training a classifier on the
  rows; here it is not compared.
- The share is drifted columns / compared columns. A column with a reason is in neither number.

Scores from value counts are exact. Scores from bins carry a sure bound; where the threshold lies within it, the exact
counts are asked for. Pure numpy and scipy: no pandas, no Spark, no files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mesh_catalog.catalog.verdicts import Measure, Outcome
from mesh_catalog.errors import InputError, NotFoundError, nearest
from mesh_catalog.lake.distribution import known_counts, pieces, variance
from mesh_catalog.lake.profile import VALUE_LIMIT, ColumnProfile, Profile
from mesh_catalog.lake.statistics import (
    LEAST_DEVIATION,
    Aligned,
    Span,
    chi_square_p,
    deviation,
    jensen_shannon_distance,
    kolmogorov_smirnov_p,
    wasserstein_distance,
    wasserstein_span,
    z_test_p,
)
from mesh_catalog.monitoring.sides import (
    Exact,
    Pair,
    ProfileSide,
    Side,
    distinct_estimate,
)

__all__ = [
    "METHODS",
    "ColumnDrift",
    "Comparison",
    "DriftResult",
    "Exact",
    "Method",
    "Side",
    "compare_column",
    "compare_profiles",
    "compare_sides",
]

ColumnType = Literal["numerical", "categorical", "text", "datetime", "unknown"]

SMALL_ROWS = 1000
"""A reference of so many rows or fewer, cleaned, is judged by p-values, a larger one by distances."""
_CATEGORICAL_LIMIT = 10
_FEW_VALUES = 5
_SKETCH_ERROR = 0.1
"""Six times the relative standard error of the distinct sketch (HLL, lgK 12: 1.6 %)."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A statistic by Evidently's display name, its default threshold, and when a score means drift."""

    name: str
    threshold: float
    drifts_when: Literal["<", "<=", ">="]

    def drifted(self, score: float) -> bool:
        if self.drifts_when == "<":
            return score < self.threshold
        return score <= self.threshold if self.drifts_when == "<=" else score >= self.threshold


_CHI_SQUARE = Method(name="chi-square p_value", threshold=0.05, drifts_when="<")
_Z_TEST = Method(name="Z-test p_value", threshold=0.05, drifts_when="<")
_KOLMOGOROV_SMIRNOV = Method(name="K-S p_value", threshold=0.05, drifts_when="<=")
_JENSEN_SHANNON = Method(name="Jensen-Shannon distance", threshold=0.1, drifts_when=">=")
_WASSERSTEIN = Method(name="Wasserstein distance (normed)", threshold=0.1, drifts_when=">=")
METHODS: Mapping[str, Method] = {
    method.name: method for method in (_CHI_SQUARE, _Z_TEST, _KOLMOGOROV_SMIRNOV, _JENSEN_SHANNON, _WASSERSTEIN)
}


@dataclass(frozen=True, kw_only=True)
class ColumnDrift:
    """One column's verdict, or the reason why it has none."""

    column: str
    type: ColumnType
    method: str | None = None
    """Evidently's display name; None where there is a reason."""
    score: float | None = None
    threshold: float | None = None
    drifted: bool = False
    reason: str | None = None
    """Why the column could not be compared; it then counts neither as drifted nor as compared."""

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)

    @property
    def measure(self) -> Measure:
        """As a row of a verdict."""
        return Measure(
            column=self.column,
            method=self.method or "",
            score=self.score,
            threshold=self.threshold,
            outcome="not_run" if self.reason is not None else "fail" if self.drifted else "pass",
            reason=self.reason,
            details={"type": self.type},
        )


@dataclass(frozen=True, kw_only=True)
class DriftResult:
    """The verdict on a dataset."""

    drifted: bool
    share: float
    """Drifted columns / compared columns; 0 where none could be compared."""
    limit: float
    """The share from which the dataset counts as drifted."""
    columns: tuple[ColumnDrift, ...]

    @classmethod
    def of(cls, columns: Sequence[ColumnDrift], *, limit: float) -> DriftResult:
        compared = [column for column in columns if column.reason is None]
        share = sum(column.drifted for column in compared) / len(compared) if compared else 0.0
        return cls(drifted=share >= limit, share=share, limit=limit, columns=tuple(columns))

    @property
    def outcome(self) -> Outcome:
        """warn: columns drifted, but fewer than the limit's share."""
        if not any(column.reason is None for column in self.columns):
            return "not_run"
        return "fail" if self.drifted else "warn" if self.share > 0 else "pass"

    @property
    def sentence(self) -> str:
        """`drift in 3 of 11 columns, 1 not compared (share 0.27, limit 0.30): no drift of the whole`."""
        compared = [column for column in self.columns if column.reason is None]
        drifted = sum(column.drifted for column in compared)
        left_out = len(self.columns) - len(compared)
        rest = f", {left_out} not compared" if left_out else ""
        verdict = "drift of the whole" if self.drifted else "no drift of the whole"
        return (
            f"drift in {drifted} of {len(compared)} columns{rest} "
            f"(share {self.share:.2f}, limit {self.limit:.2f}): {verdict}"
        )

    def to_dict(self) -> dict[str, Any]:
        """What `mesh drift --json` prints."""
        return {
            "drifted": self.drifted,
            "share": self.share,
            "columns": [column.to_dict() for column in self.columns],
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A verdict and the profiles it came from, of the compared columns."""

    result: DriftResult
    reference: Profile
    current: Profile


def compare_profiles(
    reference: Profile,
    current: Profile,
    *,
    columns: Sequence[str] | None = None,
    limit: float = 0.5,
    exact: Exact | None = None,
) -> DriftResult:
    """Evidently's default verdict on two profiles.

    Args:
        columns: Which to compare; all of either side where None.
        limit: The share of drifted columns from which the dataset counts as drifted.
        exact: Asked for a column's exact counts where its profile cannot decide; such columns get a reason where None.

    Raises:
        NotFoundError: A named column is on neither side.
        InputError: The limit is not a share.

    Cost: some milliseconds a column, and what `exact` costs for the few columns near their threshold.
    """
    sides = (ProfileSide(which="reference", profile=reference, exact=exact),
             ProfileSide(which="current", profile=current, exact=exact))  # fmt: skip
    return compare_sides(*sides, columns=columns, limit=limit).result


def compare_sides(
    reference: Side, current: Side, *, columns: Sequence[str] | None = None, limit: float = 0.5
) -> Comparison:
    """As `compare_profiles`, for any two sides; a column at a time, so that a side may read one at a time."""
    if not 0 < limit <= 1:
        raise InputError(f"share: {limit:g} is not a share of columns. Give a number over 0, up to 1.")
    found: list[ColumnDrift] = []
    profiles: tuple[dict[str, ColumnProfile], dict[str, ColumnProfile]] = ({}, {})
    for name in _wanted(reference, current, columns):
        pair = Pair(name=name, reference=reference, current=current)
        found.append(_compare(pair))
        for kept, column in zip(profiles, (pair.left, pair.right), strict=True):
            if column is not None:
                kept[name] = column
    return Comparison(
        result=DriftResult.of(found, limit=limit),
        reference=Profile(rows=reference.rows, columns=profiles[0]),
        current=Profile(rows=current.rows, columns=profiles[1]),
    )


def compare_column(
    name: str, reference: ColumnProfile, current: ColumnProfile, *, exact: Exact | None = None
) -> ColumnDrift:
    """One column's verdict, from its profiles."""
    profiles = (Profile(rows=column.count, columns={name: column}) for column in (reference, current))
    return compare_profiles(*profiles, exact=exact).columns[0]


def _wanted(reference: Side, current: Side, columns: Sequence[str] | None) -> tuple[str, ...]:
    known = tuple(dict.fromkeys([*current.names, *reference.names]))
    if columns is None:
        return known
    for name in columns:
        if name not in known:
            raise NotFoundError(f"no column '{name[:80]}' on either side.{nearest(name, known)}")
    return tuple(dict.fromkeys(columns))


def _compare(pair: Pair) -> ColumnDrift:
    left, right = pair.left, pair.right
    reason = _obstacle(left, right)
    kind = _plain_type(right or left)
    if reason is not None or left is None or right is None:
        return ColumnDrift(column=pair.name, type=kind, reason=reason)
    found = _column_type(pair, right)
    if found is None:
        return ColumnDrift(column=pair.name, type=kind, reason=_NO_COUNTS)
    if found == "text":
        return ColumnDrift(column=pair.name, type="text", reason=_TEXT)
    if found == "numerical" and left.valid_count > SMALL_ROWS and not pair.counts_are_cheap:
        span = _bounded(pair, left, right)
        if span is not None:
            return _verdict(pair.name, found, _WASSERSTEIN, span.score)
    aligned = pair.aligned()
    if aligned is None:
        return ColumnDrift(column=pair.name, type=found, reason=_NO_COUNTS)
    method = _method(found, small=left.valid_count <= SMALL_ROWS, distinct=len(aligned))
    return _verdict(pair.name, found, method, _score(method, aligned, pair))


_NO_COUNTS = "the profile cannot decide, and the exact values are not at hand"
_TEXT = "text (more than half of its values are distinct), which is not compared"


def _obstacle(left: ColumnProfile | None, right: ColumnProfile | None) -> str | None:
    """Why two columns cannot be compared at all."""
    if left is None or right is None:
        return f"missing in the {'reference' if left is None else 'current'} data"
    if left.withheld or right.withheld:
        return "personal, so its values are in no profile"
    for column, side in ((left, "reference"), (right, "current")):
        if column.kind in ("datetime", "other"):
            return "dates and times are not compared" if column.kind == "datetime" else "its type is not compared"
        if column.valid_count == 0:
            return f"no {'finite ' if column.count > column.null_count else ''}value in the {side} data"
    if (left.kind == "string") != (right.kind == "string"):
        return f"{left.kind} in the reference data, {right.kind} in the current"
    return None


def _plain_type(column: ColumnProfile | None) -> ColumnType:
    """The type as far as the kind tells, for a column that is not compared."""
    types: dict[str, ColumnType] = {
        "integer": "numerical",
        "float": "numerical",
        "string": "categorical",
        "boolean": "categorical",
        "datetime": "datetime",
    }
    return types.get(column.kind, "unknown") if column is not None else "unknown"


def _column_type(pair: Pair, current: ColumnProfile) -> ColumnType | None:
    """Evidently's type, taken from the current data; None where only the exact values would tell."""
    if current.kind == "float":
        return "numerical"
    if current.kind == "boolean":
        return "categorical"
    if current.kind == "integer":
        if current.values is None and known_counts(current) is None:
            return "numerical"  # more than VALUE_LIMIT distinct values
        counts = pair.counts("current")
        return "categorical" if counts is not None and len(counts) <= _CATEGORICAL_LIMIT else "numerical"
    return _string_type(pair, current)


def _string_type(pair: Pair, current: ColumnProfile) -> ColumnType | None:
    half = current.valid_count * 0.5
    if current.values is None:
        if half <= VALUE_LIMIT:
            return "text"
        estimate = distinct_estimate(current)
        if estimate is not None and abs(estimate - half) > _SKETCH_ERROR * estimate:
            return "text" if estimate > half else "categorical"
    counts = pair.counts("current")
    if counts is None:
        return None
    return "text" if len(counts) > half else "categorical"


def _method(kind: ColumnType, *, small: bool, distinct: int) -> Method:
    """Evidently's choice, by type, size of the cleaned reference and distinct values of both sides."""
    few = kind == "categorical" or distinct <= _FEW_VALUES
    if not small:
        return _JENSEN_SHANNON if few else _WASSERSTEIN
    if not few:
        return _KOLMOGOROV_SMIRNOV
    return _CHI_SQUARE if distinct > 2 else _Z_TEST


def _score(method: Method, aligned: Aligned, pair: Pair) -> float:
    if method is _WASSERSTEIN:
        reference = pair.counts("reference")
        assert reference is not None  # aligned came from it
        return wasserstein_distance(aligned) / max(deviation(reference), LEAST_DEVIATION)
    statistic = {
        _CHI_SQUARE.name: chi_square_p,
        _Z_TEST.name: z_test_p,
        _KOLMOGOROV_SMIRNOV.name: kolmogorov_smirnov_p,
        _JENSEN_SHANNON.name: jensen_shannon_distance,
    }[method.name]
    return statistic(aligned)


def _verdict(name: str, kind: ColumnType, method: Method, score: float) -> ColumnDrift:
    if not math.isfinite(score):
        return ColumnDrift(column=name, type=kind, reason="its values are too large to compute with")
    return ColumnDrift(
        column=name,
        type=kind,
        method=method.name,
        score=score,
        threshold=method.threshold,
        drifted=method.drifted(score),
    )


def _bounded(pair: Pair, left: ColumnProfile, right: ColumnProfile) -> Span | None:
    """The Wasserstein distance from the bins, where they decide: many values, and the threshold out of the bound."""
    if (known_counts(left) is not None and known_counts(right) is not None) or not _surely_many(left, right):
        return None
    before, after = pieces(left), pieces(right)
    if before is None or after is None:
        return None
    span = wasserstein_span(before, after, **variance(left))
    decided = span.low >= _WASSERSTEIN.threshold or span.high < _WASSERSTEIN.threshold
    return span if decided else None


def _surely_many(left: ColumnProfile, right: ColumnProfile) -> bool:
    """Whether both sides together surely hold more than five values: each bin that is not empty holds one at least."""
    return len({*(left.bins or ()), *(right.bins or ())}) > _FEW_VALUES or any(
        column.kind == "integer" and known_counts(column) is None for column in (left, right)
    )
