"""The Airflow file as text: its tasks and edges by `ast`, and nothing in it that a domain could have made run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import InputError
from mesh_catalog.orchestration.airflow import AirflowOptions, airflow_file, schedule_of
from mesh_catalog.orchestration.tasks import plan_dags
from mesh_catalog.workspace import load_workspace

from .samples import NASTY, TODAY, fill


def text_of(root: Path) -> str:
    dags = plan_dags(load_workspace(root), TODAY)
    return airflow_file(dags, workspace=root, output=root / "dags" / "mesh.py", options=AirflowOptions())


def blocks(text: str) -> Iterator[tuple[dict[str, ast.expr], ast.With]]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.With) and isinstance(node.items[0].context_expr, ast.Call):
            yield {str(word.arg): word.value for word in node.items[0].context_expr.keywords}, node


def edges(block: ast.With) -> set[tuple[str, str]]:
    """`[a, b] >> c` as the task ids of the variables."""
    names = {}
    found = set()
    for node in block.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            words = {word.arg: word.value for word in node.value.keywords}
            names[ast.unparse(node.targets[0])] = ast.literal_eval(words["task_id"])
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.BinOp):
            assert isinstance(node.value.left, ast.List)
            for before in node.value.left.elts:
                found.add((names[ast.unparse(before)], names[ast.unparse(node.value.right)]))
    return found


def test_domains_that_read_each_other_share_a_dag_and_no_dag_waits_for_itself(workspace_dir: Path) -> None:
    dags = {dag.id: dag for dag in plan_dags(load_workspace(fill(workspace_dir)), TODAY)}
    assert list(dags) == ["mesh_east__west", "mesh_east__west.train", "mesh_sink"]
    assert dags["mesh_east__west"].assets == ()
    assert dags["mesh_east__west"].every_seconds == 6 * 3600
    assert dags["mesh_sink"].assets == ("east.back", "east.risk__predictions", "west.sh")
    made = [name for task in dags["mesh_east__west"].tasks for name in task.makes]
    assert sorted(made) == ["east.back", "east.risk__predictions", "west.sh"]


def test_a_retired_product_has_no_task_and_nothing_waits_for_it(workspace_dir: Path) -> None:
    contract = fill(workspace_dir) / "domains/west/sh/contract.yaml"
    contract.write_text(contract.read_text().replace('"active"', '"retired"'))
    tasks = {task.id: task.after for dag in plan_dags(load_workspace(workspace_dir), TODAY) for task in dag.tasks}
    assert "west.sh" not in tasks
    assert tasks["east.back"] == ("east.risk.score",)


def test_the_file_holds_the_tasks_and_the_edges_of_the_plan(workspace_dir: Path) -> None:
    dags = plan_dags(load_workspace(fill(workspace_dir)), TODAY)
    found = {ast.literal_eval(words["dag_id"]): edges(block) for words, block in blocks(text_of(workspace_dir))}
    assert found == {dag.id: {(before, task.id) for task in dag.tasks for before in task.after} for dag in dags}
    assert found["mesh_east__west"] == {
        ("east.orders", "west.sh"),
        ("west.sh", "east.back"),
        ("east.risk.score", "east.back"),
        ("east.orders", "east.risk.score"),
        ("east.risk.score", "east.risk.monitor"),
        ("east.risk.monitor", "east.risk.retrain"),
    }


def test_a_product_that_its_own_model_feeds_reads_the_predictions_of_the_run_before(workspace_dir: Path) -> None:
    fill(workspace_dir)
    (workspace_dir / "domains/east/orders/build.sql").write_text(
        "select n, now() as at, true as late from east.risk__predictions"
    )
    dag = plan_dags(load_workspace(workspace_dir), TODAY)[0]
    after = {task.id: task.after for task in dag.tasks}
    assert after["east.orders"] == ()
    assert after["east.risk.score"] == ("east.orders",)


def test_what_a_domain_wrote_stays_text(workspace_dir: Path) -> None:
    text = text_of(fill(workspace_dir))
    allowed = {"DAG", "BashOperator", "Asset", "str", "Path", "datetime", "timedelta", "os.environ.get"}
    called = {ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)}
    assert called <= {*allowed, "Path(__file__).resolve"}
    docs = [ast.literal_eval(words["doc_md"]) for words, _ in blocks(text)]
    assert f"{NASTY}\n\n{NASTY}\n" in docs
    assert not any(doc.endswith((".md", ".sh")) for doc in docs)
    imported = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert not any(name and name.startswith("mesh_catalog") for name in imported)


def test_the_same_workspace_gives_the_same_file(workspace_dir: Path) -> None:
    assert text_of(fill(workspace_dir)) == text_of(workspace_dir)
    assert str(workspace_dir) not in text_of(workspace_dir)


@pytest.mark.parametrize(
    "text", ["", "daily", "@never", "* * * *", "60 * * * *", "* 24 * * *", "0 6 * * * ; rm", "'", "0 6 * * mon\n@x"]
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no schedule"):
        AirflowOptions(schedule=text)


def test_a_schedule_is_for_what_nothing_else_starts(workspace_dir: Path) -> None:
    fill(workspace_dir)
    contract = workspace_dir / "domains/east/orders/contract.yaml"
    options = AirflowOptions(schedule="*/15 6-20 * * 1,5")
    east, train, sink = plan_dags(load_workspace(workspace_dir), TODAY)
    assert schedule_of(east, options) == "every 21600 s"
    assert schedule_of(train, options) == "by hand"
    assert schedule_of(sink, options) == "new east.back, east.risk__predictions, west.sh"
    contract.write_text(contract.read_text().replace('"h"', '"fortnight"'))
    assert schedule_of(plan_dags(load_workspace(workspace_dir), TODAY)[0], options) == "@daily"
    daily = workspace_dir / "domains/east/back/contract.yaml"
    daily.write_text(daily.read_text().replace("frequency", "retention"))
    assert schedule_of(plan_dags(load_workspace(workspace_dir), TODAY)[0], options) == "*/15 6-20 * * 1,5"


def test_the_command_writes_its_file_again_but_nobody_elses(
    workspace_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MESH_WORKSPACE", str(fill(workspace_dir)))
    path = workspace_dir / "dags" / "mesh.py"
    assert run_command(["export", "airflow", "--dry-run"]) == 0
    assert not path.exists()
    assert run_command(["export", "airflow"]) == 0
    assert "wrote" in capsys.readouterr().err
    assert run_command(["export", "airflow", "--spark-submit", "--json"]) == 0
    assert "'spark-submit jobs/publish.py west.sh '" in path.read_text()
    path.write_text("# my own")
    assert run_command(["export", "airflow"]) == 2
    assert "was not written by mesh export" in capsys.readouterr().err
    assert path.read_text() == "# my own"
    assert run_command(["export", "airflow", "--output", str(workspace_dir / "domains")]) == 2
