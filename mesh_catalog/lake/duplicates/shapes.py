"""The shape of a transform: what a query reads, makes, filters and groups by, however it is written.

WITH parts and subqueries are merged where that changes nothing, aliases are resolved to the products they stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mesh_catalog.contracts.formulas import canonical_text

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["Shape", "read_shape"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a query does."""

    sources: tuple[str, ...]
    """Products, each as often as it is read, sorted."""
    outputs: Mapping[str, str]
    """Output column → canonical expression; a plain column is `product.column`."""
    filters: frozenset[str]
    groups: frozenset[str]
    plain: bool
    """Whether it only picks rows and columns of one source: no join, no grouping, no DISTINCT, no window."""

    @property
    def copied(self) -> Mapping[str, str]:
        """Output column → the column of the source that it is, unchanged."""
        return {name: text for name, text in self.outputs.items() if text.startswith("column ")}

    @property
    def computed(self) -> frozenset[str]:
        """The expressions that are more than a column."""
        return frozenset(text for text in self.outputs.values() if not text.startswith("column "))


def read_shape(text: str, schemas: Mapping[str, Mapping[str, str]], *, source: str = "source") -> Shape | None:
    """The shape of a query of build.sql; None where it is more than one SELECT can say.

    Args:
        schemas: Product → column → type, of all that the query may read; under `source` also the product's own files.
        source: What `source` is called in the shape: equal for products that are built from the same files.
    """
    import sqlglot
    from sqlglot import errors, exp
    from sqlglot.optimizer.merge_subqueries import merge_subqueries
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.schema import MappingSchema

    try:
        tree = sqlglot.parse_one(text, read="spark")
        parts = {part.alias for part in tree.find_all(exp.CTE)}
        known: dict[str, Any] = {}
        for table in tree.find_all(exp.Table):
            if not table.db and table.name in parts:
                continue
            columns = schemas.get(".".join(part.name for part in table.parts), {})
            if not table.db:
                if not table.alias:
                    table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
                table.set("this", exp.to_identifier(source))
                table.set("db", exp.to_identifier("files"))
            known.setdefault(table.db, {})[table.name] = dict(columns) or {"_": "string"}
        schema = MappingSchema(known, dialect="spark", normalize=False)
        tree = qualify(tree, schema=schema, dialect="spark", validate_qualify_columns=False, quote_identifiers=False)
        tree = merge_subqueries(tree)
    except (errors.SqlglotError, RecursionError, KeyError, AttributeError):
        return None
    if not isinstance(tree, exp.Select) or tree.args.get("with_") or tree.find(exp.Subquery, exp.SetOperation):
        return None
    return _shape(tree)


def _shape(tree: exp.Select) -> Shape | None:
    from sqlglot import exp

    tables = list(tree.find_all(exp.Table))
    if not tables:
        return None
    names = {table.alias_or_name: ".".join(part.name for part in table.parts).lower() for table in tables}
    for column in tree.find_all(exp.Column):
        if column.table in names:
            column.set("this", exp.to_identifier(f"{names[column.table]}.{column.name}".lower()))
            column.set("table", None)
    outputs = {}
    for one in tree.selects:
        inner = one.unalias()
        text = canonical_text(inner)
        outputs[one.alias_or_name.lower()] = f"column {text}" if isinstance(inner, exp.Column) else text
    joins = tree.args.get("joins") or []
    filters = {canonical_text(part) for part in _conjuncts(tree.args.get("where"))}
    for join in joins:
        filters |= {canonical_text(part) for part in _conjuncts(join.args.get("on"))}
    group = tree.args.get("group")
    groups = frozenset(canonical_text(one) for one in (group.expressions if group else ()))
    windows = tree.find(exp.Window) is not None
    aggregates = any(one.find(exp.AggFunc) for one in tree.selects)
    more = any(tree.args.get(key) for key in ("distinct", "having", "limit", "laterals", "qualify"))
    plain = not (joins or groups or windows or aggregates or more) and len(tables) == 1
    return Shape(
        sources=tuple(sorted(names.values())), outputs=outputs, filters=frozenset(filters), groups=groups, plain=plain
    )


def _conjuncts(node: exp.Expr | None) -> list[exp.Expr]:
    from sqlglot import exp

    if node is None:
        return []
    inner = node.this if isinstance(node, exp.Where) else node
    return list(inner.flatten()) if isinstance(inner, exp.And) else [inner]
