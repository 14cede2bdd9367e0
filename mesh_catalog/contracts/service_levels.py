"""The freshness rules of a contract's `slaProperties`, and its retention; others (frequency…) are no rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mesh_catalog.contracts.contract import Column, Contract, Rule, Severity
from mesh_catalog.contracts.rules import read_severity
from mesh_catalog.contracts.types import is_temporal
from mesh_catalog.documents import Document, Place
from mesh_catalog.errors import nearest

__all__ = ["frequency_seconds", "freshness_rule", "level_text", "retention_seconds"]

_FRESHNESS: Final = ("freshness", "latency")
_UNIT_SECONDS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "wk", "week", "weeks"), 7 * 86_400),
    **dict.fromkeys(("mo", "month", "months"), 30 * 86_400),
    **dict.fromkeys(("y", "yr", "year", "years"), 365 * 86_400),
}
_LENGTH: Final = re.compile(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*([a-z]*)\s*", re.IGNORECASE)
_NO_TIME: Final = "the contract names no event time: set customProperty eventTime, or `element`"


def level_text(level: Mapping[str, Any]) -> str:
    """`frequency 1 d`, as the contract says it."""
    return " ".join(str(level[key]) for key in ("property", "value", "unit") if level.get(key) not in (None, ""))


def freshness_rule(
    document: Document, entry: Mapping[str, Any], columns: Sequence[Column], *, default: str | None, place: Place
) -> Rule | None:
    """The rule of one service level; None where it is no freshness or latency.

    Args:
        document: The contract's document.
        entry: The service level.
        columns: The contract's columns.
        default: Column that it speaks of where it has no `element`.
        place: Where it stands.

    Raises:
        DocumentError: Its length of time, its severity or its element cannot be read.
    """
    if str(entry["property"]).lower() not in _FRESHNESS:
        return None
    seconds = _seconds(document, entry, place)
    severity = _severity(document, entry, place)
    element = str(entry.get("element") or default or "").rpartition(".")[2].strip()
    if not element:
        text = f"fresh within {_lasting(seconds)}"
        return Rule(id="table.freshness", kind="not_run", severity=severity, text=text, argument=_NO_TIME)
    column = next((one for one in columns if one.name == element), None)
    if column is None or not is_temporal(column.spark_type):
        fit = [one.name for one in columns if is_temporal(one.spark_type)]
        raise document.error(
            f"'{element[:40]}' is no date or timestamp column of this table.{nearest(element, fit)}", *place, "element"
        )
    return Rule(
        id=f"{element}.freshness",
        kind="freshness",
        column=element,
        argument=seconds,
        severity=severity,
        text=f"{element} within {_lasting(seconds)}",
    )


def frequency_seconds(contract: Contract) -> int | None:
    """How often the contract promises new data; None where it says no length of time that can be read."""
    levels = [level for level in contract.service_levels if str(level.get("property")).lower() == "frequency"]
    found = [_length_seconds(level.get("value"), level.get("unit")) for level in levels]
    return min((seconds for seconds in found if seconds is not None), default=None)


def retention_seconds(document: Document, entries: Sequence[Mapping[str, Any]]) -> int | None:
    """The longest `retention` of the service levels; None where none is said.

    Raises:
        DocumentError: It is no length of time.
    """
    found = [
        _seconds(document, entry, ("slaProperties", index))
        for index, entry in enumerate(entries)
        if str(entry["property"]).lower() == "retention"
    ]
    return max(found, default=None)


def _severity(document: Document, entry: Mapping[str, Any], place: Place) -> Severity:
    """A warning, unless a customProperty says otherwise."""
    found: Severity = "warning"
    for index, custom in enumerate(entry.get("customProperties", [])):
        if custom["property"] == "severity":
            found = read_severity(document, custom["value"], (*place, "customProperties", index))
    if found == "quarantine":
        raise document.error("freshness speaks of the whole table. Use error or warning.", *place)
    return found


def _seconds(document: Document, entry: Mapping[str, Any], place: Place) -> int:
    seconds = _length_seconds(entry["value"], entry.get("unit"))
    if seconds is None:
        unit = str(entry.get("unit", "")).strip().lower()
        raise document.error(
            f"{entry['property']} needs a length of time, not '{str(entry['value'])[:40]} {unit[:20]}'."
            " Write for example value: 2 and unit: d (s, min, h, d, w, mo or y).",
            *place,
        )
    return seconds


def _length_seconds(value: object, unit: object) -> int | None:
    match = _LENGTH.fullmatch(str(value))
    named = (match[2] if match and match[2] else str(unit or "")).strip().lower()
    if match is None or named not in _UNIT_SECONDS or float(match[1]) <= 0:
        return None
    return max(round(float(match[1]) * _UNIT_SECONDS[named]), 1)


def _lasting(seconds: int) -> str:
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {name}"
    return f"{seconds} s"
