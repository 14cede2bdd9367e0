from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from mesh_catalog.access.locations import table_location
from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.alerts.escalation import escalate
from mesh_catalog.alerts.incidents import close_with_check, close_with_test
from mesh_catalog.alerts.notify import Notice, notify
from mesh_catalog.catalog.assets import sync_workspace
from mesh_catalog.catalog.incidents import IncidentRecord, read_incidents
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import InputError, NotFoundError, RefusedError
from mesh_catalog.settings import load_settings
from tests.unit.catalog.samples import TRANSACTIONS, publish

LATER = datetime(2026, 6, 1, 14, tzinfo=UTC)
TEST = "tests/test_rates.py"


def write_rows(mesh: Mesh, version: int, amounts: list[float], ids: list[int] | None = None) -> None:
    """Commit a version of payments.transactions, to the table and to the catalog."""
    rows = len(amounts)
    at = datetime(2026, 6, 1, tzinfo=UTC)
    table = pa.table(
        {
            "transaction_id": pa.array(ids or range(100 * version, 100 * version + rows), pa.int64()),
            "tx_datetime": pa.array([at] * rows, pa.timestamp("us", "UTC")),
            "customer_id": pa.array([7] * rows, pa.int64()),
            "device_mail": pa.array(["a@example.org"] * rows),
            "tx_amount": pa.array(amounts, pa.float64()),
            "tx_fraud": pa.array([0] * rows, pa.int64()),
        }
    )
    write_deltalake(table_location(mesh.settings, "payments.transactions"), table, mode="append")
    publish(mesh.catalog, "payments.transactions", version)


def escalated(mesh: Mesh) -> IncidentRecord:
    """An alert on the model that nobody acknowledged."""
    notice = Notice(subject="payments.fraud", kind="data_drift", title="payments.fraud: drift", text="tx_amount 0.4")
    notify(mesh, notice, now=LATER - timedelta(hours=2))
    escalate(mesh, now=LATER)
    (incident,) = read_incidents(mesh.catalog)
    return incident


def edited(mesh: Mesh, *, maximum: str = "", unique: str = "") -> Mesh:
    """The workspace with other rules of tx_amount, registered and opened anew."""
    path = mesh.settings.workspace / "domains/payments/transactions/contract.yaml"
    text = TRANSACTIONS.replace("{minimum: 0}", f"{{minimum: 0{maximum}}}")
    path.write_text(
        text.replace("{name: tx_fraud, logicalType: integer}", f"{{name: tx_fraud, logicalType: integer{unique}}}")
    )
    with open_mesh(load_settings(workspace=mesh.settings.workspace)) as opened:
        sync_workspace(opened.catalog, opened.workspace)
    return Mesh(settings=mesh.settings, workspace=opened.workspace, catalog=mesh.catalog, principal="ana")


def test_it_closes_with_a_new_rule_that_fails_on_the_rows_of_then(mesh: Mesh) -> None:
    write_rows(mesh, 0, [10.0, 20.0])
    write_rows(mesh, 1, [10.0, 90_000.0, 80_000.0])
    incident = escalated(mesh)
    assert dict(incident.versions) == {"payments.transactions": 1}
    write_rows(mesh, 2, [99_000.0] * 5)
    mesh = edited(mesh, maximum=", maximum: 50000")
    done = close_with_check(mesh, incident.id[:5], "payments.transactions:tx_amount.maximum")
    assert (done.closed_by, done.closed_with) == ("ana", "check payments.transactions:tx_amount.maximum")
    assert (done.proof, done.proven_version) == ("2 rows of v1 break it", 1)
    assert not read_incidents(mesh.catalog)
    with pytest.raises(RefusedError, match="was closed by ana with check"):
        close_with_check(mesh, incident.id, "payments.transactions:tx_amount.maximum")


def test_a_rule_that_was_there_or_that_holds_does_not_close_it(mesh: Mesh) -> None:
    write_rows(mesh, 0, [10.0, 90_000.0])
    write_rows(mesh, 1, [10.0])
    incident = escalated(mesh)
    with pytest.raises(RefusedError, match=r"tx_amount.minimum was in the contract .* did not prevent it"):
        close_with_check(mesh, incident.id, "payments.transactions:tx_amount.minimum")
    mesh = edited(mesh, maximum=", maximum: 100000")
    with pytest.raises(RefusedError, match="holds on v1, so it would not have caught it"):
        close_with_check(mesh, incident.id, "payments.transactions:tx_amount.maximum")
    mesh = edited(mesh, maximum=", maximum: 50000")
    assert close_with_check(mesh, incident.id, "payments.transactions:tx_amount.maximum", version=0).proven_version == 0


def test_a_stricter_limit_is_new(mesh: Mesh) -> None:
    mesh = edited(mesh, maximum=", maximum: 100000")
    write_rows(mesh, 0, [10.0, 90_000.0, 90_000.0])
    incident = escalated(mesh)
    mesh = edited(mesh, maximum=", maximum: 50000")
    assert (
        close_with_check(mesh, incident.id, "payments.transactions:tx_amount.maximum").proof == "2 rows of v0 break it"
    )


def test_a_duplicate_is_proof_of_a_unique_rule(mesh: Mesh) -> None:
    write_rows(mesh, 0, [1.0, 2.0, 3.0])
    incident = escalated(mesh)
    mesh = edited(mesh, unique=", unique: true")
    assert close_with_check(mesh, incident.id, "payments.transactions:tx_fraud.unique").proof == "3 rows of v0 break it"


def test_a_product_without_part_in_it_and_wrong_names_are_refused(mesh: Mesh) -> None:
    incident = escalated(mesh)
    with pytest.raises(RefusedError, match=r"payments.daily: has no part .* payments.transactions"):
        close_with_check(mesh, incident.id, "payments.daily:day.required")
    with pytest.raises(NotFoundError, match="no rule 'tx_amount.maximun'"):
        close_with_check(mesh, incident.id, "payments.transactions:tx_amount.maximun")
    with pytest.raises(NotFoundError, match="no product 'payments.nothing'"):
        close_with_check(mesh, incident.id, "payments.nothing:a.b")
    with pytest.raises(InputError, match="is no check"):
        close_with_check(mesh, incident.id, "tx_amount")
    with pytest.raises(NotFoundError, match="incident zz: there is none"):
        close_with_check(mesh, "zz", "payments.transactions:tx_amount.maximum")


def test_without_rows_of_then_the_incident_says_that_the_rule_was_not_run(mesh: Mesh) -> None:
    incident = escalated(mesh)
    mesh = edited(mesh, maximum=", maximum: 50000")
    done = close_with_check(mesh, incident.id, "payments.transactions:tx_amount.maximum")
    assert done.proof == "not run on the rows of then: payments.transactions had no version then"


def test_files_that_upkeep_took_are_no_proof(mesh: Mesh) -> None:
    write_rows(mesh, 0, [90_000.0])
    incident = escalated(mesh)
    for file in Path(table_location(mesh.settings, "payments.transactions")).glob("*.parquet"):
        file.unlink()
    mesh = edited(mesh, maximum=", maximum: 50000")
    done = close_with_check(mesh, incident.id, "payments.transactions:tx_amount.maximum")
    assert done.proven_version is None and (done.proof or "").startswith("not run on the rows of then: payments.trans")


def test_it_closes_with_a_test_that_was_not_there(mesh: Mesh) -> None:
    root = mesh.settings.workspace
    (root / "tests").mkdir()
    (root / TEST).write_text("def test_old(): ...\nclass TestRates:\n    def test_older(self): ...\n")
    incident = escalated(mesh)
    for old in ("test_old", "TestRates::test_older"):
        with pytest.raises(RefusedError, match="and did not prevent it"):
            close_with_test(mesh, incident.id, f"{TEST}::{old}")
    for wrong in ("/etc/passwd::x", "../x.py::test_x", TEST, "tests/none.py"):
        with pytest.raises(InputError, match="is no test of the workspace"):
            close_with_test(mesh, incident.id, wrong)
    with pytest.raises(NotFoundError, match="has no test 'test_no_zeros'"):
        close_with_test(mesh, incident.id, f"{TEST}::test_no_zeros")
    with pytest.raises(NotFoundError, match="no such file"):
        close_with_test(mesh, incident.id, "tests/none.py::test_x")
    (root / TEST).write_text("def test_old(): ...\ndef test_no_zeros(): ...\n")
    done = close_with_test(mesh, incident.id, f"./tests/../{TEST}::test_no_zeros")
    assert done.closed_with == f"test {TEST}::test_no_zeros"


def test_from_alert_to_closed_incident_by_commands(
    mesh: Mesh, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(mesh, 0, [90_000.0])
    notice = Notice(subject="payments.fraud", kind="data_drift", title="payments.fraud: drift", text="tx_amount 0.4")
    alert = notify(mesh, notice, now=LATER).alert
    monkeypatch.setenv("MESH_PRINCIPAL", "ana")
    assert run_command(["alert", "list"]) == 0
    said = capsys.readouterr()
    assert alert.id in said.out and "onCall, owner" in said.out and f"next: mesh alert ack {alert.id}" in said.err
    assert run_command(["alert", "escalate", "--dry-run"]) == 0
    assert "1 to escalate, 0 messages wait" in capsys.readouterr().out
    assert run_command(["alert", "escalate"]) == 0
    assert "1 escalated, 1 messages sent, 0 failed" in capsys.readouterr().out
    assert run_command(["alert", "ack", alert.id[:6], "--note", "on it"]) == 0
    assert "acknowledged by ana" in capsys.readouterr().out
    assert run_command(["incident", "list", "--json"]) == 0
    (incident,) = json.loads(capsys.readouterr().out)
    assert incident["versions"] == {"payments.transactions": 0}
    assert run_command(["incident", "close", incident["id"]]) == 2
    check = ["incident", "close", incident["id"], "--check", "payments.transactions:tx_amount.maximum"]
    assert run_command(check) == 4
    edited(mesh, maximum=", maximum: 50000")
    assert run_command(check) == 0
    assert "1 rows of v0 break it" in capsys.readouterr().out
    assert run_command(["incident", "list"]) == 0 and "no incident is open" in capsys.readouterr().err
