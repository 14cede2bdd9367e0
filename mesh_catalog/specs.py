"""What a workspace declares, as frozen values: domains, products, sources, models.

Pure values and their small grammars (names, durations). `workspace.py` reads the files and makes these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from mesh_catalog.contracts.contract import Contract
from mesh_catalog.contracts.durations import parse_duration

__all__ = [
    "ALGORITHMS",
    "LESS_IS_BETTER",
    "METRICS",
    "AlertChannel",
    "AlertSpec",
    "AttributionSpec",
    "BiasSpec",
    "BudgetSpec",
    "DashboardKind",
    "DashboardSpec",
    "DatabaseSpec",
    "DomainSpec",
    "DriftMethod",
    "DriftSpec",
    "DriftType",
    "FacetSpec",
    "FairnessGate",
    "FeatureRef",
    "GateSpec",
    "Interval",
    "KpiFormula",
    "KpiGrain",
    "KpiSpec",
    "KpiTarget",
    "KpiTrigger",
    "MethodChoice",
    "ModelKind",
    "ModelSpec",
    "MonitorSpec",
    "OperationsSpec",
    "PartitionSpec",
    "PerformanceSpec",
    "ProductSpec",
    "RetrainSpec",
    "RolloutAlarm",
    "RolloutAlarmName",
    "RolloutSpec",
    "SliceGate",
    "SliceSpec",
    "SourceFormat",
    "SourceSpec",
    "SplitSpec",
    "StabilityGate",
    "TermSpec",
    "TriggerKind",
    "TuneSpec",
    "folded_name",
    "is_name",
    "parse_duration",
    "split_name",
]

DashboardKind = Literal["dashboard", "notebook", "analysis", "ml", "application"]
KpiGrain = Literal["hour", "day", "week", "month", "quarter", "year"]
ModelKind = Literal["binary", "regression"]
"""What a model predicts: the probability of 1, or a number."""
METRICS: Mapping[ModelKind, tuple[str, ...]] = {
    "binary": ("roc_auc", "average_precision", "accuracy", "log_loss"),
    "regression": ("mae", "rmse", "r2"),
}
"""What a model of each kind may be judged by."""
LESS_IS_BETTER = frozenset({"log_loss", "mae", "rmse"})
ALGORITHMS: Mapping[ModelKind, tuple[str, ...]] = {
    "binary": ("xgboost", "logistic_regression"),
    "regression": ("xgboost", "linear_regression"),
}

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def is_name(text: str) -> bool:
    """Whether `text` can name a domain, a product, a column of SQL: lower-case letters, digits and `_`."""
    return _NAME.fullmatch(text) is not None


def split_name(text: str) -> tuple[str, str]:
    """`payments.transactions` as ("payments", "transactions").

    Raises:
        ValueError: It is not of the form `domain.product`.
    """
    domain, dot, product = text.partition(".")
    if not (dot and is_name(domain) and is_name(product)):
        raise ValueError(
            f"'{text[:80]}' is not a product's name. Write domain.product in lower-case letters, digits and _."
        )
    return domain, product


def folded_name(text: str) -> str:
    """A KPI's name as people compare it: case, spaces, `_` and `-` do not count."""
    return re.sub(r"[\s_\-]+", "", text.casefold())


@dataclass(frozen=True)
class Interval:
    """Event times from `start` up to, and without, `end`; both aware, kept in UTC.

    Raises:
        ValueError: A time without a zone, or an end that is not after its start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("An interval needs times with a zone, for example 2026-01-01T00:00:00Z.")
        if self.end <= self.start:
            raise ValueError(
                f"The interval ends at {self.end.isoformat()}, before it begins: {self.start.isoformat()}."
            )
        for name in ("start", "end"):
            object.__setattr__(self, name, getattr(self, name).astimezone(UTC))

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, kw_only=True)
class AlertChannel:
    """Where messages go. Its URL is a secret, and so is named here by where it stands, never itself."""

    name: str
    """`owner` or `onCall` of the domain, or anybody else's name."""
    url_env: str | None = None
    """The environment variable that holds the URL."""
    url_file: Path | None = None
    """A file outside the workspace that holds it."""
    warnings: bool = False
    """Whether it is told of warnings too, not only of what failed."""


@dataclass(frozen=True, kw_only=True)
class AlertSpec:
    """`alerts:` of a domain.yaml."""

    tell: tuple[AlertChannel, ...]
    """Told at once."""
    escalate: tuple[AlertChannel, ...] = ()
    """Told one after the other, while nobody acknowledges."""
    acknowledge: timedelta = timedelta(hours=4)
    """How long each has, before the next is told."""
    repeat: timedelta = timedelta(days=1)
    """What goes on so long after it was told last, or acknowledged, is told again."""

    def channel(self, name: str) -> AlertChannel | None:
        return next((one for one in (*self.tell, *self.escalate) if one.name == name), None)


@dataclass(frozen=True, kw_only=True)
class DomainSpec:
    """domains/<name>/domain.yaml."""

    name: str
    owner: str | None
    on_call: str | None = None
    description: str | None = None
    members: tuple[str, ...] = ()
    """Principals who may decide for the domain, beside the owner."""
    alerts: AlertSpec | None = None
    """None: alerts are kept, and nobody is told."""
    path: Path


@dataclass(frozen=True, kw_only=True)
class PartitionSpec:
    """Reading a database's rows in several queries at once, by ranges of a column of numbers or times."""

    column: str
    lower: str
    upper: str
    """Bounds that only say how the ranges are cut: rows outside them are read too."""
    number: int


@dataclass(frozen=True, kw_only=True)
class DatabaseSpec:
    """The part of source.yaml that names a database. Holds no password, only the name of its variable."""

    url: str
    """JDBC's, without user and password."""
    user: str | None
    password_env: str | None
    table: str | None = None
    query: str | None = None
    """One of table and query is given."""
    incremental: str | None = None
    """A column that only grows: each publish reads the rows above the highest value of the last one."""
    partition: PartitionSpec | None = None

    @property
    def relation(self) -> str:
        """What is read, as it is shown."""
        return self.table or " ".join(str(self.query).split())


SourceFormat = Literal["csv", "json", "parquet", "binary", "delta", "jdbc"]


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """source.yaml: where the rows come from that a product is built from."""

    format: SourceFormat
    path: str = ""
    """Glob of files, or a Delta table; inside the workspace or as a URI. Empty for a database."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Of Spark's reader; a closed set for each format."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Spark type of each column in the file; empty where the source knows its own."""
    broken_rows: Literal["refuse", "quarantine"] = "refuse"
    """What becomes of a batch with rows that cannot be read."""
    settled: timedelta = timedelta(0)
    """A file that changed less than this ago is left for the next publish."""
    rotating: bool = False
    """Log files are renamed and compressed: a file is known by its beginning, not by its name."""
    file_limit_bytes: int = 64 * 1024 * 1024
    """Of format binary: a larger file is refused."""
    version: int | None = None
    """Of a Delta table; the newest where None."""
    database: DatabaseSpec | None = None

    @property
    def address(self) -> str:
        """Where it is, as the catalog and messages show it."""
        return f"{self.database.url} {self.database.relation}" if self.database else self.path

    @property
    def whole(self) -> bool:
        """Whether each publish reads everything: nothing says which rows are new."""
        return self.format == "delta" or (self.database is not None and self.database.incremental is None)


@dataclass(frozen=True, kw_only=True)
class ProductSpec:
    """A folder that is a data product."""

    name: str
    domain: DomainSpec
    folder: Path
    contract: Contract
    build: Path | None
    """build.sql or build.py; None for datasets that the framework writes itself (training frames, predictions)."""
    source: SourceSpec | None = None
    monitor: MonitorSpec | None = None
    """monitor.yaml; None where there is none."""

    @property
    def owner(self) -> str | None:
        return self.domain.owner


@dataclass(frozen=True, kw_only=True)
class DashboardSpec:
    """An entry of dashboards.yaml: something outside the mesh that shows products to people."""

    name: str
    """`domain.name`"""
    domain: DomainSpec
    title: str | None
    kind: DashboardKind
    url: str | None
    declared_owner: str | None
    description: str | None
    reads: tuple[str, ...]
    path: Path

    @property
    def owner(self) -> str | None:
        """Who answers for it; the domain's owner where nobody is named."""
        return self.declared_owner or self.domain.owner


@dataclass(frozen=True, kw_only=True)
class KpiFormula:
    """One version of a KPI's formula."""

    valid_from: date | None
    """The first day whose periods it counts for; None: since ever."""
    formula: str
    """An aggregating SQL expression over columns of the source, as it was parsed and written anew."""
    filters: tuple[str, ...] = ()
    canonical: tuple[str, ...] = ()
    """Equal for formulas and filters that mean the same."""
    columns: tuple[str, ...] = ()
    """What formula and filters use, in lower case."""
    shown: tuple[str, ...] = ()
    """Those of them whose values can come out."""
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class KpiTarget:
    """What the value should be: at least, at most, or between."""

    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        parts = [f">= {self.at_least:g}" if self.at_least is not None else ""]
        parts.append(f"<= {self.at_most:g}" if self.at_most is not None else "")
        return " and ".join(filter(None, parts))


@dataclass(frozen=True, kw_only=True)
class KpiSpec:
    """An entry of kpis.yaml: what a figure means, for everybody who names it."""

    name: str
    """`domain.name`"""
    domain: DomainSpec
    title: str | None
    description: str | None
    source: str
    """The product that is its source of truth."""
    time: str | None
    """The column that says when a row counts; the product's event time where None."""
    grain: KpiGrain
    dimensions: tuple[str, ...]
    unit: str | None
    formulas: tuple[KpiFormula, ...]
    """Oldest first."""
    target: KpiTarget | None
    cadence: str | None
    reason: str | None
    """Why this figure was chosen."""
    declared_owner: str | None
    drivers: tuple[str, ...]
    """KPIs that move before this one does."""
    tags: tuple[str, ...]
    same_as: str | None = None
    """The KPI of another domain whose definition it takes."""
    index: int = 0
    """Its place in the file."""
    path: Path

    @property
    def owner(self) -> str | None:
        """Who answers for it; the domain's owner where nobody is named."""
        return self.declared_owner or self.domain.owner

    @property
    def meaning(self) -> tuple[object, ...]:
        """Equal for KPIs that are defined alike; names, owners, targets and reasons do not count."""
        formulas = tuple((one.valid_from, one.canonical) for one in self.formulas)
        return self.source, self.time, self.grain, (self.unit or "").casefold(), formulas


@dataclass(frozen=True, kw_only=True)
class TermSpec:
    """An entry of a glossary.yaml: a word, what it means here, and where it is in the data."""

    name: str
    """`domain.glossary.term`, or `glossary.term` for a word of the whole organisation."""
    domain: DomainSpec | None
    labels: Mapping[str, str]
    """Language (ISO 639) → how people write it."""
    definition: str
    synonyms: tuple[str, ...]
    links: tuple[str, ...]
    """Products, their columns (`domain.product.column`) and KPIs that the word names."""
    declared_owner: str | None
    index: int = 0
    path: Path

    @property
    def owner(self) -> str | None:
        return self.declared_owner or (self.domain.owner if self.domain else None)


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
    """Least value of each named metric; of an error or a loss the most."""
    loses: float = 0.1
    """How much worse than on the champion's test window the model's metric may be, as a share of it."""
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
    slices: tuple[SliceSpec, ...] = ()
    performance: PerformanceSpec = PerformanceSpec()
    estimate: PerformanceSpec = PerformanceSpec()
    bias: BiasSpec = BiasSpec()
    attribution: AttributionSpec | None = None
    operations: OperationsSpec = OperationsSpec()


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
    budget: BudgetSpec | None = None
    window: timedelta | Literal["as_split", "all", "since_drift"] = "as_split"
    """What is learned from: as `split.train` says, everything, from the alarm's first window on, or a length."""
    every: timedelta | None = None
    """Schedule: so much event time after the last training."""
    new_rows: int | None = None
    """So many rows more in the target's product than the last training saw."""
    new_versions: int | None = None
    """So many versions more of the products that the model reads."""
    kpi: KpiTrigger | None = None
    patience: int = 3
    """So many trainings in a row that brought no better model end in a review by a person."""


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
    """One of METRICS of its kind."""
    seed: int = 0
    gate: GateSpec = GateSpec()
    monitor: MonitorSpec = MonitorSpec()
    retrain: RetrainSpec = RetrainSpec()
    rollout: RolloutSpec | None = None
    """How a challenger takes over; at once where None."""
    tune: TuneSpec = TuneSpec()
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
