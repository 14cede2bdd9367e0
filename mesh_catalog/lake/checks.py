"""A contract's rules as Spark expressions, and the verdicts of a batch.

Row rules become SQL conditions out of a closed grammar (never a text of the contract's own): counted while the batch is
written, and used to keep broken rows out of the files. Rules on the whole batch are decided in the commit gate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mesh_catalog.catalog.runs import CheckRecord
from mesh_catalog.contracts.contract import ROW_RULES, SET_RULES, Column, Contract, Rule
from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.errors import listed

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

__all__ = [
    "BatchCounts",
    "ConformedBatch",
    "Finding",
    "conform",
    "constraint_rules",
    "constraints",
    "failed_lines",
    "judge_counts",
    "row_condition",
    "row_rules",
]

EXAMPLE_LIMIT = 5
_FLAG = "_mesh_type_"


def row_condition(rule: Rule, column: Column) -> str:
    """SQL that is true where a row keeps the rule; an absent value breaks only `required` and `not_missing`."""
    name = spark_name(column.name)
    if rule.kind == "required":
        return f"{name} is not null"
    if rule.kind == "not_missing":
        return f"{name} is not null and {name} not in ({', '.join(_literal(value, column) for value in rule.argument)})"
    comparison = {
        "minimum": lambda: f"{name} >= {_literal(rule.argument, column)}",
        "maximum": lambda: f"{name} <= {_literal(rule.argument, column)}",
        "exclusive_minimum": lambda: f"{name} > {_literal(rule.argument, column)}",
        "exclusive_maximum": lambda: f"{name} < {_literal(rule.argument, column)}",
        "multiple_of": lambda: f"{name} % {_literal(rule.argument, column)} = 0",
        "min_length": lambda: f"char_length({name}) >= {int(rule.argument)}",
        "max_length": lambda: _at_most_long(name, int(rule.argument)),
        "pattern": lambda: f"{name} rlike {_text(str(rule.argument))}",
        "valid_values": lambda: f"{name} in ({', '.join(_literal(value, column) for value in rule.argument)})",
    }[rule.kind]()
    return f"coalesce({comparison}, true)"


def _at_most_long(name: str, most: int) -> str:
    """Spark has a text's bytes at hand, and counts its characters, of which none has less than a byte."""
    return f"(octet_length({name}) <= {most} or char_length({name}) <= {most})"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _literal(value: Any, column: Column) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if column.spark_type in ("date", "timestamp"):
        return f"cast({_text(str(value))} as {column.spark_type})"
    return _text(str(value))


def constraints(contract: Contract) -> dict[str, str]:
    """Delta CHECK constraints by name, for writers who bypass the framework.

    Never on a personal column: Delta's message prints the row.
    """
    return {name: text for name, (_rule, text) in constraint_rules(contract).items()}


def constraint_rules(contract: Contract) -> dict[str, tuple[Rule, str]]:
    """The rule and the SQL of each of `constraints`."""
    found: dict[str, tuple[Rule, str]] = {}
    for rule, column in row_rules(contract):
        if rule.severity == "error" and rule.threshold is None and not column.personal:
            found["mesh_" + re.sub(r"\W", "_", rule.id).lower()] = rule, row_condition(rule, column)
    return found


def row_rules(contract: Contract) -> list[tuple[Rule, Column]]:
    """The rules that hold or break for one row alone, each with its column."""
    pairs = [(rule, contract.column(rule.column or "")) for rule in contract.rules if rule.kind in ROW_RULES]
    return [(rule, column) for rule, column in pairs if column is not None]


@dataclass(frozen=True, kw_only=True)
class ConformedBatch:
    """A transform's result, cast to the contract, with what each row rule says of each row."""

    contract: Contract
    typed: DataFrame
    """The contract's columns as promised, and a flag for each column whose cast lost a value."""
    type_rules: Mapping[str, Rule]
    """Flag column → the rule that stands for it."""
    mode_rules: tuple[tuple[Rule, str], ...] = ()
    """Row rules that the write mode adds, each with its condition as SQL."""

    def conditions(self) -> dict[str, str]:
        """Rule id → SQL that is true where the row keeps it, for every row rule."""
        found = {rule.id: f"not {spark_name(flag)}" for flag, rule in self.type_rules.items()}
        found |= {rule.id: text for rule, text in self.mode_rules}
        return found | {rule.id: row_condition(rule, column) for rule, column in row_rules(self.contract)}

    @property
    def rules(self) -> tuple[Rule, ...]:
        return (*self.type_rules.values(), *(rule for rule, _text in self.mode_rules), *self.contract.rules)

    def metrics(self) -> list[SparkColumn]:
        """Aggregates for `observe`: `rows`, and broken rows of each rule that a broken row does not stop the batch by.

        Spark interprets what it observes: 21 aggregates cost a fifth of a write, one costs nothing. Where rows are
        written as were counted, no row was kept out, so that no other rule is broken; else `count_broken` tells.
        """
        stopping = {rule.id for rule in self.stopping}
        return self._aggregates({rule: text for rule, text in self.conditions().items() if rule not in stopping})

    def count_broken(self) -> BatchCounts:
        """Count the rows that break each rule: a pass of its own, for a batch from which rows were kept out."""
        row = self.typed.agg(*self._aggregates(self.conditions())).collect()[0]
        return BatchCounts.from_metrics(row.asDict())

    def none_broken(self, counts: BatchCounts) -> BatchCounts:
        """What the write counted, where no row was kept out that no quarantine took."""
        return replace(counts, broken={**counts.broken, **{rule.id: 0 for rule in self.stopping}})

    @property
    def stopping(self) -> tuple[Rule, ...]:
        """Rules of which one broken row stops the batch."""
        return tuple(rule for rule in self.rules if rule.filters and rule.severity == "error")

    def _aggregates(self, conditions: Mapping[str, str]) -> list[SparkColumn]:
        from pyspark.sql import functions as F

        quarantine = self._quarantine_condition()
        return [
            F.count(F.lit(1)).alias("rows"),
            *([F.count_if(F.expr(quarantine)).alias("quarantined")] if quarantine else []),
            *(F.count_if(~F.expr(text)).alias(f"broken:{rule}") for rule, text in conditions.items()),
        ]

    def kept(self, observed: DataFrame) -> DataFrame:
        """The rows that may be written, in the contract's columns."""
        conditions = self.conditions()
        flags = {rule.id for rule in self.type_rules.values()}
        kept = [f"({conditions[rule.id]})" for rule in self.rules if rule.filters or rule.id in flags]
        if kept:
            observed = observed.filter(" and ".join(kept))
        return observed.select(*(column.name for column in self.contract.columns))

    def quarantined(self) -> DataFrame:
        """The rows that break a quarantine rule and no other filter, and the ids of the rules they break."""
        from pyspark.sql import functions as F

        conditions = self.conditions()
        broken = [
            F.when(~F.expr(conditions[rule.id]), F.lit(rule.id))
            for rule in self.rules
            if rule.filters and rule.severity == "quarantine"
        ]
        rows = self.typed.filter(self._quarantine_condition() or "false")
        return rows.select(
            *(column.name for column in self.contract.columns),
            F.array_compact(F.array(*broken)).alias("_broken_rules"),
        )

    def _quarantine_condition(self) -> str | None:
        """True for rows that break a quarantine rule."""
        conditions = self.conditions()
        found = [conditions[r.id] for r in self.rules if r.filters and r.severity == "quarantine"]
        return f"not ({' and '.join(found)})" if found else None

    def example_keys(self, rules: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """A few keys of the rows that break each rule: one pass, after a refusal. None where the key is personal."""
        from pyspark.sql import functions as F

        key = self.contract.shown_key
        if not key or not rules:
            return {}
        conditions = self.conditions()
        shown = F.concat_ws(", ", *(F.concat(F.lit(f"{name} "), F.col(name).cast("string")) for name in key))
        keys = F.struct(*(F.col(name) for name in key), shown.alias("_mesh_shown"))
        broken = [
            F.expr(f"min_by(_mesh_key, if({conditions[rule]}, null, _mesh_key), {EXAMPLE_LIMIT})").alias(f"r{number}")
            for number, rule in enumerate(rules)
        ]
        all_kept = " and ".join(conditions[rule] for rule in rules)
        row = self.typed.filter(f"not ({all_kept})").withColumn("_mesh_key", keys).agg(*broken).first()
        if row is None:
            return {}
        found = {rule: [item["_mesh_shown"] for item in row[f"r{number}"] or []] for number, rule in enumerate(rules)}
        return {rule: tuple(dict.fromkeys(filter(None, shown_keys))) for rule, shown_keys in found.items()}


def conform(frame: DataFrame, contract: Contract) -> ConformedBatch:
    """Cast a frame to the contract's columns and types. No job runs.

    A value that the promised type cannot hold becomes null and is flagged, so that it is counted as broken and not
    lost. Columns must be the contract's, no fewer and no more.

    Raises:
        MissingColumns: as a ValueError with `missing` and `extra`, found on the schema.
    """
    from pyspark.sql import functions as F

    found = dict(frame.dtypes)
    promised = [column.name for column in contract.columns]
    if set(found) != set(promised) or len(frame.columns) != len(promised):
        raise ColumnsDifferError(
            missing=tuple(name for name in promised if name not in found),
            extra=tuple(name for name in frame.columns if name not in promised or frame.columns.count(name) > 1),
        )
    selected: list[SparkColumn] = []
    flags: dict[str, Rule] = {}
    for column in contract.columns:
        value = F.col(spark_name(column.name))
        if _same_type(found[column.name], column.spark_type):
            selected.append(value)
            continue
        cast = value.try_cast(column.spark_type)
        flag = f"{_FLAG}{column.name}"
        selected += [cast.alias(column.name), (value.isNotNull() & cast.isNull()).alias(flag)]
        flags[flag] = Rule(
            id=f"{column.name}.type",
            kind="required",
            column=column.name,
            text=f"{column.name} is {column.logical_type} ({column.spark_type})",
        )
    return ConformedBatch(contract=contract, typed=frame.select(*selected), type_rules=flags)


def _same_type(found: str, promised: str) -> bool:
    return found.replace(" ", "") == promised.lower().replace(" ", "")


class ColumnsDifferError(ValueError):
    """The transform's columns are not the contract's."""

    def __init__(self, *, missing: tuple[str, ...], extra: tuple[str, ...]) -> None:
        self.missing = missing
        self.extra = extra
        super().__init__("columns differ")


@dataclass(frozen=True, kw_only=True)
class BatchCounts:
    """What the write counted."""

    rows: int
    """Rows of the transform's result, before anything was kept out."""
    quarantined: int
    broken: Mapping[str, int]
    """Rule id → rows that break it."""

    @property
    def kept(self) -> int:
        """Rows of the batch that are written, where no rule stops it."""
        return self.rows - self.quarantined

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, Any]) -> BatchCounts:
        broken = {name.removeprefix("broken:"): int(v) for name, v in metrics.items() if name.startswith("broken:")}
        return cls(rows=int(metrics["rows"]), quarantined=int(metrics.get("quarantined") or 0), broken=broken)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a rule on the whole batch found."""

    value: float | None = None
    """Rows that break it; the query's number; the distance. None where it was not run."""
    examples: tuple[str, ...] = ()
    """A few keys of the rows that break it, never personal ones."""
    told: str | None = None
    """What else a person wants to know, whatever the verdict."""
    not_run: str | None = None
    """Why it was not run."""
    failed: bool = False
    """True where it should have been run: that stops the batch where its severity is error."""


def judge_counts(
    rules: Iterable[Rule],
    counts: BatchCounts,
    *,
    total_rows: int | None,
    newest_event_at: datetime | None,
    findings: Mapping[str, Finding],
    now: datetime,
) -> list[CheckRecord]:
    """One verdict a rule.

    Args:
        rules: The contract's and the type rules.
        counts: Of the batch.
        total_rows: Rows of the table once this batch is in; None where that is not known yet.
        newest_event_at: The newest event time of the batch.
        findings: Rule id of each rule on the whole batch → what it found.
        now: For freshness.
    """
    return [_judge(rule, counts, total_rows, newest_event_at, findings, now) for rule in rules]


def failed_lines(failed: Sequence[CheckRecord]) -> list[str]:
    """A line a check, for the message of a refusal: which rule, how often, which rows."""
    width = max(len(check.text) for check in failed)
    lines = []
    for check in failed:
        count = "" if check.broken_count is None else f"{check.broken_count:>9,} rows break it"
        keys = f"   e.g. {listed(check.example_keys)}" if check.example_keys else ""
        unrun = "could not be run: " if check.verdict == "not_run" else ""
        reason = f"   {unrun}{check.reason}" if check.reason else ""
        lines.append(f"  {check.text:<{width}}  {count}{keys}{reason}".rstrip())
    return lines


def _judge(
    rule: Rule,
    counts: BatchCounts,
    total_rows: int | None,
    newest_event_at: datetime | None,
    findings: Mapping[str, Finding],
    now: datetime,
) -> CheckRecord:
    if rule.kind == "not_run":
        return _record(rule, verdict="not_run", reason=str(rule.argument))
    if rule.kind == "freshness":
        if newest_event_at is None:
            return _record(rule, verdict="not_run", reason="the batch has no event time")
        fresh = newest_event_at >= now - timedelta(seconds=int(rule.argument))
        age = now - newest_event_at
        return _record(
            rule, verdict=_verdict(rule, fresh), reason=None if fresh else f"newest row is {age.days} days old"
        )
    if rule.kind == "row_count":
        if total_rows is None:
            return _record(rule, verdict="not_run", reason="the table's rows are not known")
        kept = rule.threshold is None or rule.threshold.holds(total_rows)
        return _record(rule, verdict=_verdict(rule, kept), rows=total_rows)
    if rule.kind in SET_RULES:
        return _judge_finding(rule, findings.get(rule.id, Finding(not_run="it was not looked at")), counts.rows)
    broken = counts.broken.get(rule.id)
    if broken is None:
        return _record(rule, verdict="not_run", reason="it could not be counted")
    return _record(rule, verdict=_verdict(rule, _holds(rule, broken, counts.rows)), broken=broken, rows=counts.rows)


def _judge_finding(rule: Rule, found: Finding, rows: int) -> CheckRecord:
    if found.value is None:
        return _record(rule, verdict="not_run", reason=found.not_run)
    verdict = _verdict(rule, _holds(rule, found.value, rows))
    if rule.kind in ("unique", "reference"):
        return _record(rule, verdict=verdict, broken=int(found.value), rows=rows, reason=found.told)
    return _record(rule, verdict=verdict, reason=found.told)


def _holds(rule: Rule, found: float, rows: int) -> bool:
    if rule.threshold is None:
        return found == 0
    return rule.threshold.holds(100.0 * found / rows if rule.threshold.unit == "percent" and rows else found)


def _verdict(rule: Rule, kept: bool) -> str:
    if kept:
        return "pass"
    if rule.severity == "quarantine" and rule.filters:
        return "quarantine"
    return "warn" if rule.severity == "warning" else "fail"


def _record(
    rule: Rule, *, verdict: Any, broken: int | None = None, rows: int | None = None, reason: str | None = None
) -> CheckRecord:
    return CheckRecord(
        rule=rule.id,
        text=rule.text or rule.id,
        column=rule.column,
        severity=rule.severity,
        verdict=verdict,
        broken_count=broken,
        rows=rows,
        example_keys=(),
        reason=reason,
    )
