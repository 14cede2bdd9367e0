from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.alerts.escalation import escalate
from mesh_catalog.alerts.notify import Notice, notify
from mesh_catalog.catalog.decisions import begin_retraining
from mesh_catalog.catalog.rollouts import insert_rollout
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.specs import RolloutSpec
from mesh_catalog.web.app import make_app
from tests.unit.alerts.samples import drift_verdict, model_verdict, record

EVIL = "<script>alert('x')</script>"


def client(mesh: Mesh, **options: Any) -> TestClient:
    return TestClient(make_app(mesh, **options), base_url="http://127.0.0.1", raise_server_exceptions=False)


def test_pages_show_verdicts_alerts_and_incidents_and_run_no_script(mesh: Mesh) -> None:
    with client(mesh) as http:
        for path, said in (("/alerts", "There is none"), ("/incidents", "There is none"), ("/timelines", "No monitor")):
            assert said in http.get(path).text
        assert "No monitor has looked" in http.get("/timeline/payments.fraud").text
        record(mesh.catalog, drift_verdict(1), model_verdict(1, outcome="pass", score=0.0))
        notify(
            mesh,
            Notice(subject="payments.fraud", kind="data_drift", title=EVIL, text=EVIL),
            now=drift_verdict(1).created_at,
        )
        for path, said in (
            ("/alerts", "mesh alert ack"),
            ("/timelines", '<a href="/timeline/payments.transactions">'),
            ("/timeline/payments.transactions", 'class="fail" title="2026-06-02: fail, 0.143 (limit 0.1)"'),
        ):
            answer = http.get(path)
            assert answer.status_code == 200 and said in answer.text and "<script" not in answer.text
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert http.get("/timeline/payments.nothing").status_code == 404
        assert http.get("/timeline/payments.fraud?limit=0").status_code == 400


def test_a_models_page_shows_its_rollout(mesh: Mesh) -> None:
    plan = RolloutSpec(steps=(0.0, 0.1), bake_rows=100)
    with client(mesh) as http:
        assert "Rollout" not in http.get("/timeline/payments.fraud").text
        assert http.get("/api/v1/rollout/payments.fraud").json() is None
        retraining = begin_retraining(
            mesh.catalog,
            "payments.fraud",
            {
                "waits": ["41 of 100 rows baked"],
                "rollout": {
                    "position": 0,
                    "rows": 41,
                    "alarms": [{"alarm": "errors", "state": "quiet", "reason": EVIL, "evidence": {}}],
                },
            },
            step="rolling",
        )
        insert_rollout(
            mesh.catalog,
            "r" * 32,
            "payments.fraud",
            plan,
            champion=1,
            challenger=2,
            retraining_id=retraining.id,
            event_from=None,
        )
        page = http.get("/timeline/payments.fraud").text
        assert "v2 takes over from v1: step 1 of 2 (shadow), 41 of 100 rows baked; then 10 %" in page
        assert "<td>errors</td>" in page and "<script" not in page
        assert http.get("/api/v1/rollout/payments.fraud").json()["rows"] == 41


def test_the_same_as_json(mesh: Mesh) -> None:
    record(mesh.catalog, drift_verdict(1))
    notify(
        mesh, Notice(subject="payments.fraud", kind="data_drift", title="t", text="x"), now=drift_verdict(1).created_at
    )
    assert not escalate(mesh, now=utc_now()).alerts, "the domain names nobody, so nobody is late"
    with client(mesh) as http:
        (alert,) = http.get("/api/v1/alerts?subject=payments.fraud").json()
        assert (alert["state"], alert["count"], alert["deliveries"]) == ("open", 1, [])
        assert http.get("/api/v1/incidents").json() == []
        found = http.get("/api/v1/timeline/payments.transactions?kind=data_drift").json()
        assert found["rows"][1]["cells"][0]["score"] == 0.143
        assert http.get("/api/v1/timeline/payments.transactions?kind=nothing").status_code == 400


def test_metrics_are_scraped_with_the_token(mesh: Mesh) -> None:
    record(mesh.catalog, drift_verdict(1))
    token = "a-long-enough-token"  # pragma: allowlist secret
    with client(mesh, token=token) as http:
        assert http.get("/metrics").status_code == 401 and http.get("/alerts").status_code == 401
        answer = http.get("/metrics", headers={"authorization": f"Bearer {token}"})
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert {"mesh_verdict", "mesh_drift_share"} <= {one.name for one in text_string_to_metric_families(answer.text)}
