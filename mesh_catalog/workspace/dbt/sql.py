"""A rendered model's SQL as a build.sql: sqlglot from the project's dialect to Spark's, inputs named as products.

Pure. What has no sure translation raises; nothing is passed on in the hope that Spark will take it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.workspace.transforms import SOURCE

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["DIALECTS", "Relation", "UntranslatableSqlError", "spark_type_from", "translate"]

DIALECTS: Final = (
    "athena", "bigquery", "clickhouse", "databricks", "duckdb", "mysql", "postgres", "presto", "redshift", "snowflake",
    "spark", "sqlite", "trino", "tsql",
)  # fmt: skip
"""What `--dialect` takes: sqlglot's names of what dbt has adapters for."""
_ADAPTERS: Final[Mapping[str, str]] = {"sqlserver": "tsql", "fabric": "tsql", "synapse": "tsql", "glue": "spark"}
_PLACEHOLDER: Final = re.compile(r"mesh_(ref|source)_\d+|mesh_this")
_CONSTRAINED: Final = "cannot be translated to Spark's SQL"


class UntranslatableSqlError(ValueError):
    """Why SQL cannot become a build.sql; a phrase that follows the model's name."""


@dataclass(frozen=True, kw_only=True)
class Relation:
    """What a placeholder in rendered SQL stands for."""

    product: str
    """`domain.product`"""
    identifier: str
    """What dbt's table is called, by which a query may name its columns."""
    columns: Mapping[str, str]
    """Spark type of each column."""


@dataclass(frozen=True, kw_only=True)
class Translated:
    text: str
    notes: tuple[str, ...] = ()


def dialect_of(adapter: str) -> str | None:
    """sqlglot's name of what a dbt adapter connects to; None where it has none."""
    found = _ADAPTERS.get(adapter, adapter)
    return found if found in DIALECTS else None


def translate(text: str, relations: Mapping[str, Relation], *, dialect: str | None) -> Translated:
    """One query of Spark's SQL that reads products.

    Args:
        text: SQL whose tables are placeholders of `rendering`.
        relations: By placeholder.
        dialect: One of DIALECTS, or None for what they have in common.

    Raises:
        UntranslatableSqlError: It is no single query, reads a table that no ref or source names, or uses what Spark
            has no counterpart of.
    """
    from sqlglot import errors

    tree = _parse(text, dialect)
    notes = _whole_divisions(tree, relations, dialect)
    _name_products(tree, relations)
    _free_the_name_source(tree)
    _require_no_placeholder(tree)
    try:
        written = tree.sql("spark", pretty=True, unsupported_level=errors.ErrorLevel.RAISE)
    except (errors.SqlglotError, ValueError, RecursionError) as error:
        raise UntranslatableSqlError(f"{_CONSTRAINED}: {_first_line(error)}") from error
    return Translated(text=written + "\n", notes=notes)


def spark_type_from(text: str, *, dialect: str | None) -> str | None:
    """A type of the project's dialect as Spark writes it; None where it is none."""
    from sqlglot import errors, exp

    try:
        return exp.DataType.build(text, dialect=dialect).sql("spark").lower().replace(", ", ",")
    except (errors.SqlglotError, ValueError):
        return None


def _parse(text: str, dialect: str | None) -> exp.Query:
    import sqlglot
    from sqlglot import errors, exp

    try:
        parsed = [statement for statement in sqlglot.parse(text, read=dialect) if statement is not None]
    except (errors.SqlglotError, RecursionError) as error:
        raise UntranslatableSqlError(f"is not SQL that can be read: {_first_line(error)}") from error
    parsed = [statement for statement in parsed if not isinstance(statement, exp.Semicolon)]
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
        raise UntranslatableSqlError("is not one SELECT once it is rendered")
    return parsed[0]


def _first_line(error: Exception) -> str:
    lines = re.sub(r"\x1b\[\d*m", "", str(error)).strip().splitlines()
    return lines[0][:160] if lines else "no reason given"


def _name_products(tree: exp.Query, relations: Mapping[str, Relation]) -> None:
    from sqlglot import exp

    parts = {part.alias.lower() for part in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        if isinstance(table.this, exp.Func):
            continue  # whether Spark may read from it is looked at with every transform
        name = ".".join(part.name for part in table.parts)
        relation = relations.get(name)
        if relation is None:
            if name.lower() in parts:
                continue
            if name == "mesh_this":
                raise UntranslatableSqlError("reads itself (this), where no batch was before")
            raise UntranslatableSqlError(f"reads '{name[:80]}', which neither ref() nor source() names")
        domain, _, product = relation.product.partition(".")
        if not table.alias and relation.identifier != product:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(relation.identifier)))
        table.set("this", exp.to_identifier(product))
        table.set("db", exp.to_identifier(domain))
    for column in tree.find_all(exp.Column):
        if (relation := relations.get(column.table)) is not None:
            column.set("table", exp.to_identifier(relation.identifier))


def _free_the_name_source(tree: exp.Query) -> None:
    """A WITH part called `source`, as in most staging models, would hide a product's own files."""
    from sqlglot import exp

    parts = [part for part in tree.find_all(exp.CTE) if part.alias.lower() == SOURCE]
    if not parts:
        return
    new, taken = f"{SOURCE}_rows", {part.alias.lower() for part in tree.find_all(exp.CTE)}
    while new in taken:
        new += "_"
    for part in parts:
        part.args["alias"].set("this", exp.to_identifier(new))
    qualified = any(column.table.lower() == SOURCE for column in tree.find_all(exp.Column))
    for table in tree.find_all(exp.Table):
        if not table.args.get("db") and table.name.lower() == SOURCE:
            table.set("this", exp.to_identifier(new))
            if qualified and not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(SOURCE)))


def _require_no_placeholder(tree: exp.Query) -> None:
    from sqlglot import exp

    for node in tree.find_all(exp.Identifier, exp.Literal):
        if found := _PLACEHOLDER.search(str(node.this)):
            what = "itself (this)" if found[0] == "mesh_this" else "a model's or a source's name as a text or a column"
            raise UntranslatableSqlError(f"uses {what}, not as a table to read")


def _whole_divisions(tree: exp.Query, relations: Mapping[str, Relation], dialect: str | None) -> tuple[str, ...]:
    """Where integers are divided in a dialect that drops the fraction, do so in Spark, which would keep it."""
    from sqlglot import exp
    from sqlglot.dialects.dialect import Dialect

    divisions = list(tree.find_all(exp.Div))
    if not divisions or not Dialect.get_or_raise(dialect).TYPED_DIVISION:
        return ()
    for place, division in enumerate(divisions):
        division.meta["mesh"] = place
    typed = {node.meta.get("mesh"): node for node in _typed(tree, relations, dialect).find_all(exp.Div)}
    unknown = []
    for place, division in enumerate(divisions):
        found: Any = typed.get(place)
        whole = [_is_whole(side) for side in (found.left, found.right)] if found is not None else [None]
        if False in whole:
            continue
        if None in whole:
            unknown.append(division.sql(dialect)[:60])
            continue
        division.replace(exp.IntDiv(this=division.left, expression=division.right))
    return tuple(f"it is not known whether {text} divides whole numbers: Spark keeps the fraction" for text in unknown)


def _typed(tree: exp.Query, relations: Mapping[str, Relation], dialect: str | None) -> exp.Expr:
    """A copy in which every expression knows its type, as far as it can be told."""
    from sqlglot import errors
    from sqlglot.optimizer.annotate_types import annotate_types
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.schema import MappingSchema

    schema = MappingSchema({name: dict(one.columns) for name, one in relations.items()}, dialect="spark")
    try:
        qualified = qualify(tree.copy(), schema=schema, dialect=dialect, validate_qualify_columns=False)
        return annotate_types(qualified, schema=schema, dialect=dialect)
    except (errors.SqlglotError, ValueError, RecursionError):
        return tree


def _is_whole(node: exp.Expr) -> bool | None:
    from sqlglot import exp

    kind = node.type
    if kind is None or kind.is_type(exp.DataType.Type.UNKNOWN, exp.DataType.Type.NULL):
        return None
    return bool(kind.is_type(*exp.DataType.INTEGER_TYPES))
