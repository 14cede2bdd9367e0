"""The rules that a contract implies: from its columns, its `logicalTypeOptions`, `enum` and `quality`.

Owns what each ODCS word means here. Pure; how a rule becomes an expression of Spark is of `lake`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final

from mesh_catalog.contracts.contract import ROW_RULES, Column, Rule, RuleKind, Severity, Threshold
from mesh_catalog.contracts.custom_rules import custom_rule
from mesh_catalog.contracts.limits import limit_text, operator_of, read_count_limit, read_number
from mesh_catalog.contracts.patterns import check_pattern
from mesh_catalog.contracts.sql_rules import sql_rule
from mesh_catalog.contracts.types import is_numeric, is_temporal
from mesh_catalog.documents import Document, Place
from mesh_catalog.errors import DocumentError, listed, nearest

__all__ = ["RuleReader", "check_quality_words", "implied_rules", "read_severity"]

_SEVERITIES: Final[Mapping[str, Severity]] = {
    "error": "error",
    "warning": "warning",
    "info": "warning",
    "quarantine": "quarantine",
}
_OPTIONS: Final[Mapping[str, tuple[RuleKind, str]]] = {
    "minimum": ("minimum", ">="),
    "maximum": ("maximum", "<="),
    "exclusiveMinimum": ("exclusive_minimum", ">"),
    "exclusiveMaximum": ("exclusive_maximum", "<"),
    "multipleOf": ("multiple_of", "is a multiple of"),
    "minLength": ("min_length", "has at least"),
    "maxLength": ("max_length", "has at most"),
    "pattern": ("pattern", "matches"),
}
_NO_QUARANTINE: Final = (
    "quarantine sets single rows aside, and this rule speaks of the batch. Use error or warning,"
    " or mustBe: 0 on a rule about rows."
)
_METRICS: Final = ("nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount")


def implied_rules(columns: Sequence[Column], *, severities: Mapping[str, Severity] | None = None) -> tuple[Rule, ...]:
    """The rules of `required`, `unique` and the primary key, in the columns' order.

    Args:
        columns: The contract's columns.
        severities: Severity by column where it is not `error`. A duplicate has no single row to set aside, so that
            `quarantine` makes a `unique` rule an error.
    """
    found: list[Rule] = []
    key = [column.name for column in columns if column.primary_key_position is not None]
    for column in columns:
        severity = (severities or {}).get(column.name, "error")
        if column.required or column.name in key:
            text = f"{column.name} required"
            found.append(
                Rule(id=f"{column.name}.required", kind="required", column=column.name, severity=severity, text=text)
            )
        if column.unique or key == [column.name]:
            found.append(replace(_unique((column.name,)), severity="error" if severity == "quarantine" else severity))
    if len(key) > 1:
        ordered = sorted(columns, key=lambda c: c.primary_key_position or 0)
        found.append(_unique(tuple(c.name for c in ordered if c.primary_key_position is not None)))
    return tuple(found)


def _unique(columns: tuple[str, ...]) -> Rule:
    one = columns[0] if len(columns) == 1 else None
    return Rule(
        id=f"{one}.unique" if one else "primary_key.unique",
        kind="unique",
        column=one,
        argument=columns,
        text=f"{', '.join(columns)} unique",
    )


def read_severity(document: Document, value: Any, place: Place) -> Severity:
    """A severity as ODCS writes it; `info` is a warning here.

    Raises:
        DocumentError: It is none of error, warning, info, quarantine.
    """
    found = _SEVERITIES.get(str(value).strip().lower())
    if found is None:
        raise document.error(f"the severity '{str(value)[:40]}' is not known. Allowed: {listed(_SEVERITIES)}.", *place)
    return found


def check_quality_words(document: Document, entry: Mapping[str, Any], place: Place) -> None:
    """Check that an entry of quality names what is run and one limit, where its type has them.

    Raises:
        DocumentError: It does not.
    """
    kind = entry.get("type", "library")
    if kind == "sql":
        if not isinstance(entry.get("query"), str) or not entry["query"].strip():
            raise document.error("quality: a check of type sql needs a query: one SELECT that gives a number.", *place)
        operator_of(document, entry, "the sql check", place)
    if kind != "library":
        return
    metric = entry.get("metric")
    if metric not in _METRICS:
        said = f"the metric '{str(metric)[:40]}' is not known" if metric else "a metric is missing"
        raise document.error(f"quality: {said}. Allowed: {listed(_METRICS)}.", *place, "metric")
    operator_of(document, entry, str(metric), place)


@dataclass
class RuleReader:
    """Reads the rules that one document declares; every id is used once."""

    document: Document
    columns: Sequence[Column]
    rules: list[Rule] = field(default_factory=list)

    def _error(self, message: str, place: Place) -> DocumentError:
        return self.document.error(message, *place)

    def add(self, rules: Iterable[Rule]) -> None:
        """Add rules; one that is there already is left out, another one of its id is numbered, `amount.maximum.2`."""
        taken = {rule.id for rule in self.rules}
        for rule in rules:
            if any(replace(rule, id=other.id) == other for other in self.rules):
                continue
            name, number = rule.id, 1
            while name in taken:
                number += 1
                name = f"{rule.id}.{number}"
            taken.add(name)
            self.rules.append(rule if name == rule.id else replace(rule, id=name))

    # Ranges, lengths, patterns -------------------------------------------------------------------------------------

    def add_options(self, column: Column, options: Mapping[str, Any], severity: Severity, place: Place) -> None:
        """The rules of `logicalTypeOptions`; words that are no rules (format, timezone) are passed over."""
        for word, (kind, sign) in _OPTIONS.items():
            if word not in options:
                continue
            here = (*place, word)
            argument = self._option(column, word, options[word], here)
            unit = " characters" if kind in ("min_length", "max_length") else ""
            text = f"{column.name} {sign} {argument}{unit}"
            self.add([Rule(id=f"{column.name}.{kind}", kind=kind, column=column.name, argument=argument,
                           severity=severity, text=text)])  # fmt: skip
        self._check_range(column, options, place)

    def _option(self, column: Column, word: str, value: Any, place: Place) -> Any:
        if word == "pattern":
            return self._pattern(column, value, place)
        if word in ("minLength", "maxLength"):
            if column.spark_type != "string":
                raise self._error(f"'{column.name}' is {column.spark_type}; {word} is for strings.", place)
            return int(value)
        return self._bound(column, word, value, place)

    def _bound(self, column: Column, word: str, value: Any, place: Place) -> Any:
        if is_temporal(column.spark_type) and word != "multipleOf":
            return self._moment(column, value, place)
        if column.logical_type == "time" and isinstance(value, str):
            return value
        if not is_numeric(column.spark_type):
            raise self._error(
                f"'{column.name}' is {column.spark_type}; {word} is for numbers, dates and timestamps.", place
            )
        return read_number(self.document, value, f"{word} of '{column.name}'", place)

    def _moment(self, column: Column, value: Any, place: Place) -> str:
        try:
            if column.spark_type == "date":
                date.fromisoformat(value)
            else:
                datetime.fromisoformat(value)
        except (TypeError, ValueError):
            example = "2026-05-31" if column.spark_type == "date" else "2026-05-31T23:59:59"
            raise self._error(
                f"'{str(value)[:40]}' is no {column.spark_type}, which '{column.name}' is. Write it as '{example}'.",
                place,
            ) from None
        return str(value)

    def _pattern(self, column: Column, value: Any, place: Place) -> str:
        if column.spark_type != "string":
            raise self._error(f"'{column.name}' is {column.spark_type}; a pattern is for strings.", place)
        if not isinstance(value, str):
            raise self._error(f"the pattern of '{column.name}' must be text.", place)
        try:
            check_pattern(value)
        except ValueError as error:
            raise self._error(f"the pattern of '{column.name}' {error}", place) from error
        return value

    def _check_range(self, column: Column, options: Mapping[str, Any], place: Place) -> None:
        for low, high in (("minimum", "maximum"), ("minLength", "maxLength")):
            if low in options and high in options and options[low] > options[high]:
                raise self._error(
                    f"'{column.name}' can never hold: {low} {options[low]} is above {high} {options[high]}.",
                    (*place, low),
                )

    def add_values(self, column: Column, values: Sequence[Any], severity: Severity, place: Place) -> None:
        """The rule of ODCS 3.2's `enum`."""
        found = self._values(column, [entry["value"] for entry in values], place)
        self.add([self._valid_values(column, found, severity)])

    def _valid_values(self, column: Column, values: tuple[Any, ...], severity: Severity) -> Rule:
        return Rule(
            id=f"{column.name}.valid_values",
            kind="valid_values",
            column=column.name,
            argument=values,
            severity=severity,
            text=f"{column.name} is one of {listed(values)}",
        )

    def _values(self, column: Column, values: Any, place: Place) -> tuple[Any, ...]:
        """Values of a column's own type; null is left out, for a null keeps the rule anyway."""
        if not isinstance(values, list) or not values:
            raise self._error(f"the values of '{column.name}' must be a list, for example [a, b].", place)
        found = [value for value in values if value is not None]
        for value in found:
            if not _fits(column, value):
                raise self._error(
                    f"'{str(value)[:40]}' is no {column.spark_type}, which '{column.name}' is."
                    + (" Put it in quotes." if column.spark_type == "string" else ""),
                    place,
                )
            if is_temporal(column.spark_type):
                self._moment(column, value, place)
        return tuple(dict.fromkeys(found))

    # Quality -------------------------------------------------------------------------------------------------------

    def add_quality(self, column: Column | None, entry: Mapping[str, Any], severity: Severity, place: Place) -> None:
        """The rule of one entry of `quality`, of a column or, where None, of the table."""
        if "severity" in entry:
            severity = read_severity(self.document, entry["severity"], (*place, "severity"))
        kind = entry.get("type", "library")
        owner = column.name if column else "table"
        if kind == "text":
            return
        if kind != "library" and severity == "quarantine":
            raise self._error(_NO_QUARANTINE, place)
        if kind == "sql":
            rules = [sql_rule(self.document, entry, column, self.columns, severity=severity, place=place)]
        elif kind == "custom":
            rules = [custom_rule(self.document, entry, column, severity=severity, place=place)]
        else:
            rules = [self._library(column, entry, severity, place)]
        if "id" in entry:
            rules = [replace(rule, id=f"{owner}.{entry['id']}") for rule in rules]
        self.add(rules)

    def _library(self, column: Column | None, entry: Mapping[str, Any], severity: Severity, place: Place) -> Rule:
        metric = entry["metric"]
        arguments = entry.get("arguments", {})
        if metric == "rowCount":
            rule = Rule(id="table.row_count", kind="row_count")
        elif metric == "duplicateValues":
            rule = self._duplicates(column, arguments, place)
        elif column is None:
            raise self._error(f"the metric {metric} speaks of a column. Move it under the column's `quality`.", place)
        elif metric == "nullValues":
            rule = Rule(
                id=f"{column.name}.required", kind="required", column=column.name, text=f"{column.name} required"
            )
        elif metric == "missingValues":
            rule = self._missing(column, arguments, place)
        else:
            rule = self._invalid(column, arguments, place)
        threshold = self._threshold(rule, entry, place)
        if severity == "quarantine" and (rule.kind not in ROW_RULES or threshold is not None):
            raise self._error(_NO_QUARANTINE, place)
        return replace(rule, severity=severity, threshold=threshold, text=_text(rule, threshold))

    def _arguments(self, arguments: Mapping[str, Any], known: Sequence[str], place: Place) -> None:
        for word in arguments:
            if word not in known:
                raise self._error(
                    f"the argument '{word}' is not known.{nearest(word, known)}", (*place, "arguments", word)
                )

    def _duplicates(self, column: Column | None, arguments: Mapping[str, Any], place: Place) -> Rule:
        self._arguments(arguments, ("properties",), place)
        if column is not None:
            return _unique((column.name,))
        names = arguments.get("properties")
        if not isinstance(names, list) or not names:
            raise self._error("duplicateValues of a table needs arguments: {properties: [a, b]}.", place)
        known = [one.name for one in self.columns]
        for name in names:
            if name not in known:
                raise self._error(
                    f"there is no column '{str(name)[:40]}'.{nearest(str(name), known)}", (*place, "arguments")
                )
        rule = _unique(tuple(names))
        return replace(rule, id=f"table.unique_{'_'.join(names)}" if len(names) > 1 else rule.id)

    def _missing(self, column: Column, arguments: Mapping[str, Any], place: Place) -> Rule:
        self._arguments(arguments, ("missingValues",), place)
        values = arguments.get("missingValues") or [None]
        found = self._values(column, values, (*place, "arguments", "missingValues"))
        if not found:
            return Rule(
                id=f"{column.name}.required", kind="required", column=column.name, text=f"{column.name} required"
            )
        text = f"{column.name} is not missing ({listed(repr(value) for value in found)} or null)"
        return Rule(id=f"{column.name}.not_missing", kind="not_missing", column=column.name, argument=found, text=text)

    def _invalid(self, column: Column, arguments: Mapping[str, Any], place: Place) -> Rule:
        self._arguments(arguments, ("validValues", "pattern"), place)
        if len(arguments) != 1:
            raise self._error("invalidValues needs one argument: validValues: [a, b], or pattern: '^…$'.", place)
        if "pattern" in arguments:
            pattern = self._pattern(column, arguments["pattern"], (*place, "arguments", "pattern"))
            return Rule(id=f"{column.name}.pattern", kind="pattern", column=column.name, argument=pattern,
                        text=f"{column.name} matches {pattern}")  # fmt: skip
        values = self._values(column, arguments["validValues"], (*place, "arguments", "validValues"))
        return self._valid_values(column, values, "error")

    def _threshold(self, rule: Rule, entry: Mapping[str, Any], place: Place) -> Threshold | None:
        of = "rows" if rule.kind == "row_count" else "broken"
        found = read_count_limit(self.document, entry, entry["metric"], place, of=of)
        nothing = (found.operator, found.value) in (("mustBe", 0), ("mustBeLessOrEqualTo", 0))
        return None if nothing and rule.kind != "row_count" else found


def _fits(column: Column, value: Any) -> bool:
    if column.spark_type == "string" or is_temporal(column.spark_type):
        return isinstance(value, str)
    if column.spark_type == "boolean":
        return isinstance(value, bool)
    if column.logical_type == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return is_numeric(column.spark_type) and isinstance(value, int | float) and not isinstance(value, bool)


def _text(rule: Rule, threshold: Threshold | None) -> str:
    if threshold is None:
        return rule.text
    limit = limit_text(threshold)
    if rule.kind == "row_count":
        return f"number of rows {limit}"
    return f"{rule.text}, broken by {limit} {'% of rows' if threshold.unit == 'percent' else 'rows'}"
