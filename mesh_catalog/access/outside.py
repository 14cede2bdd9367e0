"""Which datasets of other producers are tables of this mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh_catalog.catalog.openlineage.naming import Resolve, location_resolver

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["resolver"]


def resolver(mesh: Mesh) -> Resolve:
    """Finds the product whose table an OpenLineage dataset is: in the lake, or where it was adopted."""
    return location_resolver(mesh.settings.lake, mesh.settings.adopted)
