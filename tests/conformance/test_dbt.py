"""An imported dbt project publishes the tables that the real dbt builds of it, row for row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.lake.analyse import query_columns
from mesh_catalog.lake.publish import publish_product
from mesh_catalog.settings import load_settings
from mesh_catalog.workspace import check_workspace, publish_order
from mesh_catalog.workspace.dbt.plan import DbtPlan
from mesh_catalog.workspace.dbt.planning import plan_dbt_import
from mesh_catalog.workspace.dbt.writing import write_dbt_import
from tests.dbt_samples import HARD, JAFFLE, SEEDS, build_with_dbt, write_project


def _import(spark: SparkSession, root: Path, project: Path) -> DbtPlan:
    plan = plan_dbt_import(
        root, project, analyse=lambda sql, inputs: query_columns(spark, sql, inputs), owner="ada", domain="shop"
    )
    write_dbt_import(root, plan)
    return plan


def _published(spark: SparkSession, root: Path) -> dict[str, pa.Table]:
    """Publish everything and read it back: by product, without its domain."""
    found = {}
    with open_mesh(load_settings(workspace=root)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        for product in publish_order(mesh.workspace, mesh.workspace.products):
            publish_product(spark, mesh, product)
            location = f"{mesh.settings.lake}/{product.name.replace('.', '/')}"
            found[product.name.partition(".")[2]] = spark.read.format("delta").load(location).toArrow()
    return found


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Rows in an order of their own, numbers and times in one form each."""
    rows = [tuple(_plain(value) for value in row.values()) for row in table.to_pylist()]
    return sorted(rows, key=repr)


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        return round(float(value), 6)
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()
    return f"{value.isoformat()}T00:00:00" if isinstance(value, date) else value


def _require_equal(ours: Mapping[str, pa.Table], theirs: Mapping[str, pa.Table]) -> None:
    for name, table in theirs.items():
        mine = ours[name.replace("__", "_")]
        assert mine.column_names == table.column_names, name
        assert _rows(mine) == _rows(table), name


@pytest.mark.parametrize("seeds", ["own", "shared"])
def test_the_published_tables_are_those_that_dbt_builds(
    seeds: str, spark: SparkSession, workspace_dir: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    files = SEEDS if seeds == "own" else request.getfixturevalue("shared") / "data" / "jaffle-shop"
    project = write_project(tmp_path / "dbt", JAFFLE, files)
    theirs = build_with_dbt(project)
    plan = _import(spark, workspace_dir, project)
    assert check_workspace(workspace_dir) == []
    ours = _published(spark, workspace_dir)
    assert {"customers", "orders", "monthly", "stg_customers", "stg_shop__orders", "raw_payments"} <= theirs.keys()
    _require_equal(ours, theirs)
    assert len(ours["customers"]) == (3 if seeds == "own" else 100)
    assert {product.kind for product in plan.products} == {"seed", "model"}


def test_what_is_hard_to_translate_is_equal_to_dbt_or_left_out_with_the_reason(
    spark: SparkSession, workspace_dir: Path, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "dbt", HARD, SEEDS)
    theirs = build_with_dbt(project)
    plan = _import(spark, workspace_dir, project)
    left = {one.name: one.reason for one in plan.left_out if one.kind == "model"}
    ours = _published(spark, workspace_dir)
    _require_equal(ours, {name: table for name, table in theirs.items() if name not in left})
    assert left.keys() == {"by_python", "by_query", "after_query", "duck_only"}
    assert "left out" in left["after_query"]
