"""Tables of who read what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Column, Index, Named, Table, TypedColumns

from mesh_catalog.catalog.tables.base import Counted, UtcDateTime, metadata

__all__ = ["audit_events"]


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


audit_events = Table("audit_events", metadata, _AuditEvents, Index(None, "product", "position"))
