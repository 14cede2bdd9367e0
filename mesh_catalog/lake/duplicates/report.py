"""`mesh duplicates`: what is stored and computed twice, with the evidence, the bytes and the builds it costs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import select

from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.catalog.tables import runs
from mesh_catalog.catalog.versions import appended_from
from mesh_catalog.errors import MeshError
from mesh_catalog.lake.duplicates.definitions import dashboard_pairs, kpi_pairs
from mesh_catalog.lake.duplicates.shapes import Shape, read_shape
from mesh_catalog.lake.duplicates.tables import TableFacts, TablePair, find_pairs
from mesh_catalog.lake.profiles import load_window
from mesh_catalog.lake.upkeep_report import read_table_files
from mesh_catalog.workspace import SOURCE, product_reads

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.lake.profile import Profile
    from mesh_catalog.specs import ProductSpec

__all__ = ["Duplicate", "DuplicateReport", "find_duplicates"]

MONTH: Final = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """Two assets of which one would do."""

    kind: Literal["table", "kpi", "dashboard"]
    original: str
    copy: str
    owners: tuple[str | None, str | None]
    """Of the original, and of the copy."""
    relation: str
    """`copy`, `subset` (some of the rows, more filters), `transform` (the same is computed twice)."""
    score: float
    evidence: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column of the copy → column of the original."""
    size_bytes: int | None = None
    """Of the copy: what is stored twice; None where it has no table that can be read."""
    builds: int = 0
    """Of the copy in the last 30 days: what is computed twice."""
    build_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DuplicateReport:
    duplicates: tuple[Duplicate, ...]
    """Tables, then KPIs, then dashboards; the surest first."""
    compared: int
    """Assets that were looked at."""
    unprofiled: tuple[str, ...]
    """Published products without a profile that can be read: told from their transforms alone."""

    @property
    def size_bytes(self) -> int:
        copies = {one.copy: one.size_bytes or 0 for one in self.duplicates}
        return sum(copies.values())


def find_duplicates(mesh: Mesh, *, now: datetime | None = None) -> DuplicateReport:
    """Compare all products, KPIs and dashboards of the workspace; reads contracts, transforms and profiles, no row.

    Raises:
        DocumentError: A transform's inputs cannot be told.
    """
    products = mesh.workspace.products
    unprofiled: list[str] = []
    schemas = {name: _types(product) for name, product in products.items()}
    tables = [_facts(mesh, product, schemas, unprofiled) for product in products.values()]
    pairs = find_pairs(tables)
    costs = _build_costs(mesh, (now or utc_now()) - MONTH)
    same = {pair.copy: pair.original for pair in reversed(pairs)}
    found = [_table(mesh, pair, costs) for pair in pairs]
    kpis, dashboards = mesh.workspace.kpis, mesh.workspace.dashboards
    for kind, owners, several in (
        ("kpi", {name: one.owner for name, one in kpis.items()}, kpi_pairs(list(kpis.values()), same)),
        (
            "dashboard",
            {name: one.owner for name, one in dashboards.items()},
            dashboard_pairs(list(dashboards.values()), same),
        ),
    ):
        found += [
            Duplicate(
                kind=kind,  # type: ignore[arg-type]
                original=pair.original,
                copy=pair.copy,
                owners=(owners[pair.original], owners[pair.copy]),
                relation=pair.relation,
                score=pair.score,
                evidence=pair.evidence,
            )
            for pair in sorted(several, key=lambda pair: (-pair.score, pair.original, pair.copy))
        ]
    return DuplicateReport(
        duplicates=tuple(found),
        compared=len(products) + len(kpis) + len(dashboards),
        unprofiled=tuple(sorted(unprofiled)),
    )


def _types(product: ProductSpec) -> dict[str, str]:
    return {column.name: column.spark_type for column in product.contract.columns}


def _facts(
    mesh: Mesh, product: ProductSpec, schemas: Mapping[str, Mapping[str, str]], unprofiled: list[str]
) -> TableFacts:
    return TableFacts(
        name=product.name,
        columns=schemas[product.name],
        profile=_profile(mesh, product, unprofiled),
        shape=_shape(product, schemas),
        reads=frozenset(name for name in product_reads(product) if name != SOURCE),
    )


def _profile(mesh: Mesh, product: ProductSpec, unprofiled: list[str]) -> Profile | None:
    """The profile of all rows of the newest version; None where no stored one is of all of them."""
    versions = read_versions(mesh.catalog, product.name)
    if not versions:
        return None
    newest = versions[-1].version
    try:
        found = load_window(mesh, product.name, appended_from(versions, newest), newest)
    except (MeshError, OSError):
        unprofiled.append(product.name)
        return None
    total = versions[-1].total_rows
    return found if total is None or found.rows == total else None


def _shape(product: ProductSpec, schemas: Mapping[str, Mapping[str, str]]) -> Shape | None:
    if product.build is None or product.build.suffix != ".sql":
        return None
    source = product.source
    known = dict(schemas)
    if source is not None:
        known[SOURCE] = source.columns or schemas[product.name]
    called = hashlib.sha256(repr((source.format, source.address)).encode()).hexdigest()[:16] if source else SOURCE
    return read_shape(Path(product.build).read_text(encoding="utf-8"), known, source=f"files_{called}")


def _build_costs(mesh: Mesh, since: datetime) -> dict[str, tuple[int, float]]:
    """Product → publishes since then, and the seconds that they took together."""
    query = select(runs.c.product, runs.c.started_at, runs.c.finished_at).where(
        runs.c.kind == "publish", runs.c.outcome == "published", runs.c.started_at >= since
    )
    found: dict[str, tuple[int, float]] = {}
    with mesh.catalog.read() as connection:
        for product, started_at, finished_at in connection.execute(query):
            count, seconds = found.get(product, (0, 0.0))
            took = (finished_at - started_at).total_seconds() if finished_at else 0.0
            found[product] = (count + 1, seconds + took)
    return found


def _table(mesh: Mesh, pair: TablePair, costs: Mapping[str, tuple[int, float]]) -> Duplicate:
    products = mesh.workspace.products
    builds, seconds = costs.get(pair.copy, (0, 0.0))
    return Duplicate(
        kind="table",
        original=pair.original,
        copy=pair.copy,
        owners=(products[pair.original].owner, products[pair.copy].owner),
        relation=pair.kind,
        score=pair.score,
        evidence=pair.evidence,
        columns=pair.columns,
        size_bytes=_size(mesh, pair.copy),
        builds=builds,
        build_seconds=round(seconds, 1),
    )


def _size(mesh: Mesh, product: str) -> int | None:
    if not read_versions(mesh.catalog, product):
        return None
    try:
        return read_table_files(product, table_location(mesh.settings, product)).size_bytes
    except MeshError:
        return None
