"""What is watched, on a model or a product, and by which methods and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from mesh_catalog.specs.spans import Span

__all__ = [
    "AttributionSpec",
    "BiasSpec",
    "DriftMethod",
    "DriftSpec",
    "DriftType",
    "FacetSpec",
    "MethodChoice",
    "MonitorSpec",
    "OperationsSpec",
    "PerformanceSpec",
    "SliceSpec",
]

DriftMethod = Literal[
    "anderson",
    "chisquare",
    "cramer_von_mises",
    "ed",
    "empirical_mmd",
    "es",
    "fisher_exact",
    "g_test",
    "hellinger",
    "jensenshannon",
    "kl_div",
    "ks",
    "mannw",
    "psi",
    "t_test",
    "TVD",
    "wasserstein",
    "z",
    "abs_text_content_drift",
    "perc_text_content_drift",
]
"""Evidently's names of its drift methods."""

DriftType = Literal["numerical", "categorical", "text"]


@dataclass(frozen=True, kw_only=True)
class MethodChoice:
    """How a column is compared; None: as Evidently would by default."""

    method: DriftMethod | None = None
    threshold: float | None = None


@dataclass(frozen=True, kw_only=True)
class DriftSpec:
    """How drift is decided where it is not by Evidently's defaults: `monitor.drift` of model.yaml."""

    every: MethodChoice = MethodChoice()
    types: Mapping[DriftType, MethodChoice] = field(default_factory=dict)
    columns: Mapping[str, MethodChoice] = field(default_factory=dict)
    correction: Literal["fdr"] | None = None
    """fdr: p-values are adjusted by Benjamini and Hochberg before they meet their thresholds."""

    def choice(self, column: str, type_: DriftType) -> MethodChoice:
        """What holds for a column: its own, else its type's, else everyone's; method and threshold each by itself."""
        order = [self.columns.get(column), self.types.get(type_), self.every]
        return MethodChoice(
            method=next((one.method for one in order if one is not None and one.method is not None), None),
            threshold=next((one.threshold for one in order if one is not None and one.threshold is not None), None),
        )


@dataclass(frozen=True, kw_only=True)
class SliceSpec:
    """Rows that are judged by themselves: those of each value of a column, or of each range between edges."""

    column: str
    edges: tuple[float, ...] = ()
    """Ascending; below the first and from the last on are ranges too. Empty: each value."""


@dataclass(frozen=True, kw_only=True)
class PerformanceSpec:
    """When a model's metrics on a window are bad, once its labels have come, or as they are estimated without."""

    at_least: Mapping[str, float] = field(default_factory=dict)
    """Least value of each named metric."""
    at_most: Mapping[str, float] = field(default_factory=dict)
    """Most value of each named metric of which less is better."""
    by: Literal["metric", "losses"] = "metric"
    """losses: the labelled rows' losses are tested against those of before, in place of the metric's own limit."""
    loses: float = 0.1
    """How much worse than on the champion's test window the model's metric may be, as a share of it; by losses: how
    much worse the mean loss must be as well."""
    significance: float = 0.05
    """By losses: share of windows that fail where nothing has changed."""
    windows: int = 4
    """By losses: so many windows of before, those that passed and champions' test windows, are the reference."""
    labels_share: float = 0.5
    """Least share of the window's rows whose labels have come, for a verdict."""
    labels_rows: int = 50
    """Least number of rows with labels, for a verdict."""


@dataclass(frozen=True, kw_only=True)
class FacetSpec:
    """A column whose groups a model should treat alike."""

    column: str
    groups: tuple[str, ...] = ()
    """The groups to look at, each against everybody else; all of them, at most 20, where empty."""


@dataclass(frozen=True, kw_only=True)
class BiasSpec:
    facets: tuple[FacetSpec, ...] = ()
    """Empty: not watched."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Of each metric by its name, the most that a difference may be, or the least that a ratio (DI) may be."""
    cut: float = 0.5
    """A score from here on is a decision for 1."""
    least_rows: int = 30
    """Smaller groups are not judged."""


@dataclass(frozen=True, kw_only=True)
class AttributionSpec:
    ndcg: float = 0.9
    """Least agreement of the features' order by attribution with that on the training rows, 0..1."""
    rows: int = 20_000
    """About how many rows of each side are explained."""


@dataclass(frozen=True, kw_only=True)
class OperationsSpec:
    """What is asked of the runs; None: reported, and never bad."""

    latency: timedelta | None = None
    """Longest time of a run, for 95 of 100 runs."""
    freshness: timedelta | None = None
    """Longest time since the newest version was committed."""
    volume_least: float = 0.5
    volume_most: float = 2.0
    """Rows of the window, as a multiple of the earlier windows' median."""


@dataclass(frozen=True, kw_only=True)
class MonitorSpec:
    """`monitor:` of model.yaml, or monitor.yaml beside a product's contract."""

    window: timedelta = timedelta(days=1)
    """The current window: the newest batches, this far back in event time."""
    drift_share: float = 0.5
    """Share of drifted columns from which the window counts as drifted; Evidently's default."""
    drift: DriftSpec = DriftSpec()
    reference: Span | None = None
    """Of a product: its rows are held against those of this span; against the batches before where None."""
    slices: tuple[SliceSpec, ...] = ()
    performance: PerformanceSpec = PerformanceSpec()
    estimate: PerformanceSpec = PerformanceSpec()
    bias: BiasSpec = BiasSpec()
    attribution: AttributionSpec | None = None
    operations: OperationsSpec = OperationsSpec()
