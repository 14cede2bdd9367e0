"""Row rules as Spark decides them, each beside what the words of the rule say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mesh_catalog.contracts.contract import Column, Rule
from mesh_catalog.lake.checks import row_condition

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NAMES = [None, "", "N/A", "abc", "abcde", "abcdef", "다섯글자야", "여섯글자라서", "🙂🙂🙂🙂🙂", "🙂🙂🙂🙂🙂🙂"]
NUMBERS = [None, -1.0, 0.0, 2.5, 5.0, 7.0]


@pytest.mark.parametrize(
    ("kind", "argument", "broken"),
    [
        ("required", None, {None}),
        ("not_missing", ("", "N/A"), {None, "", "N/A"}),
        ("min_length", 5, {"", "N/A", "abc"}),
        ("max_length", 5, {"abcdef", "여섯글자라서", "🙂🙂🙂🙂🙂🙂"}),
        ("max_length", 0, {name for name in NAMES if name}),
        ("pattern", "^[a-z]*$", {"N/A", "다섯글자야", "여섯글자라서", "🙂🙂🙂🙂🙂", "🙂🙂🙂🙂🙂🙂"}),
        ("valid_values", ("abc", "abcde"), {name for name in NAMES if name not in (None, "abc", "abcde")}),
        ("minimum", 0, {-1.0}),
        ("maximum", 5, {7.0}),
        ("exclusive_minimum", 0, {-1.0, 0.0}),
        ("exclusive_maximum", 5, {5.0, 7.0}),
        ("multiple_of", 2.5, {-1.0, 7.0}),
    ],
)
def test_a_row_rule_is_broken_by_these_values_and_no_others(
    spark: SparkSession, kind: Any, argument: Any, broken: set[Any]
) -> None:
    texts = kind in ("required", "not_missing", "min_length", "max_length", "pattern", "valid_values")
    column = Column(
        name="a `b`", logical_type="string" if texts else "number", spark_type="string" if texts else "double"
    )
    rule = Rule(id=f"a.{kind}", kind=kind, argument=argument, column=column.name, text="")
    values = NAMES if texts else NUMBERS
    rows = spark.createDataFrame([(value,) for value in values], f"`a ``b``` {column.spark_type}")
    found = {row[0] for row in rows.filter(f"not ({row_condition(rule, column)})").collect()}
    assert found == broken
