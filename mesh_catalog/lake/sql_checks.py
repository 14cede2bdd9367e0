"""SQL checks of a contract, run over the table as it will be.

What runs was parsed, checked and written anew by `contracts/sql_rules.py`; here its table names become views. All the
queries are one statement of scalar subqueries, so that Spark can share scans; where that fails, each is run alone to
know which one it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mesh_catalog.contracts.contract import Query
from mesh_catalog.contracts.sql_rules import TABLE_NAME
from mesh_catalog.errors import MeshError
from mesh_catalog.lake.checks import Finding
from mesh_catalog.lake.messages import describe_error

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mesh_catalog.contracts.contract import Rule

__all__ = ["run_queries"]

Open = Callable[[str | None], "DataFrame"]
"""Gives a product's rows; the own table's, as they will be, where None."""


def run_queries(spark: SparkSession, rules: Sequence[Rule], open_table: Open) -> dict[str, Finding]:
    """What each rule's query gives, by the rule's id; a query that cannot be run says why, and holds nothing up."""
    found: dict[str, Finding] = {}
    with ExitStack() as views:
        texts: dict[str, str] = {}
        names: dict[str | None, str] = {}
        for rule in rules:
            try:
                texts[rule.id] = _with_views(spark, rule.argument, open_table, names, views)
                spark.sql(texts[rule.id])  # analysed: no job runs
            except MeshError as error:
                found[rule.id] = Finding(not_run=str(error), failed=True)
            except _spark_errors() as error:
                found[rule.id] = Finding(not_run=describe_error(error), failed=True)
        runnable = {rule.id: rule for rule in rules if rule.id not in found}
        found |= _run(spark, runnable, texts)
    return found


def _spark_errors() -> tuple[type[Exception], ...]:
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    return PySparkException, Py4JJavaError


def _with_views(
    spark: SparkSession, query: Query, open_table: Open, names: dict[str | None, str], views: ExitStack
) -> str:
    """The query with every `mesh_table_<n>` replaced by a view; a table is opened once for all the queries."""
    wanted: list[str | None] = [None, *query.reads]

    def view(match: re.Match[str]) -> str:
        product = wanted[int(match[1])]
        if product not in names:
            name = f"mesh_check_{uuid4().hex}"
            open_table(product).createTempView(name)
            views.callback(spark.catalog.dropTempView, name)
            names[product] = name
        return names[product]

    return re.sub(rf"\b{TABLE_NAME}(\d+)\b", view, query.sql)


def _run(spark: SparkSession, rules: Mapping[str, Rule], texts: Mapping[str, str]) -> dict[str, Finding]:
    if not rules:
        return {}
    ids = list(rules)
    selected = ", ".join(f"({texts[rule]}) as r{number}" for number, rule in enumerate(ids))
    try:
        row: Any = spark.sql(f"select {selected}").first()
    except _spark_errors() as error:
        if len(ids) == 1:
            return {ids[0]: Finding(not_run=describe_error(error), failed=True)}
        return {rule: _run(spark, {rule: rules[rule]}, texts)[rule] for rule in ids}
    return {rule: _finding(row[number], rules[rule].argument) for number, rule in enumerate(ids)}


def _finding(value: Any, query: Query) -> Finding:
    if value is None:
        return Finding(not_run="the query gave no number: no row, or null", failed=True)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return Finding(not_run="the query gave something that is not a number", failed=True)
    if number != number:
        return Finding(not_run="the query gave NaN", failed=True)
    return Finding(value=number, told=f"found {number:g}" if query.shows_result else "the result is not shown")
