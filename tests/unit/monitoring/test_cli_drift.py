"""mesh drift on files: the promised JSON, the table, the report, and sentences for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mesh_catalog.cli.main import run_command


@pytest.fixture
def halves(tmp_path: Path) -> tuple[str, str]:
    rng = np.random.default_rng(0)
    paths = tmp_path / "reference.parquet", tmp_path / "current.csv"
    for number, path in enumerate(paths):
        frame = pd.DataFrame(
            {
                "steady": rng.normal(size=1200),
                "moved": rng.normal(size=1200) + number,
                "word": rng.choice(["a", "b"], 1200),
                "nothing": np.nan,
            }
        )
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return str(paths[0]), str(paths[1])


def test_json_is_what_was_promised(halves: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["drift", *halves, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert list(data) == ["drifted", "share", "columns"]
    assert (data["drifted"], data["share"]) == (False, pytest.approx(1 / 3))
    moved = next(column for column in data["columns"] if column["column"] == "moved")
    assert moved == {
        "column": "moved",
        "type": "numerical",
        "method": "Wasserstein distance (normed)",
        "score": pytest.approx(1.0, abs=0.2),
        "threshold": 0.1,
        "drifted": True,
        "reason": None,
        "critical_value": None,
        "adjusted": None,
    }
    assert data["columns"][-1]["reason"] == "no value in the reference data"


def test_the_table_shows_what_drifted_first(halves: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["drift", *halves, "--share", "0.3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split()[0] for line in lines if line.split()[0] in {"moved", "steady", "word", "nothing"}]
    assert rows[0] == "moved"
    assert rows[-1] == "nothing"
    assert lines[-1] == "drift in 1 of 3 columns, 1 not compared (share 0.33, limit 0.30): drift of the whole"


def test_columns_can_be_named(halves: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["drift", *halves, "--json", "--columns", "moved, word"]) == 0
    assert [column["column"] for column in json.loads(capsys.readouterr().out)["columns"]] == ["moved", "word"]
    assert run_command(["drift", *halves, "--columns", "mooved"]) == 4
    assert "Did you mean 'moved'?" in capsys.readouterr().err


def test_html_is_written_with_its_json_beside_it(halves: tuple[str, str], tmp_path: Path) -> None:
    assert run_command(["drift", *halves, "--html", str(tmp_path / "out" / "drift.html")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["drift.html", "drift.json"]


def test_what_is_wrong_gets_a_sentence_and_an_exit_code(
    halves: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("a,b\n1,2\n3,4,hunter2\n")
    assert run_command(["drift", halves[0], str(broken)]) == 2
    assert run_command(["drift", halves[0], str(tmp_path / "gone.csv")]) == 4
    assert run_command(["drift", *halves, "--share", "0"]) == 2
    assert run_command(["drift", *halves, "--html", "drift.pdf"]) == 2
    told = capsys.readouterr().err
    assert "row 3 has 3 fields, but the header has 2" in told
    assert "there is no such file" in told
    assert "hunter2" not in told
    assert "Traceback" not in told
