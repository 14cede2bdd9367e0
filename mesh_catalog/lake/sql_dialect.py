"""Spark SQL to DataFusion's, for the part of the language that means the same in both.

A closed list: what is not on it is refused with the advice to run it on Spark, since a function of the same name may
give other values (date formats, percentiles) without a word. `tests/lake/test_sql.py` runs each entry on both engines.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.errors import InputError

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["to_datafusion"]

# fmt: off
_FUNCTIONS: Final = frozenset((
    "abs", "and", "any_value", "avg", "between", "case", "cast", "ceil", "coalesce", "concat", "corr", "count",
    "count_if", "covar_pop", "covar_samp", "cume_dist", "current_date", "current_timestamp", "date_add", "date_sub",
    "datediff", "day", "day_of_month", "day_of_week", "day_of_year", "dense_rank", "exists", "exp", "extract",
    "first_value", "floor", "greatest", "hour", "if", "initcap", "lag", "last_value", "lead", "least", "length", "ln",
    "lower", "ltrim", "max", "median", "min", "minute", "month", "nth_value", "ntile", "nullif", "or", "percent_rank",
    "pow", "power", "quarter", "rank", "regexp_like", "replace", "round", "row_number", "rtrim", "second", "sign",
    "sqrt", "starts_with", "stddev", "stddev_pop", "stddev_samp", "struct_extract", "substring", "sum",
    "timestamp_trunc", "trim", "try_cast", "ts_or_ds_add", "ts_or_ds_to_date", "upper", "var_pop", "var_samp",
    "variance", "variance_pop", "week_of_year", "year",
))
# fmt: on
_PARTS: Final[Mapping[str, str]] = {
    "year": "year",
    "quarter": "quarter",
    "month": "month",
    "week_of_year": "week",
    "day": "day",
    "day_of_month": "day",
    "day_of_year": "doy",
    "hour": "hour",
    "minute": "minute",
    "second": "second",
}
_UNTEXTUAL: Final = ("FLOAT", "DOUBLE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ", "STRUCT", "ARRAY", "MAP", "BINARY")
"""Types that the two engines write differently as text."""


def to_datafusion(tree: exp.Query) -> str:
    """The text of a resolved query for DataFusion.

    Args:
        tree: Of `sql_text.resolve_columns`: every name qualified and quoted, every expression with its type.

    Raises:
        InputError: It uses what means something else there, or nothing.
    """
    from sqlglot import exp

    for node in tree.find_all(exp.Lateral, exp.Pivot, exp.TableSample, exp.Unnest, exp.Explode, exp.Lambda):
        raise _unknown(node.key.replace("_", " ").upper())
    for call in tree.find_all(exp.Func):
        if call.sql_name().lower() not in _FUNCTIONS and not isinstance(call, exp.Connector):
            called = call.name if isinstance(call, exp.Anonymous) else call.sql(dialect="spark").partition("(")[0]
            raise _unknown(f"{called.lower()}()")
    plain = tree.copy()
    for part in reversed(list(plain.dfs())):  # inner ones first: what stands in a call is translated before the call
        if isinstance(part, exp.Hint):
            part.pop()
        elif (new := _translated(part)) is not part:
            new.type = part.type
            part.replace(new)
    return plain.sql(dialect="postgres", identify=True)


def _unknown(what: str) -> InputError:
    return InputError(
        f"sql: {what[:60]} is Spark's own or means something else in the engine that runs without Spark. "
        "Run the query with --spark."
    )


def _translated(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    name = node.sql_name().lower() if isinstance(node, exp.Func) else ""
    if name in _PARTS:
        return _part(_PARTS[name], node.this)
    if name == "day_of_week":  # Spark counts from 1, Sunday
        return exp.paren(exp.Add(this=_part("dow", node.this), expression=exp.Literal.number(1)))
    if isinstance(node, exp.Literal) and node.is_string:
        return _moment(node)
    if isinstance(node, exp.Extract):
        part = node.name.lower()
        if part not in _PARTS:
            raise _unknown(f"extract({part} …)")
        return _part(_PARTS[part], node.expression)
    if isinstance(node, exp.Sign):
        return exp.Anonymous(this="signum", expressions=[node.this])
    if isinstance(node, exp.DateDiff):
        return exp.paren(exp.Sub(this=_day_number(node.this), expression=_day_number(node.expression)))
    if isinstance(node, exp.IntDiv):
        sides = (exp.cast(side, "bigint") for side in (node.this, node.expression))
        return exp.paren(exp.Div(this=next(sides), expression=next(sides), typed=True))
    if isinstance(node, exp.TsOrDsToDate):
        return exp.cast(node.this, "date")
    if isinstance(node, exp.Cast):
        _require_same_text(node)
        # what sqlglot reads a cast of Spark as; a value that cannot be cast stops the query, as on Spark
        return exp.Cast(this=node.this, to=node.to) if isinstance(node, exp.TryCast) else node
    return node


def _moment(text: exp.Literal) -> exp.Expr:
    """A text that is compared with a time or cast to one, as ISO 8601 in full: Spark also takes `2026-05-01 09:30`."""
    from sqlglot import exp

    parent = text.parent
    near = [parent.to] if isinstance(parent, exp.Cast) else []
    if isinstance(parent, exp.Binary | exp.Between | exp.In):
        near = [side.type for side in parent.iter_expressions() if side.type is not None]
    if not any(kind.this.name.startswith("TIMESTAMP") for kind in near):
        return text
    try:
        moment = datetime.fromisoformat(text.this.strip())
    except ValueError:
        return text
    return exp.Literal.string(moment.isoformat())


def _part(part: str, value: Any) -> exp.Expr:
    from sqlglot import exp

    return exp.cast(exp.Anonymous(this="date_part", expressions=[exp.Literal.string(part), _stripped(value)]), "int")


def _stripped(value: Any) -> Any:
    """Without the cast to a date that sqlglot puts around what parts are taken of."""
    from sqlglot import exp

    return value.this if isinstance(value, exp.TsOrDsToDate) else value


def _day_number(value: Any) -> exp.Expr:
    from sqlglot import exp

    return exp.cast(exp.cast(_stripped(value), "date"), "int")


def _require_same_text(node: exp.Cast) -> None:
    to, source = node.to, node.this.type
    if to.this.name in ("TEXT", "VARCHAR", "CHAR") and source is not None and source.this.name in _UNTEXTUAL:
        raise _unknown(f"cast of {source.this.name.lower()} to text")
