"""`mesh report`: what nobody answers for, and what nobody uses, with its size and when it was read last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mesh_catalog.access.audit import last_read
from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.domains import DomainAsset, read_unowned
from mesh_catalog.catalog.inventory import list_products, read_product
from mesh_catalog.catalog.readers import readers_of
from mesh_catalog.catalog.runs import read_versions
from mesh_catalog.errors import MeshError
from mesh_catalog.lake.upkeep_report import UNUSED_AFTER, read_table_files

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["UnusedAsset", "report_unowned", "report_unused"]


@dataclass(frozen=True, kw_only=True)
class UnusedAsset:
    """One line of a report."""

    kind: str
    name: str
    owner: str | None
    size_bytes: int | None
    """Of a product's newest version; None where it has no table that can be read."""
    published_at: datetime | None
    last_read_at: datetime | None
    """By the audit trail, upkeep aside; None: never."""
    status: str | None = None


def report_unowned(mesh: Mesh) -> list[UnusedAsset]:
    """Domains, products, models, dashboards, KPIs and terms that nobody answers for, the largest products first."""
    found = [_line(mesh, one) for one in read_unowned(mesh.catalog)]
    return sorted(found, key=lambda line: (-(line.size_bytes or 0), line.kind, line.name))


def report_unused(mesh: Mesh, *, now: datetime, unused_after: timedelta = UNUSED_AFTER) -> list[UnusedAsset]:
    """Products that nobody has read for so long, that were published longer ago, and that nothing is made from.

    A product that was never published is listed where it was registered longer ago. The largest first.

    Raises:
        StorageError: The lineage of a product is incomplete.
    """
    found = []
    for name in list_products(mesh.catalog):
        record = read_product(mesh.catalog, name)
        line = _line(
            mesh, DomainAsset(kind="product", name=name, owner=record.owner, description=None, status=record.status)
        )
        newest = max(filter(None, (line.published_at or record.registered_at, line.last_read_at)))
        if record.kind == "product" and newest < now - unused_after and not readers_of(mesh.catalog, name):
            found.append(line)
    return sorted(found, key=lambda line: (-(line.size_bytes or 0), line.name))


def _line(mesh: Mesh, asset: DomainAsset) -> UnusedAsset:
    versions = read_versions(mesh.catalog, asset.name) if asset.kind == "product" else []
    return UnusedAsset(
        kind=asset.kind,
        name=asset.name,
        owner=asset.owner,
        size_bytes=_size(mesh, asset.name) if versions else None,
        published_at=versions[-1].committed_at if versions else None,
        last_read_at=last_read(mesh.catalog, asset.name) if asset.kind == "product" else None,
        status=asset.status,
    )


def _size(mesh: Mesh, product: str) -> int | None:
    try:
        return read_table_files(product, table_location(mesh.settings, product)).size_bytes
    except MeshError:
        return None
