"""Tables of what people say to the continuous-training loop: requests, approvals, reviews."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Index, Named, String, Table, TypedColumns, text

from mesh_catalog.catalog.tables.base import UtcDateTime, metadata

__all__ = ["approvals", "retrain_requests", "reviews"]


class _RetrainRequests(TypedColumns):
    id = Column(String, primary_key=True)
    model: Named[str] = Column(ForeignKey("models.name"))
    kind: Named[str]
    reason: Named[str]
    principal: Named[str]
    at: Named[datetime] = Column(UtcDateTime)
    answered_by: Named[str | None]
    """The retraining that took it up."""


class _Approvals(TypedColumns):
    retraining_id = Column(String, ForeignKey("retrainings.id"), primary_key=True)
    model: Named[str] = Column(ForeignKey("models.name"))
    version: Named[int]
    approved: Named[bool]
    principal: Named[str]
    reason: Named[str]
    at: Named[datetime] = Column(UtcDateTime)


class _Reviews(TypedColumns):
    id = Column(String, primary_key=True)
    model: Named[str] = Column(ForeignKey("models.name"))
    reason: Named[str]
    evidence: Named[dict[str, Any]] = Column(JSON)
    opened_at: Named[datetime] = Column(UtcDateTime)
    closed_at: Named[datetime | None] = Column(UtcDateTime)
    closed_by: Named[str | None]
    resolution: Named[str | None]


_open = text("closed_at IS NULL")
retrain_requests = Table("retrain_requests", metadata, _RetrainRequests, Index(None, "model", "at"))
approvals = Table("approvals", metadata, _Approvals, Index(None, "model", "at"))
reviews = Table(
    "reviews",
    metadata,
    _Reviews,
    Index(None, "model", "opened_at"),
    Index("uq_reviews_open", "model", unique=True, sqlite_where=_open, postgresql_where=_open),
)
