"""dbt's tests as the words of a contract: what of them a contract can promise, and what not, with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mesh_catalog.contracts.types import is_numeric

__all__ = ["Test", "TestRules", "declared_tests", "read_tests", "reference_of"]

_REFERENCE: Final = re.compile(
    r"\s*(?:\{\{)?\s*(ref|source)\(\s*['\"](\w+)['\"]\s*(?:,\s*['\"](\w+)['\"]\s*)?\)\s*(?:\}\})?\s*"
)
_CONDITIONS: Final = ("where", "limit", "fail_calc", "error_if", "warn_if", "group_by", "row_condition")
_OUTSIDE: Final = ("name", "test_name", "config", "arguments", "description", "tags", "meta", "severity", "enabled")
_WHOLE = re.compile(r"[+-]?\d+")


@dataclass(frozen=True, kw_only=True)
class Test:
    """One test as a .yml declares it."""

    kind: str
    column: str | None
    arguments: Mapping[str, Any]
    config: Mapping[str, Any]

    @property
    def told(self) -> str:
        return f"{self.kind} of {self.column}" if self.column else self.kind


@dataclass
class TestRules:
    """What a contract says because of tests."""

    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Words of each column's property, by the column's name in lower case."""
    quality: list[dict[str, Any]] = field(default_factory=list)
    """Of the table."""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Test and reason."""
    count: int = 0
    """Tests that were translated."""

    def add(self, column: str, word: str, value: Any) -> None:
        words = self.columns.setdefault(column.lower(), {})
        if isinstance(value, list):
            words.setdefault(word, []).extend(value)
        else:
            words[word] = value


def reference_of(text: object) -> tuple[str, str, str | None] | None:
    """`ref('orders')` as ("ref", "orders", None); None where it is no such text."""
    match = _REFERENCE.fullmatch(str(text))
    return (match[1], match[2], match[3]) if match else None


def declared_tests(entry: Mapping[str, Any]) -> list[str]:
    """The tests that an entry declares, as a person calls them."""
    return [test.told for test in _tests(entry)]


def read_tests(entry: Mapping[str, Any], types: Mapping[str, str], *, resolve: Callable[[object], str]) -> TestRules:
    """Translate the tests of one model.

    Args:
        entry: What its properties file says.
        types: Spark type of each column, by its name in lower case.
        resolve: The product that a `ref(…)` or `source(…)` of a relationship names; a ValueError with the reason where
            no rule can look at it.
    """
    rules = TestRules()
    for test in _tests(entry):
        reason = _translate(test, types, rules, resolve)
        if reason is None:
            rules.count += 1
        else:
            rules.left_out.append((test.told, reason))
    return rules


def _tests(entry: Mapping[str, Any]) -> Iterator[Test]:
    yield from _of(entry, None)
    yield from _constraints(entry, None)
    columns = entry.get("columns")
    for column in columns if isinstance(columns, list) else []:
        if isinstance(column, dict) and "name" in column:
            yield from _of(column, str(column["name"]))
            yield from _constraints(column, str(column["name"]))


def _of(entry: Mapping[str, Any], column: str | None) -> Iterator[Test]:
    for key in ("tests", "data_tests"):
        for one in entry.get(key) or []:
            kind, given = _named(one)
            arguments = {k: v for k, v in given.items() if k not in _OUTSIDE} | _mapping(given.get("arguments"))
            config = {k: given[k] for k in ("severity", "enabled") if k in given} | _mapping(given.get("config"))
            named = arguments.pop("column_name", None)
            yield Test(kind=kind, column=column or named, arguments=arguments, config=config)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _named(one: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(one, str):
        return one, {}
    if isinstance(one, dict) and "test_name" in one:
        return str(one["test_name"]), one
    if isinstance(one, dict) and one:
        kind, given = next(iter(one.items()))
        return str(kind), given if isinstance(given, dict) else {}
    return "a test without a name", {}


def _constraints(entry: Mapping[str, Any], column: str | None) -> Iterator[Test]:
    """A model's constraints promise the same as tests of these names."""
    for one in entry.get("constraints") or []:
        if isinstance(one, dict):
            columns = one.get("columns")
            only = columns[0] if isinstance(columns, list) and len(columns) == 1 else None
            arguments = {"combination_of_columns": columns} if columns else {}
            yield Test(kind=f"constraint {one.get('type')}", column=column or only, arguments=arguments, config={})


def _translate(test: Test, types: Mapping[str, str], rules: TestRules, resolve: Callable[[object], str]) -> str | None:
    """Put a test into `rules`; the reason where that is not possible."""
    if test.config.get("enabled") is False:
        return "is disabled"
    for word in _CONDITIONS:
        if word in test.config or word in test.arguments:
            return f"holds under a condition ({word}), which no rule of a contract has"
    if test.column is not None and test.column.lower() not in types:
        return "speaks of a column that the model does not have"
    translate = _KNOWN.get(test.kind)
    if translate is None:
        package = "of a package" if "." in test.kind else "of the project's own, or unknown"
        return f"is a generic test {package}: its SQL is not a rule of a contract"
    return translate(test, types, rules, resolve)


def _warns(test: Test) -> bool:
    return str(test.config.get("severity", "error")).lower() == "warn"


def _check(metric: str, test: Test, **words: Any) -> dict[str, Any]:
    severity = {"severity": "warning"} if _warns(test) else {}
    return {"type": "library", "metric": metric, **words, "mustBe": 0, **severity}


def _not_null(test: Test, _types: Any, rules: TestRules, _resolve: Any) -> str | None:
    if test.column is None:
        return "names no column"
    if _warns(test):
        rules.add(test.column, "quality", [_check("nullValues", test)])
    else:
        rules.add(test.column, "required", True)
    return None


def _unique(test: Test, _types: Any, rules: TestRules, _resolve: Any) -> str | None:
    if test.column is None:
        return "names no column"
    if _warns(test):
        rules.add(test.column, "quality", [_check("duplicateValues", test)])
    else:
        rules.add(test.column, "unique", True)
    return None


def _accepted(test: Test, types: Mapping[str, str], rules: TestRules, _resolve: Any) -> str | None:
    values = test.arguments.get("values")
    if test.column is None or not isinstance(values, list) or not values:
        return "has no list of values"
    kind = types[test.column.lower()]
    typed = [_typed(value, kind) for value in values if value is not None]
    if None in typed:
        return f"lists values that are no {kind}, which the column is"
    check = _check("invalidValues", test, arguments={"validValues": typed})
    rules.add(test.column, "quality", [check])
    return None


def _typed(value: Any, kind: str) -> Any:
    """A value as the column's own type writes it; None where it is none."""
    if kind in ("string", "date", "timestamp"):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())
    if isinstance(value, bool) or not is_numeric(kind):
        return None
    if isinstance(value, str):
        if _WHOLE.fullmatch(value.strip()):
            return int(value)
        return float(value) if re.fullmatch(r"[+-]?\d*\.\d+", value.strip()) else None
    return value


def _related(test: Test, _types: Any, rules: TestRules, resolve: Callable[[object], str]) -> str | None:
    named = test.arguments.get("field")
    if test.column is None or not isinstance(named, str):
        return "names no field"
    try:
        product = resolve(test.arguments.get("to"))
    except ValueError as error:
        return str(error)
    severity = {"customProperties": [{"property": "severity", "value": "warning"}]} if _warns(test) else {}
    rules.add(test.column, "relationships", [{"type": "foreignKey", "to": f"{product}.{named}", **severity}])
    return None


def _combination(test: Test, types: Mapping[str, str], rules: TestRules, _resolve: Any) -> str | None:
    names = test.arguments.get("combination_of_columns")
    if not isinstance(names, list) or not names or any(str(name).lower() not in types for name in names):
        return "names columns that the model does not have"
    rules.quality.append(_check("duplicateValues", test, arguments={"properties": [str(name) for name in names]}))
    return None


def _range(test: Test, types: Mapping[str, str], rules: TestRules, _resolve: Any) -> str | None:
    low, high = test.arguments.get("min_value"), test.arguments.get("max_value")
    bounds = {"inimum": low, "aximum": high}
    given = {word: value for word, value in bounds.items() if value is not None}
    if test.column is None or not given or not is_numeric(types[test.column.lower()]):
        return "is not a range of numbers"
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in given.values()):
        return "compares with an expression"
    if _warns(test):
        return "only warns, which a range of a contract cannot"
    prefix = {"inimum": "m", "aximum": "m"} if test.arguments.get("inclusive", True) else {
        "inimum": "exclusiveM", "aximum": "exclusiveM"
    }  # fmt: skip
    options = {f"{prefix[word]}{word}": value for word, value in given.items()}
    found = rules.columns.get(test.column.lower(), {}).get("logicalTypeOptions", {})
    rules.add(test.column, "logicalTypeOptions", {**found, **options})
    return None


def _primary_key(test: Test, types: Mapping[str, str], rules: TestRules, resolve: Any) -> str | None:
    if test.column is None:
        return _combination(test, types, rules, resolve)
    rules.add(test.column, "primaryKey", True)
    return None


_KNOWN: Final[Mapping[str, Callable[..., str | None]]] = {
    "not_null": _not_null,
    "unique": _unique,
    "accepted_values": _accepted,
    "relationships": _related,
    "dbt.not_null": _not_null,
    "dbt.unique": _unique,
    "dbt.accepted_values": _accepted,
    "dbt.relationships": _related,
    "dbt_utils.unique_combination_of_columns": _combination,
    "dbt_utils.accepted_range": _range,
    "constraint not_null": _not_null,
    "constraint unique": _unique,
    "constraint primary_key": _primary_key,
}
