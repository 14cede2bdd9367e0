"""mesh init, import and check, as they are typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_catalog.cli.main import run_command
from tests.conftest import REPOSITORY
from tests.unit.workspace.samples import fill, write


@pytest.fixture
def here(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workspace_dir)
    return workspace_dir


def test_init_makes_a_workspace_that_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["init", "shop"]) == 0
    monkeypatch.chdir(tmp_path / "shop")
    capsys.readouterr()
    assert run_command(["check"]) == 0
    assert capsys.readouterr().out == "0 products, 0 models: all good\n"
    assert (tmp_path / "shop/jobs/publish.py").read_text().count('run_job("publish")') == 1
    assert ".mesh/" in (tmp_path / "shop/.gitignore").read_text()


def test_init_changes_nothing_of_a_workspace_and_completes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shop"
    run_command(["init", str(folder)])
    (folder / "README.md").write_text("mine")
    (folder / "jobs/train.py").unlink()
    capsys.readouterr()
    assert run_command(["init", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == ["jobs/train.py"]
    assert (folder / "README.md").read_text() == "mine"


def test_init_leaves_other_folders_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, "x/thesis.txt", "x")
    assert run_command(["init", str(tmp_path / "x")]) == 2
    assert run_command(["init", str(file)]) == 2
    assert "is no workspace" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["thesis.txt"]


def test_import_says_what_it_found_and_what_comes_next(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"{n},2026-05-{n:02d} 10:00:00,{n + 700}\n" for n in range(1, 29))
    path = write(tmp_path, "cards.csv", "ID,Paid At,customer_id\n" + rows)
    assert run_command(["import", str(path), "--product", "payments.cards"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("payments.cards   28 rows, 3 columns, read in ")
    assert lines[1:4] == [
        "  key       id            (unique, no nulls)",
        "  time      paid_at       2026-05-01 10:00 to 2026-05-28 10:00",
        "  personal? customer_id   looks like an identifier: decide in contract.yaml (counts as personal until then)",
    ]
    assert lines[4] == "wrote domains/payments/domain.yaml"
    assert "name an owner in domains/payments/domain.yaml" in err
    assert run_command(["check"]) == 0
    assert "name an owner" in capsys.readouterr().err


def test_import_dry_run_writes_nothing_and_json_has_every_column(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "a.csv", "id,e-mail\n1,ada@example.org\n2,bob@example.org\n")
    assert run_command(["import", str(path), "--product", "a.b", "--dry-run", "--json"]) == 0
    out = capsys.readouterr().out
    told = json.loads(out)
    assert told["written"] == []
    assert [column["classification"] for column in told["columns"]] == [None, "personal?"]
    assert "ada" not in out
    assert list((here / "domains").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["import", "missing.csv", "--product", "a.b"], 4),
        (["import", "missing.csv", "--product", "ab"], 2),
        (["import", "missing.csv"], 2),
        (["import", ".", "--product", "a.b"], 2),
    ],
)
def test_import_ends_with_a_sentence_and_a_code(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert run_command(arguments) == code
    err = capsys.readouterr().err
    assert err
    assert "Traceback" not in err


def test_check_tells_every_mistake_and_exits_with_2(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(here)
    assert run_command(["check"]) == 0
    assert capsys.readouterr().out == "2 products, 1 model: all good\n"
    write(here, "domains/shop/domain.yaml", "name: shop\nowner: ada\nonCal: x\n")
    write(here, "domains/shop/orders/build.sql", "select from where")
    write(here, "domains/shop/activity/contract.yaml", "kind: [\n")
    assert run_command(["check"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("domains/shop/activity/contract.yaml:2: is not YAML")
    assert lines[1] == "domains/shop/domain.yaml:3: 'onCal' is not known here. Did you mean 'onCall'?"
    assert lines[2].startswith("domains/shop/orders/build.sql:1: is not SQL")
    assert len(lines) == 3
    assert run_command(["check", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert not told["ok"]
    assert [(Path(problem["path"]).name, problem["line"]) for problem in told["problems"]] == [
        ("contract.yaml", 2),
        ("domain.yaml", 3),
        ("build.sql", 1),
    ]


def test_check_knows_the_parameters_of_algorithms(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(here)
    path = here / "domains/shop/churn/model.yaml"
    path.write_text(path.read_text().replace("max_depth: 6", "max_deep: 6"))
    assert run_command(["check"]) == 2
    assert capsys.readouterr().out.startswith("domains/shop/churn/model.yaml:9: ")


def test_no_verb_of_the_workspace_loads_spark_or_pandas(tmp_path: Path, here: Path) -> None:
    fill(here)
    path = write(tmp_path, "a.csv", "id,n\n1,2\n")
    code = (
        "import sys\n"
        "from mesh_catalog.cli.main import run_command\n"
        f"codes = [run_command(['import', {str(path)!r}, '--product', 'x.y']), run_command(['check'])]\n"
        "heavy = {'pyspark', 'mlflow', 'evidently', 'pandas', 'xgboost'} & set(sys.modules)\n"
        "sys.exit(str((codes, heavy)) if codes != [0, 0] or heavy else 0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=here, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
