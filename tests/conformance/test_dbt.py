"""An imported dbt project publishes the tables that the real dbt builds of it, row for row."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.contracts.contract import HISTORY_COLUMNS
from mesh_catalog.lake.analyse import query_columns
from mesh_catalog.lake.publish import publish_product
from mesh_catalog.settings import load_settings
from mesh_catalog.workspace import check_workspace, publish_order
from mesh_catalog.workspace.dbt.plan import DbtPlan
from mesh_catalog.workspace.dbt.planning import plan_dbt_import
from mesh_catalog.workspace.dbt.writing import write_dbt_import
from tests.dbt_samples import HARD, JAFFLE, SEEDS, build_with_dbt, write_project

RENAMED = {"stg_shop__orders": "stg_shop_orders", "the_orders": "order"}
"""dbt's table → our product."""
RENAMED_BACK = {product: table for table, product in RENAMED.items()}


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


def _compare(spark: SparkSession, root: Path, project: Path) -> tuple[DbtPlan, dict[str, pa.Table]]:
    """Build with dbt, import, publish, and require equal tables of all that was imported."""
    theirs = build_with_dbt(project)
    plan = _import(spark, root, project)
    assert check_workspace(root) == []
    ours = _published(spark, root)
    left = {one.name for one in plan.left_out if one.kind == "model"}
    for name, table in theirs.items():
        if name not in left:
            mine = ours[RENAMED.get(name, name)]
            names = [column for column in table.column_names if not column.startswith("dbt_")]  # a snapshot's own
            assert [column for column in mine.column_names if column not in HISTORY_COLUMNS] == names, name
            assert _rows(mine.select(names)) == _rows(table.select(names)), name
    assert theirs.keys() - left == {RENAMED_BACK.get(name, name) for name in ours} - {"stg_payments"}
    return plan, ours


def test_the_published_tables_are_those_of_the_real_dbt_or_left_out_with_the_reason(
    spark: SparkSession, workspace_dir: Path, tmp_path: Path
) -> None:
    plan, ours = _compare(spark, workspace_dir, write_project(tmp_path / "dbt", {**JAFFLE, **HARD}, SEEDS))
    assert len(ours["customers"]) == 3
    left = {one.name: one.reason for one in plan.left_out if one.kind == "model"}
    assert left.keys() == {"by_python", "by_query", "after_query", "duck_only"}
    assert left["after_query"] == "reads 'by_query', which is left out"
    assert "not taken by Spark" in left["duck_only"]


def test_the_well_known_shop_is_the_same_table_for_table(
    shared: Path, spark: SparkSession, workspace_dir: Path, tmp_path: Path
) -> None:
    seeds = shared / "data" / "jaffle-shop"
    _, ours = _compare(spark, workspace_dir, write_project(tmp_path / "dbt", JAFFLE, seeds))
    assert (len(ours["customers"]), len(ours["orders"])) == (100, 99)
    assert sum(ours["raw_payments"]["amount"].to_pylist()) == 167_200
