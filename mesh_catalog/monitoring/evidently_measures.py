"""Evidently's report of any monitor's measures: its tests, page and JSON, on numbers that were computed elsewhere.

Beside `evidently_adapter.py`, which does the same for drift, the only module that imports Evidently. Late: 5 s.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DO_NOT_TRACK", "1")  # Evidently reads it when it is imported; without it, it reports its use

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.core.metric_types import MetricTestResult, SingleValue, SingleValueCalculation, SingleValueMetric
from evidently.core.report import Context
from evidently.legacy.renderers.html_widgets import CounterData, counter, table_data
from evidently.legacy.tests.base_test import TestStatus

from mesh_catalog.catalog.verdicts import Measure, VerdictRecord
from mesh_catalog.monitoring.bars import printable

__all__ = ["render_measures"]

_KEY = "mesh_catalog"
_STATUS = {
    "pass": TestStatus.SUCCESS,
    "warn": TestStatus.WARNING,
    "fail": TestStatus.FAIL,
    "not_run": TestStatus.SKIPPED,
}


class MeshMeasure(SingleValueMetric):  # type: ignore[misc]
    """One measure of a verdict; its test says what the monitor decided."""

    position: int
    column: str | None = None
    method: str
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    outcome: str
    reason: str | None = None


class MeshMeasureCalculation(SingleValueCalculation[MeshMeasure]):  # type: ignore[misc]
    def calculate(self, context: Context, current_data: Dataset, reference_data: Dataset | None) -> SingleValue:
        measure: Measure = _verdict(context).measures[self.metric.position]
        found = self.result(measure.score if measure.score is not None else 0.0)
        found.widget = []
        found.set_tests([_test(self, measure.outcome, _sentence(measure))])
        return found

    def display_name(self) -> str:
        return _name(self.metric.column, self.metric.method)


class MeshVerdict(SingleValueMetric):  # type: ignore[misc]
    """The verdict: the number of its measures that failed."""

    monitor: str
    outcome: str
    reason: str
    title: str


class MeshVerdictCalculation(SingleValueCalculation[MeshVerdict]):  # type: ignore[misc]
    def calculate(self, context: Context, current_data: Dataset, reference_data: Dataset | None) -> SingleValue:
        verdict = _verdict(context)
        found = self.result(float(sum(one.outcome == "fail" for one in verdict.measures)))
        found.widget = _page(verdict, self.metric)
        found.set_tests([_test(self, verdict.outcome, printable(verdict.reason, limit=400))])
        return found

    def display_name(self) -> str:
        return f"{self.metric.monitor}: measures that failed"


def render_measures(verdict: VerdictRecord, monitor: str, *, title: str) -> tuple[str, str]:
    """Evidently's page and JSON of a verdict."""
    reason = printable(verdict.reason, limit=400)
    metrics: list[Any] = [MeshVerdict(monitor=monitor, outcome=verdict.outcome, reason=reason, title=title)]
    for position, one in enumerate(verdict.measures):
        metrics.append(
            MeshMeasure(
                position=position,
                column=one.column,
                method=one.method,
                threshold=one.threshold,
                low=one.low,
                high=one.high,
                outcome=one.outcome,
                reason=printable(one.reason, limit=400) if one.reason else None,
            )
        )
    stub = Dataset.from_pandas(pd.DataFrame({"row": [0]}), data_definition=DataDefinition(numerical_columns=["row"]))
    extra = {_KEY: Dataset.from_pandas(pd.DataFrame({"verdict": [verdict]}), data_definition=DataDefinition())}
    snapshot = Report(metrics, include_tests=True).run(stub, None, additional_data=extra)
    return snapshot.get_html_str(as_iframe=False), snapshot.json()


def _verdict(context: Context) -> VerdictRecord:
    return context.additional_data[_KEY].as_dataframe()["verdict"].iloc[0]  # type: ignore[no-any-return]


def _test(calculation: Any, outcome: str, text: str) -> MetricTestResult:
    return MetricTestResult(
        id=outcome,
        name=calculation.display_name(),
        description=text,
        status=_STATUS[outcome],
        metric_config=calculation.to_metric_config(),
        test_config={},
    )


def _name(column: str | None, method: str) -> str:
    shown = printable(method or "not compared", limit=120)
    return f"{printable(column)}: {shown}" if column else shown


def _sentence(measure: Measure) -> str:
    if measure.score is None:
        return printable(measure.reason or "no score", limit=400)
    limit = f", limit {measure.threshold:.4g}" if measure.threshold is not None else ""
    rest = f"; {measure.reason}" if measure.reason else ""
    return printable(f"{measure.score:.4g}{limit}{rest}", limit=400)


def _page(verdict: VerdictRecord, metric: MeshVerdict) -> list[Any]:
    counters = [
        CounterData("Outcome", verdict.outcome),
        CounterData("Failed", str(sum(one.outcome == "fail" for one in verdict.measures))),
        CounterData("Measures", str(len(verdict.measures))),
    ]
    heads = ["Column", "Measure", "Outcome", "Value", "Interval", "Limit", "Remark"]
    return [
        counter(
            counters=[CounterData(printable(verdict.reason, limit=400), printable(metric.title, limit=300))], title=""
        ),
        counter(title="", counters=counters),
        table_data(title=metric.monitor, column_names=heads, data=[_row(one) for one in verdict.measures]),
    ]


def _row(measure: Measure) -> list[str]:
    interval = (
        f"[{measure.low:.4g}, {measure.high:.4g}]" if measure.low is not None and measure.high is not None else ""
    )
    group = str(measure.details.get("group", ""))
    return [
        printable(f"{measure.column or ''} {group}".strip()),
        printable(measure.method, limit=120),
        measure.outcome,
        "" if measure.score is None else f"{measure.score:.4g}",
        interval,
        "" if measure.threshold is None else f"{measure.threshold:.4g}",
        printable(measure.reason or "", limit=200),
    ]
