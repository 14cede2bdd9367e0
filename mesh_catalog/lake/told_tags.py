"""Personal data that a product will receive, as far as build.sql tells: known before anything is published.

What a transform in Python, an aggregate or a plan makes of it is judged at publish (received.py), which sees all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mesh_catalog.contracts.contract import PERSONAL_CLASSIFICATIONS
from mesh_catalog.lake.sql_columns import sql_column_edges
from mesh_catalog.workspace import product_reads, publish_order

if TYPE_CHECKING:
    from mesh_catalog.contracts.contract import Column
    from mesh_catalog.specs import ProductSpec
    from mesh_catalog.workspace import Workspace

__all__ = ["Undeclared", "undeclared_columns"]

_CARRIES: Final = ("IDENTITY", "TRANSFORMATION")
_RANK: Final = {name: rank for rank, name in enumerate(("", *PERSONAL_CLASSIFICATIONS))}
_Tags = dict[tuple[str, str], tuple[str, tuple[str, ...]]]
"""Product and column → the classification, and the path to where it is declared."""


@dataclass(frozen=True, kw_only=True)
class Undeclared:
    """A column that is made of personal data, which its contract does not say."""

    product: ProductSpec
    column: str
    classification: str
    path: tuple[str, ...]
    """From the column to where the data is declared."""

    @property
    def sentence(self) -> str:
        origin = f"{self.path[-1]} ({self.classification}): {' ← '.join(self.path)}"
        advice = f"Write classification: {self.classification}, or deidentified with a reason."
        return f"column '{self.column}' is made of {origin}. {advice}"


def undeclared_columns(workspace: Workspace) -> list[Undeclared]:
    """The columns of a workspace that receive personal data and do not declare it, inputs before what reads them.

    Raises:
        DocumentError: A transform cannot be read, or products read each other in a circle.
    """
    tags: _Tags = {}
    found: list[Undeclared] = []
    for product in publish_order(workspace, sorted(workspace.products)):
        for column in product.contract.columns:
            if column.personal:
                name = f"{product.name}.{column.name}"
                tags[product.name, column.name] = (_classification(column), (name,))
        found += _received(workspace, product, tags)
    return found


def _received(workspace: Workspace, product: ProductSpec, tags: _Tags) -> Iterator[Undeclared]:
    """Findings of one product; what it receives joins `tags`."""
    reads = [name for name in product_reads(product) if name in workspace.products] if product.build else []
    inputs: dict[str, Mapping[str, str]] = {
        name: {column.name: column.spark_type for column in workspace.products[name].contract.columns}
        for name in reads
        if any(other == name for other, _ in tags)
    }
    if not inputs:
        return
    said = product.contract.rights.deidentified
    declared = {column.name: _classification(column) for column in product.contract.columns if column.personal}
    for edge in sql_column_edges(product, inputs):
        came = tags.get((edge.from_product, edge.from_column))
        known, path = tags.get((product.name, edge.to_column), ("", ()))
        if came is None or edge.kind not in _CARRIES or edge.to_column in said:
            continue
        if (_RANK[known], len(path)) > (_RANK[came[0]], 1):  # a path that was found already
            continue
        path = (f"{product.name}.{edge.to_column}", *came[1])
        tags[product.name, edge.to_column] = (came[0], path)
        if _RANK[declared.get(edge.to_column, "")] < _RANK[came[0]]:
            yield Undeclared(product=product, column=edge.to_column, classification=came[0], path=path)


def _classification(column: Column) -> str:
    return (column.classification or "").rstrip("?")
