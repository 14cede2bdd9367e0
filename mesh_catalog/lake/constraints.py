"""Delta CHECK constraints on a table that is there already: those that the contract has and the table lacks.

Set after a commit, when columns that it adds are there. Delta reads the whole table for each; where rows of earlier
versions break one, it cannot be set, and the table remembers so, so that it is not read again at every publish.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mesh_catalog.catalog.runs import CheckRecord
from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.lake.checks import constraint_rules
from mesh_catalog.lake.messages import spark_condition

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.contracts.contract import Contract, Rule

__all__ = ["add_constraints", "same_condition"]

_CONSTRAINT = "delta.constraints."
_UNMET = "mesh.unmetConstraints."
_WORDS = re.compile(r"'(?:[^'\\]|\\.)*'|`[^`]*`|\S")
_BROKEN = "rows of earlier versions break it"


def add_constraints(
    spark: SparkSession, location: str, configuration: Mapping[str, str], contract: Contract
) -> tuple[CheckRecord, ...]:
    """Add the constraints that the table lacks; a warning for each that could not be set, with the reason.

    Args:
        configuration: The table's properties before the commit.
    """
    return tuple(_add(spark, f"delta.{spark_name(location)}", configuration, contract))


def same_condition(left: str | None, right: str | None) -> bool:
    """Whether two constraints are the same text but for spaces: Delta puts some between words when it adds one."""
    return left is not None and right is not None and _WORDS.findall(left) == _WORDS.findall(right)


def _add(
    spark: SparkSession, table: str, configuration: Mapping[str, str], contract: Contract
) -> Iterator[CheckRecord]:
    for name, (rule, text) in constraint_rules(contract).items():
        if same_condition(configuration.get(_CONSTRAINT + name), text):
            continue
        if contract.write_mode != "overwrite" and configuration.get(_UNMET + name) == text:
            yield _warning(rule, _BROKEN)
            continue
        condition = _try(spark, f"alter table {table} add constraint {spark_name(name)} check ({text})")
        if condition is None:
            continue
        broken = "CHECK_CONSTRAINT_VIOLATION" in condition
        if broken:
            _try(spark, f"alter table {table} set tblproperties ('{_UNMET}{name}' = '{_escaped(text)}')")
        yield _warning(rule, _BROKEN if broken else f"Delta said {condition}; the next publish tries again")


def _try(spark: SparkSession, statement: str) -> str | None:
    """Run a statement; the condition's name where it fails: its text could hold values."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        spark.sql(statement)
    except (PySparkException, Py4JJavaError) as error:
        return spark_condition(error) or type(error).__name__
    return None


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _warning(rule: Rule, reason: str) -> CheckRecord:
    return CheckRecord(
        rule=f"{rule.id}.constraint",
        text=f"{rule.text}: set on the table itself",
        column=rule.column,
        severity="warning",
        verdict="warn",
        reason=f"not set: {reason}",
    )
