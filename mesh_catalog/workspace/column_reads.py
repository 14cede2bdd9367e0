"""Which columns a product's build.sql reads, and which of its columns come from which: told from the text, by sqlglot.

A name that could be of several tables counts for each of them. Of a `*` only what is used further on counts, for a
column that it no longer brings along breaks nobody else. What cannot be told (a `*` over columns that nobody
knows, SQL that sqlglot cannot resolve) is said to be unknown, never left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh_catalog.contracts.consumers import Origin
from mesh_catalog.workspace.transforms import own_parts

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

__all__ = ["ColumnReads", "sql_column_reads"]


@dataclass(frozen=True, kw_only=True)
class ColumnReads:
    """What one query does with columns."""

    reads: Mapping[str, frozenset[str] | None]
    """Columns by input, wherever they stand: selected, filtered, joined or grouped by; None: not known."""
    makes: Mapping[str, frozenset[Origin]] | None
    """Each result column with those that its value is made of; None: not known."""


def sql_column_reads(
    text: str, inputs: Mapping[str, Sequence[str] | None], *, own: Mapping[str, str] | None = None
) -> ColumnReads:
    """What a query that `sql_reads` accepted reads, column by column.

    Args:
        text: The query, in Spark's SQL.
        inputs: The columns of each input, in order; None where they are not known.
        own: The result's columns by their lower-case names, so that they are told as the contract writes them.
    """
    from sqlglot import errors, parse_one

    names = own or {}
    unknown = ColumnReads(reads=dict.fromkeys(inputs), makes=None)
    try:
        views = {name: f"mesh_input_{index}" for index, name in enumerate(inputs)}
        named = {view: (name, inputs[name]) for name, view in views.items()}
        written = _Query(_resolve(parse_one(text, read="spark"), views, inputs, stars=False), named)
        resolved = _resolve(parse_one(text, read="spark"), views, inputs, stars=True)
        found = _Query(_without_unused(resolved, names), named)
    except (errors.SqlglotError, RecursionError):
        return unknown
    nothing: frozenset[str] = frozenset()
    reads: dict[str, frozenset[str] | None] = {
        name: written.reads.get(name, nothing) | found.reads.get(name, nothing) for name in inputs
    }
    if found.is_starred:
        reads |= dict.fromkeys(name for name, columns in inputs.items() if columns is None)
    made = None if found.is_starred else {names.get(key, key): value for key, value in found.makes.items()}
    return ColumnReads(reads=reads, makes=made)


def _resolve(
    query: exp.Expr, views: Mapping[str, str], inputs: Mapping[str, Sequence[str] | None], *, stars: bool
) -> exp.Expr:
    """The query over one flat view an input, every column with the name of its table where that can be told.

    Args:
        stars: Whether `*` becomes the columns that it stands for.
    """
    from sqlglot import exp
    from sqlglot.optimizer.qualify import qualify

    for table in list(query.find_all(exp.Table)):
        name = f"{table.db}.{table.name}" if table.db else table.name
        if name in views and (table.db or table.name not in own_parts(table)):
            alias = table.alias or table.name
            table.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
            table.set("this", exp.to_identifier(views[name]))
            table.set("db", None)
    for column in query.find_all(exp.Column):
        column.set("db", None)
    schema: dict[str, object] = {views[name]: dict.fromkeys(cols, "string") for name, cols in inputs.items() if cols}
    return qualify(query, schema=schema or None, dialect="spark", expand_stars=stars, validate_qualify_columns=False)


def _without_unused(query: exp.Expr, names: Mapping[str, str]) -> exp.Expr:
    """The query without columns that only a `*` brought along: nothing uses them, and the result has no such column."""
    from sqlglot import exp
    from sqlglot.optimizer.pushdown_projections import pushdown_projections

    if isinstance(query, exp.Select):
        kept = [one for one in query.selects if one.alias_or_name.lower() in names]
        if kept:
            query.set("expressions", kept)
    return pushdown_projections(query)


class _Query:
    """A resolved query, scope by scope from the innermost."""

    def __init__(self, query: exp.Expr, inputs: Mapping[str, tuple[str, Sequence[str] | None]]) -> None:
        from sqlglot.optimizer.scope import traverse_scope

        self.inputs = {
            view: (name, None if columns is None else {column.lower(): column for column in columns})
            for view, (name, columns) in inputs.items()
        }
        self.reads: dict[str, frozenset[str]] = {}
        self.is_starred = False
        self._origins: dict[int, frozenset[Origin]] = {}
        """Of each column reference, by the node's identity."""
        made: dict[int, dict[str, frozenset[Origin]]] = {}
        scopes = traverse_scope(query)
        for scope in scopes:
            for column in scope.columns:
                self._origins.setdefault(id(column), self._resolve(column, scope, made))
            made[id(scope)] = self._results(scope, made)
        self.makes = made[id(scopes[-1])] if scopes else {}

    def _resolve(
        self, column: exp.Column, scope: Scope, made: Mapping[int, Mapping[str, frozenset[Origin]]]
    ) -> frozenset[Origin]:
        sources = scope.sources if not column.table else {k: v for k, v in scope.sources.items() if k == column.table}
        found: set[Origin] = set()
        for source in sources.values():
            found |= self._of_source(source, column.name, made)
        return frozenset(found)

    def _of_source(
        self, source: exp.Table | Scope, name: str, made: Mapping[int, Mapping[str, frozenset[Origin]]]
    ) -> frozenset[Origin]:
        from sqlglot import exp

        if not isinstance(source, exp.Table):
            return made.get(id(source), {}).get(name.lower(), frozenset())
        if source.name not in self.inputs:
            return frozenset()
        dataset, known = self.inputs[source.name]
        column = name if known is None else known.get(name.lower())
        if column is None:
            return frozenset()
        self.reads[dataset] = self.reads.get(dataset, frozenset()) | {column}
        return frozenset(((dataset, column),))

    def _results(
        self, scope: Scope, made: Mapping[int, Mapping[str, frozenset[Origin]]]
    ) -> dict[str, frozenset[Origin]]:
        from sqlglot import exp

        if scope.set_operation_scopes:  # by position: the first one names the columns
            sides = [made[id(side)] for side in scope.set_operation_scopes]
            places = zip(*(side.values() for side in sides), strict=False)
            return {name: frozenset().union(*origins) for name, origins in zip(sides[0], places, strict=False)}
        found: dict[str, frozenset[Origin]] = {}
        for projection in getattr(scope.expression, "selects", []):
            if isinstance(projection, exp.Star) or projection.find(exp.Star):
                self.is_starred |= not isinstance(projection.unalias(), exp.Count) and not projection.find(exp.Count)
            inner = projection.find_all(exp.Column)
            by = frozenset().union(*(self._origins.get(id(column), frozenset()) for column in inner))
            found[projection.alias_or_name.lower()] = by
        return found
