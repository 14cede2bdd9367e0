from __future__ import annotations

from typing import Any

import pytest

from mesh_catalog.contracts.classification import Suspicion
from mesh_catalog.contracts.infer import ColumnSummary, infer_columns


def _summary(name: str, kind: Any = "integer", **known: Any) -> ColumnSummary:
    return ColumnSummary(**{"name": name, "kind": kind, "rows": 1000, "null_count": 0, "unique": False, **known})


def test_the_key_is_the_unique_column_whose_name_says_so() -> None:
    columns = [
        _summary("amount", unique=True),
        _summary("batch_no", unique=True),
        _summary("order_id", unique=True),
        _summary("text", "string", unique=True),
    ]
    found = infer_columns(columns, product="orders")
    assert found.key is not None
    assert found.key.name == "order_id"
    assert found.key.suggested == ("type", "required", "unique", "primaryKey")


def test_a_unique_number_or_a_nullable_column_is_no_key() -> None:
    columns = [_summary("price_id", "number", unique=True), _summary("b_id", unique=True, null_count=1)]
    assert infer_columns(columns, product="orders").key is None


def test_ranges_and_closed_sets_are_suggested_only_where_they_are_sensible() -> None:
    columns = [
        _summary("amount", "number", minimum=0.5),
        _summary("change", "number", minimum=-1.0),
        _summary("flag", minimum=0, values={0: 990, 1: 10}),
        _summary("children", minimum=0, values={0: 600, 1: 300, 2: 95, 8: 5}),
        _summary("month", minimum=1, values={1: 500, 2: 500}),
        _summary("colour", "string", values={"red": 999, "blue": 1}),
        _summary("constant", "string", values={"x": 1000}),
        _summary("few", "string", rows=50, values={"a": 25, "b": 25}),
    ]
    found = {column.name: (column.minimum, column.values) for column in infer_columns(columns, product="p").columns}
    assert found == {
        "amount": (0, None),
        "change": (None, None),
        "flag": (None, (0, 1)),
        "children": (0, None),
        "month": (0, None),
        "colour": (None, ("blue", "red")),
        "constant": (None, None),
        "few": (None, None),
    }


def test_nothing_of_a_suspected_columns_values_is_kept() -> None:
    columns = [
        _summary("customer_id", minimum=77, maximum=88, values={77: 500, 88: 500}),
        _summary("c", "string", values={"Ada": 1000}, suspicion=Suspicion(classification="personal?", reason="x")),
    ]
    found = infer_columns(columns, product="p")
    assert all(column.suspicion for column in found.columns)
    assert "77" not in repr(found)
    assert "Ada" not in repr(found)


@pytest.mark.parametrize(
    ("kind", "values"), [("string", {"Yes": 1, "No": 2}), ("string", {"T": 3}), ("integer", {1: 4, -1: 5})]
)
def test_answers_of_yes_and_no_are_nobodys_data_whatever_the_name_says(kind: str, values: dict[Any, int]) -> None:
    (column,) = infer_columns([_summary("phone_service", kind, values=values)], product="p").columns
    assert column.suspicion is None


def test_the_event_time_is_a_complete_timestamp_before_a_date_and_never_a_birthday() -> None:
    columns = [
        _summary("birth_date", "date"),
        _summary("day", "date"),
        _summary("updated", "timestamp", null_count=1),
        _summary("shipped", "timestamp"),
        _summary("created_at", "timestamp"),
    ]
    found = infer_columns(columns, product="p")
    assert found.event_time is not None
    assert found.event_time.name == "created_at"


def test_a_number_with_blanks_says_so() -> None:
    summary = _summary("total", "number", null_count=11, blank_count=11)
    assert infer_columns([summary], product="p").notes == ("total: number but for 11 values (blank), read as null",)
