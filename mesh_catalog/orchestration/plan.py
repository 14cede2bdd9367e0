"""What a run has to do: the stale ones of the products asked for, and of all that these come from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh_catalog.access.rights import input_products
from mesh_catalog.catalog.publish_states import read_publish_states
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.orchestration.staleness import check_staleness
from mesh_catalog.workspace import publish_order
from mesh_catalog.workspace.life_cycles import living_products

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ProductSpec

__all__ = ["PlannedProduct", "plan_run"]


@dataclass(frozen=True, kw_only=True)
class PlannedProduct:
    """A product that a run looks at."""

    product: ProductSpec
    reasons: tuple[str, ...]
    """Why it is stale now; empty where it is fresh."""
    notes: tuple[str, ...]
    follows: tuple[str, ...]
    """What it reads and will be run before it: once that has a new version, this one is stale too."""

    @property
    def to_run(self) -> bool:
        return bool(self.reasons or self.follows)


def plan_run(
    mesh: Mesh, names: Sequence[str] = (), *, downstream: bool = False, force: bool = False
) -> list[PlannedProduct]:
    """Everything that a run looks at, inputs first, fresh products included.

    Args:
        names: Products to bring up to date, with all that they come from; the whole workspace where empty.
        downstream: Take in what comes from them as well.
        force: Run the named ones, or all, even where they are fresh.

    Raises:
        NotFoundError: A name is no product.
        DocumentError: A transform cannot be read, or products read each other in a circle.
    """
    products = mesh.workspace.products
    targets = {mesh.workspace.product(name).name for name in names}
    targets = targets or set(living_products(mesh.workspace, utc_now().date()))
    wanted = _with_upstream(mesh, _with_downstream(mesh, targets) if downstream else targets)
    order = publish_order(mesh.workspace, [name for name in products if name in wanted])
    return _planned(mesh, order, targets if force else ())


def _with_upstream(mesh: Mesh, names: Collection[str]) -> set[str]:
    """The products, and all that they come from."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        product = mesh.workspace.products.get(name)
        if product is not None and name not in found:
            found.add(name)
            todo.extend(input_products(mesh.workspace, mesh.catalog, product))
    return found


def _with_downstream(mesh: Mesh, names: Collection[str]) -> set[str]:
    """The products, and all that comes from them."""
    found = set(names)
    for product in publish_order(mesh.workspace, mesh.workspace.products):
        if found.intersection(input_products(mesh.workspace, mesh.catalog, product)):
            found.add(product.name)
    return found


def _planned(mesh: Mesh, order: Sequence[ProductSpec], forced: Collection[str]) -> list[PlannedProduct]:
    states = read_publish_states(mesh.catalog)
    running: set[str] = set()
    planned = []
    for product in order:
        found = check_staleness(mesh, product, states)
        inputs = input_products(mesh.workspace, mesh.catalog, product)
        item = PlannedProduct(
            product=product,
            reasons=found.reasons or (("--force",) if product.name in forced else ()),
            notes=found.notes,
            follows=tuple(name for name in inputs if name in running),
        )
        planned.append(item)
        if item.to_run:
            running.add(product.name)
    return planned
