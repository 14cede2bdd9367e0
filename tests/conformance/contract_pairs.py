"""Contracts that differ by one edit or several, to compare what two tools say of them."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any, Final

__all__ = ["EDITS", "edited", "random_pair"]

_Column = dict[str, Any]
_BASE: Final[dict[str, Any]] = {
    "apiVersion": "v3.2.0",
    "kind": "DataContract",
    "id": "shop.orders",
    "version": "1.0.0",
    "status": "active",
    "schema": [
        {
            "name": "orders",
            "physicalType": "table",
            "properties": [
                {"name": "id", "logicalType": "integer", "required": True, "primaryKey": True, "primaryKeyPosition": 1},
                {"name": "at", "logicalType": "timestamp", "required": True},
                {"name": "seen", "logicalType": "timestamp"},
                {"name": "amount", "logicalType": "number", "logicalTypeOptions": {"minimum": 0, "maximum": 100}},
                {"name": "pieces", "logicalType": "integer", "physicalType": "int"},
                {"name": "code", "logicalType": "string", "unique": True},
                {
                    "name": "state",
                    "logicalType": "string",
                    "quality": [
                        {
                            "id": "states",
                            "type": "library",
                            "metric": "invalidValues",
                            "arguments": {"validValues": ["open", "paid"]},
                            "mustBe": 0,
                        }
                    ],
                },
                {"name": "note", "logicalType": "string"},
            ],
        }
    ],
    "slaProperties": [{"property": "freshness", "value": 2, "unit": "d", "element": "orders.at"}],
    "customProperties": [
        {"property": "eventTime", "value": "at"},
        {"property": "writeMode", "value": "overwrite"},
    ],
}


def _columns(contract: dict[str, Any]) -> dict[str, _Column]:
    return {column["name"]: column for column in contract["schema"][0]["properties"]}


def _remove(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda contract: contract["schema"][0]["properties"].remove(_columns(contract)[name])


def _add(**column: Any) -> Callable[[dict[str, Any]], None]:
    return lambda contract: contract["schema"][0]["properties"].append(column)


def _set(name: str, **words: Any) -> Callable[[dict[str, Any]], None]:
    """Words of a column; None takes one away."""

    def edit(contract: dict[str, Any]) -> None:
        column = _columns(contract)[name]
        column.update(words)
        for word, value in words.items():
            if value is None:
                del column[word]

    return edit


def _states(*values: str) -> Callable[[dict[str, Any]], None]:
    def edit(contract: dict[str, Any]) -> None:
        _columns(contract)["state"]["quality"][0]["arguments"]["validValues"] = list(values)

    return edit


def _key(*names: str) -> Callable[[dict[str, Any]], None]:
    def edit(contract: dict[str, Any]) -> None:
        for name, column in _columns(contract).items():
            column.pop("primaryKey", None)
            column.pop("primaryKeyPosition", None)
            if name in names:
                column |= {"primaryKey": True, "primaryKeyPosition": names.index(name) + 1}

    return edit


def _custom(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(contract: dict[str, Any]) -> None:
        others = [one for one in contract["customProperties"] if one["property"] != name]
        contract["customProperties"] = others + ([{"property": name, "value": value}] if value is not None else [])

    return edit


def _top(**words: Any) -> Callable[[dict[str, Any]], None]:
    return lambda contract: contract.update(words)


EDITS: Final[dict[str, Callable[[dict[str, Any]], None]]] = {
    "column removed": _remove("note"),
    "required column added": _add(name="more", logicalType="string", required=True),
    "other type": _set("note", logicalType="date"),
    "wider type": _set("pieces", physicalType="bigint"),
    "may be null": _set("at", required=False),
    "no longer unique": _set("code", unique=False),
    "unique on another column": _set("note", unique=True),
    "key moved": _key("at"),
    "key of two": _key("id", "at"),
    "no key": _key(),
    "lower minimum": _set("amount", logicalTypeOptions={"minimum": -5, "maximum": 100}),
    "no bounds": _set("amount", logicalTypeOptions=None),
    "value added": _states("open", "paid", "lost"),
    "values unchecked": _set("state", quality=None),
    "pattern": _set("note", logicalTypeOptions={"pattern": "^x"}),
    "slower freshness": _top(
        slaProperties=[{"property": "freshness", "value": 3, "unit": "d", "element": "orders.at"}]
    ),
    "classification": _set("note", classification="internal"),
    "description": _set("note", description="Said by the customer."),
    "tags": _top(tags=["money"]),
    "other event time": _custom("eventTime", "seen"),
    "no event time": _custom("eventTime", None),
    "write mode": _custom("writeMode", "append"),
}
"""Edits of the base contract; each is also undone, which is an edit of its own: `undo: …`."""


def edited(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The contract before and after an edit, or after and before it for `undo: …`."""
    old, new = copy.deepcopy(_BASE), copy.deepcopy(_BASE)
    EDITS[name.removeprefix("undo: ")](new)
    return (new, old) if name.startswith("undo: ") else (old, new)


def random_pair(dice: random.Random) -> tuple[dict[str, Any], dict[str, Any], set[str]]:
    """Two contracts that are some edits apart in each direction, and the edits' names.

    Edits that touch the same word would hide each other: of each such group there is one at most.
    """
    groups: dict[str, list[str]] = {}
    for name in EDITS:
        groups.setdefault(_GROUPS.get(name, name), []).append(name)
    chosen = [dice.choice(names) for names in groups.values() if dice.random() < 0.25]
    old, new = copy.deepcopy(_BASE), copy.deepcopy(_BASE)
    names: set[str] = set()
    for name in chosen:
        undone = dice.random() < 0.5
        EDITS[name](old if undone else new)
        names.add(f"undo: {name}" if undone else name)
    return old, new, names


_GROUPS: Final = {
    **dict.fromkeys(
        ("column removed", "other type", "pattern", "unique on another column", "classification", "description"), "note"
    ),
    **dict.fromkeys(
        (
            "may be null",
            "key moved",
            "key of two",
            "no key",
            "slower freshness",
            "other event time",
            "no event time",
        ),
        "at",
    ),
    **dict.fromkeys(("lower minimum", "no bounds"), "amount"),
    **dict.fromkeys(("value added", "values unchecked"), "state"),
}
