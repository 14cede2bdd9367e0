"""What is known of the two sides of a comparison, column by column: profile, exact counts, intervals, moments.

Owns where a number comes from: the profile where it has it, else the side's exact counts, which are asked for once and
only when needed. What the numbers mean for a verdict is `drift.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mesh_catalog.lake.distribution import known_counts
from mesh_catalog.lake.profile import ColumnProfile, Profile
from mesh_catalog.lake.statistics import Aligned, Counts, align

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
    def counts_are_cheap(self) -> bool:
        """Whether to ask for exact counts even where the bins would do."""

    def column(self, name: str) -> ColumnProfile: ...

    def counts(self, name: str) -> Mapping[Any, int] | Counts | None:
        """The exact count of every value, or None where they are not at hand."""


@dataclass(frozen=True, kw_only=True)
class ProfileSide:
    """A profile, and a function that counts exactly where it cannot decide."""

    which: Which
    profile: Profile
    exact: Exact | None
    counts_are_cheap: bool = False

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

    @property
    def counts_are_cheap(self) -> bool:
        return self.reference.counts_are_cheap and self.current.counts_are_cheap

    def counts(self, which: Which) -> Counts | None:
        """Exact counts: from the profile where it has them, else from the side."""
        if which not in self._counts:
            side, column = (self.reference, self.left) if which == "reference" else (self.current, self.right)
            known = known_counts(column) if column is not None else None
            self._counts[which] = known if known is not None else _as_counts(side.counts(self.name))
        return self._counts[which]

    def aligned(self) -> Aligned | None:
        reference, current = self.counts("reference"), self.counts("current")
        if reference is None or current is None or not len(reference) or not len(current):
            return None
        return align(reference, current)


def _as_counts(found: Mapping[Any, int] | Counts | None) -> Counts | None:
    return found if found is None or isinstance(found, Counts) else Counts.of(found)


def distinct_estimate(column: ColumnProfile) -> float | None:
    if column.distinct_sketch is None:
        return None
    from datasketches import hll_sketch  # late: only for strings of many values

    return float(hll_sketch.deserialize(bytes.fromhex(column.distinct_sketch)).get_estimate())
