"""Incidents: alerts that nobody acknowledged in time. One closes with a check or a test that was not there before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import Connection, select, update

from mesh_catalog.catalog.alerts import AlertRecord
from mesh_catalog.catalog.store import Catalog, retried, unique_row, upsert
from mesh_catalog.catalog.tables import contracts, incidents, products
from mesh_catalog.catalog.versions import NewestVersions
from mesh_catalog.errors import RefusedError

__all__ = [
    "IncidentRecord",
    "Surroundings",
    "close_incident",
    "open_incident",
    "read_incident",
    "read_incidents",
    "read_rules_of",
    "read_surroundings",
]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What there was when an incident was opened."""

    contracts: Mapping[str, str]
    """Product, the subject's own or upstream of it → digest of its contract."""
    versions: Mapping[str, int]
    """Product → its newest version."""
    tests: tuple[str, ...]
    """Short hashes of the workspace's tests."""


@dataclass(frozen=True, kw_only=True)
class IncidentRecord:
    id: str
    alert_id: str
    subject: str
    subject_kind: Literal["product", "model"]
    domain: str
    title: str
    opened_at: datetime
    contracts: Mapping[str, str]
    versions: Mapping[str, int]
    tests: tuple[str, ...]
    closed_at: datetime | None
    closed_by: str | None
    closed_with: str | None
    """`check payments.transactions:tx_amount.maximum`, or `test tests/test_rates.py::test_no_zero_rates`."""
    proof: str | None
    """Whether it would have caught it, in a sentence."""
    proven_version: int | None
    """The version that the check was seen to fail on."""


def read_surroundings(connection: Connection, names: list[str]) -> tuple[dict[str, str], dict[str, int]]:
    """Digests of the contracts that hold now, and newest versions, of products."""
    query = select(products.c.name, products.c.contract_digest).where(products.c.name.in_(names))
    digests = dict(connection.execute(query).tuples().all())
    newest = NewestVersions()
    newest.learn(connection, names)
    return digests, {name: version for name in names if (version := newest.version(name)) is not None}


def open_incident(connection: Connection, alert: AlertRecord, around: Surroundings, *, now: datetime) -> None:
    """Open the alert's incident, in the transaction that escalates it; it has one only."""
    known = connection.execute(select(incidents.c.id).where(incidents.c.alert_id == alert.id)).scalar()
    if known is not None:
        return
    row = {
        **{key: getattr(alert, key) for key in ("subject", "subject_kind", "domain", "title")},
        **asdict(around),
        "id": uuid4().hex[:12],
        "alert_id": alert.id,
        "opened_at": now,
    }
    upsert(connection, incidents, [row])


def read_incidents(catalog: Catalog, subject: str | None = None, *, unclosed: bool = True) -> list[IncidentRecord]:
    """Incidents, the newest first."""
    i = incidents.c
    query = select(incidents).order_by(i.opened_at.desc(), i.id)
    if subject is not None:
        query = query.where(i.subject == subject)
    if unclosed:
        query = query.where(i.closed_at.is_(None))
    with catalog.read() as connection:
        return [_record(row) for row in connection.execute(query).mappings()]


def read_incident(catalog: Catalog, incident_id: str) -> IncidentRecord:
    """An incident by its id, or by the beginning of it.

    Raises:
        NotFoundError: There is none, or more than one begins so.
    """
    none = "incident {}: there is none. List them: mesh incident list"
    several = "incident {}: more than one begins so. Write more of it."
    with catalog.read() as connection:
        return _record(unique_row(connection, incidents, incident_id, none=none, several=several))


def _record(row: Any) -> IncidentRecord:
    values = {name: row[name] for name in IncidentRecord.__dataclass_fields__}
    return IncidentRecord(**{**values, "tests": tuple(row["tests"])})


def read_rules_of(catalog: Catalog, product: str, digest: str) -> list[dict[str, Any]]:
    """The rules of a contract that held once, as they were registered."""
    query = select(contracts.c.rules).where(contracts.c.product == product, contracts.c.digest == digest)
    with catalog.read() as connection:
        return list(connection.execute(query).scalar() or [])


@retried
def close_incident(
    catalog: Catalog,
    incident_id: str,
    *,
    by: str,
    closed_with: str,
    proof: str,
    proven_version: int | None,
    now: datetime,
) -> IncidentRecord:
    """Close an incident, once.

    Raises:
        RefusedError: It is closed.
    """
    values = {
        "closed_at": now,
        "closed_by": by,
        "closed_with": closed_with,
        "proof": proof,
        "proven_version": proven_version,
    }
    i = incidents.c
    with catalog.write() as connection:
        changed = connection.execute(update(incidents).where(i.id == incident_id, i.closed_at.is_(None)).values(values))
        if changed.rowcount != 1:
            raise RefusedError(f"incident {incident_id}: is closed already.")
    return read_incident(catalog, incident_id)
