"""What a retraining may try when the last one did not help: other hyper-parameters, windows, fewer features.

A seeded random search (Bergstra and Bengio 2012): each candidate is drawn whole, so that a search cut off after any
number of them has covered every dimension.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mesh_catalog.models.algorithms import PARAMETERS, check_parameters

if TYPE_CHECKING:
    from mesh_catalog.specs import ModelSpec

__all__ = ["RANGES", "Variant", "draw_variants", "plain_variant"]

RANGES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "xgboost": {
        "max_depth": (2, 9),
        "learning_rate": (0.02, 0.3),
        "n_estimators": (40, 400),
        "min_child_weight": (0.5, 20),
        "subsample": (0.6, 1.0),
        "colsample_bytree": (0.5, 1.0),
        "reg_lambda": (0.1, 10),
    },
    "logistic_regression": {"reg_param": (1e-4, 1.0), "elastic_net_param": (0.01, 1.0)},
}
"""Algorithm → parameter → from, to; what `tune.parameters` of model.yaml says comes before it."""
_KEPT_SHARE = 0.75
"""How likely a feature stays in a candidate."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How a candidate differs from model.yaml."""

    parameters: Mapping[str, float] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    """Columns that are not learned from, of those that model.yaml names one by one."""
    train_days: float | None = None
    """Length of the training window; None: as `since` or model.yaml says."""
    since: datetime | None = None
    whole: bool = False
    """Learn from everything there is."""

    def applied(self, model: ModelSpec) -> ModelSpec:
        """The model as this candidate is trained."""
        split = model.split
        if self.whole:
            split = replace(split, train=None, since=None)
        elif self.train_days is not None:
            split = replace(split, train=timedelta(days=self.train_days), since=None)
        elif self.since is not None:
            split = replace(split, train=None, since=self.since)
        parameters = {**model.parameters, **self.parameters}
        return replace(model, parameters=parameters, left_out=self.left_out, split=split)

    @property
    def text(self) -> str:
        """For people; empty where nothing differs."""
        parts = [f"{name} {value:g}" for name, value in self.parameters.items()]
        parts += [f"without {name}" for name in self.left_out]
        if self.whole:
            parts.append("all rows")
        elif self.train_days is not None:
            parts.append(f"{self.train_days:g} days")
        elif self.since is not None:
            parts.append(f"since {self.since:%Y-%m-%d %H:%M}")
        return ", ".join(parts)

    def to_state(self) -> dict[str, Any]:
        return {
            "parameters": dict(self.parameters),
            "left_out": list(self.left_out),
            "train_days": self.train_days,
            "since": self.since.isoformat() if self.since else None,
            "whole": self.whole,
        }


def plain_variant(model: ModelSpec, *, data_from: datetime | None) -> Variant:
    """What a retraining learns from without a search: the window that the policy names."""
    window = model.retrain.window
    if window == "all":
        return Variant(whole=True)
    if window == "since_drift":
        return Variant(since=data_from)
    return Variant(train_days=window / timedelta(days=1)) if isinstance(window, timedelta) else Variant()


def draw_variants(
    model: ModelSpec, parts: Sequence[str], *, count: int, seed: str, plain: Variant
) -> tuple[Variant, ...]:
    """Candidates beside the plain one; the same seed draws the same."""
    return tuple(_drawn(model, parts, random.Random(f"{seed}:{place}"), plain) for place in range(count))


def _drawn(model: ModelSpec, parts: Sequence[str], chance: random.Random, plain: Variant) -> Variant:
    found = plain
    if "parameters" in parts:
        found = replace(found, parameters=dict(_parameters(model, chance)))
    if "window" in parts:
        found = _window(model, chance, found)
    named = [one.column for one in model.features if one.column]
    if "features" in parts and len(named) > 2:
        out = [name for name in named if chance.random() > _KEPT_SHARE]
        found = replace(found, left_out=tuple(out[: len(named) - 2]))
    return found


def _parameters(model: ModelSpec, chance: random.Random) -> Iterator[tuple[str, float]]:
    """Drawn evenly over the logarithm, so that 0.01 to 0.1 is as likely as 0.1 to 1."""
    ranges = {**RANGES.get(model.algorithm, {}), **model.tune.parameters}
    rules = PARAMETERS[model.algorithm]
    for bound in (0, 1):
        check_parameters(model.algorithm, {name: pair[bound] for name, pair in ranges.items()})
    for name, (low, high) in ranges.items():
        even = low > 0
        value = math.exp(chance.uniform(math.log(low), math.log(high))) if even else chance.uniform(low, high)
        rule = rules[name]
        yield name, float(round(value)) if rule.kind is int else float(f"{value:.4g}")


def _window(model: ModelSpec, chance: random.Random, plain: Variant) -> Variant:
    """The plain window, half, twice or four times the split's, or everything."""
    base = model.split.train or model.split.test * 4
    pick = chance.choice([None, 0.5, 2.0, 4.0, math.inf])
    if pick is None:
        return plain
    if math.isinf(pick):
        return replace(plain, whole=True, train_days=None, since=None)
    return replace(plain, whole=False, since=None, train_days=round(base / timedelta(days=1) * pick, 3))
