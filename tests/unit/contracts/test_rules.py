from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.contracts.contract import Rule, Threshold
from mesh_catalog.errors import DocumentError
from tests.unit.contracts.samples import contract_of


def _rules(folder: Path, *properties: str, table: str = "", rest: str = "") -> list[Rule]:
    return list(contract_of(folder, *properties, table=table, rest=rest).rules)


def test_options_of_a_type_become_rules_that_read_as_a_person_says_them(tmp_path: Path) -> None:
    rules = _rules(
        tmp_path,
        "{name: n, logicalType: number, logicalTypeOptions: {minimum: 0, exclusiveMaximum: 10.5, multipleOf: 0.5}}",
        "{name: s, logicalType: string, logicalTypeOptions: {minLength: 2, maxLength: 5, pattern: '^A'}}",
        "{name: d, logicalType: date, logicalTypeOptions: {minimum: '2020-01-01', format: yyyy-MM-dd}}",
    )
    assert [(rule.kind, rule.argument, rule.text) for rule in rules] == [
        ("minimum", 0, "n >= 0"),
        ("exclusive_maximum", 10.5, "n < 10.5"),
        ("multiple_of", 0.5, "n is a multiple of 0.5"),
        ("min_length", 2, "s has at least 2 characters"),
        ("max_length", 5, "s has at most 5 characters"),
        ("pattern", "^A", "s matches ^A"),
        ("minimum", "2020-01-01", "d >= 2020-01-01"),
    ]


def test_a_column_severity_holds_for_its_schema_rules_and_a_duplicate_is_never_quarantined(tmp_path: Path) -> None:
    rules = _rules(
        tmp_path,
        "{name: a, logicalType: integer, required: true, unique: true, logicalTypeOptions: {minimum: 0},"
        " quality: [{metric: nullValues, mustBeLessThan: 5, unit: percent, severity: info}],"
        " customProperties: [{property: severity, value: quarantine}]}",
    )
    assert [(rule.id, rule.severity) for rule in rules] == [
        ("a.required", "quarantine"),
        ("a.unique", "error"),
        ("a.minimum", "quarantine"),
        ("a.required.2", "warning"),
    ]
    assert rules[3].threshold == Threshold(operator="mustBeLessThan", value=5, unit="percent")
    assert rules[3].text == "a required, broken by fewer than 5 % of rows"
    assert [rule.filters for rule in rules] == [True, False, True, False]


@pytest.mark.parametrize(
    ("entry", "kind", "argument", "threshold"),
    [
        ("metric: nullValues, mustBe: 0", "required", None, None),
        ("metric: missingValues, arguments: {missingValues: [null]}, mustBe: 0", "required", None, None),
        ("metric: missingValues, arguments: {missingValues: ['', 'N/A']}, mustBe: 0", "not_missing", ("", "N/A"), None),
        (
            "metric: invalidValues, arguments: {validValues: [a, null, b, a]}, mustBe: 0",
            "valid_values",
            ("a", "b"),
            None,
        ),
        ("metric: invalidValues, arguments: {pattern: '^x$'}, mustBeLessOrEqualTo: 0", "pattern", "^x$", None),
        (
            "metric: duplicateValues, mustBeBetween: [1, 3]",
            "unique",
            ("a",),
            Threshold(operator="mustBeBetween", value=(1, 3)),
        ),
    ],
)
def test_a_library_metric_becomes_a_rule(
    tmp_path: Path, entry: str, kind: str, argument: object, threshold: Threshold | None
) -> None:
    (rule,) = _rules(tmp_path, f"{{name: a, logicalType: string, quality: [{{{entry}}}]}}")
    assert (rule.kind, rule.argument, rule.threshold) == (kind, argument, threshold)


def test_rules_of_the_table_speak_of_rows_and_of_several_columns(tmp_path: Path) -> None:
    table = (
        "    quality:\n"
        "      - {metric: rowCount, mustBeGreaterThan: 10}\n"
        "      - {metric: duplicateValues, arguments: {properties: [a, b]}, mustBe: 0}\n"
        "      - {type: custom, engine: soda, implementation: 'x', description: one}\n"
        "      - {type: text, description: be good}\n"
    )
    rules = _rules(tmp_path, "{name: a, logicalType: string}", "{name: b, logicalType: string}", table=table)
    assert [(rule.id, rule.kind, rule.text) for rule in rules] == [
        ("table.row_count", "row_count", "number of rows more than 10"),
        ("table.unique_a_b", "unique", "a, b unique"),
        ("table.custom", "not_run", "one"),
    ]
    assert "the engine 'soda', which this project does not run" in str(rules[2].argument)


def test_an_enum_is_a_rule_on_its_values(tmp_path: Path) -> None:
    text = "{name: a, logicalType: integer, enum: [{value: 1, label: one}, {value: 2}]}"
    (rule,) = _rules(tmp_path, text)
    assert (rule.kind, rule.argument) == ("valid_values", (1, 2))


def test_the_same_promise_made_twice_is_one_rule_and_ids_stay_unique(tmp_path: Path) -> None:
    rules = _rules(
        tmp_path,
        "{name: a, logicalType: string, required: true, quality: [{metric: nullValues, mustBe: 0},"
        " {metric: nullValues, mustBeLessThan: 3}, {id: own, metric: nullValues, mustBeLessThan: 4}]}",
    )
    assert [rule.id for rule in rules] == ["a.required", "a.required.2", "a.own"]


@pytest.mark.parametrize(
    ("level", "seconds", "severity"),
    [
        ("{property: latency, value: 4, unit: d}", 345_600, "warning"),
        ("{property: freshness, value: 90min}", 5_400, "warning"),
        ("{property: freshness, value: 1.5, unit: h, element: orders.at}", 5_400, "warning"),
        (
            "{property: freshness, value: 1, unit: w, customProperties: [{property: severity, value: error}]}",
            604_800,
            "error",
        ),
    ],
)
def test_freshness_is_a_rule_on_the_event_time(tmp_path: Path, level: str, seconds: int, severity: str) -> None:
    rest = f"slaProperties:\n  - {level}\n  - {{property: retention, value: 3, unit: y}}\ncustomProperties:\n"
    rest += "  - {property: eventTime, value: at}\n"
    (rule,) = _rules(tmp_path, "{name: at, logicalType: timestamp}", rest=rest)
    assert (rule.kind, rule.column, rule.argument, rule.severity) == ("freshness", "at", seconds, severity)


def test_freshness_without_an_event_time_is_not_run_and_says_why(tmp_path: Path) -> None:
    rest = "slaProperties:\n  - {property: freshness, value: 1, unit: d}\n"
    (rule,) = _rules(tmp_path, "{name: at, logicalType: timestamp}", rest=rest)
    assert rule.kind == "not_run"
    assert "eventTime" in str(rule.argument)


@pytest.mark.parametrize(
    ("quality", "sentence"),
    [
        ("{metric: nullCheck, mustBe: 0}", "metric 'nullCheck' is not known. Allowed: nullValues"),
        ("{mustBe: 0}", "a metric is missing"),
        ("{metric: nullValues}", "has no limit"),
        ("{metric: nullValues, mustBe: 0, mustBeLessThan: 5}", "has 2 limits"),
        ("{metric: invalidValues, mustBe: 0}", "needs one argument"),
        ("{metric: invalidValues, arguments: {valid: [a]}, mustBe: 0}", "Did you mean 'validValues'"),
        ("{metric: invalidValues, arguments: {validValues: [1]}, mustBe: 0}", "Put it in quotes"),
        ("{metric: invalidValues, arguments: {validValues: []}, mustBe: 0}", "must be a list"),
        ("{metric: invalidValues, arguments: {pattern: '['}, mustBe: 0}", "without a"),
        ("{metric: nullValues, mustBe: some}", "must be a number"),
        ("{metric: nullValues, mustBe: -1}", "can never hold"),
        ("{metric: nullValues, mustBeLessThan: 101, unit: percent}", "can never hold"),
        ("{metric: nullValues, mustBeBetween: [3, 1]}", "can never hold"),
        ("{metric: nullValues, mustBe: 0, unit: furlong}", "unit 'furlong'"),
        ("{metric: nullValues, mustBe: 0, severity: loud}", "severity 'loud'"),
        ("{metric: duplicateValues, mustBe: 0, severity: quarantine}", "speaks of the batch"),
        ("{metric: nullValues, mustBeLessThan: 5, severity: quarantine}", "speaks of the batch"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(tmp_path: Path, quality: str, sentence: str) -> None:
    with pytest.raises(DocumentError, match=sentence) as caught:
        _rules(tmp_path, f"{{name: a, logicalType: string, quality: [{quality}]}}")
    assert caught.value.line == 11


@pytest.mark.parametrize(
    ("level", "sentence"),
    [
        ("{property: freshness, value: soon}", "needs a length of time"),
        ("{property: freshness, value: 3, unit: m}", "needs a length of time"),
        ("{property: freshness, value: 1, unit: d, element: aat}", "Did you mean 'at'"),
        ("{property: freshness, value: 1, unit: d, element: a}", "no date or timestamp"),
    ],
)
def test_a_freshness_that_cannot_be_measured_is_refused(tmp_path: Path, level: str, sentence: str) -> None:
    with pytest.raises(DocumentError, match=sentence):
        _rules(
            tmp_path,
            "{name: at, logicalType: timestamp}",
            "{name: a, logicalType: string}",
            rest=f"slaProperties:\n  - {level}\n",
        )
