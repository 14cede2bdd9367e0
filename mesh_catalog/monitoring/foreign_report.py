"""The verdict in a drift report that a domain made with Evidently itself: its own JSON, read as our result.

What `Snapshot.save_json()` of Evidently 0.7 writes, with the outcome of its tests or without any. Read by a schema and
nothing more: no class of Evidently's is loaded from the file, and no value of rows is kept. What a report says counts:
a test's outcome where it ran tests, else its score against its threshold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.monitoring.drift import ColumnDrift, DriftResult
from mesh_catalog.monitoring.methods import METHODS

__all__ = ["read_evidently_report"]

_LARGEST = 256 * 1024 * 1024
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


def read_evidently_report(path: Path) -> DriftResult:
    """The verdict of a report with `DataDriftPreset`, or with `ValueDrift` and `DriftedColumnsCount` metrics.

    A report without `DriftedColumnsCount` has a limit of 0.5, Evidently's default, on the share of its columns.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is no JSON of Evidently 0.7, or there is no drift metric in it.
    """
    report = _parse(path)
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


def _parse(path: Path) -> _Report:
    if not path.is_file():
        raise NotFoundError(
            f"{path}: there is no such file. Save a report there: Report.run(…).save_json('{path.name}')."
        )
    if path.stat().st_size > _LARGEST:
        raise InputError(f"{path}: is over {_LARGEST // 2**20} MiB. Save the report's JSON, not its data.")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return _Report.model_validate(found)
    except (OSError, ValueError, RecursionError) as error:
        place = _place(error) if isinstance(error, ValidationError) else ""
        raise InputError(f"{path}: is not a report of Evidently 0.7{place}. Save it by save_json().") from error


def _place(error: ValidationError) -> str:
    return f" ({'.'.join(map(str, error.errors()[0]['loc']))[:80]})"


def _id(metric: _Metric) -> str:
    return metric.id or metric.metric_id


def _column(path: Path, metric: _Metric, failed: Mapping[str, bool]) -> ColumnDrift:
    name = metric.config.column
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
    shown = method.name if method is not None else metric.config.method
    return ColumnDrift(column=name, type="unknown", method=shown, score=score, threshold=threshold, drifted=drifted)
