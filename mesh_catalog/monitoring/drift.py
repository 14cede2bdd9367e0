"""Evidently's default drift decision, from profiles instead of rows.

Owns the decision: which type a column has, which statistic it gets, on which side of which threshold it lies, and the
dataset's verdict. It is that of Evidently 0.7.23's `DataDriftPreset` (the table stands in docs/guide), with these
differences, each one a case where Evidently fails or leaves a column out without a word:

- Types follow the schema, not pandas: an integer or boolean column with nulls stays one.
- A column without a finite value on a side, where Evidently's whole report fails, gets a reason instead.
- Infinities are dropped everywhere; Evidently's dataset verdict keeps them where a column has no nulls.
- Dates, other types and personal columns get a reason. Text is compared as Evidently does, by a classifier that is
  trained on the rows, where the rows are at hand; else it gets a reason.
- The share is drifted columns / compared columns. A column with a reason is in neither number.

Where a `DriftSpec` names methods and thresholds, they hold as they would in Evidently. A column that a method cannot
take has a reason, where Evidently's whole report fails.

Scores from value counts are exact. Scores from bins carry a sure bound; where the threshold lies within it, the exact
counts are asked for. Pure numpy and scipy: no pandas, no Spark, no files; scikit-learn where there is text.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

from mesh_catalog.catalog.verdicts import Measure, Outcome
from mesh_catalog.errors import InputError, NotFoundError, listed, nearest
from mesh_catalog.lake.distribution import known_counts, pieces, variance
from mesh_catalog.lake.profile import VALUE_LIMIT, ColumnProfile, Profile
from mesh_catalog.lake.statistics import Span, wasserstein_span
from mesh_catalog.monitoring.methods import FEW_VALUES, METHODS, SMALL_ROWS, Method, default_method, method_named
from mesh_catalog.monitoring.scores import ScoreError, score_columns
from mesh_catalog.monitoring.sides import (
    Exact,
    Pair,
    ProfileSide,
    Side,
    distinct_estimate,
)
from mesh_catalog.specs import DriftSpec, DriftType

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

_CATEGORICAL_LIMIT = 10
_MOST_THREADS = 4
_SKETCH_ERROR = 0.1
"""Six times the relative standard error of the distinct sketch (HLL, lgK 12: 1.6 %)."""


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
    critical_value: float | None = None
    """What the score was compared with, where that is not the threshold: of text, what a random classifier reaches."""
    adjusted: float | None = None
    """The p-value after the correction for many columns; it is what the threshold was compared with."""

    @property
    def judged(self) -> float | None:
        """What was compared with the threshold: the score, or the p-value after correction."""
        return self.score if self.adjusted is None else self.adjusted

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)

    @property
    def measure(self) -> Measure:
        """As a row of a verdict."""
        extra = {"critical_value": self.critical_value, "adjusted": self.adjusted}
        return Measure(
            column=self.column,
            method=self.method or "",
            score=self.score,
            threshold=self.threshold,
            outcome="not_run" if self.reason is not None else "fail" if self.drifted else "pass",
            reason=self.reason,
            details={"type": self.type, **{key: value for key, value in extra.items() if value is not None}},
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
    spec: DriftSpec | None = None,
) -> DriftResult:
    """Evidently's verdict on two profiles.

    Args:
        columns: Which to compare; all of either side where None.
        limit: The share of drifted columns from which the dataset counts as drifted.
        exact: Asked for a column's exact counts where its profile cannot decide; such columns get a reason where None.
        spec: Methods and thresholds other than the default ones.

    Raises:
        NotFoundError: A named column is on neither side.
        InputError: The limit is not a share.

    Cost: some milliseconds a column, and what `exact` costs for the few columns near their threshold.
    """
    sides = (ProfileSide(which="reference", profile=reference, exact=exact),
             ProfileSide(which="current", profile=current, exact=exact))  # fmt: skip
    return compare_sides(*sides, columns=columns, limit=limit, spec=spec).result


def compare_sides(
    reference: Side,
    current: Side,
    *,
    columns: Sequence[str] | None = None,
    limit: float = 0.5,
    spec: DriftSpec | None = None,
) -> Comparison:
    """As `compare_profiles`, for any two sides; a column at a time, or as many as there are processors."""
    if not 0 < limit <= 1:
        raise InputError(f"share: {limit:g} is not a share of columns. Give a number over 0, up to 1.")
    rules = spec or DriftSpec()
    names = _wanted(reference, current, columns)
    _require_known(rules, _wanted(reference, current, None))

    def compare(name: str) -> _Compared:
        pair = Pair(name=name, reference=reference, current=current)
        return _compare(pair, rules), pair.left, pair.right

    found = list(_mapped(compare, names, concurrent=reference.concurrent and current.concurrent))
    drifts = [drift for drift, _left, _right in found]
    return Comparison(
        result=DriftResult.of(_corrected(drifts) if rules.correction else drifts, limit=limit),
        reference=_profile(reference.rows, names, [left for _drift, left, _right in found]),
        current=_profile(current.rows, names, [right for _drift, _left, right in found]),
    )


_Compared = tuple[ColumnDrift, ColumnProfile | None, ColumnProfile | None]


def _mapped(compare: Callable[[str], _Compared], names: Sequence[str], *, concurrent: bool) -> Iterator[_Compared]:
    if not concurrent or len(names) < 2:
        yield from map(compare, names)
        return
    with ThreadPoolExecutor(min(len(names), os.cpu_count() or 1, _MOST_THREADS)) as pool:
        yield from pool.map(compare, names)


def _profile(rows: int, names: Sequence[str], columns: Sequence[ColumnProfile | None]) -> Profile:
    return Profile(rows=rows, columns={name: one for name, one in zip(names, columns, strict=True) if one is not None})


def _require_known(spec: DriftSpec, known: Sequence[str]) -> None:
    for name in spec.columns:
        if name not in known:
            raise NotFoundError(f"drift: no column '{name[:80]}' on either side.{nearest(name, known)}")


def _corrected(columns: Sequence[ColumnDrift]) -> list[ColumnDrift]:
    """Benjamini and Hochberg's correction over the columns that have p-values; the others are left as they are."""
    tested = [one for one in columns if one.method is not None and METHODS[one.method].is_p_value]
    adjusted: dict[str, float] = {}
    least = 1.0
    ordered = sorted(tested, key=lambda one: one.score or 0.0)
    for rank, one in reversed(list(enumerate(ordered, start=1))):
        least = min(least, (one.score or 0.0) * len(ordered) / rank)
        adjusted[one.column] = least
    return [
        replace(one, adjusted=adjusted[one.column], drifted=_drifts(one, adjusted[one.column]))
        if one.column in adjusted
        else one
        for one in columns
    ]


def _drifts(column: ColumnDrift, score: float) -> bool:
    return METHODS[column.method or ""].drifted(score, column.threshold)


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


def _compare(pair: Pair, spec: DriftSpec) -> ColumnDrift:
    left, right = pair.left, pair.right
    reason = _obstacle(left, right)
    kind = _plain_type(right or left)
    if reason is not None or left is None or right is None:
        return ColumnDrift(column=pair.name, type=kind, reason=reason)
    found = _column_type(pair, right)
    if found is None:
        return ColumnDrift(column=pair.name, type=kind, reason=_NO_COUNTS)
    chosen = spec.choice(pair.name, found)
    method = method_named(chosen.method) if chosen.method else None
    if method is not None and found not in method.types:
        reason = f"{method.key} does not take {found} columns, only {listed(method.types)}"
        return ColumnDrift(column=pair.name, type=found, reason=reason)
    try:
        return _compare_by(pair, found, method, chosen.threshold, sizes=(left, right))
    except ScoreError as error:
        return ColumnDrift(column=pair.name, type=found, reason=str(error))


def _compare_by(
    pair: Pair,
    found: DriftType,
    method: Method | None,
    threshold: float | None,
    *,
    sizes: tuple[ColumnProfile, ColumnProfile],
) -> ColumnDrift:
    """The column's verdict by a method, or by the default one where None."""
    left, right = sizes
    rows = left.valid_count
    if found == "text" and method is None:
        method = default_method("text", rows=rows, distinct=0)
    if method is not None and method.ordered:
        return _by_rows(pair, found, method, threshold)
    if found == "numerical" and (method.key == "wasserstein" if method is not None else rows > SMALL_ROWS):
        wasserstein = method_named("wasserstein")
        span = _bounded(left, right, wasserstein.threshold if threshold is None else threshold, few=method is None)
        if span is not None:
            return _verdict(pair.name, found, wasserstein, span.score, threshold)
    sample = pair.sample(found)
    if sample is None:
        return ColumnDrift(column=pair.name, type=found, reason=_NO_COUNTS)
    method = method or default_method(found, rows=rows, distinct=len(sample.aligned))
    return _verdict(pair.name, found, method, score_columns(method.key, sample), threshold)


def _by_rows(pair: Pair, found: DriftType, method: Method, threshold: float | None) -> ColumnDrift:
    reference, current = pair.reference.values(pair.name), pair.current.values(pair.name)
    if reference is None or current is None:
        return ColumnDrift(column=pair.name, type=found, reason=f"{method.key} needs the rows, which are not at hand")
    from mesh_catalog.monitoring.text_drift import score_rows  # late: scikit-learn takes seconds

    limit = method.threshold if threshold is None else threshold
    got = score_rows(method.key, reference, current, limit)
    return ColumnDrift(
        column=pair.name,
        type=found,
        method=method.name,
        score=got.score,
        threshold=limit,
        critical_value=got.critical_value,
        drifted=method.drifted(got.score, limit if got.critical_value is None else got.critical_value),
    )


_NO_COUNTS = "the profile cannot decide, and the exact values are not at hand"


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


def _column_type(pair: Pair, current: ColumnProfile) -> DriftType | None:
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


def _string_type(pair: Pair, current: ColumnProfile) -> DriftType | None:
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


def _verdict(name: str, kind: DriftType, method: Method, score: float, threshold: float | None) -> ColumnDrift:
    if not math.isfinite(score):
        return ColumnDrift(column=name, type=kind, reason="its values are too large to compute with")
    return ColumnDrift(
        column=name,
        type=kind,
        method=method.name,
        score=score,
        threshold=method.threshold if threshold is None else threshold,
        drifted=method.drifted(score, threshold),
    )


def _bounded(left: ColumnProfile, right: ColumnProfile, threshold: float, *, few: bool) -> Span | None:
    """The Wasserstein distance from the bins, where they decide: the threshold lies out of the bound.

    Args:
        few: Whether another method would hold if both sides together had five values or fewer.
    """
    if known_counts(left) is not None and known_counts(right) is not None:
        return None
    if few and not _surely_many(left, right):
        return None
    before, after = pieces(left), pieces(right)
    if before is None or after is None:
        return None
    span = wasserstein_span(before, after, **variance(left))
    decided = span.low >= threshold or span.high < threshold
    return span if decided else None


def _surely_many(left: ColumnProfile, right: ColumnProfile) -> bool:
    """Whether both sides together surely hold more than five values: each bin that is not empty holds one at least."""
    return len({*(left.bins or ()), *(right.bins or ())}) > FEW_VALUES or any(
        column.kind == "integer" and known_counts(column) is None for column in (left, right)
    )
