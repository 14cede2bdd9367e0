"""The order in which products are published: inputs first, and what their rules refer to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from mesh_catalog.errors import DocumentError, nearest
from mesh_catalog.specs import ProductSpec
from mesh_catalog.workspace.transforms import SOURCE, reads_with_lines

if TYPE_CHECKING:
    from mesh_catalog.workspace.workspace import Workspace

__all__ = ["check_reads", "publish_order"]


def publish_order(workspace: Workspace, names: Iterable[str]) -> list[ProductSpec]:
    """The named products, each after those it reads, directly or through others; otherwise in the order given.

    Raises:
        NotFoundError: A name is no product.
        DocumentError: A transform cannot be read, reads an unknown product, or products read each other in a circle.
    """
    wanted = list(dict.fromkeys(names))
    products = {name: workspace.product(name) for name in wanted}
    done: dict[str, None] = {}
    for name in wanted:
        _visit(workspace, name, done)
    return [products[name] for name in done if name in products]


def _visit(workspace: Workspace, name: str, done: dict[str, None]) -> None:
    """Depth first without recursion, for a chain of products may be long: inputs are put into `done` first."""
    trail: dict[str, list[str]] = {}
    here: str | None = name
    while here is not None:
        if here not in trail:
            trail[here] = [] if here in done else list(reversed(_inputs(workspace, here)))
        if not trail[here]:
            del trail[here]
            done.setdefault(here)
            here = next(reversed(trail), None)
            continue
        following = trail[here].pop()
        if following in trail:
            raise _cycle(workspace, [*trail], following)
        here = following


def _inputs(workspace: Workspace, name: str) -> list[str]:
    product = workspace.products.get(name)
    if product is None:  # a dataset that a model writes
        return []
    reads = check_reads(product, {*workspace.products, *workspace.model_datasets})
    return list(dict.fromkeys([*reads, *product.contract.needed_products]))


def check_reads(product: ProductSpec, known: Collection[str]) -> list[str]:
    """The products that a product reads, all of them among the known ones.

    Raises:
        DocumentError: One of them is unknown, or the transform cannot be read.
    """
    found = reads_with_lines(product)
    for name, line in found.items():
        if name != SOURCE and name not in known:
            raise DocumentError(
                f"there is no product '{name[:80]}'.{nearest(name, known)}",
                path=product.build or product.folder,
                line=line,
            )
    changes = product.contract.read_changes
    if changes is not None and changes.product not in found:
        raise DocumentError(
            f"readChanges names '{changes.product[:80]}', but the transform does not read it."
            f"{nearest(changes.product, [name for name in found if name != SOURCE])}",
            path=product.contract.path or product.folder,
        )
    return [name for name in found if name != SOURCE]


def _cycle(workspace: Workspace, trail: list[str], back_to: str) -> DocumentError:
    circle = [*trail[trail.index(back_to) :], back_to]
    product = workspace.products[trail[-1]]
    return DocumentError(
        f"products read each other in a circle: {' -> '.join(circle)}. Break it.",
        path=product.build or product.folder,
    )
