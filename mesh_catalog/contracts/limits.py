"""Limits of quality rules: ODCS's `mustBe…` words, read into a `Threshold`, and said as a person says them. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from mesh_catalog.contracts.contract import Threshold
from mesh_catalog.documents import Document, Place
from mesh_catalog.errors import listed

__all__ = ["OPERATORS", "limit_text", "operator_of", "read_count_limit", "read_number", "read_value_limit"]

OPERATORS: Final[Mapping[str, str]] = {
    "mustBe": "exactly",
    "mustNotBe": "not",
    "mustBeGreaterThan": "more than",
    "mustBeGreaterOrEqualTo": "at least",
    "mustBeLessThan": "fewer than",
    "mustBeLessOrEqualTo": "at most",
    "mustBeBetween": "between",
    "mustNotBeBetween": "not between",
}


def operator_of(document: Document, entry: Mapping[str, Any], what: str, place: Place) -> str:
    """The one limit word of an entry.

    Raises:
        DocumentError: There is none, or more than one.
    """
    limits = [word for word in OPERATORS if word in entry]
    if len(limits) != 1:
        said = f"{len(limits)} limits ({listed(limits)})" if limits else "no limit"
        raise document.error(
            f"quality: {what} has {said}. Write one of {listed(OPERATORS)}, for example mustBe: 0.", *place
        )
    return limits[0]


def read_number(document: Document, value: Any, what: str, place: Place) -> float:
    """A finite number.

    Raises:
        DocumentError: It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise document.error(f"{what} is '{str(value)[:40]}', but must be a number.", *place)
    return value


def read_value_limit(document: Document, entry: Mapping[str, Any], what: str, place: Place) -> Threshold:
    """A limit on any number.

    Raises:
        DocumentError: There is not one limit, it is no number, or larger stands before smaller.
    """
    operator = operator_of(document, entry, what, place)
    raw, here = entry[operator], (*place, operator)
    numbers = [read_number(document, one, operator, here) for one in (raw if isinstance(raw, list) else [raw])]
    if len(numbers) != (2 if operator.endswith("Between") else 1) or numbers != sorted(numbers):
        raise document.error(f"{operator} {raw} can never hold. Write one number, or smaller before larger.", *here)
    value = (numbers[0], numbers[1]) if len(numbers) == 2 else numbers[0]
    return Threshold(operator=operator, value=value)  # type: ignore[arg-type]


def read_count_limit(document: Document, entry: Mapping[str, Any], what: str, place: Place, *, of: str) -> Threshold:
    """A limit on a number of rows, or on their percentage where `unit` says so.

    Args:
        of: `rows` where the rows of the table are counted, which have no percentage; `broken` rows have one.

    Raises:
        DocumentError: As `read_value_limit`; also a number that no count of the unit can have, or an unknown unit.
    """
    unit = str(entry.get("unit", "rows")).lower()
    unit = {"%": "percent", "row": "rows"}.get(unit, unit)
    if unit not in ("rows", "percent") or (unit == "percent" and of == "rows"):
        raise document.error(f"the unit '{unit[:40]}' is not known here. Allowed: rows, percent.", *place, "unit")
    found = read_value_limit(document, entry, what, place)
    numbers = found.value if isinstance(found.value, tuple) else (found.value,)
    if any(one < 0 or (unit == "percent" and one > 100) for one in numbers):
        raise document.error(
            f"{found.operator} {entry[found.operator]} can never hold for {unit}. Write no number below 0"
            f"{', and none above 100' if unit == 'percent' else ''}.",
            *place,
            found.operator,
        )
    return Threshold(operator=found.operator, value=found.value, unit="percent" if unit == "percent" else "rows")


def limit_text(threshold: Threshold) -> str:
    """`at most 5`, `between 1 and 3`."""
    value = threshold.value
    shown = f"{value[0]:g} and {value[1]:g}" if isinstance(value, tuple) else f"{value:g}"
    return f"{OPERATORS[threshold.operator]} {shown}"
