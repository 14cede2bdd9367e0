"""Tables of who read what, and of who asked to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Column, Index, Named, String, Table, TypedColumns

from mesh_catalog.catalog.tables.base import Counted, UtcDateTime, metadata

__all__ = ["audit_events", "data_requests"]


class _AuditEvents(TypedColumns):
    position: Named[int] = Column(Counted, primary_key=True)
    id: Named[str] = Column(unique=True)
    at: Named[datetime] = Column(UtcDateTime)
    principal: Named[str]
    purpose: Named[str]
    product: Named[str]
    version: Named[int | None] = Column(BigInteger)
    columns: Named[list[str] | None] = Column(JSON(none_as_null=True))
    masked: Named[list[str]] = Column(JSON)
    allowed: Named[bool]
    reason: Named[str | None]


class _DataRequests(TypedColumns):
    id = Column(String, primary_key=True)
    product: Named[str]
    principal: Named[str]
    """Who wants the data."""
    purpose: Named[str]
    """What for, in their words."""
    owner: Named[str | None]
    """Who answered for the product when it was asked for."""
    state: Named[str]
    """open, approved, denied, withdrawn"""
    asked_at: Named[datetime] = Column(UtcDateTime)
    asked_by: Named[str]
    """Who wrote the request; often the principal."""
    decided_at: Named[datetime | None] = Column(UtcDateTime)
    decided_by: Named[str | None]
    reason: Named[str | None]


audit_events = Table(
    "audit_events", metadata, _AuditEvents, Index(None, "product", "position"), Index(None, "product", "at")
)
data_requests = Table("data_requests", metadata, _DataRequests, Index(None, "product", "asked_at"))
