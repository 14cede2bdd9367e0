"""Row rules as Spark decides them, and delta-rs for tables that others write, each beside what the rule's words say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from mesh_catalog.contracts.contract import Column, Rule
from mesh_catalog.lake.adopted_rules import judge_rows
from mesh_catalog.lake.checks import row_condition
from tests.unit.contracts.samples import contract_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NAMES = [None, "", "N/A", "abc", "abcde", "abcdef", "다섯글자야", "여섯글자라서", "🙂🙂🙂🙂🙂", "🙂🙂🙂🙂🙂🙂"]
NUMBERS = [None, -1.0, 0.0, 2.5, 5.0, 7.0]


CASES: list[tuple[Any, Any, set[Any]]] = [
    ("required", None, {None}),
    ("not_missing", ("", "N/A"), {None, "", "N/A"}),
    ("min_length", 5, {"", "N/A", "abc"}),
    ("max_length", 5, {"abcdef", "여섯글자라서", "🙂🙂🙂🙂🙂🙂"}),
    ("max_length", 0, {name for name in NAMES if name}),
    ("pattern", r"^\w*$", {"N/A", "다섯글자야", "여섯글자라서", "🙂🙂🙂🙂🙂", "🙂🙂🙂🙂🙂🙂"}),
    ("pattern", "^[a-z]*$", {"N/A", "다섯글자야", "여섯글자라서", "🙂🙂🙂🙂🙂", "🙂🙂🙂🙂🙂🙂"}),
    ("valid_values", ("abc", "abcde"), {name for name in NAMES if name not in (None, "abc", "abcde")}),
    ("minimum", 0, {-1.0}),
    ("maximum", 5, {7.0}),
    ("exclusive_minimum", 0, {-1.0, 0.0}),
    ("exclusive_maximum", 5, {5.0, 7.0}),
    ("multiple_of", 2.5, {-1.0, 7.0}),
]
TEXT_RULES = ("required", "not_missing", "min_length", "max_length", "pattern", "valid_values")


def column_of(kind: str) -> tuple[Column, list[Any]]:
    texts = kind in TEXT_RULES
    column = Column(
        name="a b", logical_type="string" if texts else "number", spark_type="string" if texts else "double"
    )
    return column, NAMES if texts else NUMBERS


@pytest.mark.parametrize(("kind", "argument", "broken"), CASES)
def test_spark_finds_a_row_rule_broken_by_these_values_and_no_others(
    spark: SparkSession, kind: Any, argument: Any, broken: set[Any]
) -> None:
    column, values = column_of(kind)
    rule = Rule(id=f"a.{kind}", kind=kind, argument=argument, column=column.name)
    rows = spark.createDataFrame([(value,) for value in values], f"`a b` {column.spark_type}")
    found = {row[0] for row in rows.filter(f"not ({row_condition(rule, column)})").collect()}
    assert found == broken


@pytest.mark.parametrize(("kind", "argument", "broken"), CASES)
def test_delta_rs_counts_as_many(tmp_path: Path, kind: Any, argument: Any, broken: set[Any]) -> None:
    column, values = column_of(kind)
    write_deltalake(tmp_path / "table", pa.table({"a b": pa.array(values)}))
    rule = Rule(id=f"a.{kind}", kind=kind, argument=argument, column=column.name)
    contract = replace(contract_of(tmp_path, "{name: a, logicalType: string}"), columns=(column,), rules=(rule,))
    (check,) = judge_rows(contract, DeltaTable(tmp_path / "table"), rows=len(values), newest_event_at=None, unread=None)
    assert (check.broken_count, check.verdict) == (len(broken), "fail" if broken else "pass")
