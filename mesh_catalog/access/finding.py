"""Search as a domain team calls it from Python: over the catalog of the workspace around the current folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mesh_catalog.access.mesh import open_mesh
from mesh_catalog.catalog.search import Found, find

__all__ = ["search"]


def search(
    text: str = "", *, where: Mapping[str, Collection[str]] | None = None, limit: int = 20, counts: bool = False
) -> Found:
    """Find products, models and dashboards, best first; a typo or two is forgiven, in Korean too.

    Args:
        text: Words; where there is none, everything that `where` leaves.
        where: Facet → values: kind, domain, owner, tag, classification, status.
        limit: At most so many hits.
        counts: Also count the facets of what was found.

    Raises:
        InputError: There is no such facet, or no such kind.
        SettingsError: No workspace here.
    """
    with open_mesh(with_workspace=False) as mesh:
        return find(mesh.catalog, text, where=where, limit=limit, counts=counts)
