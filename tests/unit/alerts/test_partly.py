"""A slip in one domain's file does not keep the people of another from being told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.alerts.notify import Notice, notify
from mesh_catalog.catalog.alerts import read_alerts
from mesh_catalog.catalog.incidents import read_incidents
from mesh_catalog.cli.main import run_command
from tests.unit.alerts.receivers import Webhook

SHOP = """\
name: shop
owner: ada
alerts:
  tell: [{to: shop owner, url_env: TEAM_ALERT_URL}]
  escalate: [{to: head of shop, url_env: HEAD_URL}]
  acknowledge: 1h
"""


def test_escalation_reaches_every_domain_whose_file_can_be_read_and_the_other_when_it_is_mended(
    opened: Callable[..., Mesh], workspace_dir: Path, hook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace_dir / "domains/shop/domain.yaml"
    path.parent.mkdir()
    path.write_text(SHOP)
    mesh = opened()
    hook.status = 503  # so that a message of each domain waits too
    before = datetime.now(UTC) - timedelta(hours=3)
    for subject in ("payments.transactions", "shop.orders"):
        notify(
            mesh, Notice(subject=subject, subject_kind="product", kind="publish", title=subject, text="x"), now=before
        )
    hook.status = 200
    hook.got.clear()
    path.write_text(SHOP.replace("[{to: shop owner", "[{{to: shop owner"))
    assert run_command(["alert", "escalate"]) == 2
    told = capsys.readouterr()
    assert "domains/shop/domain.yaml:4: is not YAML" in told.err
    assert "waits until the domain.yaml of shop can be read" in told.out and "escalated 1, sent 3" in told.out
    assert len(hook.got) == 3 and all("payments.transactions" in json.dumps(one) for one in hook.got)
    assert [one.alert_id for one in read_incidents(mesh.catalog)] == [
        one.id for one in read_alerts(mesh.catalog, "payments.transactions")
    ]
    assert [one.step for one in read_alerts(mesh.catalog, "shop.orders")] == [0]
    hook.got.clear()
    path.write_text(SHOP)
    assert run_command(["alert", "escalate"]) == 0
    assert "escalated 1, sent 2" in capsys.readouterr().out
    assert len(hook.got) == 2 and all("shop.orders" in json.dumps(one) for one in hook.got)


def test_a_kpi_list_says_what_it_leaves_out(
    mesh: Mesh, workspace_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace_dir / "domains/shop/kpis.yaml"
    path.parent.mkdir()
    path.write_text("kpis: [\n")
    assert run_command(["kpi", "--list"]) == 2
    err = capsys.readouterr().err
    assert "domains/shop/kpis.yaml:2: is not YAML" in err and "domains/shop/domain.yaml: is missing" in err
