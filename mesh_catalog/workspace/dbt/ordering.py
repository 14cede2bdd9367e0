"""What a project's nodes are called as products, and the order in which they are worked out: inputs first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from mesh_catalog.errors import DocumentError, InputError, nearest
from mesh_catalog.specs import is_name
from mesh_catalog.workspace.dbt.project import DbtProject
from mesh_catalog.workspace.dbt.rendering import Rendered

__all__ = ["in_order", "product_names"]


def product_names(project: DbtProject, domain: str) -> dict[str, str | None]:
    """The product of every node; None where its name cannot be one.

    Raises:
        InputError: Two nodes would be one product.
    """
    found: dict[str, str | None] = {}
    taken: dict[str, str] = {}
    for node in project.nodes.values():
        name = re.sub(r"_+", "_", node.name.lower()).strip("_")
        if not is_name(name):
            found[node.name] = None
            continue
        if name in taken:
            raise InputError(
                f"{node.path}: '{node.name}' and '{taken[name]}' would both be the product {domain}.{name}. Rename one."
            )
        taken[name] = node.name
        found[node.name] = f"{domain}.{name}"
    return found


def in_order(project: DbtProject, names: Iterable[str], rendered: Mapping[str, Rendered]) -> list[str]:
    """Nodes after those that they read.

    Raises:
        DocumentError: One refers to a model that is not there.
        InputError: They read each other in a circle.
    """
    graph: dict[str, list[str]] = {}
    for name in names:
        refs = rendered[name].refs if name in rendered else ()
        graph[name] = [ref for package, ref, _ in refs if _is_node(project, name, package, ref)]
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise InputError(f"models read each other in a circle: {circle}. Break it.") from error
    return [name for name in order if name in graph]


def _is_node(project: DbtProject, name: str, package: str | None, ref: str) -> bool:
    if ref in project.nodes:
        return True
    if package not in (None, project.name) or ref in project.disabled:
        return False
    path = project.root / project.nodes[name].path
    raise DocumentError(f"refers to '{ref[:80]}', which is no model.{nearest(ref, project.nodes)}", path=path)
