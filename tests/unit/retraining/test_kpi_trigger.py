"""A KPI over a real Delta table falls, and the loop trains; read without a JVM."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from sqlalchemy import update

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.decisions import begin_retraining, read_decisions
from mesh_catalog.catalog.tables import versions
from mesh_catalog.cli.main import run_command
from mesh_catalog.retraining.loop import plan_retraining, retrain_model
from mesh_catalog.retraining.policy import decide
from mesh_catalog.retraining.reading import read_facts
from tests.unit.catalog.samples import publish
from tests.unit.retraining.local import MODEL, LocalTrainer, opened

START = datetime(2026, 6, 1, tzinfo=UTC)
HIT_RATE = """\
kpis:
  - name: hit_rate
    title: Share of payments that were held and were frauds
    source: payments.transactions
    time: tx_datetime
    grain: day
    unit: ratio
    formula: sum(tx_fraud) / count(*)
    cadence: daily
    reason: Whom we hold should be a fraudster.
"""
POLICY = "retrain: {on: [kpi], kpi: {name: payments.hit_rate, falls: 10%, periods: 4}}"


@pytest.fixture
def mesh(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mesh]:
    """A champion, and a KPI that has its four periods of before."""
    monkeypatch.setenv("MESH_WORKSPACE", str(root))
    folder = root / "domains" / "payments"
    (folder / "kpis.yaml").write_text(HIT_RATE)
    path = folder / "fraud" / "model.yaml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith(("retrain:", "approval:"))]
    path.write_text("\n".join([*lines, POLICY, "approval: automatic\n"]))
    with opened(root) as found:
        sync_workspace(found.catalog, found.workspace)
        for day in range(4):
            land(found, day, frauds=10)
        yield found


def land(mesh: Mesh, day: int, *, frauds: int, whole: bool = True) -> None:
    """A day of 20 payments, so many of them frauds; a day that is not whole ends at noon."""
    rows = [START + timedelta(days=day, hours=hour / (1 if whole else 2)) for hour in range(20)]
    table = pa.table(
        {
            "transaction_id": pa.array(range(day * 20, day * 20 + 20), pa.int64()),
            "tx_datetime": pa.array(rows, pa.timestamp("us", "UTC")),
            "customer_id": pa.array([1] * 20, pa.int64()),
            "device_mail": pa.array([None] * 20, pa.string()),
            "tx_amount": pa.array([1.0] * 20, pa.float64()),
            "tx_fraud": pa.array([1] * frauds + [0] * (20 - frauds), pa.int64()),
        }
    )
    write_deltalake(f"{mesh.settings.lake}/payments/transactions", table, mode="append")
    publish(mesh.catalog, "payments.transactions", day, changes={"event_from": rows[0], "event_to": rows[-1]})


def test_a_kpi_that_falls_is_trained_for_once_its_period_is_over(
    mesh: Mesh, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = mesh.workspace.model(MODEL)
    land(mesh, 4, frauds=6)  # 0.3 after 0.5; the day may still go on
    quiet = plan_retraining(mesh, model)
    assert not quiet.train and quiet.reasons == ("KPI payments.hit_rate: 3 of 4 periods before are known",)
    land(mesh, 5, frauds=10, whole=False)
    due = plan_retraining(mesh, model)
    assert due.train and [one.kind for one in due.triggers] == ["kpi"]
    assert "0.3, -40.0% against the mean of 4 periods before, -10.0% is the limit" in due.reasons[0]
    assert run_command(["retrain", MODEL, "--dry-run"]) == 0
    assert "would train\n  KPI payments.hit_rate: 0.3, -40.0%" in capsys.readouterr().out

    def no_session() -> None:
        raise AssertionError("nothing of this needs Spark")

    result = retrain_model(no_session, mesh, model, trainer=LocalTrainer(root))  # type: ignore[arg-type]
    assert result.action == "promote"
    evidence = read_decisions(mesh.catalog, MODEL)[0].evidence["triggers"]
    assert evidence[0]["evidence"]["value"] == pytest.approx(0.3)
    land(mesh, 6, frauds=10)
    answered = plan_retraining(mesh, model)
    assert not answered.train


def test_a_kpi_that_moves_less_or_up_calls_for_nothing(mesh: Mesh) -> None:
    land(mesh, 4, frauds=11)
    land(mesh, 5, frauds=10)
    assert "+10.0% against the mean" in plan_retraining(mesh, mesh.workspace.model(MODEL)).reasons[0]
    assert not plan_retraining(mesh, mesh.workspace.model(MODEL)).train


def test_a_source_that_tells_no_event_time_has_periods_that_are_over_too(mesh: Mesh) -> None:
    model = mesh.workspace.model(MODEL)
    land(mesh, 4, frauds=6)
    with mesh.catalog.write() as connection:
        connection.execute(update(versions).values(event_from=None, event_to=None))
    assert not plan_retraining(mesh, model).train
    land(mesh, 5, frauds=10)
    with mesh.catalog.write() as connection:
        connection.execute(update(versions).values(event_from=None, event_to=None))
    due = plan_retraining(mesh, model)
    assert due.train
    begin_retraining(mesh.catalog, MODEL, {"reasons": [], "answers": list(due.answers)})
    assert "has been answered already" in decide(read_facts(mesh, model), model.retrain).reasons[0]


def test_a_kpi_that_cannot_be_computed_is_one_sentence(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    path = mesh.settings.workspace / "domains/payments/fraud/model.yaml"
    path.write_text(path.read_text().replace("payments.hit_rate", "payments.hitrate"))
    assert run_command(["retrain", MODEL, "--dry-run"]) in (2, 4)
    told = capsys.readouterr().err
    assert "payments.hitrate" in told and "Did you mean" in told and "Traceback" not in told
