"""What a product's transform reads, found without running it: sqlglot over build.sql, `ast` over build.py."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mesh_catalog.errors import DocumentError, nearest
from mesh_catalog.specs import ProductSpec, split_name

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = [
    "REFUSED_FUNCTIONS",
    "SOURCE",
    "TABLE_FUNCTIONS",
    "own_parts",
    "product_reads",
    "reads_with_lines",
    "sql_reads",
]

SOURCE: Final = "source"
"""The name under which a transform reads the product's own source.yaml."""
_SIZE_LIMIT_BYTES: Final = 1024 * 1024
TABLE_FUNCTIONS: Final = frozenset(
    (
        "range",
        "stack",
        "sequence",
        "inline",
        "inline_outer",
        "explode",
        "explode_outer",
        "posexplode",
        "posexplode_outer",
    )
)
REFUSED_FUNCTIONS: Final = frozenset(
    ("reflect", "java_method", "try_reflect", "read_files", "input_file_name", "ai_query", "http_request")
)
"""Functions that call Java, read files or call out: a transform reads its inputs and nothing else."""


def product_reads(product: ProductSpec) -> tuple[str, ...]:
    """The products that a transform reads, in the order it names them, and `source` where it reads its own source.yaml.

    Raises:
        DocumentError: The transform cannot be read, is not one query or one marked function, or names something else
            than `domain.product` and `source`; with file and line.
    """
    return tuple(reads_with_lines(product))


def reads_with_lines(product: ProductSpec) -> dict[str, int]:
    """As `product_reads`, with the line where each is first named.

    Raises:
        DocumentError: As `product_reads`.
    """
    if product.build is None:
        return {SOURCE: 1} if product.source else {}
    text = _text(product.build)
    found = sql_reads(product.build, text) if product.build.suffix == ".sql" else _python_reads(product.build, text)
    for name, line in found.items():
        _check_read(product, product.build, name, line)
    if product.source and SOURCE not in found:
        raise DocumentError(
            "does not read `source`, but the product has a source.yaml. Read it, or remove it.", path=product.build
        )
    return found


def _check_read(product: ProductSpec, path: Path, name: str, line: int) -> None:
    if name == SOURCE:
        if product.source is None:
            raise DocumentError("reads `source`, but the product has no source.yaml. Add one.", path=path, line=line)
        return
    if name == product.name:
        raise DocumentError(f"{name} reads itself. Read its inputs instead.", path=path, line=line)
    try:
        split_name(name)
    except ValueError as error:
        hint = nearest(name, [SOURCE]) if "." not in name else ""
        raise DocumentError(f"reads {error}{hint if hint.startswith(' Did') else ''}", path=path, line=line) from error


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _SIZE_LIMIT_BYTES:
            raise DocumentError("is over 1 MiB; a transform is a page or two.", path=path)
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError("is not UTF-8 text. Save it as UTF-8.", path=path) from error
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}.", path=path) from error


# SQL ---------------------------------------------------------------------------------------------------------------


def sql_reads(path: Path, text: str) -> dict[str, int]:
    """The inputs that a query names, and the line where each is first named.

    Raises:
        DocumentError: It is not one query that only reads; with `path` and line.
    """
    from sqlglot import exp  # late: a tenth of a second

    query = _query(path, text)
    for node in query.find_all(exp.QueryTransform, exp.Into, exp.DML, exp.DDL, exp.Command):
        raise DocumentError(
            f"holds {node.key.upper()}. A transform is one query that only reads.", path=path, line=_line(node)
        )
    for call in query.find_all(exp.Func):
        called = (call.name if isinstance(call, exp.Anonymous) else call.sql_name()).lower()
        if called in REFUSED_FUNCTIONS:
            raise DocumentError(
                f"calls {called}(), which reads more than its inputs. Remove it.", path=path, line=_line(call)
            )
    tables = sorted(query.find_all(exp.Table), key=lambda table: _start(table))
    found: dict[str, int] = {}
    for table in tables:
        name = _table_name(path, table)
        if name is not None:
            found.setdefault(name, _line(table) or 1)
    return found


def _query(path: Path, text: str) -> exp.Query:
    import sqlglot
    from sqlglot import errors, exp

    try:
        parsed = [statement for statement in sqlglot.parse(text, read="spark") if statement is not None]
    except errors.ParseError as error:
        first = error.errors[0] if error.errors else {}
        raise DocumentError(
            f"is not SQL: {str(first.get('description', error)).split('<')[0].strip()[:120]}"
            f" near '{str(first.get('highlight', ''))[:40]}'.",
            path=path,
            line=first.get("line"),
        ) from error
    except (errors.SqlglotError, RecursionError) as error:
        raise DocumentError("is not SQL that can be read.", path=path) from error
    if len(parsed) != 1:
        raise DocumentError(f"holds {len(parsed)} statements. Write one SELECT.", path=path)
    if not isinstance(parsed[0], exp.Query):
        raise DocumentError(
            f"is {parsed[0].key.upper()}, not a query. Write one SELECT.", path=path, line=_line(parsed[0])
        )
    if isinstance(parsed[0], exp.Select) and not parsed[0].expressions:
        raise DocumentError("selects nothing. Name columns, or write select *.", path=path, line=1)
    return parsed[0]


def _table_name(path: Path, table: exp.Table) -> str | None:
    """The input that a table of the query names; None for the query's own parts and functions that make rows."""
    from sqlglot import exp

    line = _line(table)
    if isinstance(table.this, exp.Func):
        called = table.this.name.lower() or table.this.sql_name().lower()
        if called in TABLE_FUNCTIONS:
            return None
        raise DocumentError(
            f"reads from {called}(). Read products, `domain.product`, or `source`.", path=path, line=line
        )
    if table.args.get("version") or table.args.get("when"):
        raise DocumentError(
            "names a version of an input. The framework pins versions: remove it.", path=path, line=line
        )
    name = ".".join(part.name for part in table.parts)
    if not table.args.get("db") and name in own_parts(table):
        if name == SOURCE:
            raise DocumentError(
                "names a WITH part `source`, which is the product's own files. Call it otherwise.", path=path, line=line
            )
        return None
    if name != name.lower() and name.lower().replace(".", "").replace("_", "").isalnum():
        raise DocumentError(f"reads '{name[:80]}'. Write names of products in lower case.", path=path, line=line)
    return name


def own_parts(node: exp.Expr) -> Iterator[str]:
    """Names of the WITH parts that `node` can see."""
    parent: exp.Expr | None = node
    while parent is not None:
        own = parent.args.get("with_") or parent.args.get("with")
        if own is not None:
            yield from (part.alias for part in own.expressions)
        parent = parent.parent


def _start(node: exp.Expr) -> int:
    return min((int(part.meta["start"]) for part in node.walk() if "start" in part.meta), default=0)


def _line(node: exp.Expr) -> int | None:
    return min((int(part.meta["line"]) for part in node.walk() if "line" in part.meta), default=None)


# Python ------------------------------------------------------------------------------------------------------------


def _python_reads(path: Path, text: str) -> dict[str, int]:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise DocumentError(f"is not Python: {error.msg}.", path=path, line=error.lineno) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise DocumentError("is not Python that can be read.", path=path) from error
    marked = [(node, mark) for node in tree.body for mark in _marks(node)]
    if len(marked) != 1:
        found = "no function is" if not marked else f"{len(marked)} functions are"
        line = marked[1][1].lineno if marked else None
        raise DocumentError(f'{found} marked @build(reads=["domain.product"]). Mark one.', path=path, line=line)
    function, mark = marked[0]
    reads = _declared_reads(path, mark)
    _check_arguments(path, function, len(reads))
    return reads


def _marks(node: ast.stmt) -> Iterator[ast.expr]:
    if isinstance(node, ast.FunctionDef):
        for mark in node.decorator_list:
            called = mark.func if isinstance(mark, ast.Call) else mark
            if (isinstance(called, ast.Name) and called.id == "build") or (
                isinstance(called, ast.Attribute) and called.attr == "build"
            ):
                yield mark


def _declared_reads(path: Path, mark: ast.expr) -> dict[str, int]:
    named = [word for word in mark.keywords if word.arg == "reads"] if isinstance(mark, ast.Call) else []
    value = named[0].value if named else None
    if not isinstance(value, ast.List | ast.Tuple):
        raise DocumentError('@build needs reads=["domain.product", …], written out.', path=path, line=mark.lineno)
    found: dict[str, int] = {}
    for item in value.elts:
        if not (isinstance(item, ast.Constant) and isinstance(item.value, str)):
            raise DocumentError("a name in reads is not a plain text. Write it out.", path=path, line=item.lineno)
        if item.value in found:
            raise DocumentError(f"reads names '{item.value[:80]}' twice. Keep one.", path=path, line=item.lineno)
        found[item.value] = item.lineno
    return found


def _check_arguments(path: Path, node: ast.stmt, count: int) -> None:
    if not isinstance(node, ast.FunctionDef):
        return
    given = node.args
    takes = len(given.posonlyargs) + len(given.args)
    enough = takes - len(given.defaults) <= count <= takes or (given.vararg is not None and takes <= count)
    if not enough or any(default is None for default in given.kw_defaults):
        raise DocumentError(
            f"{node.name}() takes {takes} arguments, but reads names {count}. Give it one for each.",
            path=path,
            line=node.lineno,
        )
