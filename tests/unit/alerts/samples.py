"""Verdicts as monitors would record them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.verdicts import Measure, VerdictRecord, record_verdict, verdict_id

DAY = datetime(2026, 6, 1, tzinfo=UTC)


def drift_verdict(day: int, *, outcome: str = "fail", score: float = 0.143, **changes: Any) -> VerdictRecord:
    """Drift of tx_amount on a day of June; tx_fraud is steady."""
    values: dict[str, Any] = {
        "subject": "payments.transactions",
        "subject_kind": "product",
        "kind": "data_drift",
        "slice": "",
        "window_from": DAY + timedelta(days=day - 1),
        "window_to": DAY + timedelta(days=day),
        "reference": "payments.transactions@0",
        "current": f"payments.transactions@{day}..{day}",
        "outcome": outcome,
        "reason": "drift in 1 of 2 columns (share 0.50, limit 0.50)",
        "share": 0.5,
        "limit": 0.5,
        "measures": (
            Measure(column="tx_amount", method="Wasserstein distance", score=score, threshold=0.1, outcome=outcome),  # type: ignore[arg-type]
            Measure(column="tx_fraud", method="Jensen-Shannon distance", score=0.01, threshold=0.1, outcome="pass"),
            Measure(column="device_mail", method="", outcome="not_run", reason="all values are null"),
        ),
        "code_version": "test",
        "created_at": DAY + timedelta(days=day, hours=1),
    } | changes
    told = {key: values[key] for key in ("reference", "current")}
    found = verdict_id(values["subject"], values["kind"], slice_text=values["slice"], model_version=None, **told)
    return VerdictRecord(id=found, **values)


def model_verdict(day: int, **changes: Any) -> VerdictRecord:
    """The same on the model's predictions."""
    values = {"subject": "payments.fraud", "subject_kind": "model", "reference": "payments.fraud__training@0"}
    return drift_verdict(day, **{**values, "current": f"payments.fraud__predictions@{day}..{day}", **changes})


def performance_verdict(day: int, score: float, **changes: Any) -> VerdictRecord:
    measure = Measure(method="average_precision", score=score, threshold=0.6, outcome="pass", low=score - 0.1)
    values = {"kind": "performance", "measures": (measure,), "outcome": "pass", "share": None, "limit": None}
    return model_verdict(day, **{**values, **changes})


def record(catalog: Catalog, *found: VerdictRecord) -> None:
    for one in found:
        record_verdict(catalog, one)
