"""Where the page of each thing in the catalog is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from mesh_catalog.catalog.nodes import Node

__all__ = ["address_of", "address_of_node"]

_FOLDERS: Final = {
    "product": "products",
    "domain": "domains",
    "kpi": "kpis",
    "model": "models",
    "dashboard": "dashboards",
    "term": "terms",
    "timeline": "timeline",
}


def address_of(kind: str, name: str) -> str:
    """The path of a page; of what is outside the mesh, its lineage."""
    folder = _FOLDERS.get(kind)
    return f"/{folder}/{quote(name, safe='')}" if folder else f"/lineage?{urlencode({'node': name})}"


def address_of_node(node: Node) -> str | None:
    """The page of a node of lineage; files have none."""
    if node.kind == "source":
        return None
    if node.kind == "model_version":
        return address_of("model", node.name.rpartition("@")[0])
    return address_of(node.kind, node.name)
