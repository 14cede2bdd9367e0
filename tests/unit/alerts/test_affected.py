from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.alerts.affected import affected_models, upstream_drift
from mesh_catalog.alerts.verdicts import tell_verdict, tell_verdicts
from mesh_catalog.catalog.alerts import read_alerts
from mesh_catalog.catalog.assets import register_product
from mesh_catalog.catalog.outbox import read_deliveries
from mesh_catalog.catalog.tables import column_edges
from mesh_catalog.errors import NotFoundError
from tests.unit.alerts.conftest import ALERTS
from tests.unit.alerts.receivers import Webhook
from tests.unit.alerts.samples import drift_verdict, model_verdict, record
from tests.unit.catalog.samples import FRAUD, amount_edge, dataset_contract, publish

SPEND = """\
apiVersion: v3.1.0
kind: DataContract
id: crm.spend
version: 1.0.0
status: active
customProperties: [{property: eventTime, value: at}]
schema:
  - name: spend
    physicalType: table
    properties:
      - {name: customer_id, logicalType: integer, classification: personal}
      - {name: at, logicalType: timestamp}
      - {name: spend_7d, logicalType: number}
"""
CHURN = FRAUD.replace("payments.fraud", "crm.churn").replace("payments.transactions.tx_amount", "crm.spend.spend_7d")


@pytest.fixture
def crm(opened: Callable[..., Mesh], workspace_dir: Path) -> Mesh:
    """Another domain's model that learns from what is made of the payments."""
    files = {
        "domain.yaml": "name: crm\nowner: crm@example.org\n" + ALERTS,
        "spend/contract.yaml": SPEND,
        "spend/build.sql": "select customer_id, tx_datetime as at, tx_amount as spend_7d from payments.transactions",
        "churn/model.yaml": CHURN + "entity: customer_id\n",
    }
    for name, text in files.items():
        path = workspace_dir / "domains/crm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    mesh = opened()
    publish(mesh.catalog, "payments.transactions", 0)
    edge = amount_edge(to_product="crm.spend", to_column="spend_7d")
    publish(mesh.catalog, "crm.spend", 0, inputs={"payments.transactions": 0}, column_edges=[edge])
    return mesh


def test_drift_names_the_models_that_use_the_columns_through_other_products(crm: Mesh) -> None:
    found = affected_models(crm, "payments.transactions", ["tx_amount", "tx_fraud"])
    assert [(one.model, one.owner, one.uses) for one in found.models] == [
        ("crm.churn", "crm@example.org", ("crm.spend.spend_7d", "payments.transactions.tx_fraud")),
        ("payments.fraud", "payments-team", ("payments.transactions.tx_amount", "payments.transactions.tx_fraud")),
    ]
    assert found.unknown == ()
    by_amount = affected_models(crm, "payments.transactions", ["tx_amount"])
    assert by_amount.models[0].sentence == "crm.churn (owner crm@example.org) uses crm.spend.spend_7d"
    assert not affected_models(crm, "payments.transactions", ["device_mail"]).models
    with pytest.raises(NotFoundError):
        affected_models(crm, "payments.nothing", ["x"])


def test_what_lies_between_a_product_and_a_model_is_not_told_as_used(crm: Mesh) -> None:
    """The model's own rows are made of its features, and every column of theirs of the one that drifted."""
    edges = [
        amount_edge(to_product="payments.fraud__training", to_column=name)
        for name in ("tx_amount", "tx_fraud", "split")
    ]
    rows = dataset_contract("payments.fraud__training", "tx_amount", "tx_fraud", "split")
    register_product(crm.catalog, rows, domain="payments", owner="payments-team")
    publish(crm.catalog, "payments.fraud__training", 0, inputs={"payments.transactions": 0}, column_edges=edges)
    found = affected_models(crm, "payments.transactions", ["tx_amount"])
    assert [one.uses for one in found.models] == [("crm.spend.spend_7d",), ("payments.transactions.tx_amount",)]
    (own,) = affected_models(crm, "payments.fraud__training", ["tx_amount"]).models
    assert own.uses == ("payments.fraud__training.tx_amount",)


def test_an_answer_that_lineage_knows_to_be_incomplete_says_so(crm: Mesh, hook: Webhook) -> None:
    with crm.catalog.write() as connection:
        connection.execute(delete(column_edges))
    found = affected_models(crm, "payments.transactions", ["tx_amount"])
    assert [one.model for one in found.models] == ["payments.fraud"] and "crm.spend" in found.unknown[0]
    tell_verdict(crm, drift_verdict(1))
    assert "downstream is not known whole" in hook.got[0]["message"]


def test_drift_of_a_product_is_told_to_the_owners_of_the_models_too(crm: Mesh, hook: Webhook) -> None:
    alert = tell_verdict(crm, drift_verdict(1))
    assert alert is not None and alert.title == "payments.transactions: data drift"
    told = [(one.domain, one.channel, one.state) for one in read_deliveries(crm.catalog, [alert.id])]
    assert told == [(d, c, "sent") for d in ("crm", "payments") for c in ("onCall", "owner")]
    texts = {message["message"] for message in hook.got}
    assert all(
        "tx_amount 0.143 (Wasserstein distance, limit 0.1)" in text and "tx_fraud 0.01" not in text for text in texts
    )
    assert sum("It concerns you:\n  crm.churn (owner crm@example.org) uses" in text for text in texts) == 2
    assert all(
        "downstream: payments.fraud (owner payments-team) uses payments.transactions.tx_amount" in t for t in texts
    )
    assert tell_verdict(crm, drift_verdict(1)) == alert and len(hook.got) == 4, "the same verdict is no news"


def test_a_pass_closes_the_alert_of_its_slice_and_what_was_not_run_changes_nothing(mesh: Mesh) -> None:
    for part in ("", "channel = web"):
        assert tell_verdict(mesh, drift_verdict(1, slice=part)) is not None
    assert tell_verdict(mesh, drift_verdict(2, outcome="not_run")) is None
    assert len(read_alerts(mesh.catalog)) == 2
    over = tell_verdict(mesh, drift_verdict(3, outcome="pass", score=0.0))
    assert over is not None and over.state == "resolved"
    (left,) = read_alerts(mesh.catalog)
    assert left.title == "payments.transactions: data drift of channel = web"


def test_a_models_alert_names_the_products_upstream_that_drifted(mesh: Mesh, hook: Webhook) -> None:
    assert upstream_drift(mesh, "payments.fraud").unwatched == ("payments.transactions",)
    record(mesh.catalog, drift_verdict(1, outcome="pass", score=0.0))
    assert upstream_drift(mesh, "payments.fraud").steady == ("payments.transactions",)
    record(mesh.catalog, drift_verdict(2))
    (found,) = upstream_drift(mesh, "payments.fraud").drifted
    sentence = "payments.transactions drifted on 2026-06-03, owner payments-team"
    assert found.sentence == sentence
    tell_verdict(mesh, model_verdict(3))
    assert f"upstream: {sentence}" in hook.got[0]["message"]
    record(mesh.catalog, model_verdict(1))
    (now, then) = (tell_verdicts(mesh, [model_verdict(1)], past=past).upstream for past in (False, True))
    assert now is not None and now.drifted == (found,)
    assert then is not None and (then.drifted, then.steady) == ((), ("payments.transactions",))


def test_lines_under_a_verdict_say_whom_it_concerns_and_which_alert_it_is(crm: Mesh) -> None:
    verdict = drift_verdict(1)
    record(crm.catalog, verdict)
    told = tell_verdicts(crm, [verdict])
    (alert,) = read_alerts(crm.catalog)
    assert told.lines == [
        "downstream: crm.churn (owner crm@example.org) uses crm.spend.spend_7d",
        "downstream: payments.fraud (owner payments-team) uses payments.transactions.tx_amount",
        f"alert: {alert.id} payments.transactions: data drift, open",
    ]
    of_model = tell_verdicts(crm, [model_verdict(1, subject="crm.churn", outcome="pass")])
    assert of_model.lines == [
        "upstream: payments.transactions drifted on 2026-06-02, owner payments-team",
        "upstream: no monitor looked at crm.spend",
    ]
    assert of_model.upstream is not None and of_model.upstream.to_dict() == {
        "drifted": [
            {
                "product": "payments.transactions",
                "owner": "payments-team",
                "verdict": verdict.id,
                "outcome": "fail",
                "window_to": verdict.window_to,
            }
        ],
        "steady": (),
        "unwatched": ("crm.spend",),
        "unknown": (),
    }
    assert tell_verdicts(crm, []).lines == []


def test_slices_are_alerts_of_their_own_only_where_the_whole_is_well(mesh: Mesh) -> None:
    sliced = [drift_verdict(1, slice=f"channel = {one}") for one in ("web", "shop")]
    (alert,) = tell_verdicts(mesh, [drift_verdict(1), *sliced]).alerts
    assert alert.title == "payments.transactions: data drift"
    whole, *parts = tell_verdicts(mesh, [drift_verdict(1, outcome="pass", score=0.0), *sliced]).alerts
    assert whole.state == "resolved" and len(parts) == len(read_alerts(mesh.catalog)) == 2
