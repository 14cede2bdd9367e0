"""Where a version's rows came from: versions of products, and from outside the mesh files, tables and databases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import run_files, run_inputs, versions

__all__ = ["VersionOrigins", "read_origins"]


@dataclass(frozen=True, kw_only=True)
class VersionOrigins:
    version: int
    committed_at: datetime
    products: Mapping[str, int]
    """Product → version that was read."""
    sources: tuple[str, ...]
    """Files (name, bytes, time of change), `delta PATH vN`, `jdbc URL RELATION`; by name."""


def read_origins(catalog: Catalog, product: str) -> list[VersionOrigins]:
    """The origins of every version of a product, oldest first."""
    made = select(versions.c.version, versions.c.run_id, versions.c.committed_at).where(versions.c.product == product)
    runs = select(versions.c.run_id).where(versions.c.product == product)
    inputs: dict[str, dict[str, int]] = {}
    files: dict[str, list[str]] = {}
    with catalog.read() as connection:
        rows = connection.execute(made.order_by(versions.c.version)).all()
        found = select(run_inputs).where(run_inputs.c.run_id.in_(runs)).order_by(run_inputs.c.product)
        for run_id, name, version in connection.execute(found):
            inputs.setdefault(run_id, {})[name] = version
        for run_id, path in connection.execute(
            select(run_files).where(run_files.c.run_id.in_(runs)).order_by(run_files.c.path)
        ):
            files.setdefault(run_id, []).append(path)
    return [
        VersionOrigins(
            version=version,
            committed_at=at,
            products=inputs.get(run_id, {}),
            sources=tuple(files.get(run_id, ())),
        )
        for version, run_id, at in rows
    ]
