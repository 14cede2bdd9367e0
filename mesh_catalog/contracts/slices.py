"""How a contract says which slice of its inputs one publish reads.

customProperties: `readChanges` (the input of which only the rows that changed are read: its name, or
{product, rows: newest | all}) and `lookback` (how far before an interval its inputs are read in a backfill, for example
28d). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

from mesh_catalog.contracts.contract import ReadChanges
from mesh_catalog.contracts.durations import parse_duration
from mesh_catalog.documents import Document, Place

__all__ = ["Slices", "read_slices"]

Custom = Mapping[str, tuple[Any, Place]]


@dataclass(frozen=True, kw_only=True)
class Slices:
    """What a contract says of its slices; the fields of `Contract`."""

    read_changes: ReadChanges | None
    lookback: timedelta


def read_slices(document: Document, custom: Custom, *, write_mode: str, event_time: str | None) -> Slices:
    """What the contract's customProperties say.

    Args:
        custom: Property → its value and its place.

    Raises:
        DocumentError: A word is not known, or does not go with the contract's other words; with file and line.
    """

    def refuse(name: str, sentence: str) -> NoReturn:
        raise document.error(sentence, *custom[name][1])

    changes, lookback = None, timedelta(0)
    if "readChanges" in custom:
        changes = _read_changes(custom["readChanges"][0])
        if changes is None:
            refuse(
                "readChanges",
                "readChanges names the input whose changes are read, for example shop.orders, or"
                " {product: shop.orders, rows: all}.",
            )
        if write_mode.startswith("overwrite"):
            refuse(
                "readChanges",
                f"readChanges gives the changed rows only, and writeMode {write_mode} would put them in the place of"
                " the others. Write writeMode append, upsert or history.",
            )
    if "lookback" in custom:
        try:
            lookback = parse_duration(str(custom["lookback"][0]))
        except ValueError as error:
            refuse("lookback", f"lookback: {error}")
        if event_time is None:
            refuse("lookback", "lookback speaks of the time of rows. Add customProperty eventTime.")
    return Slices(read_changes=changes, lookback=lookback)


def _read_changes(value: Any) -> ReadChanges | None:
    if isinstance(value, str) and value:
        return ReadChanges(product=value)
    if isinstance(value, dict) and set(value) == {"product", "rows"} and isinstance(value["product"], str):
        for rows in ("newest", "all"):
            if value["rows"] == rows:
                return ReadChanges(product=value["product"], rows=rows)
    return None
