"""Arrays as PostgreSQL reads them: thousands of values as one parameter.

Their text is written here, since the driver looks at each value several times, for microseconds each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ARRAY, BindParameter, Dialect, TypeDecorator, literal
from sqlalchemy.types import TypeEngine

__all__ = ["array_of", "array_text"]


class _Written(TypeDecorator[Sequence[Any]]):
    """An array whose text goes over the wire as it is."""

    impl = ARRAY
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Sequence[Any] | None], str]:
        return lambda values: array_text(values or ())


def array_of(values: Collection[Any], kind: TypeEngine[Any]) -> BindParameter[Any]:
    """A parameter that holds all of these values, which are of one type."""
    return literal(list(values), _Written(kind))


def array_text(values: Sequence[Any]) -> str:
    """PostgreSQL's text of an array of texts, numbers, times and nulls; what is no finite number is null."""
    kinds = set(map(type, values))
    if kinds <= {int}:
        return f"{{{','.join(map(str, values))}}}"
    if kinds == {str}:
        whole = "".join(values)
        if '"' not in whole and "\\" not in whole:
            return '{"' + '","'.join(values) + '"}'
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NULL"
    if value is None or isinstance(value, (int, float)):
        return "NULL" if value is None else str(value)
    told = value if isinstance(value, str) else value.isoformat() if isinstance(value, date) else str(value)
    return '"' + told.replace("\\", "\\\\").replace('"', '\\"') + '"'
