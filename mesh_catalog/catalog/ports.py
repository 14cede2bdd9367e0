"""A product's ports: what it reads, what it offers, and who reads that."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_catalog.catalog.lineage import Direction, lineage
from mesh_catalog.catalog.store import Catalog

__all__ = ["Ports", "read_ports"]


@dataclass(frozen=True, kw_only=True)
class Ports:
    """One step of lineage each way, as a person calls it."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    """The product's own table, and those of the rows that were kept out of it."""
    readers: tuple[str, ...]


def read_ports(catalog: Catalog, product: str) -> Ports:
    """The ports of a product, also where its lineage has gaps.

    Raises:
        NotFoundError: There is nothing of this name.
    """
    readers = _near(catalog, product, "downstream")
    kept_out = tuple(name for name in readers if name.startswith(f"{product}__"))
    return Ports(
        inputs=_near(catalog, product, "upstream"),
        outputs=(product, *kept_out),
        readers=tuple(name for name in readers if name not in kept_out),
    )


def _near(catalog: Catalog, product: str, direction: Direction) -> tuple[str, ...]:
    graph = lineage(catalog, product, direction=direction, depth=1, allow_incomplete=True)
    return tuple(node.label for node in graph.nodes if node.key != graph.root)
