"""A document of ODCS 3.0 as 3.1 writes it, so that one schema reads every 3.x.

Three words changed: a quality entry's `rule` is now `metric`, `exclusiveMinimum: true` is now the bound itself, and a
list of quality metrics has other names.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from mesh_catalog.documents import Document

__all__ = ["modernised"]

_METRICS: Final = {
    "nullCheck": "nullValues",
    "nullCount": "nullValues",
    "duplicateCount": "duplicateValues",
    "uniqueCheck": "duplicateValues",
    "validValues": "invalidValues",
    "rowCount": "rowCount",
}


def modernised(document: Document) -> Document:
    """The document with 3.0's words replaced; itself where there are none. What is malformed is left to the schema."""
    data = copy.deepcopy(document.data)
    for entry in _entries(data.get("schema")):
        _exclusive(entry)
        for check in _mappings(entry.get("quality")):
            _rule(check)
    return document if data == document.data else replace(document, data=data)


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (entry for entry in value if isinstance(entry, dict))


def _entries(tables: Any) -> Iterator[dict[str, Any]]:
    """Tables and their columns."""
    for table in _mappings(tables):
        yield table
        yield from _mappings(table.get("properties"))


def _exclusive(entry: dict[str, Any]) -> None:
    options = entry.get("logicalTypeOptions")
    if not isinstance(options, dict):
        return
    for bound, word in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(options.get(word), bool) and options.pop(word) and bound in options:
            options[word] = options.pop(bound)


def _rule(check: dict[str, Any]) -> None:
    word = check.get("rule")
    if not isinstance(word, str) or "metric" in check or check.get("type", "library") != "library":
        return
    check["metric"] = _METRICS.get(word, word)
    del check["rule"]
    if word == "validValues" and "validValues" in check:
        check["arguments"] = {"validValues": check.pop("validValues")}
