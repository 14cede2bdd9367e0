"""What the catalog knows of a product, a model or a domain: the reading side of `assets`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import (
    contract_columns,
    contracts,
    dashboards,
    domains,
    kpis,
    models,
    products,
    terms,
    versions,
)
from mesh_catalog.contracts.contract import Column
from mesh_catalog.contracts.life_cycle import LifeCycle, life_cycle_of
from mesh_catalog.errors import NotFoundError, nearest

__all__ = [
    "DashboardRecord",
    "ModelRecord",
    "ProductRecord",
    "RuleRecord",
    "find_kind",
    "kind_in",
    "list_domain",
    "list_products",
    "read_adopted",
    "read_columns",
    "read_contract_document",
    "read_dashboard",
    "read_ending",
    "read_life_cycle",
    "read_model",
    "read_owner",
    "read_personal_columns",
    "read_product",
    "read_rules",
    "read_service_levels",
    "read_version_columns",
    "to_column",
    "unknown_name",
]


_NAMES = 200
"""So many names are compared with one that is not there."""


@dataclass(frozen=True, kw_only=True)
class ProductRecord:
    """A product, or a dataset that the framework writes, as registered last."""

    name: str
    domain: str
    owner: str | None
    on_call: str | None
    kind: str
    description: str | None
    status: str
    tags: tuple[str, ...]
    write_mode: str
    event_time: str | None
    source: str | None
    location: str | None
    """Where an adopted table lies; None for those in the lake."""
    contract_version: str
    contract_digest: str
    registered_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """A model, as registered last."""

    name: str
    domain: str
    owner: str | None
    on_call: str | None
    goal: str
    decides: str | None
    kind: str
    target: str
    algorithm: str
    metric: str
    inputs: tuple[str, ...]
    features: tuple[str, ...]
    training_name: str
    predictions_name: str
    registered_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class DashboardRecord:
    """A dashboard, as registered last."""

    name: str
    domain: str
    owner: str | None
    on_call: str | None
    title: str | None
    kind: str
    url: str | None
    description: str | None
    reads: tuple[str, ...]
    registered_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RuleRecord:
    """A rule of the contract that is registered now."""

    id: str
    kind: str
    column: str | None
    severity: str
    text: str


_NAMED: Mapping[str, Any] = {
    "product": products,
    "model": models,
    "dashboard": dashboards,
    "kpi": kpis,
    "term": terms,
    "domain": domains,
}


def find_kind(catalog: Catalog, name: str) -> str:
    """`product`, `model`, `dashboard`, `kpi`, `term` or `domain`: what `name` is, the first where it is several.

    Raises:
        NotFoundError: It is none.
    """
    with catalog.read() as connection:
        kind = kind_in(connection, name)
    if kind is not None:
        return kind
    raise unknown_name(catalog, name, "product, model, dashboard, KPI, term or domain")


def kind_in(connection: Connection, name: str) -> str | None:
    """`find_kind` on a connection; None where it is none."""
    for kind, table in _NAMED.items():
        if connection.execute(select(table.c.name).where(table.c.name == name)).one_or_none() is not None:
            return kind
    return None


def read_product(catalog: Catalog, name: str) -> ProductRecord:
    """One product.

    Raises:
        NotFoundError: There is none of this name.
    """
    return ProductRecord(**_kept(ProductRecord, _owned_row(catalog, products, name, "product")))


def list_domain(catalog: Catalog, domain: str) -> list[ProductRecord]:
    """The products and datasets of a domain that are not retired, by name."""
    p = products.c
    query = select(products, domains.c.on_call).join(domains, domains.c.name == p.domain)
    with catalog.read() as connection:
        rows = connection.execute(query.where(p.domain == domain, p.retired_at.is_(None)).order_by(p.name)).mappings()
        return [ProductRecord(**_kept(ProductRecord, row)) for row in rows]


def list_products(catalog: Catalog) -> list[str]:
    """The names of all products and datasets that are not retired."""
    query = select(products.c.name).where(products.c.retired_at.is_(None)).order_by(products.c.name)
    with catalog.read() as connection:
        return list(connection.execute(query).scalars())


def read_model(catalog: Catalog, name: str) -> ModelRecord:
    """One model.

    Raises:
        NotFoundError: There is none of this name.
    """
    return ModelRecord(**_kept(ModelRecord, _owned_row(catalog, models, name, "model")))


def read_dashboard(catalog: Catalog, name: str) -> DashboardRecord:
    """One dashboard.

    Raises:
        NotFoundError: There is none of this name.
    """
    return DashboardRecord(**_kept(DashboardRecord, _owned_row(catalog, dashboards, name, "dashboard")))


def read_life_cycle(catalog: Catalog, product: str) -> LifeCycle:
    """Where a product is in its life, by the contract that is registered now."""
    query = select(products.c.status, products.c.contract_digest).where(products.c.name == product)
    with catalog.read() as connection:
        row = connection.execute(query).one_or_none()
        if row is None or row.status not in ("deprecated", "retired"):
            return LifeCycle(status=row.status if row else "active")
        document = _document(connection, product, row.contract_digest)
    return life_cycle_of(row.status, document)


def read_ending(catalog: Catalog, names: Sequence[str]) -> dict[str, str]:
    """Those of the products that are not simply active → their status."""
    p = products.c
    query = select(p.name, p.status).where(p.name.in_(names), p.status != "active")
    with catalog.read() as connection:
        return dict(connection.execute(query).tuples().all())


def read_service_levels(catalog: Catalog, product: str) -> tuple[Mapping[str, Any], ...]:
    """The service levels of the contract that is registered now, as ODCS writes them."""
    with catalog.read() as connection:
        document = _document(connection, product, _current_digest(connection, product))
    return tuple(document.get("slaProperties") or ())


def _document(connection: Connection, product: str, digest: str | None) -> Mapping[str, Any]:
    held = (contracts.c.product == product) & (contracts.c.digest == digest)
    return connection.execute(select(contracts.c.document).where(held)).scalar() or {}


def read_adopted(catalog: Catalog) -> dict[str, str]:
    """Product → where its table lies, of those that were adopted."""
    query = select(products.c.name, products.c.location).where(products.c.location.is_not(None))
    with catalog.read() as connection:
        return {name: str(location) for name, location in connection.execute(query)}


def read_owner(catalog: Catalog, product: str) -> str | None:
    """Who answers for a product.

    Raises:
        NotFoundError: There is no such product.
    """
    return read_product(catalog, product).owner


def read_columns(catalog: Catalog, product: str) -> tuple[Column, ...]:
    """The columns of the contract that is registered now, in its order."""
    with catalog.read() as connection:
        return _columns(connection, product, _current_digest(connection, product))


def read_version_columns(catalog: Catalog, product: str, version: int) -> tuple[Column, ...]:
    """The columns that a version of the table was published with; today's where that is not known."""
    query = select(versions.c.contract_digest).where(versions.c.product == product, versions.c.version == version)
    with catalog.read() as connection:
        digest = connection.execute(query).scalar() or _current_digest(connection, product)
        return _columns(connection, product, digest)


def read_personal_columns(catalog: Catalog, product: str) -> frozenset[str]:
    """Columns that are personal in the contract that is registered now."""
    return frozenset(column.name for column in read_columns(catalog, product) if column.personal)


def read_contract_document(catalog: Catalog, product: str) -> dict[str, Any]:
    """The ODCS document of the contract that is registered now; empty where there is none."""
    with catalog.read() as connection:
        digest = _current_digest(connection, product)
        query = select(contracts.c.document).where(contracts.c.product == product, contracts.c.digest == digest)
        return dict(connection.execute(query).scalar() or {})


def read_rules(catalog: Catalog, product: str) -> tuple[RuleRecord, ...]:
    """The rules of the contract that is registered now, in its order."""
    with catalog.read() as connection:
        digest = _current_digest(connection, product)
        query = select(contracts.c.rules).where(contracts.c.product == product, contracts.c.digest == digest)
        found = connection.execute(query).scalar()
    return tuple(RuleRecord(**rule) for rule in found or ())


def _current_digest(connection: Connection, product: str) -> str | None:
    return connection.execute(select(products.c.contract_digest).where(products.c.name == product)).scalar()


def _columns(connection: Connection, product: str, digest: str | None) -> tuple[Column, ...]:
    c = contract_columns.c
    query = select(contract_columns).where(c.product == product, c.digest == digest).order_by(c.position)
    return tuple(to_column(row) for row in connection.execute(query).mappings())


def to_column(row: Mapping[str, Any] | RowMapping) -> Column:
    """A column of a contract, from its row."""
    return Column(
        name=row["name"],
        logical_type=row["logical_type"],
        spark_type=row["spark_type"],
        required=row["required"],
        unique=row["is_unique"],
        primary_key_position=row["primary_key_position"],
        classification=row["classification"],
        description=row["description"],
        tags=tuple(row["tags"]),
    )


def _owned_row(catalog: Catalog, table: Any, name: str, what: str) -> RowMapping:
    """The row of this name, with the on-call of its domain."""
    query = select(table, domains.c.on_call).join(domains, domains.c.name == table.c.domain)
    with catalog.read() as connection:
        row = connection.execute(query.where(table.c.name == name)).mappings().one_or_none()
    if row is None:
        raise unknown_name(catalog, name, what)
    return row


def _kept(kind: type[Any], row: RowMapping) -> dict[str, Any]:
    """The row's values that the record has; lists, which JSON gives, as tuples."""
    values = {name: row[name] for name in kind.__dataclass_fields__}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def unknown_name(catalog: Catalog, name: str, what: str) -> NotFoundError:
    """The error that nothing of these kinds has a name; says what is near: of all where they are few, else by search.

    Args:
        what: The kinds as a person writes them, for example `product or model`.
    """
    from mesh_catalog.catalog.search import search  # late: only who mistypes pays for it

    asked = {kind: table for kind, table in _NAMED.items() if kind in what.lower().replace(",", "").split()}
    known: set[str] = set()
    with catalog.read() as connection:
        for table in asked.values():
            known |= set(connection.execute(select(table.c.name).limit(_NAMES)).scalars())
    if len(known) >= _NAMES:
        known |= {hit.name for hit in search(catalog, name.rpartition(".")[2], limit=50) if hit.kind in asked}
    if not known:
        return NotFoundError(f"{name[:80]}: no such {what}; the catalog has none. Fill it: mesh publish")
    return NotFoundError(f"{name[:80]}: no such {what} in the catalog.{nearest(name, known)}")
