"""What is known of the two sides of a comparison, column by column: profile, exact counts, intervals, moments.

Owns where a number comes from: the profile where it has it, else the side's exact counts, which are asked for once and
only when needed. What the numbers mean for a verdict is `drift.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mesh_catalog.lake.distribution import known_counts
from mesh_catalog.lake.profile import ColumnProfile, Profile
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.monitoring.scores import Sample
from mesh_catalog.specs import DriftType

__all__ = [
    "Exact",
    "Pair",
    "ProfileSide",
    "Side",
    "Which",
    "distinct_estimate",
]

Which = Literal["reference", "current"]
Exact = Callable[[Which, str], "Mapping[Any, int] | Counts"]
"""Gives the exact count of every value of a column of one side; nulls may be among them."""


class Side(Protocol):
    """One side of a comparison: a dataset that knows its profile, and perhaps its exact counts."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns, in order."""

    @property
    def rows(self) -> int: ...

    @property
    def concurrent(self) -> bool:
        """Whether several columns may be asked for at once, each by a thread of its own."""

    def column(self, name: str) -> ColumnProfile: ...

    def counts(self, name: str) -> Mapping[Any, int] | Counts | None:
        """The exact count of every value, or None where they are not at hand."""

    def values(self, name: str) -> Sequence[Any] | None:
        """A column's values in the order of their rows, nulls dropped, or None where rows are not at hand."""


@dataclass(frozen=True, kw_only=True)
class ProfileSide:
    """A profile, and a function that counts exactly where it cannot decide."""

    which: Which
    profile: Profile
    exact: Exact | None
    concurrent: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.profile.columns)

    @property
    def rows(self) -> int:
        return self.profile.rows

    def column(self, name: str) -> ColumnProfile:
        return self.profile.columns[name]

    def counts(self, name: str) -> Mapping[Any, int] | Counts | None:
        return self.exact(self.which, name) if self.exact else None

    def values(self, name: str) -> Sequence[Any] | None:
        return None


@dataclass(kw_only=True)
class Pair:
    """A column of both sides, and what was found out about its exact counts."""

    name: str
    reference: Side
    current: Side
    left: ColumnProfile | None = field(init=False)
    right: ColumnProfile | None = field(init=False)
    _counts: dict[Which, Counts | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.left = self.reference.column(self.name) if self.name in self.reference.names else None
        self.right = self.current.column(self.name) if self.name in self.current.names else None

    def counts(self, which: Which) -> Counts | None:
        """Exact counts: from the profile where it has them, else from the side."""
        if which not in self._counts:
            side, column = (self.reference, self.left) if which == "reference" else (self.current, self.right)
            known = known_counts(column) if column is not None else None
            self._counts[which] = known if known is not None else _as_counts(side.counts(self.name))
        return self._counts[which]

    def sample(self, type_: DriftType) -> Sample | None:
        """Exact counts of both sides; None where they are not at hand."""
        reference, current = self.counts("reference"), self.counts("current")
        if reference is None or current is None or not len(reference) or not len(current):
            return None
        whole = all(one is not None and one.kind == "integer" and not one.null_count for one in (self.left, self.right))
        return Sample(reference=reference, current=current, type=type_, whole=whole)


def _as_counts(found: Mapping[Any, int] | Counts | None) -> Counts | None:
    return found if found is None or isinstance(found, Counts) else Counts.of(found)


def distinct_estimate(column: ColumnProfile) -> float | None:
    if column.distinct_sketch is None:
        return None
    from datasketches import hll_sketch  # late: only for strings of many values

    return float(hll_sketch.deserialize(bytes.fromhex(column.distinct_sketch)).get_estimate())
