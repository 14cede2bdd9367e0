"""`mesh import dbt` as it is typed; a project of seeds alone needs no Spark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mesh_catalog.cli.main import run_command
from tests.dbt_samples import SEEDS, write_project

PROJECT = {
    "dbt_project.yml": "name: cafe\n",
    "models/all.yml": """\
        seeds: [{name: raw_orders, columns: [{name: id, tests: [unique, is_even]}]}]
        exposures: [{name: board, type: notebook, owner: {email: a@b.c}, depends_on: [ref('raw_orders')]}]
        """,
}


@pytest.fixture
def project(tmp_path: Path, workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workspace_dir)
    return write_project(tmp_path / "cafe", PROJECT, SEEDS)


def test_a_project_is_imported_and_checked(
    project: Path, workspace_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["import", "dbt", str(project)]) == 0
    told = capsys.readouterr()
    assert "cafe.raw_orders" in told.out
    assert "dashboard cafe.board reads cafe.raw_orders" in told.out
    assert "test raw_orders: is_even of id: is a generic test of the project's own" in told.out
    assert "name an owner in domains/cafe/domain.yaml, then" in told.err
    assert run_command(["check"]) == 0
    assert "3 products, 0 models, 1 dashboard: all good" in capsys.readouterr().out


def test_a_dry_run_tells_the_same_and_writes_nothing(
    project: Path, workspace_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(workspace_dir.rglob("*"))
    assert run_command(["import", "dbt", str(project), "--domain", "other", "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(workspace_dir.rglob("*")) == before
    assert told["domain"] == "other"
    assert [product["product"] for product in told["products"]] == [
        "other.raw_customers", "other.raw_orders", "other.raw_payments"
    ]  # fmt: skip
    assert told["products"][1]["columns"]["order_date"] == "date"
    assert told["dashboards"] == [{"name": "other.board", "reads": ["other.raw_orders"]}]
    assert [one["kind"] for one in told["left_out"]] == ["test"]
    assert told["written"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{}/seeds"], 2, "there is no dbt_project.yml in it"),
        (["{}", "--dialect", "duckbd"], 2, "Did you mean 'duckdb'?"),
        (["{}", "--source", "raw.orders"], 2, "write source.table=domain.product"),
        (["{}", "--source", "raw.orders=shop.orders"], 4, "there is no product 'shop.orders'"),
        (["{}", "--domain", "My Shop"], 2, "cannot name a domain"),
        ([], 2, "Missing argument 'DIR'"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], code: int, message: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["import", "dbt", *(text.format(project) for text in arguments)]) == code
    assert message in capsys.readouterr().err


def test_help_shows_both_ways_to_import(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["import", "--help"]) == 0
    told = capsys.readouterr().out
    assert "mesh import [OPTIONS] FILE" in told
    assert "mesh import dbt DIR" in told
    assert run_command(["import", "dbt", "--help"]) == 0
    told = capsys.readouterr().out
    assert "mesh import dbt [OPTIONS] DIR" in told
    assert "--dialect" in told


def test_a_file_called_dbt_is_still_a_file(
    project: Path, workspace_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace_dir / "dbt").write_text("a,b\n1,2\n")
    assert run_command(["import", "./dbt", "--product", "shop.odd"]) == 0
    assert "shop.odd" in capsys.readouterr().out


def test_a_project_of_which_nothing_can_be_imported_leaves_no_trace(
    tmp_path: Path, workspace_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace_dir)
    files = {"dbt_project.yml": "name: cafe\n", "models/a.sql": "select * from {{ dbt_utils.date_spine() }}"}
    assert run_command(["import", "dbt", str(write_project(tmp_path / "cafe", files, {}))]) == 0
    told = capsys.readouterr()
    assert "model a: uses 'dbt_utils', which is a macro of a package" in told.out
    assert "nothing of it can be imported" in told.out
    assert told.err == ""
    assert list((workspace_dir / "domains").iterdir()) == []
