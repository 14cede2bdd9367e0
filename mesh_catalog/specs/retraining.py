"""When a model is trained again, what its challenger must show, and how it takes over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

__all__ = [
    "BudgetSpec",
    "FairnessGate",
    "GateSpec",
    "KpiTrigger",
    "RetrainSpec",
    "RolloutAlarm",
    "RolloutAlarmName",
    "RolloutSpec",
    "SliceGate",
    "StabilityGate",
    "TriggerKind",
    "TuneSpec",
]


@dataclass(frozen=True, kw_only=True)
class TuneSpec:
    """What a search may try."""

    trials: int = 4
    """Most candidates of one search."""
    parameters: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Parameter of the algorithm → from, to."""


@dataclass(frozen=True, kw_only=True)
class SliceGate:
    """The challenger may not be surely worse within any part of the rows."""

    by: tuple[str, ...]
    """Features whose values, or quarters for numbers of many values, are the parts."""
    drop: float = 0.0
    """So much worse is still allowed."""
    rows: int = 100
    """Smaller parts are not looked at."""


@dataclass(frozen=True, kw_only=True)
class FairnessGate:
    """The groups of a column must be treated alike, by the four-fifths rule where nothing else is said."""

    by: str
    measure: Literal["selection_rate", "true_positive_rate", "false_positive_rate"] = "selection_rate"
    ratio: float = 0.8
    """Least ratio of the lowest group's rate to the highest one's."""
    rows: int = 100
    """Smaller groups are not looked at."""


@dataclass(frozen=True, kw_only=True)
class StabilityGate:
    """The challenger is at least as good as the champion in `needed` of `of` consecutive parts of the window."""

    needed: int
    of: int


@dataclass(frozen=True, kw_only=True)
class GateSpec:
    """What a challenger must show before it is promoted."""

    beats_champion: float = 0.95
    """Least share of paired bootstrap samples in which the challenger is better than the champion, 0..1."""
    at_least: Mapping[str, float] = field(default_factory=dict)
    """Each named metric on the test window must be at least as good as this."""
    at_most: Mapping[str, float] = field(default_factory=dict)
    """Most value of each named metric of which less is better."""
    margin: float = 0.0
    """By how much the challenger must be better, in units of the metric."""
    slices: SliceGate | None = None
    fairness: FairnessGate | None = None
    latency: float | None = None
    """So many times the champion's seconds to score the window are allowed."""
    stability: StabilityGate | None = None


TriggerKind = Literal[
    "drift",
    "prediction_drift",
    "performance",
    "estimated_performance",
    "bias",
    "attribution",
    "kpi",
    "schedule",
    "new_data",
    "contract",
    "erasure",
    "hand",
]
"""What may call for a training; the first six are verdicts of monitors."""


@dataclass(frozen=True, kw_only=True)
class BudgetSpec:
    """So many trainings a calendar period of event time, those of a search counted one by one."""

    trainings: int
    per: Literal["day", "week", "month", "year"]

    def __str__(self) -> str:
        return f"{self.trainings} per {self.per}"


@dataclass(frozen=True, kw_only=True)
class KpiTrigger:
    """A KPI that calls for a training when it moves the wrong way."""

    name: str
    change: float | None = None
    """Against the mean of the periods before, as a ratio: -0.1 has fallen by 10 %, 0.1 has risen. None: its target."""
    periods: int = 4
    """How many periods before are looked at."""


@dataclass(frozen=True, kw_only=True)
class RetrainSpec:
    on: tuple[TriggerKind, ...] = ("drift",)
    needed: int = 1
    """Debounce: so many of the newest `of` windows must have failed."""
    of: int = 1
    cooldown: timedelta = timedelta(0)
    """Least event time between two trainings."""
    cooldown_share: float | None = None
    """Instead: this share of the event time that the champion learned from, in whole windows of its monitor, at least
    one. What has come since must be worth a training."""
    budget: BudgetSpec | None = None
    window: timedelta | Literal["as_split", "all", "since_drift"] = "as_split"
    """What is learned from: as `split.train` says, everything, from the alarm's first window on, or a length."""
    since_rows: int = 0
    """Of `since_drift`: where fewer labelled rows came since, what is learned from is as `split.train` says."""
    every: timedelta | None = None
    """Schedule: so much event time after the last training."""
    new_rows: int | None = None
    """So many rows more in the target's product than the last training saw."""
    new_versions: int | None = None
    """So many versions more of the products that the model reads."""
    kpi: KpiTrigger | None = None
    patience: int = 3
    """So many trainings in a row that did not help end in a review by a person."""
    wins_back: float = 0.2
    """By losses: least share of what had been lost that a new champion must win back, where the alarm goes on."""


RolloutAlarmName = Literal[
    "ratio",
    "errors",
    "latency",
    "drift",
    "prediction_drift",
    "kpi",
    "estimate",
    "performance",
    "bias",
    "attribution",
    "quality",
    "operations",
]


@dataclass(frozen=True, kw_only=True)
class RolloutAlarm:
    """Something that sends a challenger back."""

    name: RolloutAlarmName
    limit: float | None = None
    """Of `ratio` the p-value below which, of the others the number above which it rings; None: the alarm's own."""
    kpi: str | None = None
    """Of `kpi`: whose target must be kept."""

    def __str__(self) -> str:
        return f"{self.name} {self.kpi}" if self.kpi else self.name


@dataclass(frozen=True, kw_only=True)
class RolloutSpec:
    """How a challenger takes over from a champion: step by step, watched, and back at the first alarm."""

    steps: tuple[float, ...]
    """The challenger's share of the entities in each step, 0..1 and rising; 0 is shadow: it scores beside."""
    bake_rows: int = 1000
    """Least rows that the challenger scores in each step (in a canary: decides)."""
    bake: timedelta = timedelta(0)
    """Least event time of each step."""
    give_up_after: timedelta | None = None
    """Longest time of the whole rollout, by events or by the clock, whichever ends first; then all goes back."""
    alarms: tuple[RolloutAlarm, ...] = (
        RolloutAlarm(name="drift"),
        RolloutAlarm(name="ratio"),
        RolloutAlarm(name="errors"),
    )

    @property
    def splits(self) -> bool:
        """Whether a step gives some entities to the one and some to the other."""
        return any(0 < share < 1 for share in self.steps)
