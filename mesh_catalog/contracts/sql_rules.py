"""Quality of type `sql`: one SELECT that gives one number, closed to everything but tables.

A query reads the product's own table (`${table}`, or its name) and other products (`domain.product`), and calls only
functions of the lists below. What runs is not the text of the contract but what was parsed from it and written anew,
tables named `mesh_table_0` (its own), `mesh_table_1`… (the others, in order), so that nothing which was not looked at
reaches Spark. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.contracts.contract import Column, Query, Rule, Severity
from mesh_catalog.contracts.limits import limit_text, read_value_limit
from mesh_catalog.contracts.spark_names import spark_name
from mesh_catalog.documents import Document, Place
from mesh_catalog.errors import listed, nearest

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["TABLE_NAME", "read_query", "sql_rule"]

TABLE_NAME: Final = "mesh_table_"
_LENGTH_LIMIT: Final = 20_000
_PRODUCT: Final = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_PLACEHOLDER: Final = re.compile(r"\$\{\s*(\w*)\s*\}")
_OWN_TABLE: Final = ("table", "object")
_OWN_COLUMN: Final = ("column", "property")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FUNCTIONS: Final = _words(
    "Abs Acos AddMonths And AnyValue ApproxDistinct ApproxQuantile ArgMax ArgMin Array ArrayContains ArrayDistinct"
    " ArrayMax ArrayMin ArrayPosition ArraySize ArraySort ArrayUniqueAgg Ascii Asin Atan Atan2 Avg Case Cast Cbrt"
    " Ceil Coalesce Concat ConcatWs Contains Corr Cos Cosh Count CountIf CovarPop CovarSamp CumeDist CurrentDate"
    " CurrentTimestamp DateDiff DateFromUnixDate DateTrunc Day DayOfMonth DayOfWeek DayOfYear Degrees DenseRank"
    " EndsWith Exists Exp Explode Extract Factorial First Floor GenerateSeries Greatest Hex Hour If Initcap IsNan"
    " Kurtosis Lag Last LastDay Lead Least Left Length Levenshtein Ln Log LogicalAnd LogicalOr Lower MapKeys Max"
    " Median Min Minute Mode Month MonthsBetween Negative NthValue Ntile Nullif Nvl2 Or Overlay Pad PercentRank"
    " PercentileCont PercentileDisc Pi Pow Quantile Quarter Radians Rank RegexpCount RegexpExtract RegexpLike"
    " RegexpReplace RegexpSplit Repeat Replace Reverse Right Round RowNumber SafeAdd SafeDivide Second Sign Sin Sinh"
    " Skewness Soundex SplitPart Sqrt StartsWith Stddev StddevPop StddevSamp StrPosition StrToTime StrToUnix Substring"
    " Sum Tan Tanh TimeStrToTime TimeToStr TimestampDiff TimestampTrunc Transform Translate Trim TryCast TsOrDsAdd"
    " TsOrDsToDate Typeof Unhex UnixDate UnixMicros UnixMillis UnixSeconds UnixToStr Upper Variance VariancePop"
    " WeekOfYear WidthBucket Xor Year"
)
"""Functions that sqlglot knows, by its own names."""
_OTHER_FUNCTIONS: Final = _words(
    "bigint bround cardinality crc32 decimal double every float format_number hash int isnotnull isnull make_date"
    " map_values mean now octet_length pmod positive some string weekday xxhash64"
)
"""Functions that it passes on as they are written."""


def sql_rule(
    document: Document,
    entry: Mapping[str, Any],
    column: Column | None,
    columns: Sequence[Column],
    *,
    severity: Severity,
    place: Place,
) -> Rule:
    """The rule of one entry of type sql.

    Raises:
        DocumentError: The query is not one SELECT of one number, reads or calls what it may not, or has no limit.
    """
    owner = column.name if column else "table"
    limit = read_value_limit(document, entry, "the sql check", place)
    query = entry["query"]
    here: Place = (*place, "query")
    try:
        argument = read_query(query, product=document.data["id"], table=_table(document), column=column,
                              columns=columns)  # fmt: skip
    except ValueError as error:
        raise document.error(f"quality: the query {error}", *here) from error
    said = str(entry.get("name") or entry.get("description") or " ".join(query.split()))
    return Rule(
        id=f"{owner}.sql",
        kind="sql",
        column=column.name if column else None,
        argument=argument,
        severity=severity,
        threshold=limit,
        text=f"{said[:120]}: {limit_text(limit)}",
    )


def _table(document: Document) -> str:
    return str(document.data["schema"][0]["name"])


def read_query(text: str, *, product: str, table: str, column: Column | None, columns: Sequence[Column]) -> Query:
    """Parse a query and check that it only reads tables.

    Args:
        product: The contract's id; both it and `table` name the own table.
        column: Stands for `${column}`; None where the rule is the table's.
        columns: The table's columns.

    Raises:
        ValueError: It is refused; the message is the end of a sentence about the query.
    """
    from sqlglot import exp  # late: a tenth of a second

    tree = _parsed(_filled(text, table, column))
    for node in tree.find_all(
        exp.QueryTransform,
        exp.Into,
        exp.DML,
        exp.DDL,
        exp.Command,
        exp.Parameter,
        exp.Placeholder,
        exp.SessionParameter,
    ):
        raise ValueError(f"holds {node.key.upper()}; it may only read tables.")
    _check_functions(tree)
    _check_projection(tree)
    reads = _name_tables(tree, product, table)
    if not reads:
        _check_columns(tree, columns)
    for hint in list(tree.find_all(exp.Hint)):
        hint.pop()
    sql = tree.sql(dialect="spark", comments=False)
    if "${" in sql:
        raise ValueError("holds '${', which Spark would replace. Write it otherwise.")
    return Query(sql=sql, reads=tuple(reads), shows_result=_shows_result(tree, reads, columns))


def _filled(text: str, table: str, column: Column | None) -> str:
    """The text with its placeholders filled; names are quoted, so that no name becomes SQL."""
    if len(text) > _LENGTH_LIMIT:
        raise ValueError(f"is longer than {_LENGTH_LIMIT:,} characters.")
    if TABLE_NAME in text.lower():
        raise ValueError(f"uses the name {TABLE_NAME}…, which is the framework's. Choose another.")

    def fill(match: re.Match[str]) -> str:
        word = match[1]
        if word in _OWN_TABLE:
            return spark_name(table)
        if word in _OWN_COLUMN:
            if column is None:
                raise ValueError(f"has ${{{word}}}, but the rule is the table's. Move it under a column's `quality`.")
            return spark_name(column.name)
        known = (*_OWN_TABLE, *_OWN_COLUMN)
        raise ValueError(f"has the placeholder ${{{word[:40]}}}, which is not known. There is: {listed(known)}.")

    return _PLACEHOLDER.sub(fill, text)


def _parsed(text: str) -> exp.Query:
    import sqlglot
    from sqlglot import errors, exp

    try:
        parsed = [statement for statement in sqlglot.parse(text, read="spark") if statement is not None]
    except errors.ParseError as error:
        first = error.errors[0] if error.errors else {}
        near = str(first.get("highlight", ""))[:40]
        raise ValueError(f"is not SQL that can be read, near '{near}'.") from error
    except (errors.SqlglotError, RecursionError) as error:
        raise ValueError("is not SQL that can be read.") from error
    if len(parsed) != 1:
        raise ValueError(f"holds {len(parsed)} statements. Write one SELECT.")
    if isinstance(parsed[0], exp.Query):
        return parsed[0]
    raise ValueError(f"is {parsed[0].key.upper()}, and may only read. Write one SELECT.")


def _check_functions(tree: exp.Query) -> None:
    from sqlglot import exp

    for call in tree.find_all(exp.Func):
        if isinstance(call, exp.Anonymous):
            name, allowed = call.name.lower(), call.name.lower() in _OTHER_FUNCTIONS
        else:
            name, allowed = call.sql_name().lower(), type(call).__name__ in _FUNCTIONS
        if not allowed:
            raise ValueError(f"calls {name[:40]}(), which is not one of the functions a check may call.")


def _check_projection(tree: exp.Query) -> None:
    from sqlglot import exp

    found = tree.selects
    if len(found) != 1 or isinstance(found[0], exp.Star) or (isinstance(found[0], exp.Column) and found[0].is_star):
        raise ValueError("must give one number: select one column, for example count(*).")


def _name_tables(tree: exp.Query, product: str, table: str) -> list[str]:
    """Name every table `mesh_table_<n>`; returns the other products in their order."""
    from sqlglot import exp

    parts = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    if table.lower() in parts:
        raise ValueError(f"calls a WITH part '{table}', which is the table's own name. Call it otherwise.")
    reads: list[str] = []
    for found in list(tree.find_all(exp.Table)):
        if isinstance(found.this, exp.Func) or not found.name:
            raise ValueError("reads from a function. Read the table, or products by name.")
        if found.args.get("version") or found.args.get("when"):
            raise ValueError("names a version of a table. The framework pins versions: remove it.")
        name = ".".join(part.name for part in found.parts)
        if len(found.parts) == 1 and name.lower() in _visible_parts(found):
            continue
        if name.lower() in (table.lower(), product.lower()):
            number = 0
        elif _PRODUCT.fullmatch(name):
            reads.append(name) if name not in reads else None
            number = reads.index(name) + 1
        else:
            raise ValueError(f"reads '{name[:80]}', which is neither ${{table}} nor a product, domain.product.")
        alias = found.alias or found.name
        found.set("this", exp.to_identifier(f"{TABLE_NAME}{number}"))
        found.set("db", None)
        found.set("catalog", None)
        if not found.args.get("alias"):
            found.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    for column in tree.find_all(exp.Column):
        if column.args.get("db"):  # `shop.orders.amount`
            column.set("db", None)
            column.set("catalog", None)
    return reads


def _visible_parts(table: exp.Table) -> Iterator[str]:
    """Names of the WITH parts that a table can be: of the queries around it, and of its own WITH those before it."""
    from sqlglot import exp

    node: exp.Expr = table
    while (parent := node.parent) is not None:
        if isinstance(parent, exp.With):
            before = parent.expressions[: parent.expressions.index(node) + bool(parent.args.get("recursive"))]
            yield from (part.alias.lower() for part in before)
        else:
            own = parent.args.get("with_") or parent.args.get("with")
            if own is not None and own is not node:
                yield from (part.alias.lower() for part in own.expressions)
        node = parent


def _check_columns(tree: exp.Query, columns: Sequence[Column]) -> None:
    """A name that is neither a column of the table nor one that the query makes is a slip."""
    from sqlglot import exp

    known = {column.name.lower() for column in columns}
    made = {found.alias.lower() for found in tree.find_all(exp.Alias, exp.CTE, exp.Subquery, exp.Table) if found.alias}
    made |= {name.name.lower() for alias in tree.find_all(exp.TableAlias) for name in alias.columns}
    made |= {name.name.lower() for function in tree.find_all(exp.Lambda) for name in function.expressions}
    for column in tree.find_all(exp.Column):
        name, owner = column.name.lower(), column.table.lower()
        if name and name not in known | made and owner not in known:
            raise ValueError(f"names the column '{column.name[:40]}', which is not there.{nearest(column.name, known)}")


def _shows_result(tree: exp.Query, reads: Sequence[str], columns: Sequence[Column]) -> bool:
    from sqlglot import exp

    if isinstance(tree, exp.Select) and isinstance(tree.selects[0].unalias(), exp.Count | exp.CountIf):
        return True
    personal = {column.name.lower() for column in columns if column.personal}
    used = {column.name.lower() for column in tree.find_all(exp.Column)}
    return not reads and not personal & used and (not personal or not list(tree.find_all(exp.Star)))
