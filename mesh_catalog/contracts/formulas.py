"""Formulas of KPIs: one aggregating SQL expression over the columns of one product, closed and read-only.

What runs is not the text that was written but what was parsed from it and written anew. Two texts that mean the same
(other case, order of AND, brackets) have one canonical form, by which definitions are compared. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.contracts.contract import Column
from mesh_catalog.errors import nearest

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["Expression", "canonical_text", "parse_filter", "parse_formula", "require_columns"]

_LENGTH_LIMIT: Final = 4_000
# By the names of sqlglot's classes: a closed list, so that what a later sqlglot learns is refused here.
# fmt: off
_AGGREGATES: Final = frozenset((
    "Avg", "Corr", "Count", "CountIf", "CovarPop", "CovarSamp", "Max", "Median", "Min", "Stddev", "StddevPop",
    "StddevSamp", "Sum", "Variance", "VariancePop",
))
_FUNCTIONS: Final = frozenset((
    "Abs", "Case", "Cast", "Ceil", "Coalesce", "DateDiff", "Day", "Exp", "Floor", "Greatest", "Hour", "If", "Least",
    "Length", "Ln", "Lower", "Month", "Nullif", "Pow", "Quarter", "Round", "Sign", "Sqrt", "Substring", "Trim",
    "TryCast", "TsOrDsToDate", "Upper", "Year",
))
_GRAMMAR: Final = frozenset((
    "Add", "And", "Between", "Boolean", "Column", "Concat", "DPipe", "DataType", "DataTypeParam", "Distinct", "Div",
    "EQ", "GT", "GTE", "Identifier", "In", "IntDiv", "Interval", "Is", "LT", "LTE", "Like", "Literal", "Mod", "Mul",
    "NEQ", "Neg", "Not", "Null", "NullSafeEQ", "Or", "Paren", "Star", "Sub", "Tuple", "Var",
))
# fmt: on


@dataclass(frozen=True, kw_only=True)
class Expression:
    """A formula or a filter that was understood."""

    sql: str
    """Spark SQL, written anew."""
    canonical: str
    """Equal for texts that mean the same."""
    columns: tuple[str, ...]
    """The columns that it uses, in lower case, in their order."""
    shown: tuple[str, ...] = ()
    """Those of the columns of which a row's value can come out: all that are not merely counted; in lower case."""


def parse_formula(text: str) -> Expression:
    """Read the formula of a KPI, for example `sum(amount) / count(distinct customer_id)`.

    Raises:
        ValueError: It is refused; the message is the end of a sentence about the formula.
    """
    from sqlglot import exp

    tree = _parsed(text)
    aggregates = [node for node in tree.walk() if type(node).__name__ in _AGGREGATES]
    if not aggregates:
        raise ValueError("aggregates nothing. Write for example sum(amount) or count(*).")
    for node in aggregates:
        outer = node.parent
        while outer is not None:
            if type(outer).__name__ in _AGGREGATES:
                raise ValueError(f"holds {node.key}() inside {outer.key}(). Aggregate once.")
            outer = outer.parent
    for column in tree.find_all(exp.Column):
        if not any(type(one).__name__ in _AGGREGATES for one in _ancestors(column)):
            raise ValueError(
                f"uses '{column.name[:40]}' outside an aggregate. Write for example sum({column.name[:40]})."
            )
    counting = (exp.Count, exp.CountIf)
    shown = [
        column.name.lower()
        for column in tree.find_all(exp.Column)
        if not any(isinstance(one, counting) for one in _ancestors(column))
    ]
    return _expression(tree, tuple(dict.fromkeys(shown)))


def parse_filter(text: str) -> Expression:
    """Read one filter: a condition on a row, for example `state = 'paid'`.

    Raises:
        ValueError: It is refused; the message is the end of a sentence about the filter.
    """
    from sqlglot import exp

    tree = _parsed(text)
    for node in tree.walk():
        if type(node).__name__ in _AGGREGATES:
            raise ValueError(f"holds {node.key}(), which looks at many rows. A filter is a condition on one row.")
    conditions = (exp.Predicate, exp.Connector, exp.Not, exp.Boolean, exp.Paren, exp.Column)
    if not isinstance(tree, conditions):
        raise ValueError("is no condition. Write for example state = 'paid'.")  # noqa: TRY004
    return _expression(tree, ())


def require_columns(used: Sequence[str], columns: Sequence[Column]) -> None:
    """Check that columns are there.

    Raises:
        ValueError: One is not; the end of a sentence.
    """
    known = [column.name for column in columns]
    lower = {name.lower() for name in known}
    for name in used:
        if name.lower() not in lower:
            raise ValueError(f"names the column '{name[:40]}', which is not there.{nearest(name, known)}")


def _parsed(text: str) -> exp.Expr:
    import sqlglot
    from sqlglot import errors, exp

    if len(text) > _LENGTH_LIMIT:
        raise ValueError(f"is longer than {_LENGTH_LIMIT:,} characters. Move the work into the product.")
    try:
        # as the only output of a SELECT, so that what follows an expression is not taken for a part of it
        statements = sqlglot.parse(f"select {text}\n", read="spark")
    except (errors.SqlglotError, RecursionError) as error:
        raise ValueError("is not SQL that can be read.") from error
    select = statements[0]
    if len(statements) != 1 or not isinstance(select, exp.Select) or len(select.expressions) != 1:
        raise ValueError("is not one expression. Leave select, from and ; out.")
    if any(value for key, value in select.args.items() if key not in ("expressions", "kind")):
        raise ValueError("is more than an expression. Leave select, from, where and hints out.")
    tree: exp.Expr = select.expressions[0]
    if isinstance(tree, exp.Alias):
        raise ValueError("names its result. Leave the alias out.")  # noqa: TRY004
    tree = tree.copy()
    for node in tree.walk():
        _require_known(node)
    return tree


def _require_known(node: exp.Expr) -> None:
    from sqlglot import exp

    kind = type(node).__name__
    if isinstance(node, exp.Star):
        if not isinstance(node.parent, exp.Count):
            raise ValueError("holds a star outside count(*).")  # noqa: TRY004
    elif isinstance(node, exp.Column):
        if node.table or not node.name:
            raise ValueError(f"names '{node.sql()[:40]}'. Name columns of the source, without a table.")
        if node.name.startswith("mesh_"):
            raise ValueError("uses a name that begins with mesh_, which is the framework's.")
    elif kind not in _AGGREGATES | _FUNCTIONS | _GRAMMAR:
        if isinstance(node, exp.Func):
            called = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
            raise ValueError(f"calls {called.lower()[:40]}(), which is not one of the functions a formula may call.")  # noqa: TRY004
        raise ValueError(f"holds {node.key.replace('_', ' ').upper()}, which a formula may not.")


def _ancestors(node: exp.Expr) -> list[Any]:
    found: list[Any] = []
    parent = node.parent
    while parent is not None:
        found.append(parent)
        parent = parent.parent
    return found


def _expression(tree: exp.Expr, shown: tuple[str, ...]) -> Expression:
    from sqlglot import exp

    columns = tuple(dict.fromkeys(column.name.lower() for column in tree.find_all(exp.Column)))
    for column in tree.find_all(exp.Column):
        column.set("this", exp.to_identifier(column.name.lower(), quoted=True))
    return Expression(
        sql=tree.sql(dialect="spark", comments=False), canonical=_canonical(tree), columns=columns, shown=shown
    )


def _canonical(tree: exp.Expr) -> str:
    """The text of the expression with brackets dropped and the sides of what commutes in one order."""
    from sqlglot import exp
    from sqlglot.optimizer.simplify import simplify

    try:
        plain = simplify(exp.Paren(this=tree.copy()), dialect="spark")
    except (ArithmeticError, ValueError, RecursionError):  # of a constant such as 1 / 0
        plain = tree.copy()
    return canonical_text(plain)


def canonical_text(node: exp.Expr) -> str:
    """A text that is equal for expressions that mean the same, as far as commuting and writing go."""
    from sqlglot import exp

    if isinstance(node, exp.Paren):
        return canonical_text(node.this)
    if isinstance(node, exp.And | exp.Or | exp.Add | exp.Mul):
        kind = type(node)
        parts = sorted(canonical_text(part) for part in _flat(node, kind))
        return f"{kind.__name__}({','.join(dict.fromkeys(parts) if kind in (exp.And, exp.Or) else parts)})"
    if isinstance(node, exp.EQ | exp.NEQ):
        return (
            f"{type(node).__name__}({','.join(sorted((canonical_text(node.this), canonical_text(node.expression))))})"
        )
    if isinstance(node, exp.GT | exp.GTE):  # a > b is b < a
        name = "LT" if isinstance(node, exp.GT) else "LTE"
        return f"{name}({canonical_text(node.expression)},{canonical_text(node.this)})"
    if isinstance(node, exp.LT | exp.LTE):
        return f"{type(node).__name__}({canonical_text(node.this)},{canonical_text(node.expression)})"
    if isinstance(node, exp.Literal):
        return f"'{node.name}'" if node.is_string else _number(node.name)
    if isinstance(node, exp.Column):
        return node.name.lower()
    if isinstance(node, exp.In):
        values = sorted(canonical_text(one) for one in node.expressions)
        return f"In({canonical_text(node.this)};{','.join(values)})"
    parts = []
    for key, value in node.args.items():
        if value is None or value is False or value == []:
            continue
        values = value if isinstance(value, list) else [value]
        told = ",".join(canonical_text(one) if isinstance(one, exp.Expression) else str(one).lower() for one in values)
        parts.append(f"{key}={told}")
    return f"{type(node).__name__}({';'.join(parts)})"


def _flat(node: exp.Expr, kind: type[Any]) -> list[exp.Expr]:
    from sqlglot import exp

    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, kind):
        return [*_flat(node.this, kind), *_flat(node.expression, kind)]
    return [node]


def _number(text: str) -> str:
    try:
        return repr(float(text))
    except ValueError:
        return text
