"""What the catalog keeps of alerts, on both databases, with several writers at once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from mesh_catalog.alerts.prometheus import metrics_text
from mesh_catalog.catalog.alerts import (
    AlertRecord,
    NewAlert,
    Raised,
    acknowledge_alert,
    due_alerts,
    raise_alert,
    read_alerts,
    resolve_alert,
    step_alert,
)
from mesh_catalog.catalog.incidents import Surroundings, close_incident, open_incident, read_incidents
from mesh_catalog.catalog.outbox import Message, claim_next, finish_delivery, read_deliveries
from mesh_catalog.catalog.store import Catalog, open_catalog
from tests.unit.catalog.conftest import ON_BOTH, empty, url

__all__ = ["empty", "url"]

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def told(alert: AlertRecord, reason: str) -> list[Message]:
    return [Message(domain="payments", channel=one, severity="fail", title=reason, body="") for one in ("a", "b")]


def raised(catalog: Catalog, verdict: str, key: str = "k") -> Raised:
    new = NewAlert(
        dedup_key=key,
        subject="payments.fraud",
        subject_kind="model",
        domain="payments",
        kind="data_drift",
        severity="fail",
        title="t",
        text="x",
        verdict_id=verdict,
    )
    return raise_alert(catalog, new, messages=told, acknowledge=HOUR, repeat=24 * HOUR, now=NOON)


@ON_BOTH
def test_many_at_once_raise_one_alert_and_send_each_message_once(empty: Catalog, url: str) -> None:
    def work(number: int) -> tuple[str, list[str]]:
        catalog = open_catalog(url)
        what = raised(catalog, f"v{number}").what
        sent = []
        while (delivery := claim_next(catalog, now=NOON)) is not None:
            finish_delivery(catalog, delivery, error=None, now=NOON)
            sent.append(delivery.id)
        catalog.close()
        return what, sent

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(work, range(8)))
    assert Counter(what for what, _ in done) == {"first": 1, "counted": 7}
    (alert,) = read_alerts(empty)
    assert alert.count == 8
    sent = [one for _, ids in done for one in ids]
    assert sorted(sent) == sorted(one.id for one in read_deliveries(empty, [alert.id])) and len(sent) == 2


@ON_BOTH
def test_the_way_of_an_alert(empty: Catalog, url: str) -> None:
    alert = raised(empty, "v1").alert
    first = claim_next(empty, now=NOON)
    assert first is not None and claim_next(empty, now=NOON) is not None and claim_next(empty, now=NOON) is None
    finish_delivery(empty, first, error="away", now=NOON)
    again = claim_next(empty, now=NOON + timedelta(seconds=61))
    assert again is not None and (again.id, again.attempts, again.error) == (first.id, 2, "away")
    assert due_alerts(empty, NOON) == [] and due_alerts(empty, NOON + HOUR) == [alert]
    around = Surroundings(
        contracts={"payments.transactions": "d1"}, versions={"payments.transactions": 2**40}, tests=("a",)
    )

    def step() -> bool:
        return step_alert(
            empty,
            alert,
            due_at=None,
            messages=told(alert, "escalation"),
            also=lambda connection: open_incident(connection, alert, around, now=NOON),
            now=NOON + HOUR,
        )

    assert (step(), step()) == (True, False)
    (incident,) = read_incidents(empty)
    assert (incident.versions, incident.tests) == ({"payments.transactions": 2**40}, ("a",))
    assert len(read_deliveries(empty, [alert.id])) == 4
    assert acknowledge_alert(empty, alert.id, by="ana", note=None, now=NOON).state == "acknowledged"
    closed = close_incident(
        empty, incident.id, by="ana", closed_with="test x", proof="p", proven_version=2**40, now=NOON
    )
    assert closed.closed_by == "ana" and not read_incidents(empty)
    over = resolve_alert(empty, "k", now=NOON + HOUR)
    assert over is not None and over.acknowledged_by == "ana" and not read_alerts(empty)
    assert raised(empty, "v1").what == "first"
    assert 'mesh_alerts{domain="payments",subject="payments.fraud"' in metrics_text(empty)
