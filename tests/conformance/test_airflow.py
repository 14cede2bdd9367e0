"""A real Airflow reads the exported file: no import error, and the tasks, edges, assets and schedules of the plan."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mesh_catalog.orchestration.airflow import AirflowOptions, airflow_file
from mesh_catalog.orchestration.tasks import Dag, plan_dags
from mesh_catalog.workspace import load_workspace
from tests.conftest import REPOSITORY
from tests.environments import tool_environment
from tests.unit.orchestration.samples import NASTY, TODAY, fill

HERE = Path(__file__).parent
AIRFLOW = (
    "apache-airflow-core==3.1.8",
    "apache-airflow-providers-standard==1.21.0",
    "--constraint",
    str(HERE / "airflow-constraints.txt"),
)


def parsed(file: Path, home: Path) -> dict[str, Any]:
    """What Airflow's DagBag holds of a file."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "AIRFLOW", "MESH_"))}
    done = subprocess.run(
        [str(tool_environment("airflow", AIRFLOW) / "python"), str(HERE / "airflow_dags.py"), str(file)],
        capture_output=True,
        text=True,
        cwd=home,
        env={**kept, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    assert found["errors"] == {}
    return found["dags"]


def expected(dags: list[Dag]) -> dict[str, Any]:
    return {dag.id: {task.id: (list(task.after), sorted(task.makes)) for task in dag.tasks} for dag in dags}


SUBMITTED = AirflowOptions(schedule="0 6 * * *", spark_submit=True)


@pytest.mark.parametrize("options", [AirflowOptions(), pytest.param(SUBMITTED, marks=pytest.mark.slow)])
def test_airflow_reads_the_file_as_it_was_planned(options: AirflowOptions, workspace_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "mesh.py"
    program = "spark-submit jobs/publish.py" if options.spark_submit else "mesh publish"
    for root in (REPOSITORY, fill(workspace_dir)):
        dags = plan_dags(load_workspace(root), TODAY)
        file.write_text(airflow_file(dags, workspace=root, output=file, options=options))
        found = parsed(file, tmp_path)
        shape = {
            name: {task: (told["after"], told["makes"]) for task, told in dag["tasks"].items()}
            for name, dag in found.items()
        }
        assert shape == expected(dags)
        assert {name: dag["assets"] for name, dag in found.items()} == {dag.id: list(dag.assets) for dag in dags}
        commands = {told["command"].strip() for dag in found.values() for told in dag["tasks"].values()}
        assert {f"{program} {task.name}" for dag in dags for task in dag.tasks if task.verb == "publish"} <= commands
        if root == REPOSITORY:
            assert found["mesh_payments"]["schedule"] == "Asset or 0 0 * * *"
            assert found["mesh_payments"]["tasks"]["payments.daily"]["owner"] == "payments@example.org"
        else:
            assert found["mesh_sink"]["doc"] == f"{NASTY}\n"
            assert found["mesh_east__west"]["schedule"] == "6:00:00"
