"""The monitor on real Delta tables, profiles and a catalog, written here without Spark: windows, verdicts, the gate."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from mesh_catalog.access.gate import read_audit
from mesh_catalog.access.locations import table_location
from mesh_catalog.access.mesh import Mesh
from mesh_catalog.catalog.runs import read_runs
from mesh_catalog.catalog.verdicts import read_verdicts
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import NotFoundError, StorageError
from mesh_catalog.monitoring.datasets import compare_datasets
from mesh_catalog.monitoring.report import read_report
from mesh_catalog.monitoring.run import monitor_model
from tests.unit.monitoring.samples import rows, score, train


def test_a_window_like_the_training_data_has_not_drifted(mesh: Mesh) -> None:
    train(mesh)
    score(mesh, 0, rows(1, 10))
    verdict = monitor_model(mesh, mesh.workspace.model("payments.fraud"))
    assert verdict.outcome == "pass"
    assert (verdict.reference, verdict.current) == ("payments.fraud__training@0", "payments.fraud__predictions@0..0")
    assert [measure.column for measure in verdict.measures] == ["amount", "country", "e_mail"]
    assert verdict.measures[2].reason == "personal, so its values are in no profile"


def test_the_window_is_the_newest_versions_and_its_verdict_that_of_the_reports_tests(mesh: Mesh) -> None:
    train(mesh)
    score(mesh, 0, rows(1, 10))
    score(mesh, 1, rows(1, 13, shift=1.0, country="IT"))
    score(mesh, 2, rows(1, 14, shift=1.0, country="IT"))
    verdict = monitor_model(mesh, mesh.workspace.model("payments.fraud"))
    assert verdict.current == "payments.fraud__predictions@1..2"
    assert verdict.outcome == "fail"
    assert verdict.share == 1.0
    assert verdict.window_from is not None
    assert verdict.window_from.date().isoformat() == "2026-05-14"
    said = read_report(Path(str(verdict.report_json)))
    assert (said.drifted, said.share, said.limit) == (True, verdict.share, verdict.limit)
    assert said.columns == {"amount": True, "country": True}
    assert read_verdicts(mesh.catalog, "payments.fraud") == [verdict]
    page = Path(str(verdict.report_html)).read_text()
    assert "payments.fraud__predictions@1..2" in page
    assert "example.com" not in page + Path(str(verdict.report_json)).read_text()


def test_both_sides_are_read_through_the_gate_for_the_features_alone(mesh: Mesh) -> None:
    train(mesh)
    score(mesh, 0, rows(1, 10))
    monitor_model(mesh, mesh.workspace.model("payments.fraud"))
    events = [event for event in read_audit(mesh) if event.purpose == "monitor"]
    assert {(event.product, event.version) for event in events} == {
        ("payments.fraud__training", 0),
        ("payments.fraud__predictions", 0),
    }
    assert {event.columns for event in events} == {("amount", "country", "e_mail")}


def test_without_new_predictions_the_last_verdict_is_returned(mesh: Mesh) -> None:
    train(mesh)
    score(mesh, 0, rows(1, 10))
    model = mesh.workspace.model("payments.fraud")
    first = monitor_model(mesh, model)
    assert monitor_model(mesh, model) == first
    assert len(read_runs(mesh.catalog, "payments.fraud", kind="monitor")) == 1
    score(mesh, 1, rows(1, 11))
    assert monitor_model(mesh, model).id != first.id
    assert len(read_verdicts(mesh.catalog, "payments.fraud")) == 2


def test_a_feature_near_its_threshold_is_counted_in_the_table(mesh: Mesh) -> None:
    train(mesh)
    frame = rows(1, 10)
    frame["amount"] = rows(10, 0)["amount"] + 0.1 * float(np.std(rows(10, 0)["amount"]))
    score(mesh, 0, rows(1, 9))
    score(mesh, 1, frame.assign(at=frame["at"] + timedelta(days=9)))
    amount = monitor_model(mesh, mesh.workspace.model("payments.fraud")).measures[0]
    assert amount.reason is None
    assert amount.score == pytest.approx(0.1, abs=1e-9)


def test_a_model_without_champion_or_predictions_says_what_to_do(mesh: Mesh) -> None:
    model = mesh.workspace.model("payments.fraud")
    with pytest.raises(NotFoundError, match=r"has no champion yet\. Train one: mesh train payments\.fraud"):
        monitor_model(mesh, model)
    train(mesh)
    with pytest.raises(NotFoundError, match=r"nothing is scored yet\. Score first: mesh score payments\.fraud"):
        monitor_model(mesh, model)


def test_a_profile_that_was_changed_is_refused_and_leaves_a_failed_run(mesh: Mesh) -> None:
    train(mesh)
    score(mesh, 0, rows(1, 10))
    folder = Path(table_location(mesh.settings, "payments.fraud__predictions")) / "_profiles"
    for path in folder.iterdir():
        path.write_text(path.read_text().replace('"rows":1500', '"rows":1501'))
    with pytest.raises(StorageError, match="is not the one that was committed"):
        monitor_model(mesh, mesh.workspace.model("payments.fraud"))
    assert [run.outcome for run in read_runs(mesh.catalog, "payments.fraud", kind="monitor")] == ["failed"]
    assert read_verdicts(mesh.catalog, "payments.fraud") == []


def test_a_product_is_the_table_as_of_a_version_and_a_range_the_rows_it_added(
    mesh: Mesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score(mesh, 0, rows(1, 10))
    score(mesh, 1, rows(1, 11, shift=2.0))
    name = "payments.fraud__predictions"
    assert compare_datasets(mesh, f"{name}@0", f"{name}@v1").current.rows == 3000
    assert compare_datasets(mesh, f"{name}@0", f"{name}@1..1").current.rows == 1500
    assert compare_datasets(mesh, f"{name}@0", name, columns=["amount"]).current.rows == 3000
    path = tmp_path / "rows.parquet"
    rows(1, 11, shift=2.0).drop(columns=["e_mail"]).to_parquet(path)
    mixed = compare_datasets(mesh, f"{name}@0", str(path), columns=["amount", "country"]).result
    stored = compare_datasets(mesh, f"{name}@0", f"{name}@1..1", columns=["amount", "country"]).result
    assert [column.drifted for column in mixed.columns] == [column.drifted for column in stored.columns]
    assert run_command(["drift", f"{name}@0", f"{name}@1..1", "--columns", "amount", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["downstream"] == {"product": name, "models": [], "unknown": []}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("payments.fraud__predictions@7", "has no version v7"),
        ("payments.nothing", "payments.nothing"),
        ("Payments", "Payments"),
    ],
)
def test_a_product_or_version_that_does_not_exist_exits_4(
    mesh: Mesh, capsys: pytest.CaptureFixture[str], name: str, sentence: str
) -> None:
    score(mesh, 0, rows(1, 10))
    assert run_command(["drift", "payments.fraud__predictions", name]) == 4
    assert sentence in capsys.readouterr().err


def test_mesh_monitor_prints_the_verdict_and_what_to_do_next(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    train(mesh)
    score(mesh, 0, rows(1, 10, shift=2.0, country="IT"))
    assert run_command(["monitor", "payments.fraud", "--kind", "data_drift"]) == 0
    told = capsys.readouterr()
    assert "drift in 2 of 2 columns, 1 not compared (share 1.00, limit 0.50): drift of the whole" in told.out
    assert "next: mesh retrain payments.fraud" in told.err
    assert run_command(["monitor", "payments.fraud", "--kind", "data_drift", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["outcome"] == "fail"
    assert data["verdicts"][0]["measures"][0]["column"] == "amount"
    assert data["downstream"] is None
    assert data["upstream"] == {"drifted": [], "steady": [], "unwatched": [], "unknown": []}
