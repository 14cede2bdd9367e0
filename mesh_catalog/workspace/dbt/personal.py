"""Which columns of a query are made from columns that count as personal, whatever they are called."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from mesh_catalog.specs import split_name

if TYPE_CHECKING:
    from sqlglot.lineage import Node

__all__ = ["made_from_personal"]


def made_from_personal(
    sql: str,
    columns: Collection[str],
    *,
    inputs: Mapping[str, Mapping[str, str]],
    personal: Mapping[str, Collection[str]],
) -> frozenset[str]:
    """The columns whose values come from a personal one, by any expression but a count.

    Args:
        sql: A query in Spark's dialect.
        columns: Names of its columns.
        inputs: Type of each column, by product.
        personal: Names of the personal columns, by product.

    Returns:
        Names among `columns`; all of them where the query cannot be followed and an input has a personal column.
    """
    from sqlglot import errors  # late: a tenth of a second
    from sqlglot.lineage import lineage
    from sqlglot.schema import MappingSchema

    known = {name: {column.lower() for column in found} for name, found in personal.items() if found}
    if not known:
        return frozenset()
    nested: dict[str, Any] = {}
    for name, types in inputs.items():
        domain, product = split_name(name)
        nested.setdefault(domain, {})[product] = dict(types)
    try:
        nodes = lineage(None, sql, MappingSchema(nested, dialect="spark"), dialect="spark")
    except (errors.SqlglotError, ValueError, KeyError, RecursionError):
        return frozenset(columns)
    found = {name.lower(): node for name, node in nodes.items()} if isinstance(nodes, dict) else {}
    return frozenset(name for name in columns if name.lower() not in found or _is_made(found[name.lower()], known))


def _is_made(node: Node, personal: Mapping[str, Collection[str]]) -> bool:
    from sqlglot import exp

    if node.expression.find(exp.Count, exp.CountIf, exp.ApproxDistinct) is not None and not isinstance(
        node.expression, exp.Table
    ):
        return False
    if isinstance(node.expression, exp.Table):
        product = ".".join(part.name for part in node.expression.parts)
        return node.name.rpartition(".")[2].strip('"`').lower() in personal.get(product, ())
    return any(_is_made(one, personal) for one in node.downstream)
