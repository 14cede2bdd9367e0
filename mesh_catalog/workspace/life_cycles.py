"""What the life cycles of products mean for each other: successors that are there, and who still reads what ends."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from mesh_catalog.contracts.life_cycle import stage_of
from mesh_catalog.documents import Place, read_document
from mesh_catalog.errors import DocumentError, nearest
from mesh_catalog.specs import ProductSpec

if TYPE_CHECKING:
    from mesh_catalog.workspace.workspace import Workspace

__all__ = ["check_life_cycle", "life_cycle_notes", "living_products"]


def living_products(workspace: Workspace, today: date) -> list[str]:
    """The products that are not retired."""
    return [name for name, one in workspace.products.items() if stage_of(one.contract).stage(today) != "retired"]


def check_life_cycle(product: ProductSpec, products: Mapping[str, ProductSpec], unread: Collection[str]) -> None:
    """Check a product's successor.

    Raises:
        DocumentError: It is no product, or the product itself.
    """
    successor = stage_of(product.contract).successor
    if successor is None or successor in unread:
        return
    if successor == product.name:
        raise _error(product, "successor: a product cannot succeed itself. Name another.")
    if successor not in products:
        raise _error(product, f"successor: there is no product '{successor[:80]}'.{nearest(successor, products)}")


def _error(product: ProductSpec, message: str) -> DocumentError:
    """At the line of the contract's successor."""
    document = read_document(product.folder / "contract.yaml")
    holders: tuple[tuple[Any, Place], ...] = ((document.data, ()), (document.data["schema"][0], ("schema", 0)))
    for holder, place in holders:
        for index, custom in enumerate(holder.get("customProperties", [])):
            if custom["property"] == "successor":
                return document.error(message, *place, "customProperties", index)
    return document.error(message)


def life_cycle_notes(workspace: Workspace, today: date) -> Iterator[str]:
    """Sentences about deprecated and retired products, and about what still reads them."""
    from mesh_catalog.workspace.transforms import product_reads  # late: the SQL parser comes with it

    ending = {}
    for product in workspace.products.values():
        life = stage_of(product.contract)
        stage = life.stage(today)
        if stage in ("deprecated", "retired"):
            ending[product.name] = (stage, life.successor)
        if stage == "deprecated" and life.successor is None:
            yield f"{product.name}: is deprecated and names no successor. Add the customProperty successor."
    if not ending:
        return
    readers: list[tuple[str, str, tuple[str, ...]]] = [
        ("product", one.name, product_reads(one)) for one in workspace.products.values()
    ]
    readers += [("model", one.name, one.input_products) for one in workspace.models.values()]
    readers += [("dashboard", one.name, one.reads) for one in workspace.dashboards.values()]
    readers += [("KPI", one.name, (one.source,)) for one in workspace.kpis.values()]
    for kind, name, reads in readers:
        for read in reads:
            if read in ending:
                stage, successor = ending[read]
                instead = f" Read {successor}." if successor not in (None, name) else ""
                yield f"{kind} {name} reads {read}, which is {stage}.{instead}"
