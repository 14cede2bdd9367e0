"""Evidently's own report from the numbers: its HTML, its JSON, and the verdict read back from that JSON's tests.

Evidently computes reports from rows in memory; here it is handed the scores, as metrics of a kind of its own, and does
the rest (`evidently_adapter.py`): whether each score passes its test, the counts of passed and failed, the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mesh_catalog.documents import write_whole
from mesh_catalog.errors import StorageError
from mesh_catalog.lake.profile import ColumnProfile, Profile, bin_bounds
from mesh_catalog.monitoring.drift import ColumnDrift, DriftResult

__all__ = ["Bars", "ReportFiles", "ReportVerdict", "printable", "read_report", "write_report"]

_HISTOGRAM_BARS = 30
_SHOWN_CATEGORIES = 20


@dataclass(frozen=True, kw_only=True)
class ReportFiles:
    html: Path
    json: Path


@dataclass(frozen=True, kw_only=True)
class ReportVerdict:
    """What the tests of a report's JSON say."""

    drifted: bool
    share: float
    limit: float
    columns: Mapping[str, bool]
    """Of each compared column, whether it drifted."""


@dataclass(frozen=True, kw_only=True)
class Bars:
    """A histogram: edges (one more than counts) of a number, or the names of categories."""

    x: Sequence[float] | Sequence[str]
    counts: Sequence[int]


def write_report(
    result: DriftResult, reference: Profile, current: Profile, *, folder: Path, name: str, title: str | None = None
) -> ReportFiles:
    """Write `<name>.html` and `<name>.json`, each whole or not at all.

    Both hold what the profiles hold, so no value of a personal column.

    Args:
        title: What was compared, as the page's first line.

    Cost: the import of Evidently, about 5 s, and 30 ms a column.
    """
    from mesh_catalog.monitoring.evidently_adapter import render_report  # late: Evidently takes 5 s to import

    bars = {column.column: _bars(column, reference, current) for column in result.columns}
    page, data = render_report(result, {name: pair for name, pair in bars.items() if pair}, title=title)
    files = ReportFiles(html=folder / f"{name}.html", json=folder / f"{name}.json")
    write_whole(files.json, data)
    write_whole(files.html, page)
    return files


def read_report(path: Path) -> ReportVerdict:
    """The verdict that a report's JSON holds: a failed test is drift, a skipped one a column that was not compared.

    Raises:
        StorageError: The file is gone, or no report of ours.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        statuses = {test["metric_config"]["metric_id"]: test["status"] for test in found["tests"]}
        whole = next(metric for metric in found["metrics"] if "column" not in metric["config"])
        return ReportVerdict(
            drifted=statuses[whole["id"]] == "FAIL",
            share=float(whole["value"]),
            limit=float(whole["config"]["limit"]),
            columns={
                metric["config"]["column"]: statuses[metric["id"]] == "FAIL"
                for metric in found["metrics"]
                if metric is not whole and statuses[metric["id"]] != "SKIPPED"
            },
        )
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise StorageError(f"{path}: is not a drift report, or a damaged one. Run the monitor again.") from error


def _bars(column: ColumnDrift, reference: Profile, current: Profile) -> tuple[Bars, Bars] | None:
    """Histograms of both sides over the same bars, as far as the profiles hold them."""
    left, right = reference.columns.get(column.column), current.columns.get(column.column)
    if column.reason is not None or left is None or right is None:
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
