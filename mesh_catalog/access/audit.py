"""The audit trail: who asked to read what, when, for which purpose, and whether it was allowed.

An event names products and columns, never values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import func, insert, select

from mesh_catalog.catalog.store import Catalog, utc_now
from mesh_catalog.catalog.tables import audit_events

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["AuditEvent", "last_read", "read_audit", "record_event"]

_NAME_LIMIT = 200
"""A name that was asked for and does not exist may be anything, also very long."""
_REASON_LIMIT = 1000


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One request to read."""

    id: str
    at: datetime
    principal: str
    purpose: str
    product: str
    version: int | None
    """None where none could be given."""
    columns: tuple[str, ...] | None
    """The columns given, or asked for where it was refused; None: all of a product that could not be opened."""
    masked: tuple[str, ...]
    allowed: bool
    reason: str | None
    """Why it was refused."""


def record_event(
    catalog: Catalog,
    *,
    principal: str,
    purpose: str,
    product: str,
    version: int | None,
    columns: tuple[str, ...] | None,
    masked: tuple[str, ...] = (),
    allowed: bool,
    reason: str | None = None,
) -> str:
    """Write one event; returns its id. Without it written there is no read."""
    event_id = uuid4().hex
    row = {
        "id": event_id,
        "at": utc_now(),
        "principal": principal,
        "purpose": purpose,
        "product": product[:_NAME_LIMIT],
        "version": version,
        "columns": None if columns is None else [name[:_NAME_LIMIT] for name in columns],
        "masked": masked,
        "allowed": allowed,
        "reason": None if reason is None else reason[:_REASON_LIMIT],
    }
    with catalog.write() as connection:
        connection.execute(insert(audit_events).values(row))
    return event_id


def read_audit(mesh: Mesh, product: str | None = None, limit: int = 50) -> list[AuditEvent]:
    """The newest events, of one product or of all, newest first."""
    query = select(audit_events).order_by(audit_events.c.position.desc()).limit(limit)
    if product is not None:
        query = query.where(audit_events.c.product == product)
    with mesh.catalog.read() as connection:
        rows = connection.execute(query).mappings().all()
    found = []
    for row in rows:
        values = {name: row[name] for name in AuditEvent.__dataclass_fields__}
        columns = None if row["columns"] is None else tuple(row["columns"])
        found.append(AuditEvent(**{**values, "columns": columns, "masked": tuple(row["masked"])}))
    return found


def last_read(catalog: Catalog, product: str) -> datetime | None:
    """When a product was last read; upkeep and refused requests are no reads."""
    query = select(func.max(audit_events.c.at)).where(
        audit_events.c.product == product, audit_events.c.allowed, audit_events.c.purpose != "upkeep"
    )
    with catalog.read() as connection:
        return connection.execute(query).scalar()
