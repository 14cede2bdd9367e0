"""The loop killed with SIGKILL at every step, one after another: each next call goes on, and one challenger results."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from domains.traffic import DRIFT_DAY
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.decisions import open_retraining, read_decisions, read_retrainings
from mesh_catalog.catalog.models import read_alias, read_model_versions
from mesh_catalog.lake.publish import publish_product
from mesh_catalog.models.registry import open_registry
from mesh_catalog.models.train import train_model
from mesh_catalog.retraining.loop import retrain_model
from mesh_catalog.settings import load_settings
from mesh_catalog.workspace import publish_order
from tests.e2e.cluster import ROOT
from tests.e2e.killed_retraining import SETTLED, STEPS
from tests.e2e.test_jobs import MODEL, land, prepare


def publish(spark: SparkSession, mesh: Mesh) -> None:
    for product in publish_order(mesh.workspace, list(mesh.workspace.products)):
        publish_product(spark, mesh, product)


@pytest.mark.slow
def test_a_loop_that_dies_at_every_step_still_ends_with_one_challenger_and_one_decision(
    spark: SparkSession, workspace_dir: Path
) -> None:
    traffic = prepare(workspace_dir)
    with open_mesh(load_settings(workspace=workspace_dir)) as mesh:
        sync_workspace(mesh.catalog, mesh.workspace)
        model = mesh.workspace.model(MODEL)
        publish(spark, mesh)
        train_model(spark, mesh, model, run_id="first")
        land(workspace_dir, traffic, DRIFT_DAY, DRIFT_DAY + 7)
        publish(spark, mesh)
        for step in STEPS:
            killed = subprocess.run(
                [sys.executable, "-m", "tests.e2e.killed_retraining", str(workspace_dir), MODEL, step],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert killed.returncode == -signal.SIGKILL, f"{step}: {killed.stderr[-2000:]}"
            assert (open_retraining(mesh.catalog, MODEL) is None) == (step == SETTLED)
        result = retrain_model(lambda: spark, mesh, model)
        assert result.action == "keep"
        assert [record.version for record in read_model_versions(mesh.catalog, MODEL)] == [1, 2]
        assert len(read_retrainings(mesh.catalog, MODEL)) == 1
        (decision,) = read_decisions(mesh.catalog, MODEL)
        champion = 2 if decision.action == "promote" else 1
        registry = open_registry(mesh.settings)
        for read in (lambda alias: read_alias(mesh.catalog, MODEL, alias), lambda a: registry.read_alias(MODEL, a)):
            assert (read("champion"), read("challenger")) == (champion, None)
