"""The only module that imports Evidently: its Report, run on scores that were computed elsewhere.

Two metrics of our own kind hold the numbers; Evidently evaluates their tests and renders page and JSON. Names from
inside Evidently are used (its drift widget, its legacy records), so it is pinned, and
`tests/unit/monitoring/test_report.py` holds the contract. The import takes 5 s: import this module late.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("DO_NOT_TRACK", "1")  # Evidently reads it when it is imported; without it, it reports its use

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.core.metric_types import (
    ColumnMetric,
    MetricTestResult,
    SingleValue,
    SingleValueCalculation,
    SingleValueMetric,
)
from evidently.core.report import Context, Snapshot
from evidently.legacy.calculations.data_drift import ColumnDataDriftMetrics, DriftStatsField
from evidently.legacy.metric_results import Distribution
from evidently.legacy.model.widget import BaseWidgetInfo
from evidently.legacy.options import ColorOptions
from evidently.legacy.options.base import Options
from evidently.legacy.renderers.html_widgets import CounterData, counter, table_data
from evidently.legacy.tests.base_test import TestStatus
from evidently.metrics.column_statistics import ValueDriftCalculation
from evidently.tests import gt, gte, lt, lte

from mesh_catalog.monitoring.bars import Bars, printable
from mesh_catalog.monitoring.drift import ColumnDrift, DriftResult
from mesh_catalog.monitoring.methods import METHODS

__all__ = ["render_report", "run_report"]

_KEPT = {"<": gte, "<=": gt, ">=": lt, ">": lte}
"""By when a score means drift: the test of Evidently's that passes where there is none."""
_SHORT_TYPES = {"numerical": "num", "categorical": "cat", "text": "text"}


class MeshDriftShare(SingleValueMetric):  # type: ignore[misc]
    """The share of drifted columns among those compared."""

    limit: float
    title: str | None = None


class MeshDriftShareCalculation(SingleValueCalculation[MeshDriftShare]):  # type: ignore[misc]
    def calculate(self, context: Context, current_data: Dataset, reference_data: Dataset | None) -> SingleValue:
        result: DriftResult = _numbers(context).result
        found = self.result(result.share)
        found.widget = _overview(result, self.metric.title)
        return found

    def display_name(self) -> str:
        return "Share of drifted columns"


class MeshColumnDrift(ColumnMetric, SingleValueMetric):  # type: ignore[misc]
    """One column's drift score; 0 and a skipped test where the column could not be compared."""

    method: str | None = None
    threshold: float | None = None
    reason: str | None = None


class MeshColumnDriftCalculation(SingleValueCalculation[MeshColumnDrift]):  # type: ignore[misc]
    def calculate(self, context: Context, current_data: Dataset, reference_data: Dataset | None) -> SingleValue:
        numbers = _numbers(context)
        column: ColumnDrift = numbers.column(self.metric.column)
        found = self.result(column.judged or 0.0)
        if column.reason is not None:
            found.widget = [_note(f"Not compared: {printable(column.reason, limit=200)}", printable(column.column))]
            found.set_tests([self._skipped(column)])
        else:
            found.widget = _column_widgets(column, numbers.bars.get(column.column))
        return found

    def display_name(self) -> str:
        return f"Value drift for {printable(self.metric.column)}"

    def _skipped(self, column: ColumnDrift) -> MetricTestResult:
        return MetricTestResult(
            id="skipped",
            name=f"{self.display_name()}: not compared",
            description=printable(column.reason or "", limit=200),
            status=TestStatus.SKIPPED,
            metric_config=self.to_metric_config(),
            test_config={},
        )


def render_report(result: DriftResult, bars: Mapping[str, tuple[Bars, Bars]], *, title: str | None) -> tuple[str, str]:
    """Evidently's page and JSON.

    Args:
        bars: Of each column that has them, the histograms of reference and current.
        title: The page's first line.
    """
    snapshot = run_report(result, bars, title=title)
    return snapshot.get_html_str(as_iframe=False), snapshot.json()


def run_report(result: DriftResult, bars: Mapping[str, tuple[Bars, Bars]], *, title: str | None) -> Snapshot:
    """Evidently's report, run on a dataset of one row that stands for none."""
    metrics: list[Any] = [MeshDriftShare(limit=result.limit, title=title, tests=[lt(result.limit)])]
    metrics += [_metric(column) for column in result.columns]
    stub = Dataset.from_pandas(pd.DataFrame({"row": [0]}), data_definition=DataDefinition(numerical_columns=["row"]))
    numbers = _Numbers(result=result, bars=bars)
    extra = {_KEY: Dataset.from_pandas(pd.DataFrame({"numbers": [numbers]}), data_definition=DataDefinition())}
    return Report(metrics, include_tests=True).run(stub, None, additional_data=extra)


_KEY = "mesh_catalog"


@dataclass(frozen=True, kw_only=True)
class _Numbers:
    """What the metrics show; it travels as the one cell of a frame, since Evidently takes nothing but frames."""

    result: DriftResult
    bars: Mapping[str, tuple[Bars, Bars]]

    def column(self, name: str) -> ColumnDrift:
        return next(column for column in self.result.columns if column.column == name)


def _numbers(context: Context) -> _Numbers:
    return context.additional_data[_KEY].as_dataframe()["numbers"].iloc[0]  # type: ignore[no-any-return]


def _metric(column: ColumnDrift) -> MeshColumnDrift:
    if column.method is None:
        return MeshColumnDrift(column=column.column, reason=column.reason)
    kept = _KEPT[METHODS[column.method].drifts_when]
    limit = column.threshold if column.critical_value is None else column.critical_value
    return MeshColumnDrift(column=column.column, method=column.method, threshold=column.threshold, tests=[kept(limit)])


def _overview(result: DriftResult, title: str | None) -> list[BaseWidgetInfo]:
    compared = [column for column in result.columns if column.reason is None]
    drifted = sum(column.drifted for column in compared)
    counters = [
        CounterData("Columns compared", str(len(compared))),
        CounterData("Drifted columns", str(drifted)),
        CounterData(f"Share of drifted columns (limit {result.limit:g})", f"{result.share:.3f}"),
    ]
    verdict = f"Dataset drift is {'detected' if result.drifted else 'not detected'}"
    rows = [_overview_row(column) for column in sorted(result.columns, key=_by_drift)]
    heads = ["Column", "Type", "Drift", "Method", "Threshold", "Score"]
    return [
        _note(verdict, printable(title, limit=200) if title else ""),
        counter(title="", counters=counters),
        table_data(title="Columns", column_names=heads, data=rows),
    ]


def _by_drift(column: ColumnDrift) -> tuple[bool, bool, str]:
    return not column.drifted, column.reason is not None, column.column


def _overview_row(column: ColumnDrift) -> list[str]:
    name = printable(column.column)
    if column.reason is not None:
        return [name, column.type, "not compared", printable(column.reason, limit=200), "", ""]
    drift = "detected" if column.drifted else "not detected"
    return [name, column.type, drift, column.method or "", f"{column.threshold:g}", f"{column.judged:.4g}"]


def _note(text: str, title: str) -> BaseWidgetInfo:
    return counter(counters=[CounterData(text, title)], title="")


def _column_widgets(column: ColumnDrift, bars: tuple[Bars, Bars] | None) -> list[BaseWidgetInfo]:
    """Evidently's own widget of a column's drift."""
    reference, current = bars or (None, None)
    drift = ColumnDataDriftMetrics(
        column_name=printable(column.column),
        column_type=_SHORT_TYPES.get(column.type, column.type),
        stattest_name=column.method,
        stattest_threshold=column.threshold,
        drift_score=column.judged,
        drift_detected=column.drifted,
        current=_stats(current),
        reference=_stats(reference),
    )
    # `_render` uses nothing of the calculation it is a method of
    return ValueDriftCalculation._render(None, drift, Options(), ColorOptions())  # type: ignore[no-any-return]


def _stats(bars: Bars | None) -> DriftStatsField:
    return DriftStatsField(distribution=Distribution(x=list(bars.x), y=list(bars.counts)) if bars else None)
