"""Data products, where their rows come from, and the dashboards that show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from mesh_catalog.contracts.contract import Contract
from mesh_catalog.specs.domains import DomainSpec
from mesh_catalog.specs.monitors import MonitorSpec

__all__ = [
    "DashboardKind",
    "DashboardSpec",
    "DatabaseSpec",
    "PartitionSpec",
    "ProductSpec",
    "SourceFormat",
    "SourceSpec",
]

DashboardKind = Literal["dashboard", "notebook", "analysis", "ml", "application"]


@dataclass(frozen=True, kw_only=True)
class PartitionSpec:
    """Reading a database's rows in several queries at once, by ranges of a column of numbers or times."""

    column: str
    lower: str
    upper: str
    """Bounds that only say how the ranges are cut: rows outside them are read too."""
    number: int


@dataclass(frozen=True, kw_only=True)
class DatabaseSpec:
    """The part of source.yaml that names a database. Holds no password, only the name of its variable."""

    url: str
    """JDBC's, without user and password."""
    user: str | None
    password_env: str | None
    table: str | None = None
    query: str | None = None
    """One of table and query is given."""
    incremental: str | None = None
    """A column that only grows: each publish reads the rows above the highest value of the last one."""
    partition: PartitionSpec | None = None

    @property
    def relation(self) -> str:
        """What is read, as it is shown."""
        return self.table or " ".join(str(self.query).split())


SourceFormat = Literal["csv", "json", "parquet", "binary", "delta", "jdbc"]


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """source.yaml: where the rows come from that a product is built from."""

    format: SourceFormat
    path: str = ""
    """Glob of files, or a Delta table; inside the workspace or as a URI. Empty for a database."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Of Spark's reader; a closed set for each format."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Spark type of each column in the file; empty where the source knows its own."""
    broken_rows: Literal["refuse", "quarantine"] = "refuse"
    """What becomes of a batch with rows that cannot be read."""
    settled: timedelta = timedelta(0)
    """A file that changed less than this ago is left for the next publish."""
    rotating: bool = False
    """Log files are renamed and compressed: a file is known by its beginning, not by its name."""
    file_limit_bytes: int = 64 * 1024 * 1024
    """Of format binary: a larger file is refused."""
    version: int | None = None
    """Of a Delta table; the newest where None."""
    database: DatabaseSpec | None = None

    @property
    def address(self) -> str:
        """Where it is, as the catalog and messages show it."""
        return f"{self.database.url} {self.database.relation}" if self.database else self.path

    @property
    def whole(self) -> bool:
        """Whether each publish reads everything: nothing says which rows are new."""
        return self.format == "delta" or (self.database is not None and self.database.incremental is None)


@dataclass(frozen=True, kw_only=True)
class ProductSpec:
    """A folder that is a data product."""

    name: str
    domain: DomainSpec
    folder: Path
    contract: Contract
    build: Path | None
    """build.sql or build.py; None for datasets that the framework writes itself (training frames, predictions)."""
    source: SourceSpec | None = None
    monitor: MonitorSpec | None = None
    """monitor.yaml; None where there is none."""

    @property
    def owner(self) -> str | None:
        return self.domain.owner


@dataclass(frozen=True, kw_only=True)
class DashboardSpec:
    """An entry of dashboards.yaml: something outside the mesh that shows products to people."""

    name: str
    """`domain.name`"""
    domain: DomainSpec
    title: str | None
    kind: DashboardKind
    url: str | None
    declared_owner: str | None
    description: str | None
    reads: tuple[str, ...]
    path: Path

    @property
    def owner(self) -> str | None:
        """Who answers for it; the domain's owner where nobody is named."""
        return self.declared_owner or self.domain.owner
