"""What a decision of the loop rests on, as frozen values. No storage, no clock of its own.

Time is event time everywhere (docs/adr/0005): the clock is the newest event that is known, so that a loop replayed over
old data decides as it would have decided then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from mesh_catalog.retraining.recovery import Alarm, Recovery
from mesh_catalog.specs import TriggerKind

__all__ = ["Facts", "KpiValue", "Request", "Training", "WindowVerdict"]


@dataclass(frozen=True, kw_only=True)
class WindowVerdict:
    """A monitor's verdict on one window."""

    id: str
    trigger: TriggerKind
    outcome: Literal["pass", "warn", "fail", "not_run"]
    start: datetime | None = None
    end: datetime | None = None
    reason: str = ""
    """One sentence."""
    loss: float | None = None
    """Mean loss of its rows, where it was judged by losses; else None."""
    before: float | None = None
    """Mean loss of the rows that it was held against."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training that was begun, and what became of it."""

    id: str
    at: datetime | None
    """The clock when it was decided: nothing newer was known to it. None where that is not known any more."""
    outcome: Literal["promote", "reject", "rollback", "failed", "open", "by_hand"]
    """rollback: promoted, and taken back later; by_hand: `mesh train`, outside the loop."""
    fits: int = 1
    """Models that were fitted, those of a search counted."""
    answers: frozenset[str] = frozenset()
    """Ids of the verdicts and requests that it answered, and the KPI's period."""
    reviewed: bool = False
    """A person has closed a review since: it no longer counts as one that did not help."""
    alarm: Alarm | None = None
    """What called for it, where that was judged by losses."""
    gate: tuple[float, float] | None = None
    """Mean loss of the champion and of its challenger on the gate's rows."""
    recovery: Recovery | None = None
    """How it went on, as it stood when the next training was decided."""
    refused: int | None = None
    """The version that the gate refused for its score alone: on more rows it may show what it could not on few."""
    looked_at: datetime | None = None
    """The clock when its challenger was last compared again; of one that was promoted by that, when it took over."""

    @property
    def seen_until(self) -> datetime | None:
        """What came later was scored by the model that this training brought, if it brought one."""
        return self.looked_at if self.outcome == "promote" and self.looked_at is not None else self.at


@dataclass(frozen=True, kw_only=True)
class Request:
    """Somebody, or an erasure, asked for a training."""

    id: str
    trigger: Literal["hand", "erasure"]
    reason: str


@dataclass(frozen=True, kw_only=True)
class KpiValue:
    """A KPI in one period."""

    end: datetime
    value: float | None
    meets_target: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that `decide` looks at."""

    clock: datetime | None
    """The newest event time of anything that the model reads or predicts."""
    windows: Sequence[WindowVerdict] = ()
    """Verdicts, newest window first; of several kinds, in any mixture."""
    trainings: Sequence[Training] = ()
    """Newest first."""
    requests: Sequence[Request] = ()
    """Those that no training has answered."""
    new_rows: int = 0
    """Rows of the target's product that the last training did not see."""
    new_versions: int = 0
    """Versions of the products that the model reads that came since."""
    contracts: Sequence[str] = ()
    """A sentence for each product whose contract has changed since, but for patches."""
    kpi: Sequence[KpiValue] = ()
    """Periods that are over, oldest first."""
    review: str | None = None
    """The open review's id."""
    learned: timedelta | None = None
    """How much event time the champion learned from; None where that is not known."""
    window: timedelta = timedelta(days=1)
    """Of the model's monitor."""
