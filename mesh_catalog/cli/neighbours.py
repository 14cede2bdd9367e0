"""What drift leads to and what it may have come from, as lines under a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.verdicts import VerdictRecord

__all__ = ["downstream_lines", "tell"]


def tell(mesh: Mesh, verdicts: Sequence[VerdictRecord]) -> list[str]:
    """Alert of verdicts that fail or warn, close the alerts of those that pass, and say so and whom it concerns.

    Args:
        verdicts: Of one subject, as they were recorded.
    """
    from mesh_catalog.alerts.verdicts import tell_verdict

    alerts = [alert for verdict in verdicts if (alert := tell_verdict(mesh, verdict)) is not None]
    told = [f"alert: {alert.id} {alert.title}, {alert.state}" for alert in alerts]
    return [*_neighbour_lines(mesh, verdicts), *told]


def _neighbour_lines(mesh: Mesh, verdicts: Sequence[VerdictRecord]) -> list[str]:
    """Upstream of a model, downstream of a product whose columns drifted."""
    subject = next(iter(verdicts), None)
    if subject is None:
        return []
    if subject.subject_kind == "model":
        return _upstream_lines(mesh, subject.subject)
    bad = [
        one.column
        for verdict in verdicts
        if verdict.kind == "data_drift"
        for one in verdict.measures
        if one.column is not None and one.outcome in ("warn", "fail")
    ]
    return downstream_lines(mesh, subject.subject, bad)


def _upstream_lines(mesh: Mesh, model: str) -> list[str]:
    """`upstream: payments.terminal_risk drifted on 2026-06-13, owner risk-data`."""
    from mesh_catalog.alerts.affected import upstream_drift

    found = upstream_drift(mesh, model)
    lines = [f"upstream: {one.sentence}" for one in found.drifted]
    if found.unwatched:
        lines.append(f"upstream: no monitor looked at {', '.join(found.unwatched)}")
    return lines + [f"upstream is not known whole: {gap}" for gap in found.unknown]


def downstream_lines(mesh: Mesh, product: str, columns: Sequence[str]) -> list[str]:
    """`downstream: payments.fraud (owner payments-team) uses payments.transactions.tx_amount`."""
    from mesh_catalog.alerts.affected import affected_models

    found = affected_models(mesh, product, columns)
    lines = [f"downstream: {one.sentence}" for one in found.models]
    return lines + [f"downstream is not known whole: {gap}" for gap in found.unknown]
