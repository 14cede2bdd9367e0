"""Whether a model does worse on its newest labelled rows than on its rows before: a test on what it lost on each.

A metric below a fixed share of its value on the champion's test window alarms late where that window was hard, and for
nothing where it was small. Here both sides' spreads count. Pure numbers.

Rows count as independent. Where neighbouring rows err together, as in most series, more windows fail than
`significance` says: `loses` keeps out what is too little to act on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["LEAST_ROWS", "Degradation", "Losses", "PastLosses", "choose_reference", "judge_losses"]

LEAST_ROWS = 20
"""Fewest labelled rows of each side."""


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What a model lost on some labelled rows: as much of it as the test needs."""

    rows: int
    mean: float
    variance: float
    """Over the rows, divided by their number."""

    @classmethod
    def of(cls, values: Floats, weights: Floats | None = None) -> Losses:
        """Of each row's loss; less is better.

        Args:
            weights: How many rows lost each value; one where None.
        """
        import numpy as np  # late: weight

        rows = float(len(values) if weights is None else weights.sum())
        if not rows:
            return cls(rows=0, mean=0.0, variance=0.0)
        mean = float(np.average(values, weights=weights))
        return cls(rows=round(rows), mean=mean, variance=float(np.average((values - mean) ** 2, weights=weights)))

    @classmethod
    def joined(cls, parts: Iterable[Losses]) -> Losses:
        """Of all the parts' rows together."""
        known = [one for one in parts if one.rows]
        rows = sum(one.rows for one in known)
        if not rows:
            return cls(rows=0, mean=0.0, variance=0.0)
        mean = sum(one.rows * one.mean for one in known) / rows
        squares = sum(one.rows * (one.variance + (one.mean - mean) ** 2) for one in known)
        return cls(rows=rows, mean=mean, variance=squares / rows)

    @property
    def deviation(self) -> float:
        """Of the sample, as the test takes it."""
        return math.sqrt(self.variance * self.rows / (self.rows - 1)) if self.rows > 1 else 0.0


@dataclass(frozen=True, kw_only=True)
class PastLosses:
    """What was lost on a window that may be a reference: a champion's test window, or one that passed."""

    name: str
    losses: Losses
    begins: datetime | None
    """Event time of its first row; None of a test window, whose rows no monitored window holds."""
    ends: datetime


def choose_reference(known: Sequence[PastLosses], *, before: datetime, windows: int) -> list[PastLosses]:
    """What the rows from `before` on are held against: the newest so many, oldest first, none with rows of another.

    It outlives a promotion: with a reference that begins anew with each champion, a poor one sets its own mark. Who
    calls leaves out what was lost under a concept that is no more.
    """
    found: list[PastLosses] = []
    free = before
    for one in sorted(known, key=lambda past: past.ends, reverse=True):
        if len(found) == windows:
            break
        if one.begins is not None:
            if one.ends > free:
                continue
            free = one.begins
        found.append(one)
    return found[::-1]


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """What the test found."""

    outcome: Literal["pass", "fail", "not_run"]
    reason: str
    """One sentence."""
    current: float | None = None
    """Mean loss of the newest rows."""
    reference: float | None = None
    p_value: float | None = None
    """Of a difference so large, or larger, where nothing has changed."""


def judge_losses(current: Losses, reference: Losses, *, loses: float = 0.0, significance: float = 0.05) -> Degradation:
    """One-sided test of the mean losses, by Student's and by Welch's t: the larger p-value counts.

    Where nothing has changed, the rows of both sides may be exchanged, and Student's test, the spread taken from both
    together, is the permutation test's normal approximation (of losses of 0 and 1, the score test of two proportions).
    Welch's takes each side's own spread and does not hold its level where the reference is small: an easy day has few
    losses and, for that, a small spread. Student's does not where the newest rows are the fewer and spread wider.

    Args:
        current: Of the labelled rows of the newest window.
        reference: Of the champion's test window and of its windows since that passed.
        loses: How much worse the model must be as well, as a share of the reference's mean.
        significance: Share of windows that fail where nothing has changed.
    """
    from scipy import stats  # late: weight

    if current.rows < LEAST_ROWS or reference.rows < LEAST_ROWS:
        told = f"{current.rows:,} and {reference.rows:,} labelled rows, {LEAST_ROWS} of each are needed"
        return Degradation(outcome="not_run", reason=told)
    now, before = current.mean, reference.mean
    if current.variance or reference.variance:
        sides = (now, current.deviation, current.rows, before, reference.deviation, reference.rows)
        p_value = max(
            float(stats.ttest_ind_from_stats(*sides, equal_var=pooled, alternative="greater").pvalue)
            for pooled in (True, False)
        )
    else:
        p_value = 0.0 if now > before else 1.0
    fails = p_value < significance and now > before * (1 + loses)
    return Degradation(
        outcome="fail" if fails else "pass",
        reason=f"loss {now:.4g}, {before:.4g} before (p {p_value:.2g}, {significance:g} is the limit)",
        current=now,
        reference=before,
        p_value=p_value,
    )
