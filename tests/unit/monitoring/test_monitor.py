"""The monitor on real Delta tables, profiles and a catalog, written here without Spark: windows, verdicts, the gate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from mesh_catalog.access.gate import read_audit
from mesh_catalog.access.locations import table_location
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.assets import register_product, sync_workspace
from mesh_catalog.catalog.models import ModelVersionRecord, record_model_version, set_alias
from mesh_catalog.catalog.runs import VersionRecord, finish_run, read_runs, start_run
from mesh_catalog.catalog.verdicts import read_verdicts
from mesh_catalog.cli.main import run_command
from mesh_catalog.contracts.contract import Column, Contract
from mesh_catalog.errors import NotFoundError, StorageError
from mesh_catalog.lake.profile import ColumnProfile, Kind, Profile
from mesh_catalog.lake.profiles import store_profile
from mesh_catalog.lake.statistics import Counts
from mesh_catalog.models.frame import SPLIT, plan_frame
from mesh_catalog.monitoring.files import profile_counts
from mesh_catalog.monitoring.monitor import compare_datasets, monitor_model
from mesh_catalog.monitoring.report import read_report
from mesh_catalog.settings import load_settings

START = datetime(2026, 5, 1, tzinfo=UTC)
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: payments.cards
version: 1.0.0
status: active
customProperties: [{property: eventTime, value: at}]
schema:
  - name: cards
    physicalType: table
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true}
      - {name: at, logicalType: timestamp, required: true}
      - {name: amount, logicalType: number, physicalType: double}
      - {name: country, logicalType: string}
      - {name: e_mail, logicalType: string, classification: personal}
      - {name: fraud, logicalType: integer}
"""
MODEL = """
model: payments.fraud
goal: Stop fraud.
kind: binary
target: payments.cards.fraud
features: [payments.cards.amount, payments.cards.country, payments.cards.e_mail]
event_time: at
split: {by: time, test: 1d}
algorithm: logistic_regression
metric: roc_auc
monitor: {window: 2d, drift_share: 0.5}
"""


@pytest.fixture
def mesh(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mesh]:
    payments = workspace_dir / "domains" / "payments"
    for folder, name, text in (
        (payments, "domain.yaml", "name: payments\nowner: risk\n"),
        (payments / "cards", "contract.yaml", CONTRACT),
        (payments / "cards", "build.sql", "select * from source"),
        (payments / "cards", "source.yaml", "path: landing/*.parquet\nformat: parquet\n"),
        (payments / "fraud", "model.yaml", MODEL),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setenv("MESH_WORKSPACE", str(workspace_dir))
    monkeypatch.setenv("MESH_QUIET", "1")
    with open_mesh(load_settings()) as opened:
        sync_workspace(opened.catalog, opened.workspace)
        yield opened


def _rows(days: int, first_day: int, *, shift: float = 0.0, country: str = "FR", rows: int = 1500) -> pd.DataFrame:
    rng = np.random.default_rng(first_day)
    seconds = np.sort(rng.integers(0, days * 86_400, rows))
    return pd.DataFrame(
        {
            "id": np.arange(rows) + first_day * 1_000_000,
            "at": [START + timedelta(days=first_day, seconds=int(second)) for second in seconds],
            "amount": rng.lognormal(3 + shift, 1, rows),
            "country": rng.choice(["DE", country], rows),
            "e_mail": [f"person{number}@example.com" for number in range(rows)],
        }
    )


def _contract(mesh: Mesh, name: str, extra: tuple[Column, ...]) -> Contract:
    plan = plan_frame(mesh, mesh.workspace.model("payments.fraud"))
    mode: Any = "overwrite" if extra else "append"
    return plan.contract(name, extra, write_mode=mode, description="Made by a test.")


def _profile(frame: pd.DataFrame, contract: Contract) -> Profile:
    kinds: dict[str, Kind] = {"float64": "float", "int64": "integer", "object": "string"}
    columns = {}
    for name in frame.columns:
        column = contract.column(name)
        assert column is not None
        kind = kinds.get(str(frame[name].dtype), "datetime")
        if column.personal or kind == "datetime":
            columns[name] = ColumnProfile(kind=kind, count=len(frame), null_count=0, withheld=column.personal)
        else:
            counts = Counts.of(frame[name].value_counts().to_dict())
            columns[name] = profile_counts(counts, kind=kind, rows=len(frame), nulls=0)
    return Profile(rows=len(frame), columns=columns)


def _publish(mesh: Mesh, contract: Contract, frame: pd.DataFrame, *, version: int, kept_from: int) -> None:
    register_product(mesh.catalog, contract, domain="payments", owner="risk")
    location = table_location(mesh.settings, contract.id)
    mode: Any = "append" if kept_from < version else "overwrite"
    write_deltalake(location, pa.Table.from_pandas(frame), mode=mode)
    run_id, profile = uuid4().hex, _profile(frame, contract)
    path = store_profile(location, run_id, profile)
    start_run(mesh.catalog, product=contract.id, kind="publish", principal="test", run_id=run_id)
    record = VersionRecord(
        product=contract.id,
        version=version,
        run_id=run_id,
        contract_version=contract.version,
        mode=contract.write_mode,
        rows=len(frame),
        total_rows=None,
        quarantined_count=0,
        event_from=frame["at"].min().to_pydatetime(),
        event_to=frame["at"].max().to_pydatetime(),
        profile_digest=profile.digest,
        profile_path=path,
        committed_at=datetime.now(UTC),
        kept_from=kept_from,
    )
    finish_run(mesh.catalog, run_id, outcome="published", version=record)


def _train(mesh: Mesh) -> None:
    split = Column(name=SPLIT, logical_type="string", spark_type="string")
    target = Column(name="fraud", logical_type="integer", spark_type="int")
    frame = _rows(10, 0).assign(fraud=0, split="train")
    _publish(mesh, _contract(mesh, "payments.fraud__training", (target, split)), frame, version=0, kept_from=0)
    record = ModelVersionRecord(
        model="payments.fraud",
        version=1,
        mlflow_run_id="run",
        training_version=0,
        inputs={"payments.cards": 0},
        contract_versions={},
        metrics={},
        algorithm="logistic_regression",
        code_commit=None,
        retraining_id=None,
        created_at=datetime.now(UTC),
    )
    record_model_version(mesh.catalog, record)
    set_alias(mesh.catalog, "payments.fraud", "champion", 1, reason="test", at=datetime.now(UTC))


def _score(mesh: Mesh, version: int, frame: pd.DataFrame) -> None:
    _publish(mesh, _contract(mesh, "payments.fraud__predictions", ()), frame, version=version, kept_from=0)


def test_a_window_like_the_training_data_has_not_drifted(mesh: Mesh) -> None:
    _train(mesh)
    _score(mesh, 0, _rows(1, 10))
    verdict = monitor_model(mesh, mesh.workspace.model("payments.fraud"))
    assert verdict.outcome == "pass"
    assert (verdict.reference, verdict.current) == ("payments.fraud__training@0", "payments.fraud__predictions@0..0")
    assert [measure.column for measure in verdict.measures] == ["amount", "country", "e_mail"]
    assert verdict.measures[2].reason == "personal, so its values are in no profile"


def test_the_window_is_the_newest_versions_and_its_verdict_that_of_the_reports_tests(mesh: Mesh) -> None:
    _train(mesh)
    _score(mesh, 0, _rows(1, 10))
    _score(mesh, 1, _rows(1, 13, shift=1.0, country="IT"))
    _score(mesh, 2, _rows(1, 14, shift=1.0, country="IT"))
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
    _train(mesh)
    _score(mesh, 0, _rows(1, 10))
    monitor_model(mesh, mesh.workspace.model("payments.fraud"))
    events = [event for event in read_audit(mesh) if event.purpose == "monitor"]
    assert {(event.product, event.version) for event in events} == {
        ("payments.fraud__training", 0),
        ("payments.fraud__predictions", 0),
    }
    assert {event.columns for event in events} == {("amount", "country", "e_mail")}


def test_without_new_predictions_the_last_verdict_is_returned(mesh: Mesh) -> None:
    _train(mesh)
    _score(mesh, 0, _rows(1, 10))
    model = mesh.workspace.model("payments.fraud")
    first = monitor_model(mesh, model)
    assert monitor_model(mesh, model) == first
    assert len(read_runs(mesh.catalog, "payments.fraud", kind="monitor")) == 1
    _score(mesh, 1, _rows(1, 11))
    assert monitor_model(mesh, model).id != first.id
    assert len(read_verdicts(mesh.catalog, "payments.fraud")) == 2


def test_a_feature_near_its_threshold_is_counted_in_the_table(mesh: Mesh) -> None:
    _train(mesh)
    frame = _rows(1, 10)
    frame["amount"] = _rows(10, 0)["amount"] + 0.1 * float(np.std(_rows(10, 0)["amount"]))
    _score(mesh, 0, _rows(1, 9))
    _score(mesh, 1, frame.assign(at=frame["at"] + timedelta(days=9)))
    amount = monitor_model(mesh, mesh.workspace.model("payments.fraud")).measures[0]
    assert amount.reason is None
    assert amount.score == pytest.approx(0.1, abs=1e-9)


def test_a_model_without_champion_or_predictions_says_what_to_do(mesh: Mesh) -> None:
    model = mesh.workspace.model("payments.fraud")
    with pytest.raises(NotFoundError, match=r"has no champion yet\. Train one: mesh train payments\.fraud"):
        monitor_model(mesh, model)
    _train(mesh)
    with pytest.raises(NotFoundError, match=r"nothing is scored yet\. Score first: mesh score payments\.fraud"):
        monitor_model(mesh, model)


def test_a_profile_that_was_changed_is_refused_and_leaves_a_failed_run(mesh: Mesh) -> None:
    _train(mesh)
    _score(mesh, 0, _rows(1, 10))
    folder = Path(table_location(mesh.settings, "payments.fraud__predictions")) / "_profiles"
    for path in folder.iterdir():
        path.write_text(path.read_text().replace('"rows":1500', '"rows":1501'))
    with pytest.raises(StorageError, match="is not the one that was committed"):
        monitor_model(mesh, mesh.workspace.model("payments.fraud"))
    assert [run.outcome for run in read_runs(mesh.catalog, "payments.fraud", kind="monitor")] == ["failed"]
    assert read_verdicts(mesh.catalog, "payments.fraud") == []


def test_a_product_is_the_table_as_of_a_version_and_a_range_the_rows_it_added(mesh: Mesh, tmp_path: Path) -> None:
    _score(mesh, 0, _rows(1, 10))
    _score(mesh, 1, _rows(1, 11, shift=2.0))
    name = "payments.fraud__predictions"
    assert compare_datasets(mesh, f"{name}@0", f"{name}@v1").current.rows == 3000
    assert compare_datasets(mesh, f"{name}@0", f"{name}@1..1").current.rows == 1500
    assert compare_datasets(mesh, f"{name}@0", name, columns=["amount"]).current.rows == 3000
    path = tmp_path / "rows.parquet"
    _rows(1, 11, shift=2.0).drop(columns=["e_mail"]).to_parquet(path)
    mixed = compare_datasets(mesh, f"{name}@0", str(path), columns=["amount", "country"]).result
    stored = compare_datasets(mesh, f"{name}@0", f"{name}@1..1", columns=["amount", "country"]).result
    assert [column.drifted for column in mixed.columns] == [column.drifted for column in stored.columns]


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
    _score(mesh, 0, _rows(1, 10))
    assert run_command(["drift", "payments.fraud__predictions", name]) == 4
    assert sentence in capsys.readouterr().err


def test_mesh_monitor_prints_the_verdict_and_what_to_do_next(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    _train(mesh)
    _score(mesh, 0, _rows(1, 10, shift=2.0, country="IT"))
    assert run_command(["monitor", "payments.fraud"]) == 0
    told = capsys.readouterr()
    assert "drift in 2 of 2 columns, 1 not compared (share 1.00, limit 0.50): drift of the whole" in told.out
    assert "next: mesh retrain payments.fraud" in told.err
    assert run_command(["monitor", "payments.fraud", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["outcome"] == "fail"
    assert data["measures"][0]["column"] == "amount"
