"""What an import of a dbt project would write: products with their files, dashboards, and what is left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["DbtPlan", "LeftOut", "PlannedDashboard", "PlannedProduct"]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Something of the project that does not come along."""

    kind: str
    """model, seed, snapshot, source, test, exposure, hook, packages, …"""
    name: str
    reason: str
    """A phrase that follows the name."""


@dataclass(frozen=True, kw_only=True)
class PlannedProduct:
    """One model, seed or source of the project as a product."""

    name: str
    kind: Literal["model", "seed", "source"]
    path: str
    """Where it stands in the project."""
    reads: tuple[str, ...]
    columns: Mapping[str, str]
    """Spark type of each column, in order."""
    write_mode: str
    tests: int
    """Tests that became rules of the contract."""
    texts: Mapping[str, str]
    """Text of each file of its folder, by name."""
    landing: tuple[Path, str] | None = None
    """A file of the project, and where in the workspace its copy goes."""


@dataclass(frozen=True, kw_only=True)
class PlannedDashboard:
    """One exposure."""

    name: str
    reads: tuple[str, ...]
    text: str
    """Its lines in dashboards.yaml."""


@dataclass(frozen=True, kw_only=True)
class DbtPlan:
    """All that an import would write."""

    project: str
    domain: str
    dialect: str | None
    """sqlglot's name; None for what the dialects have in common."""
    dialect_from: str
    """Who says so: the option, the profile, or nobody."""
    products: tuple[PlannedProduct, ...]
    """Inputs first."""
    dashboards: tuple[PlannedDashboard, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    """What came along in another way than dbt has it."""
    domain_files: Mapping[str, str] = field(default_factory=dict)
    """Text of files beside the products' folders: domain.yaml, dashboards.yaml."""
    has_owner: bool = False

    @property
    def written(self) -> tuple[str, ...]:
        """Paths within the workspace."""
        home = f"domains/{self.domain}"
        return (
            *(f"{home}/{name}" for name in self.domain_files),
            *(f"{home}/{one.name.partition('.')[2]}/{file}" for one in self.products for file in one.texts),
            *(one.landing[1] for one in self.products if one.landing),
        )
