"""Tables of what exists: owners, domains, products, contracts, models, dashboards."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, ForeignKeyConstraint, Index, Named, String, Table, TypedColumns, text

from mesh_catalog.catalog.tables.base import UtcDateTime, metadata

__all__ = ["contract_columns", "contracts", "dashboards", "domains", "models", "owners", "products"]


class _Owners(TypedColumns):
    name = Column(String, primary_key=True)


class _Domains(TypedColumns):
    name = Column(String, primary_key=True)
    owner: Named[str | None] = Column(ForeignKey("owners.name"))
    on_call: Named[str | None]
    description: Named[str | None]
    members: Named[list[str] | None] = Column(JSON(none_as_null=True))
    """Principals who may decide for it, beside the owner."""
    fingerprint: Named[str]
    retired_at: Named[datetime | None] = Column(UtcDateTime)


class _Products(TypedColumns):
    name = Column(String, primary_key=True)
    domain: Named[str] = Column(ForeignKey("domains.name"), index=True)
    owner: Named[str | None] = Column(ForeignKey("owners.name"))
    kind: Named[str]
    """`product`: a folder of the workspace; `dataset`: written by the framework itself."""
    description: Named[str | None]
    status: Named[str]
    tags: Named[list[str]] = Column(JSON)
    write_mode: Named[str]
    event_time: Named[str | None]
    source: Named[str | None]
    """The files, the table or the database that it is built from, as source.yaml says."""
    location: Named[str | None]
    """Where an adopted table lies; null for those in the lake."""
    contract_version: Named[str]
    contract_digest: Named[str]
    fingerprint: Named[str]
    """Digest of all that was registered: equal means there is nothing to write."""
    registered_at: Named[datetime] = Column(UtcDateTime)
    retired_at: Named[datetime | None] = Column(UtcDateTime)


class _Contracts(TypedColumns):
    product: Named[str] = Column(ForeignKey("products.name"), primary_key=True)
    digest = Column(String, primary_key=True)
    version: Named[str]
    rules: Named[list[dict[str, Any]]] = Column(JSON)
    document: Named[dict[str, Any]] = Column(JSON)
    registered_at: Named[datetime] = Column(UtcDateTime)


class _ContractColumns(TypedColumns):
    product = Column(String, primary_key=True)
    digest = Column(String, primary_key=True)
    name = Column(String, primary_key=True)
    position: Named[int]
    logical_type: Named[str]
    spark_type: Named[str]
    required: Named[bool]
    is_unique: Named[bool]
    primary_key_position: Named[int | None]
    classification: Named[str | None]
    """As registered; `personal?` is a suggestion that nobody has decided."""
    description: Named[str | None]
    tags: Named[list[str]] = Column(JSON)


class _Models(TypedColumns):
    name = Column(String, primary_key=True)
    domain: Named[str] = Column(ForeignKey("domains.name"), index=True)
    owner: Named[str | None] = Column(ForeignKey("owners.name"))
    goal: Named[str]
    decides: Named[str | None]
    kind: Named[str]
    target: Named[str]
    """`domain.product.column`"""
    algorithm: Named[str]
    metric: Named[str]
    inputs: Named[list[str]] = Column(JSON)
    features: Named[list[str]] = Column(JSON)
    training_name: Named[str]
    predictions_name: Named[str] = Column(index=True)
    fingerprint: Named[str]
    registered_at: Named[datetime] = Column(UtcDateTime)
    retired_at: Named[datetime | None] = Column(UtcDateTime)


class _Dashboards(TypedColumns):
    name = Column(String, primary_key=True)
    domain: Named[str] = Column(ForeignKey("domains.name"), index=True)
    owner: Named[str | None] = Column(ForeignKey("owners.name"))
    title: Named[str | None]
    kind: Named[str]
    """dashboard, notebook, analysis, ml, application"""
    url: Named[str | None]
    description: Named[str | None]
    reads: Named[list[str]] = Column(JSON)
    fingerprint: Named[str]
    registered_at: Named[datetime] = Column(UtcDateTime)
    retired_at: Named[datetime | None] = Column(UtcDateTime)


owners = Table("owners", metadata, _Owners)
domains = Table("domains", metadata, _Domains)
_adopted = text("location IS NOT NULL")
products = Table(
    "products",
    metadata,
    _Products,
    Index("ix_products_adopted", "name", sqlite_where=_adopted, postgresql_where=_adopted),
)
contracts = Table("contracts", metadata, _Contracts)
contract_columns = Table(
    "contract_columns",
    metadata,
    _ContractColumns,
    ForeignKeyConstraint(["product", "digest"], ["contracts.product", "contracts.digest"]),
    sqlite_with_rowid=False,
)
models = Table("models", metadata, _Models)
dashboards = Table("dashboards", metadata, _Dashboards)
