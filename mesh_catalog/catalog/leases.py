"""Named leases: who may do a thing alone, until when. A holder that dies loses the lease when it expires.

Expiry is by the clocks of the machines that take part; keep them within a second of each other.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, or_, update

from mesh_catalog.catalog.store import Catalog, dialect_insert, retried, utc_now
from mesh_catalog.catalog.tables import leases

__all__ = ["acquire_lease", "release_lease", "renew_lease"]


@retried
def acquire_lease(catalog: Catalog, name: str, *, holder: str, seconds: float) -> bool:
    """Take the lease, or prolong one's own; False where somebody else holds it."""
    now = utc_now()
    row = {"name": name, "holder": holder, "acquired_at": now, "expires_at": now + timedelta(seconds=seconds)}
    with catalog.write() as connection:
        statement = dialect_insert(connection, leases).values(row)
        statement = statement.on_conflict_do_update(
            index_elements=["name"],
            set_=row,
            where=or_(leases.c.holder == holder, leases.c.expires_at <= now),
        )
        return connection.execute(statement.returning(leases.c.name)).one_or_none() is not None


@retried
def renew_lease(catalog: Catalog, name: str, *, holder: str, seconds: float) -> bool:
    """Prolong a lease that one still holds; False where it expired or was lost: stop what it protects."""
    now = utc_now()
    statement = (
        update(leases)
        .where(leases.c.name == name, leases.c.holder == holder, leases.c.expires_at > now)
        .values(expires_at=now + timedelta(seconds=seconds))
    )
    with catalog.write() as connection:
        return bool(connection.execute(statement).rowcount == 1)


@retried
def release_lease(catalog: Catalog, name: str, *, holder: str) -> None:
    """Give the lease back; nothing happens where one does not hold it."""
    with catalog.write() as connection:
        connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))
