"""What the catalog knows of a domain: its people, and all that it offers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, null, select

from mesh_catalog.catalog.inventory import unknown_name
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import dashboards, domains, kpis, models, products, terms

__all__ = ["DomainAsset", "DomainRecord", "list_domains", "read_domain", "read_domain_assets", "read_unowned"]

_TABLES: dict[str, Any] = {
    "product": products,
    "model": models,
    "dashboard": dashboards,
    "kpi": kpis,
    "term": terms,
}


@dataclass(frozen=True, kw_only=True)
class DomainRecord:
    """A domain, as registered last."""

    name: str
    owner: str | None
    on_call: str | None
    description: str | None
    members: tuple[str, ...]
    retired_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class DomainAsset:
    """Something that a domain offers."""

    kind: str
    name: str
    owner: str | None
    description: str | None
    status: str | None
    """Of a product, where it is in its life."""


def read_domain(catalog: Catalog, name: str) -> DomainRecord:
    """One domain.

    Raises:
        NotFoundError: There is none of this name.
    """
    with catalog.read() as connection:
        row = connection.execute(select(domains).where(domains.c.name == name)).mappings().one_or_none()
    if row is None:
        raise unknown_name(catalog, name, "domain")
    return _domain(row)


def list_domains(catalog: Catalog) -> list[tuple[DomainRecord, int]]:
    """The domains that are not retired, by name, with how many products each has."""
    p = products.c
    counted = select(p.domain, func.count()).where(p.retired_at.is_(None), p.kind == "product").group_by(p.domain)
    with catalog.read() as connection:
        counts = dict(connection.execute(counted).tuples().all())
        rows = connection.execute(select(domains).where(domains.c.retired_at.is_(None)).order_by(domains.c.name))
        return [(_domain(row), counts.get(row["name"], 0)) for row in rows.mappings()]


def read_domain_assets(catalog: Catalog, domain: str) -> list[DomainAsset]:
    """What a domain offers and is not retired, by kind and name; datasets of the framework are left out."""
    found = []
    with catalog.read() as connection:
        for kind, table in _TABLES.items():
            query = _assets(kind, table).where(table.c.domain == domain)
            found += [DomainAsset(kind=kind, **row) for row in connection.execute(query).mappings()]
    return found


def read_unowned(catalog: Catalog) -> list[DomainAsset]:
    """Everything that is not retired and that nobody answers for, domains first."""
    d = domains.c
    query = select(d.name, d.owner, d.description).where(d.owner.is_(None), d.retired_at.is_(None)).order_by(d.name)
    with catalog.read() as connection:
        found = [DomainAsset(kind="domain", status=None, **row) for row in connection.execute(query).mappings().all()]
        for kind, table in _TABLES.items():
            unowned = _assets(kind, table).where(table.c.owner.is_(None))
            found += [DomainAsset(kind=kind, **row) for row in connection.execute(unowned).mappings()]
    return found


def _domain(row: RowMapping) -> DomainRecord:
    values = {key: row[key] for key in DomainRecord.__dataclass_fields__}
    return DomainRecord(**{**values, "members": tuple(row["members"] or ())})


def _assets(kind: str, table: Any) -> Any:
    c = table.c
    told = c[{"model": "goal", "term": "definition"}.get(kind, "description")]
    if kind in ("kpi", "dashboard"):
        told = func.coalesce(told, c.title)
    columns = [c.name, c.owner, told.label("description")]
    columns.append(c.status if kind == "product" else null().label("status"))
    query = select(*columns).where(c.retired_at.is_(None)).order_by(c.name)
    return query.where(c.kind == "product") if kind == "product" else query
