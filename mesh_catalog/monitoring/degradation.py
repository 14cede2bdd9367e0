"""Whether a model does worse on its newest labelled rows than on its rows before: a test on what it lost on each.

A metric below a fixed share of its value on the champion's test window alarms late where that window was hard, and for
nothing where it was small. Here both sides' spreads count. Pure numbers.

Rows count as independent. Where neighbouring rows err together, as in most series, more windows fail than
`significance` says: `loses` keeps out what is too little to act on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["LEAST_ROWS", "Degradation", "judge_losses"]

LEAST_ROWS = 20
"""Fewest labelled rows of each side."""


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


def judge_losses(current: Floats, reference: Floats, *, loses: float = 0.0, significance: float = 0.05) -> Degradation:
    """Welch's one-sided test of the mean losses.

    Args:
        current: Loss of each labelled row of the newest window; less is better. 0 or 1 for a class, |y - p| for a
            number, logarithmic for a probability.
        reference: The same of the champion's test window and of its windows since that passed.
        loses: How much worse the model must be as well, as a share of the reference's mean.
        significance: Share of windows that fail where nothing has changed.
    """
    from scipy import stats  # late: weight

    if len(current) < LEAST_ROWS or len(reference) < LEAST_ROWS:
        told = f"{len(current)} and {len(reference)} labelled rows, {LEAST_ROWS} of each are needed"
        return Degradation(outcome="not_run", reason=told)
    now, before = (float(side.mean()) for side in (current, reference))
    found = float(stats.ttest_ind(current, reference, equal_var=False, alternative="greater").pvalue)
    p_value = found if math.isfinite(found) else (0.0 if now > before else 1.0)  # no spread on either side
    fails = p_value < significance and now > before * (1 + loses)
    return Degradation(
        outcome="fail" if fails else "pass",
        reason=f"loss {now:.4g}, {before:.4g} before (p {p_value:.2g}, {significance:g} is the limit)",
        current=now,
        reference=before,
        p_value=p_value,
    )
