"""What words and figures mean: KPIs and terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from mesh_catalog.specs.domains import DomainSpec

__all__ = ["KpiFormula", "KpiGrain", "KpiSpec", "KpiTarget", "TermSpec"]

KpiGrain = Literal["hour", "day", "week", "month", "quarter", "year"]


@dataclass(frozen=True, kw_only=True)
class KpiFormula:
    """One version of a KPI's formula."""

    valid_from: date | None
    """The first day whose periods it counts for; None: since ever."""
    formula: str
    """An aggregating SQL expression over columns of the source, as it was parsed and written anew."""
    filters: tuple[str, ...] = ()
    canonical: tuple[str, ...] = ()
    """Equal for formulas and filters that mean the same."""
    columns: tuple[str, ...] = ()
    """What formula and filters use, in lower case."""
    shown: tuple[str, ...] = ()
    """Those of them whose values can come out."""
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class KpiTarget:
    """What the value should be: at least, at most, or between."""

    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        parts = [f">= {self.at_least:g}" if self.at_least is not None else ""]
        parts.append(f"<= {self.at_most:g}" if self.at_most is not None else "")
        return " and ".join(filter(None, parts))


@dataclass(frozen=True, kw_only=True)
class KpiSpec:
    """An entry of kpis.yaml: what a figure means, for everybody who names it."""

    name: str
    """`domain.name`"""
    domain: DomainSpec
    title: str | None
    description: str | None
    source: str
    """The product that is its source of truth."""
    time: str | None
    """The column that says when a row counts; the product's event time where None."""
    grain: KpiGrain
    dimensions: tuple[str, ...]
    unit: str | None
    formulas: tuple[KpiFormula, ...]
    """Oldest first."""
    target: KpiTarget | None
    cadence: str | None
    reason: str | None
    """Why this figure was chosen."""
    declared_owner: str | None
    drivers: tuple[str, ...]
    """KPIs that move before this one does."""
    tags: tuple[str, ...]
    same_as: str | None = None
    """The KPI of another domain whose definition it takes."""
    index: int = 0
    """Its place in the file."""
    path: Path

    @property
    def owner(self) -> str | None:
        """Who answers for it; the domain's owner where nobody is named."""
        return self.declared_owner or self.domain.owner

    @property
    def meaning(self) -> tuple[object, ...]:
        """Equal for KPIs that are defined alike; names, owners, targets and reasons do not count."""
        formulas = tuple((one.valid_from, one.canonical) for one in self.formulas)
        return self.source, self.time, self.grain, (self.unit or "").casefold(), formulas


@dataclass(frozen=True, kw_only=True)
class TermSpec:
    """An entry of a glossary.yaml: a word, what it means here, and where it is in the data."""

    name: str
    """`domain.glossary.term`, or `glossary.term` for a word of the whole organisation."""
    domain: DomainSpec | None
    labels: Mapping[str, str]
    """Language (ISO 639) → how people write it."""
    definition: str
    synonyms: tuple[str, ...]
    links: tuple[str, ...]
    """Products, their columns (`domain.product.column`) and KPIs that the word names."""
    declared_owner: str | None
    index: int = 0
    path: Path

    @property
    def owner(self) -> str | None:
        return self.declared_owner or (self.domain.owner if self.domain else None)
