"""The types of a contract's columns: ODCS `logicalType` and `physicalType` become one Spark type.

A closed grammar, so that no text of a contract reaches Spark's parser as it was written. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from mesh_catalog.errors import listed, nearest

__all__ = ["LOGICAL_NAMES", "LOGICAL_TYPES", "column_type", "is_numeric", "is_temporal", "spark_type"]

LOGICAL_TYPES: Final[Mapping[str, str]] = {
    "string": "string",
    "integer": "bigint",
    "number": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "time": "string",
}
"""Spark type of each logical type that has no physical one. Spark has no time of day that Delta stores: text."""

_SIMPLE: Final = (
    "string",
    "boolean",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "float",
    "double",
    "date",
    "timestamp",
    "binary",
)
_ALIASES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("text", "varchar", "char", "nvarchar", "nchar", "character varying", "character", "bpchar"), "string"
    ),
    **dict.fromkeys(("varchar2", "clob", "uuid", "str", "mediumtext", "longtext", "tinytext", "time"), "string"),
    **dict.fromkeys(("bool",), "boolean"),
    **dict.fromkeys(("byte", "int8"), "tinyint"),
    **dict.fromkeys(("short", "int16", "int2"), "smallint"),
    **dict.fromkeys(("integer", "int32", "int4", "serial"), "int"),
    **dict.fromkeys(("long", "int64", "bigserial"), "bigint"),
    **dict.fromkeys(("real", "float32", "float4"), "float"),
    **dict.fromkeys(("double precision", "float64", "float8"), "double"),
    **dict.fromkeys(("datetime", "timestamptz", "timestamp_ltz", "timestamp with time zone"), "timestamp"),
    **dict.fromkeys(("bytea", "blob", "varbinary", "bytes"), "binary"),
}
_SIZED: Final = frozenset(_SIMPLE) - {"date", "boolean"}
"""Types that other databases write with a length, which Spark does not keep: varchar(18), int(11), float(3,2)."""
_DECIMAL: Final = ("decimal", "numeric", "number", "dec")
_ALLOWED: Final = (*_SIMPLE, "decimal(p,s)")
_FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("string", "binary"),
    "integer": ("tinyint", "smallint", "int", "bigint", "decimal"),
    "number": ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal"),
    "boolean": ("boolean",),
    "date": ("date", "timestamp"),
    "timestamp": ("timestamp",),
    "time": ("string",),
    "object": ("struct", "map"),
    "map": ("map",),
    "array": ("array",),
    "vector": ("array",),
}
LOGICAL_NAMES: Final = tuple(_FAMILIES)
"""Those of the standard, also where they need a physical one."""
_LOGICAL_OF: Final[Mapping[str, str]] = {
    **dict.fromkeys(("float", "double", "decimal"), "number"),
    **dict.fromkeys(("struct", "map"), "object"),
    "binary": "string",
}
_NESTING_LIMIT: Final = 8
_TEXT_LIMIT: Final = 4_000
_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*(?: [A-Za-z]+)*|[0-9]{1,9}|[<>(),:])")


def column_type(logical: str | None, physical: str | None) -> tuple[str, str]:
    """The logical type and the Spark type of a property; the physical type goes before the logical one.

    Raises:
        ValueError: There is no type, an unknown one, or two that contradict each other; the message is a sentence.
    """
    if physical is None:
        if logical is None:
            raise ValueError(f"has no type. Add logicalType: {listed(LOGICAL_TYPES)}.")
        if logical not in LOGICAL_TYPES:
            raise ValueError(f"is of logicalType '{logical}', which needs a physicalType, for example array<string>.")
        return logical, LOGICAL_TYPES[logical]
    spark = spark_type(physical)
    base = _base(spark)
    if logical is None:
        return _logical_of(base), spark
    if base not in _FAMILIES.get(logical, ()):
        raise ValueError(
            f"is of logicalType '{logical}', but its physicalType '{physical[:40]}' is stored as {base}."
            " Make them agree."
        )
    return logical, spark


def spark_type(text: str) -> str:
    """The canonical Spark DDL of a physical type: `VARCHAR(18)` is `string`, `numeric(18, 2)` is `decimal(18,2)`.

    A decimal without precision becomes decimal(38,18), not Spark's decimal(10,0), which would cut the fraction off.

    Raises:
        ValueError: It is none of the types this project stores; the message is a sentence.
    """
    if len(text) > _TEXT_LIMIT:
        raise ValueError("has a type of more than 4,000 characters.")
    tokens = list(_tokens(text))
    try:
        found, end = _parse(tokens, 0, 0)
    except IndexError:
        raise ValueError(f"has the type '{text[:40]}', which ends too early.") from None
    if end != len(tokens):
        raise ValueError(f"has the type '{text[:40]}', which cannot be read from '{tokens[end]}' on.")
    return found


def is_numeric(spark: str) -> bool:
    return _base(spark) in _FAMILIES["number"]


def is_temporal(spark: str) -> bool:
    return spark in ("date", "timestamp")


def _base(spark: str) -> str:
    return re.split(r"[(<]", spark, maxsplit=1)[0]


def _logical_of(base: str) -> str:
    if base in ("tinyint", "smallint", "int", "bigint"):
        return "integer"
    return _LOGICAL_OF.get(base, base)


def _tokens(text: str) -> Iterator[str]:
    place, text = 0, text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"has the type '{text[:40]}', which is not known. Allowed: {', '.join(_ALLOWED)}.")
        yield match[1]
        place = match.end()


def _parse(tokens: list[str], at: int, depth: int) -> tuple[str, int]:
    """Read one type from `tokens[at]` on; returns it and the place after it."""
    if depth > _NESTING_LIMIT:
        raise ValueError(f"has a type that is nested more than {_NESTING_LIMIT} deep.")
    word = tokens[at].lower()
    if word in ("array", "map", "struct"):
        return _parse_nested(word, tokens, at + 1, depth)
    sizes, end = _sizes(tokens, at + 1)
    if word in _DECIMAL:
        return _decimal(sizes), end
    simple = word if word in _SIMPLE else _ALIASES.get(word)
    if simple is None:
        raise ValueError(
            f"has the type '{word[:40]}', which is not known.{_hint(word)} Allowed: {', '.join(_ALLOWED)}."
        )
    if sizes and simple not in _SIZED:
        raise ValueError(f"has the type '{word}', which takes no length. Write {word}, or decimal(p,s).")
    return simple, end


def _parse_nested(word: str, tokens: list[str], at: int, depth: int) -> tuple[str, int]:
    if at >= len(tokens) or tokens[at] != "<":
        raise ValueError(f"has the type '{word}', which must say of what, for example {_EXAMPLES[word]}.")
    parts: list[str] = []
    while tokens[at] in ("<", ","):
        name = ""
        if word == "struct":
            if tokens[at + 2] != ":" or not tokens[at + 1].isidentifier():
                raise ValueError(f"has a struct without names of its fields. Write for example {_EXAMPLES['struct']}.")
            name, at = f"{tokens[at + 1]}:", at + 2
        inner, at = _parse(tokens, at + 1, depth + 1)
        parts.append(name + inner)
    if tokens[at] != ">" or (word != "struct" and len(parts) != {"array": 1, "map": 2}[word]):
        raise ValueError(f"has a type that is not well formed. Write for example {_EXAMPLES[word]}.")
    return f"{word}<{','.join(parts)}>", at + 1


_EXAMPLES: Final = {"array": "array<string>", "map": "map<string,bigint>", "struct": "struct<street:string,zip:string>"}


def _sizes(tokens: list[str], at: int) -> tuple[list[int], int]:
    if at >= len(tokens) or tokens[at] != "(":
        return [], at
    end = tokens.index(")", at) if ")" in tokens[at:] else len(tokens)
    inner = tokens[at + 1 : end]
    numbers = inner[::2]
    if end == len(tokens) or not numbers or inner[1::2] != [","] * (len(numbers) - 1):
        raise ValueError("has a type whose length is not well formed. Write for example decimal(18,2).")
    if not all(number.isdigit() or number.lower() == "max" for number in numbers):
        raise ValueError("has a type whose length is not a number. Write for example decimal(18,2).")
    return [int(number) if number.isdigit() else 0 for number in numbers], end + 1


def _decimal(sizes: list[int]) -> str:
    precision, scale = {0: (38, 18), 1: (*sizes[:1], 0)}.get(len(sizes), (*sizes[:2],))
    if len(sizes) > 2 or not (1 <= precision <= 38 and 0 <= scale <= precision):
        raise ValueError("has a decimal out of bounds. Write decimal(p,s) with p of 1 to 38 and s of 0 to p.")
    return f"decimal({precision},{scale})"


def _hint(word: str) -> str:
    hint = nearest(word, (*_SIMPLE, *_ALIASES, *_DECIMAL))
    return hint if hint.startswith(" Did") else ""
