"""Evidently's own report from the numbers: its HTML, its JSON, and the verdict read back from that JSON's tests.

Evidently computes reports from rows in memory; here it is handed the scores, as metrics of a kind of its own, and does
the rest (`evidently_adapter.py`): whether each score passes its test, the counts of passed and failed, the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mesh_catalog.catalog.verdicts import VerdictRecord
from mesh_catalog.documents import write_whole
from mesh_catalog.errors import StorageError
from mesh_catalog.lake.profile import Profile
from mesh_catalog.monitoring.bars import column_bars
from mesh_catalog.monitoring.drift import DriftResult

__all__ = ["ReportFiles", "ReportVerdict", "read_report", "write_measures", "write_report"]


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

    bars = {column.column: column_bars(column, reference, current) for column in result.columns}
    page, data = render_report(result, {name: pair for name, pair in bars.items() if pair}, title=title)
    return _written(folder, name, page, data)


def write_measures(verdict: VerdictRecord, monitor: str, *, folder: Path, name: str, title: str) -> ReportFiles:
    """Write `<name>.html` and `<name>.json` of any monitor's verdict: each measure is a test, with what it decided.

    Cost: the import of Evidently, about 5 s, and some milliseconds a measure.
    """
    from mesh_catalog.monitoring.evidently_measures import render_measures  # late: Evidently takes 5 s to import

    page, data = render_measures(verdict, monitor, title=title)
    return _written(folder, name, page, data)


def _written(folder: Path, name: str, page: str, data: str) -> ReportFiles:
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
