"""The columns of a contract's table: names, types, keys and classifications, from ODCS's `properties`."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from mesh_catalog.contracts.contract import CLASSIFICATIONS, PERSONAL_CLASSIFICATIONS, Column, Severity
from mesh_catalog.contracts.rules import read_severity
from mesh_catalog.contracts.types import LOGICAL_NAMES, column_type
from mesh_catalog.documents import Document, Mistakes, Place
from mesh_catalog.errors import listed

__all__ = ["custom_properties", "read_columns", "tables_and_properties", "with_logical_types"]

_WORDS_OF_TYPES: Final = (
    "physicalType",
    "logicalTypeOptions",
    "properties",
    "items",
    "map",
    "enum",
    "quality",
    "relationships",
)
"""What stands at a column by its type, or speaks of its values."""
_COLUMN_NAME = re.compile(r"[^\W\d]\w{0,127}")
_FOREIGN_CLASSIFICATIONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("confidential", "restricted", "secret", "sensitive", "private"),
        "internal, or personal if it tells of a person",
    ),
    **dict.fromkeys(("pii", "personal data", "gdpr"), "personal"),
    **dict.fromkeys(("phi", "health", "special category"), "special"),
}


def with_logical_types(document: Document, mistakes: Mistakes) -> tuple[Document, frozenset[str]]:
    """The document with the logical type that a physical one implies, and the columns whose types are none.

    The schema of ODCS 3.2 takes a property without logicalType for a map: its conditions hold where the word is absent.
    A column whose type is a mistake is a string from here on, without rules, so that the rest can be checked.
    """
    data = copy.deepcopy(document.data)
    mistaken = set()
    for entry, place in tables_and_properties(data):
        if "properties" not in place or not isinstance(entry.get("name"), str):
            continue
        if entry.get("logicalType") not in (None, *LOGICAL_NAMES):
            continue  # the schema says which there are
        known = len(mistakes)
        with mistakes.gathered():
            logical = _column_types(document, entry, place)[0]
            entry.setdefault("logicalType", logical)
        if len(mistakes) > known:
            mistaken.add(entry["name"])
            entry["logicalType"] = "string"
            for word in _WORDS_OF_TYPES:
                entry.pop(word, None)
    return replace(document, data=data), frozenset(mistaken)


def tables_and_properties(data: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Place]]:
    """Mappings only: what is malformed is left to the schema."""
    tables = data.get("schema")
    for place, table in enumerate(tables if isinstance(tables, list) else []):
        if isinstance(table, dict):
            yield table, ("schema", place)
            entries = table.get("properties")
            for index, entry in enumerate(entries if isinstance(entries, list) else []):
                if isinstance(entry, dict):
                    yield entry, ("schema", place, "properties", index)


def _column_types(document: Document, entry: Mapping[str, Any], place: Place) -> tuple[str, str]:
    physical = entry.get("physicalType")
    try:
        return column_type(entry.get("logicalType"), None if physical is None else str(physical))
    except ValueError as error:
        word = "physicalType" if physical is not None else "logicalType"
        raise document.error(f"the column '{entry['name']}' {error}", *place, word) from error


def read_columns(
    document: Document, table: Mapping[str, Any], place: Place, severities: dict[str, Severity], mistakes: Mistakes
) -> tuple[Column, ...]:
    """The columns; those that a mistake was found in are left out.

    Raises:
        DocumentError: The keys or the partitioning are numbered wrong.
    """
    positions = _positions(document, table["properties"], place, "primaryKey", "primaryKeyPosition", "primary key")
    splits = _positions(document, table["properties"], place, "partitioned", "partitionKeyPosition", "partitioning")
    seen: dict[str, str] = {}
    found = []
    for index, entry in enumerate(table["properties"]):
        here: Place = (*place, "properties", index)
        with mistakes.gathered():
            name = _column_name(document, entry, here)
            if (before := seen.get(name.lower())) is not None:
                same = "" if before == name else f" (as '{before}': Spark does not tell upper from lower case)"
                raise document.error(f"the column '{name}' stands twice{same}. Keep one.", *here, "name")
            seen[name.lower()] = name
            custom = custom_properties(entry)
            if "severity" in custom:
                severities[name] = read_severity(document, custom["severity"], (*here, "customProperties"))
            column = _column(document, entry, custom, positions.get(index), here)
            found.append(replace(column, partition_position=splits.get(index)))
    return tuple(found)


def _column(
    document: Document, entry: Mapping[str, Any], custom: Mapping[str, Any], position: int | None, place: Place
) -> Column:
    logical, spark = _column_types(document, entry, place)
    return Column(
        name=entry["name"],
        logical_type=logical,
        spark_type=spark,
        required=entry.get("required", False) or position is not None,
        unique=entry.get("unique", False),
        primary_key_position=position,
        classification=_classification(document, entry, place),
        description=entry.get("description"),
        tags=tuple(entry.get("tags", [])),
        suggested=_suggested(document, custom, place),
    )


def _column_name(document: Document, entry: Mapping[str, Any], place: Place) -> str:
    name: str = entry["name"]
    if not _COLUMN_NAME.fullmatch(name):
        raise document.error(
            f"'{name[:40]}' cannot name a column. Use letters, digits and _, at most 128, no digit first.",
            *place,
            "name",
        )
    if (physical := entry.get("physicalName", name)) != name:
        raise document.error(
            f"the column '{name}' has the physicalName '{str(physical)[:40]}', but a table's column is called by"
            " its name here. Write one name.",
            *place,
            "physicalName",
        )
    return name


def _positions(
    document: Document, entries: Sequence[Mapping[str, Any]], place: Place, flag: str, word: str, what: str
) -> dict[int, int]:
    """Position in the key or partitioning, from 1, by the column's index; the columns' order where none is written."""
    keyed = [index for index, entry in enumerate(entries) if entry.get(flag)]
    written = {index: entries[index].get(word, -1) for index in keyed}
    if all(position < 1 for position in written.values()):
        return {index: number for number, index in enumerate(keyed, start=1)}
    if sorted(written.values()) != list(range(1, len(keyed) + 1)):
        raise document.error(
            f"the {what}'s positions are {listed(written.values())}. Number its columns from 1, each once.",
            *place,
            "properties",
            keyed[0],
            word,
        )
    return written


def _classification(document: Document, entry: Mapping[str, Any], place: Place) -> str | None:
    value = entry.get("classification")
    if value is None:
        return None
    word = str(value).strip().lower()
    allowed = (*CLASSIFICATIONS, *(f"{name}?" for name in PERSONAL_CLASSIFICATIONS))
    if word in allowed:
        return word
    hint = _FOREIGN_CLASSIFICATIONS.get(word)
    raise document.error(
        f"the classification '{str(value)[:40]}' of '{entry['name']}' is not known."
        f" {f'Here it is {hint}.' if hint else f'Allowed: {listed(CLASSIFICATIONS)}.'}",
        *place,
        "classification",
    )


def _suggested(document: Document, custom: Mapping[str, Any], place: Place) -> tuple[str, ...]:
    value = custom.get("suggested", [])
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise document.error(
            "suggested must be a list of words, for example [type, required].", *place, "customProperties"
        )
    return tuple(value)


def custom_properties(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {custom["property"]: custom["value"] for custom in entry.get("customProperties", [])}
