from __future__ import annotations

import re
from typing import Any

import pytest

from mesh_catalog.workspace.dbt.rules import TestRules as Rules
from mesh_catalog.workspace.dbt.rules import read_tests, reference_of

TYPES = {"id": "bigint", "state": "string", "paid": "boolean", "amount": "decimal(18,2)", "day": "date"}


def _resolve(text: object) -> str:
    reference = reference_of(text)
    if reference is None or reference[1] == "gone":
        raise ValueError("refers to a table that is not imported")
    return f"shop.{reference[2] or reference[1]}"


def _read(*tests: Any, column: str | None = "id", key: str = "data_tests") -> Rules:
    if column is None:
        return read_tests({key: list(tests)}, TYPES, resolve=_resolve)
    return read_tests({"columns": [{"name": column, key: list(tests)}]}, TYPES, resolve=_resolve)


def _invalid(*values: Any, **more: Any) -> dict[str, Any]:
    return {
        "type": "library",
        "metric": "invalidValues",
        "arguments": {"validValues": list(values)},
        "mustBe": 0,
        **more,
    }


@pytest.mark.parametrize(
    ("column", "test", "words"),
    [
        ("id", "not_null", {"required": True}),
        ("id", "unique", {"unique": True}),
        ("id", {"unique": {"name": "named"}}, {"unique": True}),
        ("id", {"name": "named", "test_name": "not_null"}, {"required": True}),
        ("ID", "not_null", {"required": True}),
        ("state", {"accepted_values": {"values": ["a", 1, None]}}, {"quality": [_invalid("a", "1")]}),
        ("state", {"accepted_values": {"arguments": {"values": ["a"]}}}, {"quality": [_invalid("a")]}),
        ("id", {"accepted_values": {"values": ["1", 2], "quote": False}}, {"quality": [_invalid(1, 2)]}),
        ("paid", {"accepted_values": {"values": [True, "false"]}}, {"quality": [_invalid(True, False)]}),
        (
            "state",
            {"accepted_values": {"values": ["a"], "config": {"severity": "warn"}}},
            {"quality": [_invalid("a", severity="warning")]},
        ),
        (
            "id",
            {"not_null": {"severity": "warn"}},
            {"quality": [{"type": "library", "metric": "nullValues", "mustBe": 0, "severity": "warning"}]},
        ),
        (
            "id",
            {"relationships": {"to": "ref('orders')", "field": "order_id"}},
            {"relationships": [{"type": "foreignKey", "to": "shop.orders.order_id"}]},
        ),
        (
            "id",
            {"relationships": {"arguments": {"to": "source('raw', 'orders')", "field": "id"}}},
            {"relationships": [{"type": "foreignKey", "to": "shop.orders.id"}]},
        ),
        (
            "amount",
            {"dbt_utils.accepted_range": {"min_value": 0, "max_value": 9}},
            {"logicalTypeOptions": {"minimum": 0, "maximum": 9}},
        ),
        (
            "amount",
            {"dbt_utils.accepted_range": {"min_value": 0, "inclusive": False}},
            {"logicalTypeOptions": {"exclusiveMinimum": 0}},
        ),
    ],
)
@pytest.mark.parametrize("key", ["tests", "data_tests"])
def test_tests_of_columns_become_words_of_the_contract(column: str, test: Any, words: Any, key: str) -> None:
    rules = _read(test, column=column, key=key)
    assert rules.columns == {column.lower(): words}
    assert (rules.count, rules.left_out) == (1, [])


def test_a_combination_of_columns_is_a_rule_of_the_table() -> None:
    rules = _read({"dbt_utils.unique_combination_of_columns": {"combination_of_columns": ["id", "day"]}}, column=None)
    arguments = {"properties": ["id", "day"]}
    assert rules.quality == [{"type": "library", "metric": "duplicateValues", "arguments": arguments, "mustBe": 0}]


def test_constraints_promise_the_same() -> None:
    entry = {
        "constraints": [{"type": "primary_key", "columns": ["id"]}],
        "columns": [{"name": "day", "constraints": [{"type": "not_null"}, {"type": "check", "expression": "day > 1"}]}],
    }
    rules = read_tests(entry, TYPES, resolve=_resolve)
    assert rules.columns == {"id": {"primaryKey": True}, "day": {"required": True}}
    assert [test for test, _ in rules.left_out] == ["constraint check of day"]


@pytest.mark.parametrize(
    ("column", "test", "reason"),
    [
        ("id", {"not_null": {"config": {"where": "id > 1"}}}, "under a condition \\(where\\)"),
        ("id", {"unique": {"config": {"error_if": ">10"}}}, "under a condition \\(error_if\\)"),
        ("id", {"not_null": {"config": {"enabled": False}}}, "is disabled"),
        ("gone", "not_null", "a column that the model does not have"),
        ("id", "is_even", "generic test of the project's own"),
        ("id", {"dbt_expectations.expect_x": {}}, "generic test of a package"),
        ("id", {"accepted_values": {"values": ["a"]}}, "no bigint"),
        ("id", {"accepted_values": {}}, "no list of values"),
        ("id", {"relationships": {"to": "ref('gone')", "field": "id"}}, "not imported"),
        ("id", {"relationships": {"to": "ref('a')"}}, "names no field"),
        ("amount", {"dbt_utils.accepted_range": {"min_value": "getdate()"}}, "an expression"),
        ("state", {"dbt_utils.accepted_range": {"min_value": 1}}, "not a range of numbers"),
    ],
)
def test_what_a_contract_cannot_say_is_left_out_with_the_reason(column: str, test: Any, reason: str) -> None:
    rules = _read(test, column=column)
    assert (rules.count, rules.columns) == (0, {})
    assert re.search(reason, rules.left_out[0][1])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ref('a')", ("ref", "a", None)),
        ('{{ ref("p", "a") }}', ("ref", "p", "a")),
        ("source('s', 't')", ("source", "s", "t")),
        ("ref(a)", None),
        ("__import__('os')", None),
    ],
)
def test_references_are_read_and_never_evaluated(text: str, found: Any) -> None:
    assert reference_of(text) == found
