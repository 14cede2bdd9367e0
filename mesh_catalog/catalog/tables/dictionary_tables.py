"""Tables of what figures and words mean: KPIs with every definition they ever had, and the glossary."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Index, Named, String, Table, TypedColumns

from mesh_catalog.catalog.tables.base import Counted, UtcDateTime, metadata

__all__ = ["kpi_definitions", "kpis", "term_links", "terms"]


class _Kpis(TypedColumns):
    name = Column(String, primary_key=True)
    domain: Named[str] = Column(ForeignKey("domains.name"), index=True)
    owner: Named[str | None] = Column(ForeignKey("owners.name"))
    title: Named[str | None]
    description: Named[str | None]
    source: Named[str]
    """The product that is its source of truth."""
    unit: Named[str | None]
    grain: Named[str]
    cadence: Named[str | None]
    reason: Named[str | None]
    same_as: Named[str | None]
    target: Named[dict[str, Any] | None] = Column(JSON(none_as_null=True))
    drivers: Named[list[str]] = Column(JSON)
    tags: Named[list[str]] = Column(JSON)
    columns: Named[list[str]] = Column(JSON)
    """The columns of the source that it reads, in lower case."""
    fingerprint: Named[str]
    registered_at: Named[datetime] = Column(UtcDateTime)
    retired_at: Named[datetime | None] = Column(UtcDateTime)


class _KpiDefinitions(TypedColumns):
    position: Named[int] = Column(Counted, primary_key=True)
    kpi: Named[str] = Column(ForeignKey("kpis.name"))
    registered_at: Named[datetime] = Column(UtcDateTime)
    definition: Named[dict[str, Any]] = Column(JSON)
    """Source, time, grain, dimensions, unit and the versions of the formula."""


class _Terms(TypedColumns):
    name = Column(String, primary_key=True)
    domain: Named[str | None] = Column(ForeignKey("domains.name"), index=True)
    """Null for a word of the whole organisation."""
    owner: Named[str | None] = Column(ForeignKey("owners.name"))
    definition: Named[str]
    labels: Named[dict[str, str]] = Column(JSON)
    synonyms: Named[list[str]] = Column(JSON)
    fingerprint: Named[str]
    registered_at: Named[datetime] = Column(UtcDateTime)
    retired_at: Named[datetime | None] = Column(UtcDateTime)


class _TermLinks(TypedColumns):
    term: Named[str] = Column(ForeignKey("terms.name"), primary_key=True)
    asset = Column(String, primary_key=True)
    """A product or a KPI."""
    column = Column(String, primary_key=True)
    """A column of the product; empty where the whole asset is meant."""


kpis = Table("kpis", metadata, _Kpis)
kpi_definitions = Table("kpi_definitions", metadata, _KpiDefinitions, Index(None, "kpi", "position"))
terms = Table("terms", metadata, _Terms)
term_links = Table("term_links", metadata, _TermLinks, Index(None, "asset"))
