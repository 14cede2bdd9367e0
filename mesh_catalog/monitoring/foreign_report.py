"""The verdict in a drift report that a domain made with Evidently itself: its own JSON, read as our result.

What `Snapshot.save_json()` of Evidently 0.7 writes, with the outcome of its tests or without any. Read by a schema and
nothing more: no class of Evidently's is loaded from the file, and no value of rows is kept. What a report says counts:
a test's outcome where it ran tests, else its score against its threshold.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.monitoring.bars import printable
from mesh_catalog.monitoring.drift import ColumnDrift, DriftResult
from mesh_catalog.monitoring.finding import Finding, Monitor
from mesh_catalog.monitoring.methods import METHODS

__all__ = ["REPORT_PIN", "ForeignReport", "read_evidently_report", "reported_drift"]

REPORT_PIN = "report sha256:"
"""How the reference of a verdict begins that was read from a file."""
_LARGEST = 64 * 1024 * 1024
_SHOWN_DIGITS = 16
_VALUE_DRIFT = "evidently:metric_v2:ValueDrift"
_DRIFTED_COLUMNS = "evidently:metric_v2:DriftedColumnsCount"


class _Config(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: str
    column: str | None = Field(default=None, max_length=500)
    method: str | None = Field(default=None, max_length=200)
    threshold: float | None = None
    drift_share: float | None = Field(default=None, gt=0, le=1)


class _Share(BaseModel):
    model_config = ConfigDict(extra="ignore")

    count: float
    share: float = Field(ge=0, le=1)


class _Metric(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str = ""
    metric_id: str = ""
    config: _Config
    value: float | _Share | dict[str, Any] | list[Any] | str | None = None


class _TestConfig(BaseModel):
    model_config = ConfigDict(extra="ignore")

    metric_id: str


class _Test(BaseModel):
    model_config = ConfigDict(extra="ignore")

    metric_config: _TestConfig
    status: Literal["SUCCESS", "FAIL", "WARNING", "ERROR", "SKIPPED"]


class _Report(BaseModel):
    model_config = ConfigDict(extra="ignore")

    metrics: list[_Metric] = Field(min_length=1, max_length=100_000)
    tests: list[_Test] = Field(default_factory=list, max_length=1_000_000)


@dataclass(frozen=True, kw_only=True)
class ForeignReport:
    """What a file says."""

    name: str
    """Of the file, as it may be printed."""
    sha256: str
    """Of its bytes, in hexadecimal digits."""
    result: DriftResult


def reported_drift(report: ForeignReport) -> Monitor:
    """The report as a monitor of data drift: whatever the window, it finds what the file says.

    Raises:
        InputError: The file says of no column whether it drifted.
    """
    result = report.result
    if result.outcome == "not_run":
        raise InputError(
            f"{report.name}: says of no column whether it drifted. Make the report with DataDriftPreset, or ValueDrift "
            "of each column."
        )
    finding = Finding(
        outcome=result.outcome,
        reason=f"Evidently report {report.name}: {result.sentence}",
        measures=tuple(column.measure for column in result.columns),
        share=result.share,
        limit=result.limit,
        current_digest=report.sha256,
    )
    return Monitor(
        kind="data_drift",
        title="data drift",
        applies=lambda _window: True,
        reference=lambda _window: (f"{REPORT_PIN}{report.sha256[:_SHOWN_DIGITS]}",),
        judge=lambda _window: finding,
        sliced=False,
    )


def read_evidently_report(path: Path) -> ForeignReport:
    """The verdict of a report with `DataDriftPreset`, or with `ValueDrift` and `DriftedColumnsCount` metrics.

    A report without `DriftedColumnsCount` has a limit of 0.5, Evidently's default, on the share of its columns.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is no JSON of Evidently 0.7, or there is no drift metric in it.
    """
    data = _read(path)
    result = _result(path, _parse(path, data))
    return ForeignReport(name=_clean(path.name) or "", sha256=hashlib.sha256(data).hexdigest(), result=result)


def _result(path: Path, report: _Report) -> DriftResult:
    failed: dict[str, bool] = {}
    for test in report.tests:
        metric_id = test.metric_config.metric_id
        failed[metric_id] = failed.get(metric_id, False) or test.status == "FAIL"
    columns = [_column(path, metric, failed) for metric in report.metrics if metric.config.type == _VALUE_DRIFT]
    whole = next((metric for metric in report.metrics if metric.config.type == _DRIFTED_COLUMNS), None)
    if whole is None and not columns:
        raise InputError(
            f"{path}: holds no drift metric. Make the report with DataDriftPreset, or ValueDrift of each column."
        )
    if whole is None:
        return DriftResult.of(columns, limit=0.5)
    if not isinstance(whole.value, _Share):
        raise InputError(f"{path}: its share of drifted columns is not a number. Save the report anew.")
    limit = whole.config.drift_share or 0.5
    share = whole.value.share
    drifted = failed.get(_id(whole), share >= limit)
    return DriftResult(drifted=drifted, share=share, limit=limit, columns=tuple(columns))


def _read(path: Path) -> bytes:
    """The file, which may be anything and grow while it is read."""
    if not path.is_file():
        raise NotFoundError(
            f"{path}: there is no such file. Save a report there: Report.run(…).save_json('{path.name}')."
        )
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Name a file that you may read.") from error
    if len(data) > _LARGEST:
        raise InputError(f"{path}: is over {_LARGEST // 2**20} MiB. Save the report's JSON, not its data.")
    return data


def _parse(path: Path, data: bytes) -> _Report:
    try:
        return _Report.model_validate(json.loads(data))
    except (ValueError, RecursionError) as error:
        place = _place(error) if isinstance(error, ValidationError) else ""
        raise InputError(f"{path}: is not a report of Evidently 0.7{place}. Save it by save_json().") from error


def _place(error: ValidationError) -> str:
    return f" ({'.'.join(map(str, error.errors()[0]['loc']))[:80]})"


def _id(metric: _Metric) -> str:
    return metric.id or metric.metric_id


def _clean(text: str | None) -> str | None:
    """A name that somebody typed, as it may stand in a page and in any database."""
    return text and printable("".join(one if one.isprintable() else "?" for one in text), limit=200)


def _column(path: Path, metric: _Metric, failed: Mapping[str, bool]) -> ColumnDrift:
    name = _clean(metric.config.column)
    if name is None:
        raise InputError(f"{path}: a ValueDrift metric names no column. Save the report anew.")
    score = metric.value if isinstance(metric.value, float) and math.isfinite(metric.value) else None
    method = METHODS.get(metric.config.method or "") or next(
        (one for one in METHODS.values() if one.key == metric.config.method), None
    )
    threshold = metric.config.threshold
    if threshold is None and method is not None:
        threshold = method.threshold
    if _id(metric) in failed:
        drifted = failed[_id(metric)]
    elif score is not None and method is not None:
        drifted = method.drifted(score, threshold)
    else:
        reason = (
            "its score is not a number" if score is None else "its method is none of Evidently's own, and no test says"
        )
        return ColumnDrift(column=name, type="unknown", reason=reason)
    shown = method.name if method is not None else _clean(metric.config.method)
    return ColumnDrift(column=name, type="unknown", method=shown, score=score, threshold=threshold, drifted=drifted)
