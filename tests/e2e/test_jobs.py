"""Every verb that runs on Spark, by spark-submit: on local[*], and on a real standalone cluster."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from domains.traffic import DRIFT_DAY, Traffic, write_csv
from mesh_catalog.access.audit import read_audit
from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.models import read_alias
from mesh_catalog.catalog.runs import latest_version
from mesh_catalog.cli.main import run_command
from mesh_catalog.settings import load_settings
from tests.e2e.cluster import ROOT, spark_submit

MODEL = "payments.fraud"
DAYS = 28


@pytest.fixture(params=[pytest.param("local", marks=pytest.mark.slow), "cluster"])
def master(request: pytest.FixtureRequest) -> str:
    return "local[*]" if request.param == "local" else str(request.getfixturevalue("cluster").url)


def prepare(root: Path) -> Traffic:
    """The example domains, and payments up to a week before the drift."""
    for name in ("domains/customers", "domains/payments"):
        shutil.copytree(ROOT / name, root / name)
    traffic = Traffic(customer_count=200, payments_per_day=250)
    write_csv(traffic.customers(), root / "landing/customers/profiles/customers.csv")
    land(root, traffic, DRIFT_DAY - DAYS, DRIFT_DAY)
    return traffic


def land(root: Path, traffic: Traffic, first: int, last: int) -> None:
    write_csv(traffic.payments_of(first, last), root / f"landing/payments/transactions/{first}.csv")


def test_the_whole_loop_runs_by_spark_submit(master: str, workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(verb: str, *arguments: str, code: int = 0) -> Any:
        done = spark_submit(
            ROOT / "jobs" / f"{verb}.py",
            *arguments,
            "--json",
            master=master,
            conf={"spark.executor.memory": "1g"},
            environment={"MESH_WORKSPACE": str(workspace_dir), "MESH_QUIET": "1"},
        )
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return json.loads(done.stdout[done.stdout.index("{" if verb != "publish" else "[") :])

    traffic = prepare(workspace_dir)
    published = submit("publish")
    assert {told["outcome"] for told in published} == {"published"}
    assert submit("train", MODEL)["version"] == 1
    land(workspace_dir, traffic, DRIFT_DAY, DRIFT_DAY + 7)
    submit("publish", "payments.transactions", "payments.card_activity")
    assert submit("score", MODEL)["model_version"] == 1
    assert submit("monitor", MODEL)["outcome"] == "fail"
    result = submit("retrain", MODEL, "--force")
    assert result["action"] in ("wait", "reject")
    if result["action"] == "wait":  # it decides about fraud: a person is asked
        monkeypatch.setenv("MESH_WORKSPACE", str(workspace_dir))
        assert run_command(["approve", MODEL, "v2"]) == 3
        monkeypatch.setenv("MESH_PRINCIPAL", "payments@example.org")
        assert run_command(["approve", MODEL, "v2"]) == 0
    with open_mesh(load_settings(workspace=workspace_dir)) as mesh:
        champion = read_alias(mesh.catalog, MODEL, "champion")
        assert champion == (2 if result["action"] == "wait" else 1)
        predictions = latest_version(mesh.catalog, f"{MODEL}__predictions")
        assert predictions is not None
        purposes = {event.purpose for event in read_audit(mesh, None, 500)}
    assert {"build", "train", "score", "monitor"} <= purposes


def test_a_refused_batch_exits_with_3_and_a_missing_product_with_4(workspace_dir: Path) -> None:
    traffic = prepare(workspace_dir)
    rows = traffic.payments_of(0, 1)
    rows.loc[rows.index[:5], "amount"] = -1
    write_csv(rows, workspace_dir / "landing/payments/transactions/bad.csv")
    environment = {"MESH_WORKSPACE": str(workspace_dir)}
    refused = spark_submit(ROOT / "jobs" / "publish.py", "payments.transactions", environment=environment)
    assert refused.returncode == 3
    said = refused.stdout + refused.stderr
    assert "5 rows break it" in said
    assert "Traceback" not in said
    missing = spark_submit(ROOT / "jobs" / "publish.py", "payments.transaction", environment=environment)
    assert missing.returncode == 4
    assert "Did you mean 'payments.transactions'?" in missing.stdout + missing.stderr
