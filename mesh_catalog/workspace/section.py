"""One mapping of a document, read key by key: what is unknown, missing or of the wrong kind becomes a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from mesh_catalog.contracts.durations import parse_duration
from mesh_catalog.documents import Document, Place, raise_all, read_document
from mesh_catalog.errors import DocumentError, listed, nearest

__all__ = ["PERCENT", "Section", "list_entries", "read_entries"]

_TEXT_LIMIT = 10_000
PERCENT: Final = re.compile(r"\s*(\d{1,3}(?:\.\d{1,3})?)\s*%\s*")


class Section:
    """The mapping at `place` of a document, whose keys are a closed set."""

    def __init__(
        self,
        document: Document,
        known: Sequence[str],
        *,
        place: Place = (),
        data: Any = None,
    ) -> None:
        self.document = document
        self.place = place
        found = document.data if not place else data
        if not isinstance(found, dict):
            raise document.error(f"{self._name} must be a mapping with {listed(known)}.", *place)
        self.data: Mapping[str, Any] = found
        for key in found:
            if key not in known:
                raise self.error(f"'{key[:40]}' is not known here.{nearest(key, known)}", key)

    @property
    def _name(self) -> str:
        return ".".join(map(str, self.place)) or "the document"

    def error(self, message: str, *place: str | int) -> DocumentError:
        """A DocumentError at a key of this section."""
        return self.document.error(message, *self.place, *place)

    def __contains__(self, key: str) -> bool:
        return self.data.get(key) is not None

    def section(self, key: str, known: Sequence[str]) -> Section:
        """The mapping under a key; an empty one where the key is absent."""
        value = self.data.get(key)
        data = {} if value is None else value
        return Section(self.document, known, place=(*self.place, key), data=data)

    def text(self, key: str) -> str:
        """A text that must be there."""
        found = self.optional_text(key)
        if found is None:
            raise self.error(f"'{key}' is missing. Add it.")
        return found

    def optional_text(self, key: str) -> str | None:
        """A text, or None where it is absent or empty."""
        value = self.data.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > _TEXT_LIMIT:
            raise self.error(f"'{key}' must be a text of at most {_TEXT_LIMIT:,} characters.", key)
        return value.strip() or None

    def choice(self, key: str, allowed: Sequence[str], *, default: str | None = None) -> str:
        """One word of a closed set."""
        value = self.data.get(key, default)
        if value is None:
            raise self.error(f"'{key}' is missing. Add one of {listed(allowed)}.")
        if value not in allowed:
            raise self.error(f"{key} '{str(value)[:40]}' is not known. Allowed: {listed(allowed)}.", key)
        return str(value)

    def number(self, key: str, *, least: float, most: float, default: float) -> float:
        """A number within bounds; one that is at most 1 may be written as a share, such as 25%."""
        value = self.data.get(key, default)
        if most <= 1 and isinstance(value, str) and (share := PERCENT.fullmatch(value)):
            value = float(share[1]) / 100
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.error(f"'{key}' must be a number from {least:g} to {most:g}.", key)
        if not least <= value <= most:
            raise self.error(f"{key} is {value:g}, but must be from {least:g} to {most:g}.", key)
        return value

    def duration(self, key: str) -> timedelta | None:
        """A length of time above zero, or None where it is absent."""
        value = self.data.get(key)
        if value is None:
            return None
        try:
            return parse_duration(str(value))
        except ValueError as error:
            raise self.error(f"{key}: {error}", key) from error

    def names(self, key: str) -> tuple[str, ...]:
        """A list of texts, or one text, each once; empty where the key is absent."""
        value = self.data.get(key)
        found = [] if value is None else value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) and one for one in found):
            raise self.error(f"'{key}' must be a name or a list of names.", key)
        for index, one in enumerate(found):
            if one in found[:index]:
                raise self.error(f"{key}: '{one[:40]}' stands twice. Keep one.", key, index)
        return tuple(found)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Entry = TypeVar("_Entry", bound=_Named)


def read_entries(path: Path, key: str, known: Sequence[str], read: Callable[[Section, int], _Entry]) -> list[_Entry]:
    """What stands in a file that is one list of named things under `key`.

    Raises:
        DocumentError: Another key, or as `list_entries`.
    """
    return list_entries(Section(read_document(path), (key,)), key, known, read)


def list_entries(
    whole: Section, key: str, known: Sequence[str], read: Callable[[Section, int], _Entry]
) -> list[_Entry]:
    """The named things of the list under `key`.

    Args:
        known: The keys of an entry.
        read: Makes one of an entry and its place in the list.

    Raises:
        DocumentError: No list, what `read` refuses, or a name that stands twice; with file and line, and those of the
            other entries beside it.
    """
    entries = whole.data.get(key) or []
    if not isinstance(entries, list):
        raise whole.error(f"{key} must be a list.", key)
    found: dict[str, _Entry] = {}
    errors: list[DocumentError] = []
    for index, data in enumerate(entries):
        try:
            section = Section(whole.document, known, place=(key, index), data=data)
            one = read(section, index)
            if one.name in found:
                raise section.error(f"'{one.name}' stands twice. Keep one.", "name")
            found[one.name] = one
        except DocumentError as error:
            errors.append(error)
    raise_all(errors)
    return list(found.values())
