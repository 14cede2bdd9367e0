"""A model: what it predicts from what, and all that its model.yaml says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from mesh_catalog.specs.domains import DomainSpec
from mesh_catalog.specs.monitors import MonitorSpec
from mesh_catalog.specs.retraining import GateSpec, RetrainSpec, RolloutSpec, TuneSpec

__all__ = [
    "ALGORITHMS",
    "EXPECTED_COST",
    "LESS_IS_BETTER",
    "METRICS",
    "MONITOR_METRICS",
    "CostSpec",
    "FeatureRef",
    "ModelKind",
    "ModelSpec",
    "SplitSpec",
]

ModelKind = Literal["binary", "regression"]
"""What a model predicts: the probability of 1, or a number."""

METRICS: Mapping[ModelKind, tuple[str, ...]] = {
    "binary": ("roc_auc", "average_precision", "accuracy", "log_loss"),
    "regression": ("mae", "rmse", "r2"),
}
"""What a model of each kind may be judged by."""

MONITOR_METRICS: Mapping[ModelKind, tuple[str, ...]] = {
    "binary": (*METRICS["binary"], "f1", "precision", "recall", "specificity"),
    "regression": (*METRICS["regression"], "mse"),
}
"""What the monitors tell of a model of each kind, and may be limited."""

EXPECTED_COST = "expected_cost"
"""Of a binary model with `costs`: what its wrong decisions cost, in the costs' currency, for each row."""

LESS_IS_BETTER = frozenset({EXPECTED_COST, "log_loss", "mae", "mape", "mse", "rmse"})
"""Of what is measured, also by the monitors."""

ALGORITHMS: Mapping[ModelKind, tuple[str, ...]] = {
    "binary": ("xgboost", "logistic_regression"),
    "regression": ("xgboost", "linear_regression"),
}


@dataclass(frozen=True, kw_only=True)
class CostSpec:
    """What a wrong decision costs, in one currency; a right one costs nothing."""

    false_negative: float
    false_positive: float

    @property
    def threshold(self) -> float:
        """The score from which on a row is taken for a 1: where both decisions are expected to cost the same, if the
        score is the probability of 1."""
        return self.false_positive / (self.false_positive + self.false_negative)


@dataclass(frozen=True, kw_only=True)
class FeatureRef:
    """`domain.product` (all its columns but keys and event time) or `domain.product.column`."""

    product: str
    column: str | None = None


@dataclass(frozen=True, kw_only=True)
class SplitSpec:
    """Split by event time: train | gap | test, the test window newest."""

    test: timedelta
    gap: timedelta = timedelta(0)
    train: timedelta | None = None
    """Length of the training window; everything before the gap where None."""
    since: datetime | None = None
    """Where the training window begins, where it has no length; set by the loop, not by model.yaml."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A folder that is a model: model.yaml."""

    name: str
    domain: DomainSpec
    folder: Path
    goal: str
    decides: str | None
    kind: ModelKind
    target_product: str
    target: str
    features: tuple[FeatureRef, ...]
    entity: tuple[str, ...]
    """Columns that join feature products to the target's rows; empty where all features are its own columns."""
    event_time: str
    split: SplitSpec
    algorithm: str
    """One of ALGORITHMS of its kind."""
    parameters: Mapping[str, Any]
    metric: str
    """One of METRICS of its kind, or EXPECTED_COST."""
    costs: CostSpec | None = None
    seed: int = 0
    gate: GateSpec = field(default_factory=GateSpec)
    monitor: MonitorSpec = field(default_factory=MonitorSpec)
    retrain: RetrainSpec = field(default_factory=RetrainSpec)
    rollout: RolloutSpec | None = None
    """How a challenger takes over; at once where None."""
    tune: TuneSpec = field(default_factory=TuneSpec)
    approval: Literal["person", "automatic"] | None = None
    """Whether a person lets a challenger through; None: as `touches` says, or words of goal and decides."""
    touches: tuple[Literal["health", "credit", "fraud", "rights"], ...] = ()
    """What of people's lives the decision is about."""
    purposes: tuple[str, ...] = ()
    """What the model is made for; each product upstream must allow it."""
    left_out: tuple[str, ...] = ()
    """Features that stand in its frame and are not learned from; set by a search, not by model.yaml."""
    path: Path

    @property
    def training_name(self) -> str:
        """The dataset of training frames, `<domain>.<model>__training`."""
        return f"{self.name}__training"

    @property
    def predictions_name(self) -> str:
        """The data product of predictions, `<domain>.<model>__predictions`."""
        return f"{self.name}__predictions"

    @property
    def shadow_name(self) -> str:
        """What champion and challenger scored side by side in a rollout, `<domain>.<model>__shadow`."""
        return f"{self.name}__shadow"

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets that are made from it or for it."""
        return self.training_name, self.predictions_name, self.shadow_name

    @property
    def input_products(self) -> tuple[str, ...]:
        """Every product the model reads, the target's first."""
        return tuple(dict.fromkeys([self.target_product, *(feature.product for feature in self.features)]))

    @property
    def kpis(self) -> tuple[str, ...]:
        """Every KPI that its retraining or its rollout looks at."""
        trigger = [self.retrain.kpi.name] if self.retrain.kpi is not None else []
        alarms = self.rollout.alarms if self.rollout is not None else ()
        return tuple(dict.fromkeys([*trigger, *(alarm.kpi for alarm in alarms if alarm.kpi is not None)]))
