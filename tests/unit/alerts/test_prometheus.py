from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.alerts.prometheus import metrics_text
from mesh_catalog.alerts.verdicts import tell_verdict
from mesh_catalog.catalog.decisions import begin_retraining, finish_retraining
from mesh_catalog.catalog.models import set_alias
from mesh_catalog.cli.main import run_command
from tests.unit.alerts.receivers import Webhook
from tests.unit.alerts.samples import DAY, drift_verdict, model_verdict, performance_verdict, record
from tests.unit.catalog.samples import NOON, publish, train


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Each sample's name and label values → value; none stands twice."""
    found: dict[tuple[str, ...], float] = {}
    for family in parse(text):
        assert family.type in ("gauge", "counter") and family.documentation
        for sample in family.samples:
            key = (sample.name, *sample.labels.values())
            assert key not in found
            found[key] = sample.value
    return found


def test_what_the_catalog_knows_is_told_in_prometheus_format(mesh: Mesh, hook: Webhook) -> None:
    catalog = mesh.catalog
    publish(catalog, "payments.transactions", 0)
    publish(catalog, "payments.transactions", 1, changes={"event_to": NOON + timedelta(days=1), "total_rows": 25})
    nasty = 'channel = "we\\b"\nx'
    record(catalog, drift_verdict(1), drift_verdict(2, outcome="pass", share=0.0), drift_verdict(1, slice=nasty))
    record(catalog, performance_verdict(1, 0.9), performance_verdict(2, 0.7))
    record(catalog, performance_verdict(2, 0.65, kind="estimated_performance"))
    hook.status = 500
    tell_verdict(mesh, model_verdict(2))
    finish_retraining(catalog, begin_retraining(catalog, "payments.fraud", {}).id, "promote", [])
    begin_retraining(catalog, "payments.fraud", {})
    found = samples(metrics_text(catalog))
    product = ("payments.transactions", "product", "data_drift")
    assert [found["mesh_verdict", *product, "", one] for one in ("pass", "warn", "fail", "not_run")] == [1, 0, 0, 0]
    assert found["mesh_verdict", *product, nasty, "fail"] == 1
    assert found["mesh_verdict_window_end_timestamp_seconds", *product, ""] == (DAY + timedelta(days=2)).timestamp()
    assert (found["mesh_drift_share", *product, ""], found["mesh_drift_share_limit", *product, ""]) == (0.0, 0.5)
    performance = ("mesh_model_performance", "payments.fraud", "", "average_precision")
    assert (found[*performance, "false"], found[*performance, "true"]) == (0.7, 0.65)
    assert found["mesh_product_version", "payments.transactions"] == 1
    assert found["mesh_product_rows", "payments.transactions"] == 25
    assert found["mesh_product_event_timestamp_seconds", "payments.transactions"] == NOON.timestamp() + 86_400
    assert found["mesh_runs_total", "payments.transactions", "publish", "published"] == 2
    assert 0 <= found["mesh_run_duration_seconds", "payments.transactions", "publish"] < 60
    assert found["mesh_alerts", "payments", "payments.fraud", "data_drift", "fail", "open"] == 1
    assert (found["mesh_alert_messages_waiting", "true"], found["mesh_alert_messages_waiting", "false"]) == (2, 0)
    assert found["mesh_retrainings_total", "payments.fraud", "promote"] == 1
    assert found["mesh_retrainings_open", "payments.fraud"] == 1


def test_the_file_is_written_whole_and_readable_by_the_collector(
    mesh: Mesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(mesh.catalog, "payments.transactions", 0)
    file = tmp_path / "mesh.prom"
    assert run_command(["export", "prometheus", str(file)]) == 0
    assert samples(file.read_text()) == samples(metrics_text(mesh.catalog))
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert run_command(["export", "prometheus"]) == 0 and "mesh_product_version" in capsys.readouterr().out
    assert run_command(["export", "prometheus", str(tmp_path / "mesh.txt")]) == 2


def test_the_champion_is_a_number_and_goes_with_its_alias(mesh: Mesh) -> None:
    train(mesh.catalog, 3)
    set_alias(mesh.catalog, "payments.fraud", "champion", 3, reason="x", at=NOON)
    assert samples(metrics_text(mesh.catalog))["mesh_model_champion_version", "payments.fraud"] == 3
    set_alias(mesh.catalog, "payments.fraud", "champion", None, reason="x", at=NOON)
    assert ("mesh_model_champion_version", "payments.fraud") not in samples(metrics_text(mesh.catalog))
