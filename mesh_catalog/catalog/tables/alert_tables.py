"""Tables of who was told of what: alerts, their deliveries (the outbox), incidents."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Named, String, Table, TypedColumns, text

from mesh_catalog.catalog.tables.base import UtcDateTime, metadata

__all__ = ["alert_deliveries", "alerts", "incidents"]


class _Alerts(TypedColumns):
    id = Column(String, primary_key=True)
    dedup_key: Named[str]
    subject: Named[str]
    """A product or a model; no foreign key, so that a retired one's alerts stay as they are."""
    subject_kind: Named[str]
    domain: Named[str]
    kind: Named[str]
    severity: Named[str]
    title: Named[str]
    text: Named[str]
    verdict_id: Named[str | None]
    """The verdict that was told of last; telling of it again is no repeat."""
    state: Named[str]
    count: Named[int]
    first_at: Named[datetime] = Column(UtcDateTime)
    last_at: Named[datetime] = Column(UtcDateTime)
    told_at: Named[datetime | None] = Column(UtcDateTime)
    """When messages were put into the outbox last."""
    step: Named[int]
    """How far it was escalated."""
    due_at: Named[datetime | None] = Column(UtcDateTime)
    """When it is escalated unless somebody acknowledges it; null: never."""
    acknowledged_at: Named[datetime | None] = Column(UtcDateTime)
    acknowledged_by: Named[str | None]
    note: Named[str | None]
    resolved_at: Named[datetime | None] = Column(UtcDateTime)


class _AlertDeliveries(TypedColumns):
    id = Column(String, primary_key=True)
    alert_id: Named[str] = Column(ForeignKey("alerts.id"), index=True)
    domain: Named[str]
    """Whose channel it is; a consumer's where the alert is of another domain."""
    channel: Named[str]
    reason: Named[str]
    title: Named[str]
    body: Named[str]
    severity: Named[str]
    state: Named[str]
    attempts: Named[int]
    next_at: Named[datetime] = Column(UtcDateTime)
    claimed_until: Named[datetime | None] = Column(UtcDateTime)
    error: Named[str | None]
    created_at: Named[datetime] = Column(UtcDateTime)
    sent_at: Named[datetime | None] = Column(UtcDateTime)


class _Incidents(TypedColumns):
    id = Column(String, primary_key=True)
    alert_id: Named[str] = Column(ForeignKey("alerts.id"), unique=True)
    subject: Named[str]
    subject_kind: Named[str]
    domain: Named[str]
    title: Named[str]
    opened_at: Named[datetime] = Column(UtcDateTime)
    contracts: Named[dict[str, str]] = Column(JSON)
    """Product, the subject's own or upstream of it → digest of the contract that held when it was opened."""
    versions: Named[dict[str, int]] = Column(JSON)
    """Product → its newest version then."""
    tests: Named[list[str]] = Column(JSON)
    """Short hashes of the tests that the workspace had then."""
    closed_at: Named[datetime | None] = Column(UtcDateTime)
    closed_by: Named[str | None]
    closed_with: Named[str | None]
    proof: Named[str | None]
    proven_version: Named[int | None] = Column(BigInteger)


_unresolved = text("resolved_at IS NULL")
_waiting = text("state = 'waiting'")
alerts = Table(
    "alerts",
    metadata,
    _Alerts,
    Index(None, "subject", "first_at"),
    Index("uq_alerts_unresolved", "dedup_key", unique=True, sqlite_where=_unresolved, postgresql_where=_unresolved),
)
alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    _AlertDeliveries,
    Index("ix_alert_deliveries_waiting", "next_at", sqlite_where=_waiting, postgresql_where=_waiting),
)
incidents = Table("incidents", metadata, _Incidents, Index(None, "subject", "opened_at"))
