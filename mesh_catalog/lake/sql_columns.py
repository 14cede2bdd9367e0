"""Column lineage read off build.sql, for rows whose plan Spark's listener cannot look into.

Rows of a stream's micro-batch, and rows that another product of a set is about to have, reach the plan without the
table that they are of. The text says it all the same: sqlglot follows each column to the inputs' columns.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mesh_catalog.catalog.edges import ColumnEdge

if TYPE_CHECKING:
    from sqlglot.lineage import Node

    from mesh_catalog.specs import ProductSpec

__all__ = ["sql_column_edges"]

_log = logging.getLogger(__name__)


def sql_column_edges(product: ProductSpec, inputs: Mapping[str, Mapping[str, str]]) -> list[ColumnEdge]:
    """The declared column edges of a product that is built by SQL; none of one that Python builds.

    Args:
        inputs: Product → column → Spark type, of the products that it reads.
    """
    if product.build is None or product.build.suffix != ".sql":
        return []
    from sqlglot import MappingSchema
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage

    schema = MappingSchema(dialect="spark")
    for name, columns in inputs.items():
        schema.add_table(name, dict(columns), dialect="spark")
    sql = product.build.read_text(encoding="utf-8").rstrip().rstrip(";")
    found: dict[tuple[str, str, str, str], ColumnEdge] = {}
    for column in product.contract.columns:
        try:
            root = lineage(column.name, sql, schema=schema, dialect="spark")
        except (SqlglotError, ValueError) as error:
            _log.warning("%s: the origin of %s is not read off build.sql (%s)", product.name, column.name, type(error))
            continue
        for name, origin, kind in _origins(root, "IDENTITY"):
            if origin in inputs.get(name, {}):
                edge = ColumnEdge(
                    from_product=name,
                    from_column=origin,
                    to_product=product.name,
                    to_column=column.name,
                    kind=kind,
                    source="declared",
                )
                found[name, origin, column.name, kind] = edge
    return list(found.values())


def _origins(node: Node, kind: str) -> Iterator[tuple[str, str, str]]:
    """Product, column and how, of each column of a table that a node is made of."""
    from sqlglot import exp

    if isinstance(node.expression, exp.Table) and not node.downstream:
        table = node.expression
        yield f"{table.db}.{table.name}", node.name.rpartition(".")[2].strip('`"'), kind
        return
    here = _kind(node.expression, kind)
    for further in node.downstream:
        yield from _origins(further, here)


def _kind(expression: object, kind: str) -> str:
    from sqlglot import exp

    if not isinstance(expression, exp.Alias | exp.Column):
        return kind
    made = expression.unalias()
    if kind == "AGGREGATION" or made.find(exp.AggFunc):
        return "AGGREGATION"
    return kind if isinstance(made, exp.Column) else "TRANSFORMATION"
