"""Every error a user can meet, and the exit code of each.

    MeshError                    1   something of ours went wrong
    ├── InputError               2   what was written or typed is wrong (ValueError)
    │   ├── DocumentError        2   a YAML file, with its path and line
    │   ├── SettingsError        2   conf/, MESH_* or a flag
    │   └── TransformError       2   a domain's build.sql or build.py failed
    ├── RefusedError             3   a promise was not kept
    │   ├── BatchRefusedError    3   a batch breaks its contract
    │   ├── BreakingChangeError  3   a contract breaks what its readers were promised
    │   ├── AccessDeniedError    3   the principal may not read this (PermissionError)
    │   ├── GateRefusedError     3   a model did not pass, or may not be moved
    │   └── PolicyRefusedError   3   rights in data, or the organisation's policies, do not allow it
    ├── ConflictError            3   somebody else is writing; trying again solves it
    ├── StorageError             1   a table or the catalog cannot be read (OSError)
    └── NotFoundError            4   no such product, version, model (LookupError)

A message reads *address: what is wrong. What is allowed or nearest. What to do.* It never holds a value of a personal
column. Errors survive pickling, since Spark's workers send them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = [
    "AccessDeniedError",
    "BatchRefusedError",
    "BreakingChangeError",
    "ConflictError",
    "DeprecatedProductWarning",
    "DocumentError",
    "GateRefusedError",
    "InputError",
    "MeshError",
    "NotFoundError",
    "PolicyRefusedError",
    "RefusedError",
    "SettingsError",
    "StorageError",
    "TransformError",
    "listed",
    "nearest",
    "without_controls",
]

_LIST_LIMIT = 10
_VALUE_LIMIT = 40


class MeshError(Exception):
    """An error whose message is meant for the user."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[MeshError], args: tuple[Any, ...], state: dict[str, Any]) -> MeshError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class DeprecatedProductWarning(UserWarning):
    """A product that is used retires; names what to use instead. `mesh` prints it as a note."""


class InputError(MeshError, ValueError):
    exit_code = 2


class DocumentError(InputError):
    """A document of a workspace is wrong; says where."""

    def __init__(self, message: str, *, path: Path | str, line: int | None = None) -> None:
        self.path = str(path)
        self.line = line
        self.others: tuple[DocumentError, ...] = ()
        """What else is wrong with the document, where that is known: `mesh check` says it too."""
        place = f"{path}:{line}" if line else str(path)
        super().__init__(f"{place}: {message}")


class SettingsError(InputError):
    pass


class TransformError(InputError):
    """A domain's transform failed; `__cause__` is what it raised."""

    def __init__(self, message: str, *, product: str) -> None:
        self.product = product
        super().__init__(f"{product}: {message}")


class RefusedError(MeshError):
    exit_code = 3


class BatchRefusedError(RefusedError):
    """A batch broke its contract; nothing was written."""

    def __init__(self, message: str, *, product: str, run_id: str) -> None:
        self.product = product
        self.run_id = run_id
        super().__init__(message)


class BreakingChangeError(RefusedError):
    pass


class AccessDeniedError(RefusedError, PermissionError):
    pass


class GateRefusedError(RefusedError):
    pass


class PolicyRefusedError(RefusedError):
    pass


class ConflictError(MeshError):
    exit_code = 3


class StorageError(MeshError, OSError):
    exit_code = 1


class NotFoundError(MeshError, LookupError):
    exit_code = 4


def listed(values: Iterable[object], *, limit: int = _LIST_LIMIT) -> str:
    """`a, b, c and 4 more`: at most `limit` values, each cut at 40 characters."""
    texts = [str(value) for value in values]
    shown = ", ".join(text if len(text) <= _VALUE_LIMIT else text[: _VALUE_LIMIT - 1] + "…" for text in texts[:limit])
    rest = len(texts) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown


def without_controls(text: str) -> str:
    """A text with a space for each control character, which could move the cursor of whoever looks at it."""
    return "".join(c if c.isprintable() else " " for c in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or the known words, or nothing: the end of a not-found message."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" There is: {listed(words)}." if words else ""
