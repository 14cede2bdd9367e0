"""The profile of a dataset: what its rows look like, in numbers that merge.

A profile holds, for each column, counts (rows, nulls, NaN, infinities), sums, extremes, exact value counts while they
stay under a bound, and logarithmic bins. Two profiles of disjoint sets of rows merge into the profile of both, so any
window compares with any other without a scan. A personal column keeps its counts of rows and nulls and nothing else.

Pure Python: no Spark, no pandas. `collect.py` makes profiles while Spark writes; `monitoring` reads them.

Bins are those of DDSketch (Masson, Rim, Lee, VLDB 2019) at a relative accuracy of 0.5 %: the bin of x is
sign(x) * (ceil(ln|x| / GAMMA_LN) + BIN_OFFSET), and 0 for x = 0.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

__all__ = ["BIN_OFFSET", "GAMMA_LN", "VALUE_LIMIT", "ColumnProfile", "Profile", "bin_bounds", "merge_profiles"]

ACCURACY = 0.005
GAMMA_LN = math.log((1 + ACCURACY) / (1 - ACCURACY))
BIN_OFFSET = 80_000
"""Makes every finite double's bin index positive: |ln x| / GAMMA_LN is under 75,000."""
VALUE_LIMIT = 1024
"""Distinct values up to which a column's value counts are exact; above it they are not kept."""

Kind = Literal["integer", "float", "string", "boolean", "datetime", "other"]
Value = str | int


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """One column of a profile. `count` is all rows, `valid_count` those with a finite value."""

    kind: Kind
    count: int
    null_count: int
    withheld: bool = False
    """True for personal columns: nothing but `count` and `null_count` is kept."""
    nan_count: int = 0
    infinite_count: int = 0
    minimum: float | int | str | None = None
    """Of the finite values; ISO text for dates and timestamps; None for strings."""
    maximum: float | int | str | None = None
    total: float = 0.0
    """Sum of the finite values (integer, float)."""
    squares: float = 0.0
    """Sum of their squares."""
    values: Mapping[Value, int] | None = None
    """Exact count of every value (integer, string; boolean as 0 and 1), or None above VALUE_LIMIT. Never for floats."""
    bins: Mapping[int, int] | None = None
    """Count of each logarithmic bin (integer, float)."""
    distinct_sketch: str | None = None
    """Hex of an HLL sketch (lgK 12) of the values, for strings and integers."""

    @property
    def valid_count(self) -> int:
        """Rows left after Evidently's cleaning: no null, NaN or infinity."""
        return self.count - self.null_count - self.nan_count - self.infinite_count

    @property
    def mean(self) -> float | None:
        known = self.valid_count and self.kind in ("integer", "float") and not self.withheld
        return self.total / self.valid_count if known else None

    @property
    def deviation(self) -> float | None:
        """Population standard deviation of the finite values."""
        mean = self.mean
        if mean is None:
            return None
        return math.sqrt(max(self.squares / self.valid_count - mean * mean, 0.0))


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The profile of a set of rows."""

    rows: int
    columns: Mapping[str, ColumnProfile] = field(default_factory=dict)

    def to_json(self) -> str:
        """The same text for the same profile, so that its hash names it."""
        columns = {name: _column_json(column) for name, column in sorted(self.columns.items())}
        return json.dumps({"rows": self.rows, "columns": columns}, sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON, hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It is not a profile.
        """
        try:
            data = json.loads(text)
            return cls(rows=data["rows"], columns={k: _column_from(v) for k, v in data["columns"].items()})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a profile") from error


def _column_json(column: ColumnProfile) -> dict[str, Any]:
    kept = ("count", "minimum", "maximum")  # a zero says something there
    found = {k: v for k, v in column.__dict__.items() if v not in (None, 0, False) or (k in kept and v is not None)}
    for key in ("values", "bins"):
        counts = getattr(column, key)
        if counts is not None:
            found[key] = sorted(([k, v] for k, v in counts.items()), key=lambda pair: (str(type(pair[0])), pair[0]))
    return found


def _column_from(data: Mapping[str, Any]) -> ColumnProfile:
    counts = {key: dict(map(tuple, data[key])) for key in ("values", "bins") if key in data}
    return ColumnProfile(**{"null_count": 0, **data, **counts})


def merge_profiles(profiles: Iterable[Profile]) -> Profile:
    """The profile of all the rows together. A column that some profile lacks, or has as another kind, is left out.

    Raises:
        ValueError: There is no profile.
    """
    found = list(profiles)
    if not found:
        raise ValueError("no profile to merge")
    merged = found[0]
    for profile in found[1:]:
        columns = {
            name: _merge_columns(column, profile.columns[name])
            for name, column in merged.columns.items()
            if name in profile.columns and profile.columns[name].kind == column.kind
        }
        merged = Profile(rows=merged.rows + profile.rows, columns=columns)
    return merged


def _merge_columns(left: ColumnProfile, right: ColumnProfile) -> ColumnProfile:
    counts = {
        name: getattr(left, name) + getattr(right, name)
        for name in ("count", "null_count", "nan_count", "infinite_count", "total", "squares")
    }
    if left.withheld or right.withheld:
        return ColumnProfile(kind=left.kind, count=counts["count"], null_count=counts["null_count"], withheld=True)
    values = _merge_counts(left.values, right.values)
    return replace(
        left,
        **counts,
        minimum=_extreme(min, left.minimum, right.minimum),
        maximum=_extreme(max, left.maximum, right.maximum),
        values=values if values is not None and len(values) <= VALUE_LIMIT else None,
        bins=_merge_counts(left.bins, right.bins),
        distinct_sketch=_merge_sketches(left.distinct_sketch, right.distinct_sketch),
    )


def _extreme(pick: Any, left: Any, right: Any) -> Any:
    found = [value for value in (left, right) if value is not None]
    return pick(found) if found else None


def _merge_counts(left: Mapping[Any, int] | None, right: Mapping[Any, int] | None) -> dict[Any, int] | None:
    if left is None or right is None:
        return None
    merged = dict(left)
    for key, count in right.items():
        merged[key] = merged.get(key, 0) + count
    return merged


def _merge_sketches(left: str | None, right: str | None) -> str | None:
    if left is None or right is None:
        return None
    from datasketches import hll_sketch, hll_union  # late: numpy comes with it

    union = hll_union(12)
    for text in (left, right):
        union.update(hll_sketch.deserialize(bytes.fromhex(text)))
    return str(union.get_result().serialize_compact().hex())


def bin_bounds(index: int) -> tuple[float, float]:
    """The interval (low, high] of |x|'s bin, with its sign: every x of the bin lies in it, low <= high.

    Bin 0 is (0, 0).
    """
    if index == 0:
        return 0.0, 0.0
    power = abs(index) - BIN_OFFSET
    small, large = _exp((power - 1) * GAMMA_LN), _exp(power * GAMMA_LN)
    return (small, large) if index > 0 else (-large, -small)


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.78 else math.inf
