"""Histograms of both sides of a comparison, over the same bars, as far as their profiles hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mesh_catalog.lake.profile import ColumnProfile, Profile, bin_bounds
from mesh_catalog.monitoring.drift import ColumnDrift

__all__ = ["Bars", "column_bars", "printable"]

_HISTOGRAM_BARS = 30
_SHOWN_CATEGORIES = 20


@dataclass(frozen=True, kw_only=True)
class Bars:
    """A histogram: edges (one more than counts) of a number, or the names of categories."""

    x: Sequence[float] | Sequence[str]
    counts: Sequence[int]


def column_bars(column: ColumnDrift, reference: Profile, current: Profile) -> tuple[Bars, Bars] | None:
    """Reference and current; None of text, where the column was not compared, or a side keeps no counts of it."""
    left, right = reference.columns.get(column.column), current.columns.get(column.column)
    if column.reason is not None or column.type == "text" or left is None or right is None:
        return None
    if column.type == "numerical":
        return _number_bars(left, right)
    return _category_bars(left, right)


def _number_bars(left: ColumnProfile, right: ColumnProfile) -> tuple[Bars, Bars] | None:
    sides = [_points(column) for column in (left, right)]
    if any(not len(values) for values, _counts in sides):
        return None
    low = min(float(values.min()) for values, _counts in sides)
    high = max(float(values.max()) for values, _counts in sides)
    edges = np.linspace(low, high, _HISTOGRAM_BARS + 1) if high > low else np.array([low - 0.5, low + 0.5])
    counts = [np.histogram(values, bins=edges, weights=weights)[0].astype(int).tolist() for values, weights in sides]
    return Bars(x=edges.tolist(), counts=counts[0]), Bars(x=edges.tolist(), counts=counts[1])


def _points(column: ColumnProfile) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Values and how many stand there; a bin stands at its middle, inside the column's extremes."""
    if column.values is not None:
        return np.array(list(column.values), dtype=float), np.array(list(column.values.values()))
    if not column.bins or column.minimum is None or column.maximum is None:
        return np.zeros(0), np.zeros(0)
    bounds = np.array([bin_bounds(index) for index in column.bins])
    bounds = np.clip(bounds, float(column.minimum), float(column.maximum))
    return bounds[:, 0] / 2 + bounds[:, 1] / 2, np.array(list(column.bins.values()))


def _category_bars(left: ColumnProfile, right: ColumnProfile) -> tuple[Bars, Bars] | None:
    if left.values is None or right.values is None:
        return None
    total = {key: left.values.get(key, 0) + right.values.get(key, 0) for key in (*left.values, *right.values)}
    shown = sorted(sorted(total, key=lambda key: (-total[key], str(key)))[:_SHOWN_CATEGORIES], key=str)
    names = [printable(str(key)) for key in shown]

    def bars(column: ColumnProfile) -> Bars:
        found = [(column.values or {}).get(key, 0) for key in shown]
        rest = sum((column.values or {}).values()) - sum(found)
        if len(total) > len(shown):
            return Bars(x=[*names, "(other)"], counts=[*found, rest])
        return Bars(x=names, counts=found)

    return bars(left), bars(right)


def printable(text: str, *, limit: int = 40) -> str:
    """Text as it may stand in the page: short, and without signs of markup, since Evidently escapes none."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut.replace("&", "＆").replace("<", "‹").replace(">", "›")
