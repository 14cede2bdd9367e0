"""JSON as the catalog keeps it: one text for one value, so that equal things have equal digests.

Keys sorted, no spaces, Unicode as it is. JSON has no NaN and no infinity (PostgreSQL refuses them): they become null.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from operator import attrgetter
from typing import Any

__all__ = ["canonical_json", "digest_of", "plain"]


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_SCALARS = frozenset((str, int, bool, type(None)))


def canonical_json(value: Any) -> str:
    """The canonical JSON text of plain values, mappings, sequences and dataclasses; anything else by `str`."""
    if value == () or value == []:
        return "[]"
    return _ENCODER.encode(plain(value))


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON, hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def plain(value: Any) -> Any:
    """What JSON can say of a value: mappings, lists, text, numbers, null; times in ISO 8601."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:
        return {str(key): item if type(item) in _SCALARS else plain(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [item if type(item) in _SCALARS else plain(item) for item in value]
    if dataclasses.is_dataclass(kind):
        names, values = _fields(kind)
        found = zip(names, values(value), strict=True)
        return {name: item if type(item) in _SCALARS else plain(item) for name, item in found}
    return _plain_other(value)


def _plain_other(value: Any) -> Any:
    if isinstance(value, (bool, int, str)):  # subclasses, as of enumerations
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, (bytes, bytearray)):
        return [plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return str(value)


@cache
def _fields(kind: type[Any]) -> tuple[Sequence[str], Callable[[Any], tuple[Any, ...]]]:
    """Of a dataclass: the names of its fields, and what reads them from an instance."""
    names = [item.name for item in dataclasses.fields(kind)]
    if len(names) > 1:
        return names, attrgetter(*names)
    return names, lambda value: tuple(getattr(value, name) for name in names)
