"""A query over products, as text: what it reads, and that it only reads. Pure: no table is opened, nothing is run.

The language is Spark SQL, the same as in build.sql; a table is a product, `domain.product`, at its newest version or at
`payments.transactions@v3`, `VERSION AS OF 3` or `TIMESTAMP AS OF '2026-05-01'`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mesh_catalog.errors import InputError, NotFoundError, nearest
from mesh_catalog.specs import is_name
from mesh_catalog.workspace.transforms import REFUSED_FUNCTIONS, TABLE_FUNCTIONS, own_parts

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.schema import MappingSchema
    from sqlglot.tokenizer_core import Token

__all__ = ["Input", "Query", "ResolvedQuery", "parse_query", "resolve_columns", "with_views"]

_LENGTH_LIMIT: Final = 100_000
_WRITES: Final = ("insert", "update", "delete", "merge", "create", "drop", "alter", "copy", "set", "truncate", "cache")


@dataclass(frozen=True, kw_only=True)
class Input:
    """A product at a version, as a query names it."""

    view: str
    """What it is called when the query runs."""
    product: str
    version: int | None = None
    as_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Query:
    """One SELECT, and the products it names."""

    text: str
    """Without the versions, which `inputs` have; every other character stands where it stood."""
    tree: exp.Query
    """The products' names replaced by their views."""
    inputs: tuple[Input, ...]
    spans: tuple[tuple[int, int, str], ...]
    """Where in the text a view's name comes: first and last character, and what to write."""


@dataclass(frozen=True, kw_only=True)
class ResolvedQuery:
    """A query whose every column is known."""

    tree: exp.Query
    """Stars expanded, every name qualified, in lower case and quoted."""
    columns: Mapping[str, tuple[str, ...]]
    """View → the columns that are used of it, as the product spells them; never empty."""
    names: Mapping[str, str]
    """Output column in lower case → as the user or the product spells it."""


def parse_query(text: str) -> Query:
    """Read a query.

    Raises:
        InputError: It is not SQL, not one SELECT, or reads something else than products; with line and column.
    """
    import sqlglot
    from sqlglot import errors, exp

    if len(text) > _LENGTH_LIMIT:
        raise InputError("sql: is over 100,000 characters. Make it a product: build.sql")
    try:
        tokens = sqlglot.tokenize(text, read="spark")
        plain, versions = _without_versions(text, tokens)
        statements = [one for one in sqlglot.parse(plain, read="spark") if one is not None]
    except errors.ParseError as error:
        raise InputError(_syntax_error(text, error)) from error
    except (errors.SqlglotError, RecursionError) as error:
        raise InputError(f"sql: {_unclosed(text)}.") from error
    if len(statements) != 1:
        raise InputError(f"sql: holds {len(statements) or 'no'} statements. Write one SELECT.")
    tree = statements[0]
    if not isinstance(tree, exp.Query):
        word = (text.split() or [tree.key])[0].upper()[:20]
        raise InputError(f"sql: {word} is no query. mesh sql only reads: write one SELECT.")
    _require_reading(plain, tree)
    inputs: dict[tuple[str, int | None, str | None], Input] = {}
    spans = []
    for table in sorted(tree.find_all(exp.Table), key=_start):
        if table.find_ancestor(exp.Hint):  # names an alias
            continue
        product = _product(plain, table)
        if product is None:
            continue
        version, as_of = versions.pop(_start(table), (None, None))
        found = inputs.setdefault(
            (product, version, as_of),
            Input(view=f"mesh_input_{len(inputs)}", product=product, version=version, as_of=as_of),
        )
        alias = "" if table.alias else f" as `{table.name}`"
        spans.append((_start(table), int(table.parts[-1].meta["end"]), f"{found.view}{alias}"))
        _rename(table, found.view)
    if versions:
        raise InputError(f"sql: {_place(text, min(versions))} names a version of something that is no product.")
    return Query(text=plain, tree=tree, inputs=tuple(inputs.values()), spans=tuple(spans))


def with_views(query: Query) -> str:
    """The text with each product's name replaced by its view, and nothing else touched."""
    text = query.text
    for start, end, view in sorted(query.spans, reverse=True):
        text = text[:start] + view + text[end + 1 :]
    return text.rstrip().rstrip(";")


def resolve_columns(query: Query, schemas: Mapping[str, Mapping[str, str]]) -> ResolvedQuery:
    """Find which columns a query uses.

    Args:
        schemas: View → column → Spark type.

    Raises:
        NotFoundError: A column is in none of the query's products; with line, column and the nearest name.
        InputError: A name is ambiguous.
    """
    from sqlglot import errors, exp
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import traverse_scope
    from sqlglot.schema import MappingSchema

    names = _output_names(query.tree, schemas)
    schema = MappingSchema({view: dict(columns) for view, columns in schemas.items()}, dialect="spark")
    try:
        tree = qualify(query.tree.copy(), schema=schema, dialect="spark", quote_identifiers=True)
    except errors.OptimizeError as error:
        raise _unresolved(query, schemas, error) from error
    names |= {new: names.get(name, name) for new, name in _told_apart(tree).items()}
    used: dict[str, set[str]] = {view: set() for view in schemas}
    for scope in traverse_scope(tree):
        sources = {alias: source for alias, source in scope.sources.items() if isinstance(source, exp.Table)}
        for column in scope.columns:
            source = sources.get(column.table)
            if source is not None and source.name in used:
                used[source.name].add(column.name.lower())
    columns = {}
    for view, known in schemas.items():
        kept = tuple(name for name in known if name.lower() in used[view])
        columns[view] = kept or tuple(known)[:1]  # count(*) needs some column
    return ResolvedQuery(tree=_annotated(tree, schema), columns=columns, names=names)


def _annotated(tree: Any, schema: MappingSchema) -> Any:
    from sqlglot.optimizer.annotate_types import annotate_types

    return annotate_types(tree, schema=schema, dialect="spark")


def _output_names(tree: exp.Query, schemas: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    from sqlglot import exp

    names = {name.lower(): name for columns in schemas.values() for name in columns}
    names |= {name.lower(): name for name in tree.named_selects if name != "*"}
    if not tree.is_star:
        for index, column in enumerate(tree.selects):
            if not isinstance(column, exp.Alias | exp.Column):
                names[f"_col_{index}"] = column.sql(dialect="spark", normalize_functions="lower")
    return names


def _told_apart(tree: Any) -> dict[str, str]:
    """Give output columns of one name different ones, which DataFusion wants; returns new name → name."""
    from sqlglot import exp

    found: dict[str, str] = {}
    taken: set[str] = set()
    for index, column in enumerate(tree.selects if isinstance(tree, exp.Select) else ()):
        name = column.alias_or_name
        if name in taken and isinstance(column, exp.Alias):
            found[f"_again_{index}"] = name
            column.set("alias", exp.to_identifier(f"_again_{index}", quoted=True))
        taken.add(name)
    return found


# Closed ------------------------------------------------------------------------------------------------------------


def _require_reading(text: str, tree: exp.Query) -> None:
    from sqlglot import exp

    for node in tree.find_all(exp.QueryTransform, exp.Into, exp.DML, exp.DDL, exp.Command, exp.Lock):
        if isinstance(node, exp.Query):
            continue
        raise InputError(f"sql: {_place(text, _start(node))} holds {node.key.upper()}. mesh sql only reads.")
    for call in tree.find_all(exp.Func):
        called = (call.name if isinstance(call, exp.Anonymous) else call.sql_name()).lower()
        if called in REFUSED_FUNCTIONS:
            raise InputError(
                f"sql: {_place(text, _start(call))} calls {called}(), which reads more than products. Remove it."
            )
    if isinstance(tree, exp.Select) and not tree.expressions:
        raise InputError("sql: selects nothing. Name columns, or write select *.")


def _product(text: str, table: exp.Table) -> str | None:
    """The product that a table of the query names; None for WITH parts and functions that make rows."""
    from sqlglot import exp

    place = _place(text, _start(table))
    if isinstance(table.this, exp.Func):
        called = table.this.name.lower() or table.this.sql_name().lower()
        if called in TABLE_FUNCTIONS:
            return None
        raise InputError(f"sql: {place} reads from {called}(). Read products: domain.product")
    name = ".".join(part.name for part in table.parts)
    if not table.args.get("db") and name.lower() in {part.lower() for part in own_parts(table)}:
        return None
    parts = name.lower().split(".")
    if len(table.parts) != 2 or len(parts) != 2 or not all(map(is_name, parts)):
        raise InputError(f"sql: {place} reads '{name[:80]}', which is no product. Read products: domain.product")
    return name.lower()


def _rename(table: exp.Table, view: str) -> None:
    from sqlglot import exp

    if not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
    table.set("this", exp.to_identifier(view))
    table.set("db", None)


# Versions ----------------------------------------------------------------------------------------------------------

_Version = tuple[int | None, str | None]


def _without_versions(text: str, tokens: Sequence[Token]) -> tuple[str, dict[int, _Version]]:
    """The text with the versions of tables blanked out, and where a table's name begins, its version."""
    found: dict[int, _Version] = {}
    plain = text
    for index in range(2, len(tokens)):
        if tokens[index - 1].text != "." or index + 1 >= len(tokens):
            continue
        clause = _clause(text, tokens, index + 1)
        if clause is None:
            continue
        length, version = clause
        start, end = tokens[index + 1].start, tokens[index + length].end
        plain = plain[:start] + " " * (end - start + 1) + plain[end + 1 :]
        found[tokens[index - 2].start] = version
    return plain, found


def _clause(text: str, tokens: Sequence[Token], at: int) -> tuple[int, _Version] | None:
    """How many tokens from `at` on name a version, and which; None where they do not."""
    words = [token.text.lower() for token in tokens[at : at + 5]]
    if words[0] == "@":
        named = words[1].removeprefix("v") if len(words) > 1 else ""
        if not named.isdecimal():
            raise InputError(
                f"sql: {_place(text, tokens[at].start)} '@' is not followed by a version, for example @v3."
            )
        return 2, (int(named), None)
    skip = 1 if words[0] == "for" else 0
    if words[skip + 1 : skip + 3] != ["as", "of"] or len(words) < skip + 4:
        return None
    value, kind = tokens[at + skip + 3], words[skip]
    if kind in ("version", "system_version"):
        if not value.text.isdecimal():
            raise InputError(f"sql: {_place(text, value.start)} VERSION AS OF needs a number, for example 3.")
        return skip + 4, (int(value.text), None)
    if kind in ("timestamp", "system_time"):
        if value.token_type.name != "STRING":
            raise InputError(
                f"sql: {_place(text, value.start)} TIMESTAMP AS OF needs a text, for example '2026-05-01'."
            )
        return skip + 4, (None, value.text)
    return None


# Mistakes ----------------------------------------------------------------------------------------------------------


def _syntax_error(text: str, error: Any) -> str:
    first = error.errors[0] if error.errors else {}
    told = str(first.get("description") or "is not SQL").split("<")[0].strip().rstrip(".").removesuffix(" for")[:120]
    near = str(first.get("highlight") or "")[:40]
    word = text.split()[0].upper()[:20] if text.split() else ""
    if word.lower() in _WRITES:
        return f"sql: {word} is no query. mesh sql only reads: write one SELECT."
    return f"sql: line {first.get('line')}, column {first.get('col')} near '{near}': {told}."


def _unclosed(text: str) -> str:
    quote = next((mark for mark in ("'", '"', "`") if text.count(mark) % 2), None)
    return f"a quotation mark {quote} is not closed" if quote else "is not SQL that can be read"


def _unresolved(query: Query, schemas: Mapping[str, Mapping[str, str]], error: Exception) -> InputError | NotFoundError:
    from sqlglot import exp

    said = str(error).split(". Line")[0]
    known = {name for columns in schemas.values() for name in columns}
    lower = {name.lower() for name in known} | {alias.alias.lower() for alias in query.tree.find_all(exp.Alias)}
    for column in sorted(query.tree.find_all(exp.Column), key=_start):
        if column.name and column.name.lower() not in lower and f"'{column.name.lower()}'" in said.lower():
            place = _place(query.text, _start(column))
            products = ", ".join(found.product for found in query.inputs)
            return NotFoundError(
                f"sql: {place} {products} has no column '{column.name[:40]}'.{nearest(column.name, known)}"
            )
    return InputError(f"sql: {said[:200].rstrip('.')}. Write it with its table, for example t.column.")


def _start(node: exp.Expr) -> int:
    return min((int(part.meta["start"]) for part in node.walk() if "start" in part.meta), default=0)


def _place(text: str, offset: int) -> str:
    before = text[:offset]
    return f"line {before.count(chr(10)) + 1}, column {offset - before.rfind(chr(10))}"
