"""What a data product promises: columns, rules and service levels, as values.

Pure: no Spark, no files, no clock. Names follow the Open Data Contract Standard (ODCS) 3.x; `logical_type` is
`logicalType` in the YAML.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, get_args

__all__ = [
    "CLASSIFICATIONS",
    "HISTORY_COLUMNS",
    "PERSONAL_CLASSIFICATIONS",
    "ROW_RULES",
    "SET_RULES",
    "Column",
    "Consent",
    "Contract",
    "Deidentified",
    "DeidentifiedBy",
    "DeleteWhen",
    "Distribution",
    "DistributionMethod",
    "IntervalUnit",
    "Query",
    "ReadChanges",
    "Reference",
    "Rights",
    "Rule",
    "RuleKind",
    "Severity",
    "Threshold",
    "Use",
    "WriteMode",
]

Severity = Literal["error", "warning", "quarantine"]
WriteMode = Literal["append", "overwrite", "overwrite_partitions", "overwrite_interval", "upsert", "history"]
"""What a batch does to the rows that the table has; docs/guide/write-modes.md."""
IntervalUnit = Literal["1h", "1d", "1w"]
HISTORY_COLUMNS: Final[Mapping[str, str]] = {
    "valid_from": "timestamp",
    "valid_to": "timestamp",
    "is_current": "boolean",
}
"""Columns that `history` makes itself, and their types."""
RowRuleKind = Literal[
    "required",
    "not_missing",
    "minimum",
    "maximum",
    "exclusive_minimum",
    "exclusive_maximum",
    "multiple_of",
    "min_length",
    "max_length",
    "pattern",
    "valid_values",
]
SetRuleKind = Literal["unique", "reference", "distribution", "sql"]
RuleKind = Literal[RowRuleKind, SetRuleKind, "row_count", "freshness", "not_run"]
ROW_RULES: frozenset[str] = frozenset(get_args(RowRuleKind))
"""Kinds that hold or break for one row alone; the others speak of the whole batch or table."""
SET_RULES: frozenset[str] = frozenset(get_args(SetRuleKind))
"""Kinds that are decided in the commit gate from the files and the table; all they need is read only where declared."""
DistributionMethod = Literal["jensenshannon", "psi", "wasserstein"]
Use = Literal["analysis", "build", "train", "score"]
"""What may be done with rows: look at them, make products of them, learn from them, score them."""
DeidentifiedBy = Literal["hash", "aggregate", "generalise"]

CLASSIFICATIONS = ("public", "internal", "personal", "special")
PERSONAL_CLASSIFICATIONS = ("personal", "special")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One property of the contract's table."""

    name: str
    logical_type: str
    spark_type: str
    """Spark DDL type that the table stores, for example `bigint` or `decimal(18,2)`."""
    required: bool = False
    unique: bool = False
    primary_key_position: int | None = None
    """From 1 where the column belongs to the primary key."""
    partition_position: int | None = None
    """From 1 where the table's files are split by the column's values."""
    classification: str | None = None
    """One of CLASSIFICATIONS; `personal?` and `special?` are suggestions that nobody has decided."""
    description: str | None = None
    tags: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()
    """What `mesh import` inferred and nobody has confirmed: type, required, unique, primaryKey, minimum, maximum."""

    @property
    def personal(self) -> bool:
        """True where its values may reach no statistics, profile, report, error or log; also while undecided."""
        return (self.classification or "").rstrip("?") in PERSONAL_CLASSIFICATIONS


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """How many rows may break a rule: `operator` is the ODCS word, for example `mustBeLessThan`."""

    operator: Literal[
        "mustBe",
        "mustNotBe",
        "mustBeGreaterThan",
        "mustBeGreaterOrEqualTo",
        "mustBeLessThan",
        "mustBeLessOrEqualTo",
        "mustBeBetween",
        "mustNotBeBetween",
    ]
    value: float | tuple[float, float]
    unit: Literal["rows", "percent"] = "rows"

    def holds(self, found: float) -> bool:
        """Whether a count of rows, or a percentage of them, keeps the threshold."""
        if isinstance(self.value, tuple):
            inside = self.value[0] <= found <= self.value[1]
            return inside if self.operator == "mustBeBetween" else not inside
        return {
            "mustBe": found == self.value,
            "mustNotBe": found != self.value,
            "mustBeGreaterThan": found > self.value,
            "mustBeGreaterOrEqualTo": found >= self.value,
            "mustBeLessThan": found < self.value,
            "mustBeLessOrEqualTo": found <= self.value,
        }[self.operator]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A foreign key: every non-null value of `columns` exists in `keys` of `product`."""

    columns: tuple[str, ...]
    product: str
    """`domain.product`; the contract's own id where a row refers to another row of its table."""
    keys: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A distance between a column's values in the batch and in the last version."""

    method: DistributionMethod


@dataclass(frozen=True, kw_only=True)
class Query:
    """One SELECT that gives one number, checked to read nothing but tables."""

    sql: str
    """In Spark's dialect, as it was parsed; tables are `mesh_table_0` (its own) and `mesh_table_<n>` (the others)."""
    reads: tuple[str, ...]
    """Other products that it names, in the tables' order."""
    shows_result: bool
    """Whether the number may be shown: it counts, or no personal column is near."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One declared rule. `argument` by kind:

    minimum, maximum, exclusive_minimum, exclusive_maximum, multiple_of   number, or ISO text for dates
    min_length, max_length   int          pattern   regular expression, searched in the value (Spark's rlike)
    valid_values   tuple of values        not_missing   tuple of values that count as missing beside null
    unique   tuple of columns             freshness   seconds (int)          not_run   the reason (str)
    reference   Reference                 distribution   Distribution      sql   Query
    required, row_count   None

    A null keeps every row rule but `required` and `not_missing`, and is never a duplicate.
    """

    id: str
    """Stable within the contract, for example `tx_amount.minimum`."""
    kind: RuleKind
    column: str | None = None
    argument: Any = None
    severity: Severity = "error"
    threshold: Threshold | None = None
    """None: no row may break it. For row_count of the number of rows, for sql of the result, for distribution of the
    distance."""
    text: str = ""
    """As a person says it, for example `tx_amount >= 0`."""

    @property
    def filters(self) -> bool:
        """True where a single row that breaks the rule is refused or quarantined."""
        return self.kind in ROW_RULES and self.threshold is None and self.severity != "warning"


@dataclass(frozen=True, kw_only=True)
class DeleteWhen:
    """Rows of an `upsert` that mean: this key is gone."""

    column: str
    value: str | int | bool


@dataclass(frozen=True, kw_only=True)
class ReadChanges:
    """The input of which a publish reads only the rows that changed since the last one."""

    product: str
    rows: Literal["newest", "all"] = "newest"
    """newest: one row for each key, as it is now. all: Delta's feed as it is."""


@dataclass(frozen=True, kw_only=True)
class Consent:
    """The column that says whether a row's person agrees: boolean (true agrees), or the time of withdrawal."""

    column: str
    product: str | None = None
    """Where the column stands; None: in the table itself."""
    keys: tuple[tuple[str, str], ...] = ()
    """Column of this table and column of that product, by which a row finds its consent."""

    @property
    def own_columns(self) -> tuple[str, ...]:
        """What must be read of the table itself."""
        return (self.column,) if self.product is None else tuple(here for here, _ in self.keys)

    @property
    def their_columns(self) -> tuple[str, ...]:
        """What must be read of the product in which it stands."""
        return () if self.product is None else tuple(dict.fromkeys((*(there for _, there in self.keys), self.column)))


@dataclass(frozen=True, kw_only=True)
class Deidentified:
    """Why a column that is made of personal data is not personal."""

    by: DeidentifiedBy
    reason: str
    least_rows: int | None = None
    """Of an aggregate: the fewest rows that a group may have."""
    counted_by: str | None = None
    """Of an aggregate: the column that counts the group's rows."""


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What may be done with the rows; None where the contract does not say."""

    licence: str | None = None
    allowed_uses: tuple[Use, ...] | None = None
    purposes: tuple[str, ...] = ()
    """What the product is made for."""
    allowed_purposes: tuple[str, ...] | None = None
    """What others may make of it."""
    consent: Consent | None = None
    consent_not_needed: str | None = None
    """Why no consent of those upstream concerns these rows, for example since they are sums over many people."""
    deidentified: Mapping[str, Deidentified] = field(default_factory=dict)
    """By column."""


@dataclass(frozen=True, kw_only=True)
class Contract:
    """One table of a data product, as promised."""

    id: str
    """The product's name, `domain.product`."""
    version: str
    status: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    description: str | None = None
    tags: tuple[str, ...] = ()
    write_mode: WriteMode = "overwrite"
    event_time: str | None = None
    """The column that says when a row happened (customProperty `eventTime`)."""
    profiled: bool = True
    """Whether each version keeps a profile (customProperty `profile: false` turns it off)."""
    interval: IntervalUnit = "1d"
    """The unit of event time that `overwrite_interval` replaces whole: hours, days, or weeks from Monday, UTC."""
    delete_when: DeleteWhen | None = None
    change_data_feed: bool = False
    """Whether the table keeps what each version changed, row by row (Delta's change data feed)."""
    read_changes: ReadChanges | None = None
    lookback: timedelta = timedelta(0)
    """How far before its interval a backfill reads the inputs, for trailing windows."""
    cluster_by: tuple[str, ...] = ()
    """Columns that upkeep sorts the table's files by (customProperty `clusterBy`); never a personal one."""
    retention_seconds: int | None = None
    """How long a version that readers have left stays readable (service level `retention`); None: not said."""
    location: str | None = None
    """Where an adopted table lies (server `lake`): others write it. None: the framework writes it, into the lake."""
    rights: Rights = Rights()
    service_levels: tuple[Mapping[str, Any], ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The ODCS document as it was read."""
    path: Path | None = None

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    @property
    def primary_key(self) -> tuple[str, ...]:
        keyed = [column for column in self.columns if column.primary_key_position is not None]
        return tuple(column.name for column in sorted(keyed, key=lambda c: c.primary_key_position or 0))

    @property
    def partition_columns(self) -> tuple[str, ...]:
        split = [column for column in self.columns if column.partition_position is not None]
        return tuple(column.name for column in sorted(split, key=lambda c: c.partition_position or 0))

    @property
    def built_columns(self) -> tuple[Column, ...]:
        """The columns that the transform makes: all, but for those that `history` makes itself."""
        made = HISTORY_COLUMNS if self.write_mode == "history" else ()
        return tuple(column for column in self.columns if column.name not in made)

    @property
    def other_products(self) -> tuple[str, ...]:
        """The products that its rules read, beside its own table."""
        return self._read_by(self.rules)

    @property
    def needed_products(self) -> tuple[str, ...]:
        """Those without which no batch passes: a rule of severity `error` reads them, or consent stands in them."""
        found = self._read_by([rule for rule in self.rules if rule.severity == "error"])
        return tuple(dict.fromkeys((*found, *((self.consent_product,) if self.consent_product else ()))))

    def _read_by(self, rules: Iterable[Rule]) -> tuple[str, ...]:
        found: list[str] = []
        for rule in rules:
            if isinstance(rule.argument, Reference):
                found.append(rule.argument.product)
            elif isinstance(rule.argument, Query):
                found += rule.argument.reads
        return tuple(dict.fromkeys(name for name in found if name != self.id))

    @property
    def consent_product(self) -> str | None:
        """The product, other than itself, in which consent to its rows stands."""
        return self.rights.consent.product if self.rights.consent else None

    @property
    def personal_columns(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.personal)

    @property
    def shown_key(self) -> tuple[str, ...]:
        """Key columns whose values may be named in a message: the primary key, where nothing in it is personal."""
        personal = set(self.personal_columns)
        return () if personal & set(self.primary_key) else self.primary_key
