"""Whether a promoted challenger won back what had been lost. Pure numbers.

A challenger may pass the gate, and the alarm go on: the season is a hard one, or what is missing is in no feature. Such
a training has helped as little as one whose challenger was rejected. But where the world goes on changing, the alarm
may go on while each training wins much back. So two things are looked at, and the one that speaks for the training
counts: the gate has both models on the same rows, but few; the windows since are many, but also tell of the season.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mesh_catalog.retraining.facts import Training, WindowVerdict

__all__ = ["Alarm", "Recovery", "recovery_of"]


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """What called for a training, in mean losses a row."""

    loss: float
    """Of the window that failed."""
    before: float
    """Of the rows that it was held against."""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """How it went on after a promotion."""

    windows: int
    """That were judged since."""
    failed: int
    share: float
    """Of what had been lost, how much was won back: on the gate's rows, or over the windows since; the greater."""

    def helped(self, least: float) -> bool:
        """Most windows since have passed, or at least this share of what had been lost was won back."""
        return 2 * self.failed <= self.windows or self.share >= least

    def to_state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Recovery:
        return cls(**state)


def recovery_of(training: Training, windows: Sequence[WindowVerdict]) -> Recovery | None:
    """Of a promoted training; None where no alarm by losses called for it, or no window was judged since.

    What had been lost is the champion's loss over the reference's, on the alarm's window or, where that is more, on the
    gate's rows: these may have been easy ones.

    Args:
        windows: Verdicts, of several kinds; those since the training, that say a loss, are looked at.
    """
    alarm, at, gate = training.alarm, training.seen_until, training.gate
    if training.outcome != "promote" or alarm is None or at is None or gate is None or alarm.loss <= alarm.before:
        return None
    since = [one for one in windows if one.loss is not None and one.end is not None and one.end > at]
    judged = [one for one in since if one.outcome != "not_run"]
    if not judged:
        return None
    champion, challenger = gate
    at_gate = (champion - challenger) / (max(champion, alarm.loss) - alarm.before)
    usual = fmean(one.loss for one in judged if one.loss is not None)
    share = max(at_gate, (alarm.loss - usual) / (alarm.loss - alarm.before))
    return Recovery(windows=len(judged), failed=sum(one.outcome == "fail" for one in judged), share=share)
