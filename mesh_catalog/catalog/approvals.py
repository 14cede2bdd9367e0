"""Approvals: what a person said to a challenger that passed its gate. One word a retraining, and it stays."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from mesh_catalog.catalog.store import Catalog, retried, upsert
from mesh_catalog.catalog.tables import approvals
from mesh_catalog.errors import ConflictError

__all__ = ["ApprovalRecord", "read_approval", "record_approval"]


@dataclass(frozen=True, kw_only=True)
class ApprovalRecord:
    """Who let a version become champion, or did not."""

    retraining_id: str
    model: str
    version: int
    approved: bool
    principal: str
    reason: str
    at: datetime


@retried
def record_approval(catalog: Catalog, record: ApprovalRecord) -> ApprovalRecord:
    """Keep it; said again, the first word stays and is told.

    Raises:
        ConflictError: Somebody has said the opposite.
    """
    with catalog.write() as connection:
        upsert(connection, approvals, [asdict(record)])
        query = select(approvals).where(approvals.c.retraining_id == record.retraining_id)
        known = ApprovalRecord(**connection.execute(query).mappings().one())
    if known.approved != record.approved:
        said = "approved" if known.approved else "rejected"
        raise ConflictError(f"{record.model} v{record.version}: was {said} by {known.principal} already.")
    return known


def read_approval(catalog: Catalog, retraining_id: str) -> ApprovalRecord | None:
    """What was said to a retraining's challenger; None: nothing yet."""
    with catalog.read() as connection:
        query = select(approvals).where(approvals.c.retraining_id == retraining_id)
        row = connection.execute(query).mappings().one_or_none()
    return ApprovalRecord(**row) if row else None
