"""The keys of source.yaml that name a database: where it is, who reads, and which rows.

The password is never among them: it comes from the environment variable that `password_env` names. The variable's name
must end in _PASSWORD, so that a folder from elsewhere cannot send another secret of the machine to a server of its own.
"""

from __future__ import annotations

import re
from typing import Final

from mesh_catalog.specs import DatabaseSpec, PartitionSpec
from mesh_catalog.workspace.section import Section

__all__ = ["DATABASE_KEYS", "read_database"]

DATABASE_KEYS: Final = (
    *("url", "host", "port", "database", "sslmode", "user", "password_env"),
    *("table", "query", "incremental", "partition"),
)
_URL: Final = re.compile(
    r"jdbc:postgresql://(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?/[\w.-]+(\?sslmode=[a-z-]+)?"
)
_HOST: Final = re.compile(r"[\w.-]+|\[[0-9a-fA-F:]+\]")
_WORD: Final = re.compile(r"[\w.-]+")
_IDENTIFIER: Final = re.compile(r"[^\W\d][\w$]{0,62}")
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*_PASSWORD")
_BOUND: Final = re.compile(r"-?\d{1,18}|\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}:\d{2})?")
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_READERS_LIMIT: Final = 64


def read_database(section: Section) -> DatabaseSpec:
    """The database that source.yaml names.

    Raises:
        DocumentError: Something is missing, a query does more than read, or there is a password in the file.
    """
    if ("table" in section) == ("query" in section):
        raise section.error("say what to read: 'table', or 'query' with one SELECT; one of the two.")
    return DatabaseSpec(
        url=_url(section),
        user=_matching(section, "user", _WORD, "a user's name"),
        password_env=_matching(section, "password_env", _VARIABLE, "the name of a variable that ends in _PASSWORD"),
        table=_table(section),
        query=_query(section),
        incremental=_matching(section, "incremental", _IDENTIFIER, "a column's name"),
        partition=_partition(section),
    )


def _url(section: Section) -> str:
    written = section.optional_text("url")
    if written is None:
        return _built_url(section)
    if others := [key for key in ("host", "port", "database", "sslmode") if key in section]:
        raise section.error(f"'{others[0]}' stands beside 'url'. Keep one of them.", others[0])
    if re.search(r"password|://[^/]*@", written, re.IGNORECASE):
        raise section.error(
            "the url holds a user or a password. Write user: and password_env: (the name of a variable) instead.", "url"
        )
    if not _URL.fullmatch(written):
        raise section.error(
            "the url must be jdbc:postgresql://host:port/database, with no more than ?sslmode=… behind it.", "url"
        )
    return written


def _built_url(section: Section) -> str:
    host = _matching(section, "host", _HOST, "a host's name")
    database = _matching(section, "database", _WORD, "a database's name")
    if host is None or database is None:
        raise section.error("say where the database is: 'url', or 'host' and 'database'.")
    port = int(section.number("port", least=1, most=65_535, default=5432))
    ssl = f"?sslmode={section.choice('sslmode', _SSL_MODES)}" if "sslmode" in section else ""
    return f"jdbc:postgresql://{host}:{port}/{database}{ssl}"


def _matching(section: Section, key: str, form: re.Pattern[str], what: str) -> str | None:
    """A text of a closed form. What was written is not repeated: it could be a password in the wrong place."""
    text = section.optional_text(key)
    if text is not None and not form.fullmatch(text):
        raise section.error(f"'{key}' must be {what}.", key)
    return text


def _table(section: Section) -> str | None:
    text = section.optional_text("table")
    if text is None:
        return None
    parts = text.split(".")
    if len(parts) > 2 or not all(_IDENTIFIER.fullmatch(part) for part in parts):
        raise section.error("'table' must be schema.table or table, as the database spells them.", "table")
    return text


def _query(section: Section) -> str | None:
    """One SELECT. The connection only reads as well; this says it before anything connects."""
    text = section.optional_text("query")
    if text is None:
        return None
    import sqlglot  # late: a tenth of a second
    from sqlglot import errors, exp

    try:
        parsed = [one for one in sqlglot.parse(text, read="postgres") if one is not None]
    except (errors.SqlglotError, RecursionError) as error:
        raise section.error("'query' is not SQL that can be read.", "query") from error
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
        raise section.error("'query' must be one SELECT.", "query")
    for node in parsed[0].find_all(exp.Into, exp.DML, exp.DDL, exp.Command, exp.Lock):
        raise section.error(f"'query' holds {node.key.upper()}. It must be one SELECT that only reads.", "query")
    return text.rstrip().rstrip(";")


def _partition(section: Section) -> PartitionSpec | None:
    if "partition" not in section:
        return None
    part = section.section("partition", ("column", "lower", "upper", "number"))
    bounds = {}
    for key in ("lower", "upper"):
        value = str(part.data.get(key, ""))
        if not _BOUND.fullmatch(value):
            raise part.error(f"'{key}' must be a whole number, a date or a time.", key)
        bounds[key] = value.replace("T", " ")
    column = _matching(part, "column", _IDENTIFIER, "a column's name")
    if column is None:
        raise part.error("'column' is missing. Name a column of numbers, dates or times.")
    number = int(part.number("number", least=2, most=_READERS_LIMIT, default=4))
    return PartitionSpec(column=column, lower=bounds["lower"], upper=bounds["upper"], number=number)
