"""What the catalog knows of KPIs: as registered now, and which definition held at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import RowMapping, select

from mesh_catalog.catalog.inventory import unknown_name
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import domains, kpi_definitions, kpis
from mesh_catalog.specs import KpiGrain, KpiTarget

if TYPE_CHECKING:
    from mesh_catalog.specs import KpiSpec

__all__ = [
    "FormulaRecord",
    "KpiDefinition",
    "KpiRecord",
    "list_kpis",
    "read_definition",
    "read_definitions",
    "read_kpi",
]


@dataclass(frozen=True, kw_only=True)
class KpiRecord:
    """A KPI, as registered last."""

    name: str
    domain: str
    owner: str | None
    on_call: str | None
    title: str | None
    description: str | None
    source: str
    unit: str | None
    grain: str
    cadence: str | None
    reason: str | None
    same_as: str | None
    target: KpiTarget | None
    drivers: tuple[str, ...]
    tags: tuple[str, ...]
    columns: tuple[str, ...]
    registered_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class FormulaRecord:
    """One version of a formula."""

    valid_from: date | None
    formula: str
    filters: tuple[str, ...]
    reason: str | None

    @property
    def text(self) -> str:
        return f"{self.formula} where {' and '.join(self.filters)}" if self.filters else self.formula


@dataclass(frozen=True, kw_only=True)
class KpiDefinition:
    """How a KPI was computed from `registered_at` on, until the next definition."""

    registered_at: datetime
    source: str
    time: str | None
    grain: KpiGrain
    dimensions: tuple[str, ...]
    unit: str | None
    formulas: tuple[FormulaRecord, ...]
    """Oldest first."""


def read_kpi(catalog: Catalog, name: str) -> KpiRecord:
    """One KPI.

    Raises:
        NotFoundError: There is none of this name.
    """
    query = select(kpis, domains.c.on_call).join(domains, domains.c.name == kpis.c.domain)
    with catalog.read() as connection:
        row = connection.execute(query.where(kpis.c.name == name)).mappings().one_or_none()
    if row is None:
        raise unknown_name(catalog, name, "KPI")
    return _record(row)


def list_kpis(catalog: Catalog) -> list[KpiRecord]:
    """The KPIs that are not retired, by name."""
    query = (
        select(kpis, domains.c.on_call)
        .join(domains, domains.c.name == kpis.c.domain)
        .where(kpis.c.retired_at.is_(None))
        .order_by(kpis.c.name)
    )
    with catalog.read() as connection:
        return [_record(row) for row in connection.execute(query).mappings()]


def read_definitions(catalog: Catalog, name: str) -> list[KpiDefinition]:
    """Every definition that a KPI ever had, oldest first."""
    query = select(kpi_definitions).where(kpi_definitions.c.kpi == name).order_by(kpi_definitions.c.position)
    with catalog.read() as connection:
        return [_definition(row.registered_at, row.definition) for row in connection.execute(query)]


def read_definition(catalog: Catalog, name: str, moment: datetime | None = None) -> KpiDefinition:
    """The definition that held at a moment, the newest where None; the first one where it is from before it.

    Raises:
        NotFoundError: There is no such KPI.
    """
    read_kpi(catalog, name)
    known = read_definitions(catalog, name)
    if moment is None:
        return known[-1]
    before = [one for one in known if one.registered_at <= moment.astimezone(UTC)]
    return before[-1] if before else known[0]


def rewritten_formulas(catalog: Catalog, kpi: KpiSpec) -> list[str]:
    """Sentences about versions of the formula that are registered already and that the workspace now says otherwise."""
    known = read_definitions(catalog, kpi.name)
    before = {one.valid_from: (one.formula, one.filters) for one in known[-1].formulas} if known else {}
    return [
        f"{kpi.name}: the formula valid {one.valid_from or 'since ever'} is written anew, and values"
        " that people saw change. Add a version with valid_from, unless it corrects a mistake."
        for one in kpi.formulas
        if before.get(one.valid_from, (one.formula, one.filters)) != (one.formula, one.filters)
    ]


def _record(row: RowMapping) -> KpiRecord:
    values = {key: row[key] for key in KpiRecord.__dataclass_fields__}
    listed = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    target = row["target"]
    return KpiRecord(**{**values, **listed, "target": None if target is None else KpiTarget(**target)})


def _definition(registered_at: datetime, stored: Mapping[str, Any]) -> KpiDefinition:
    formulas = tuple(
        FormulaRecord(
            valid_from=None if one["valid_from"] is None else date.fromisoformat(one["valid_from"]),
            formula=one["formula"],
            filters=tuple(one["filters"]),
            reason=one["reason"],
        )
        for one in stored["formulas"]
    )
    return KpiDefinition(
        registered_at=registered_at,
        source=stored["source"],
        time=stored["time"],
        grain=stored["grain"],
        dimensions=tuple(stored["dimensions"]),
        unit=stored["unit"],
        formulas=formulas,
    )
