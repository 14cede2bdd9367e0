"""A worker of a real cluster is killed with its executor while a job runs: nothing is lost and nothing doubled.

`mesh monitor` is not among them: it compares profiles and runs no Spark job.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh_catalog.access.gate import request_read
from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.models import read_model_versions
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.lake.arrow import count_values
from mesh_catalog.lake.profiles import load_profile
from mesh_catalog.lake.table import read_table_state
from mesh_catalog.settings import load_settings
from tests.e2e.cluster import ROOT, Cluster, free_ports, start_cluster, start_submit
from tests.e2e.test_jobs import MODEL, prepare
from tests.lake.conftest import ORDERS, SOURCE, order

ROWS = 400
SLOW_BUILD = """
import time
from mesh_catalog import build
from pyspark.sql.functions import udf

@build(reads=["source"])
def orders(source):
    @udf("double")
    def unchanged(amount):
        time.sleep(0.05)
        return amount
    return source.repartition(8).withColumn("amount", unchanged("amount"))
"""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of the test's own, since it will lose one of its two workers."""
    with start_cluster(tmp_path) as started:
        yield started


class Job:
    """A verb under spark-submit on a cluster, watched through Spark's REST API."""

    def __init__(self, cluster: Cluster, workspace: Path, verb: str, *arguments: str) -> None:
        (self._port,) = free_ports(1)
        self._process: subprocess.Popen[str] = start_submit(
            ROOT / "jobs" / f"{verb}.py",
            *arguments,
            "--json",
            master=cluster.url,
            conf={"spark.executor.memory": "1g", "spark.ui.port": str(self._port)},
            environment={"MESH_WORKSPACE": str(workspace), "MESH_QUIET": "1"},
        )

    def await_stage(self, *words: str, seconds: float = 240) -> None:
        """Wait until a stage runs whose description holds one of these words, with a task done or under way."""
        deadline = time.monotonic() + seconds
        seen: dict[str, None] = {}
        while time.monotonic() < deadline and self._process.poll() is None:
            for stage in self._stages():
                text = f"{stage['name']} {stage.get('details', '')}"
                if stage["numActiveTasks"] and any(word in text for word in words):
                    return
                seen[str(stage["name"])] = None
            time.sleep(0.05)
        self._process.kill()
        raise AssertionError(f"no stage of {words} was seen but {list(seen)}: {self._process.communicate()}")

    def _stages(self) -> list[dict[str, Any]]:
        root = f"http://127.0.0.1:{self._port}/api/v1/applications"
        try:
            with urllib.request.urlopen(root, timeout=5) as answer:
                name = json.load(answer)[0]["id"]
            with urllib.request.urlopen(f"{root}/{name}/stages?status=active", timeout=5) as answer:
                stages: list[dict[str, Any]] = json.load(answer)
        except (OSError, IndexError, ValueError):
            return []  # not there yet, or not any more
        return stages

    def finish(self, seconds: float = 300) -> tuple[int, str]:
        """Exit code, and all that was printed."""
        try:
            stdout, stderr = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        return self._process.returncode, stdout + stderr


def write_shop(root: Path) -> None:
    folder = root / "domains" / "shop" / "orders"
    folder.mkdir(parents=True)
    (folder.parent / "domain.yaml").write_text("name: shop\nowner: shop@example.org\n")
    (folder / "contract.yaml").write_text(json.dumps(ORDERS))
    (folder / "source.yaml").write_text(json.dumps(SOURCE))
    (folder / "build.py").write_text(SLOW_BUILD)
    landing = root / "landing" / "shop" / "orders"
    landing.mkdir(parents=True)
    rows = "\n".join(order(number, amount=number) for number in range(ROWS))
    (landing / "first.csv").write_text(f"order_id,ordered_at,email,amount,state\n{rows}\n")


def test_a_publish_goes_on_without_a_worker_and_commits_once(pair: Cluster, workspace_dir: Path) -> None:
    write_shop(workspace_dir)
    job = Job(pair, workspace_dir, "publish")
    job.await_stage("save at", "repartition", "javaToPython")
    pair.kill_worker(1)
    code, said = job.finish()
    assert code == 0, said[-3000:]
    with open_mesh(load_settings(workspace=workspace_dir)) as mesh:
        state = read_table_state("shop.orders", f"{mesh.settings.lake}/shop/orders")
        assert state.version == 0
        assert [(record.version, record.rows) for record in read_versions(mesh.catalog, "shop.orders")] == [(0, ROWS)]
        ids = count_values(request_read(mesh, "shop.orders", purpose="analysis"), "order_id")
        assert ids == dict.fromkeys(range(ROWS), 1)
        profile = load_profile(mesh, "shop.orders", 0)
        assert profile.rows == ROWS
        assert profile.columns["amount"].total == sum(range(ROWS))
    assert pair.alive_workers() == 1


@pytest.mark.slow
def test_a_training_that_loses_a_worker_ends_by_itself_or_by_being_repeated(pair: Cluster, workspace_dir: Path) -> None:
    prepare(workspace_dir)
    path = workspace_dir / "domains" / "payments" / "fraud" / "model.yaml"
    path.write_text(path.read_text().replace("n_estimators: 60", "n_estimators: 4000"))
    code, said = Job(pair, workspace_dir, "publish").finish()
    assert code == 0, said[-3000:]
    job = Job(pair, workspace_dir, "train", MODEL)
    job.await_stage("models/algorithms.py")
    pair.kill_worker(2)
    code, said = job.finish()
    if code:
        assert code == 1, said[-3000:]
        assert "Traceback" not in said
        assert MODEL in said
        path.write_text(path.read_text().replace("n_estimators: 4000", "n_estimators: 40"))
        code, said = Job(pair, workspace_dir, "train", MODEL).finish()
        assert code == 0, said[-3000:]
    with open_mesh(load_settings(workspace=workspace_dir)) as mesh:
        assert [record.version for record in read_model_versions(mesh.catalog, MODEL)] == [1]
        training = read_versions(mesh.catalog, f"{MODEL}__training")
        assert training
        assert {record.rows for record in training} == {training[0].rows}
