"""A report that a domain made with Evidently itself is read as our verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mesh_catalog.errors import InputError, NotFoundError
from mesh_catalog.monitoring.foreign_report import read_evidently_report


@pytest.fixture(scope="module")
def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    reference, current = (
        pd.DataFrame({"x": rng.normal(side, 1, 300), "y": rng.normal(size=300), "c": rng.choice(["a", "b"], 300)})
        for side in (0, 1)
    )
    return reference, current


@pytest.mark.parametrize(("tested", "method"), [(True, None), (False, None), (False, "psi")])
def test_a_presets_verdict_is_read_with_its_tests_or_without(
    tmp_path: Path, frames: tuple[pd.DataFrame, pd.DataFrame], *, tested: bool, method: str | None
) -> None:
    from evidently import Report
    from evidently.presets import DataDriftPreset

    report = Report([DataDriftPreset(drift_share=0.3, method=method)], include_tests=tested)
    report.run(frames[1], frames[0]).save_json(str(tmp_path / "report.json"))
    found = read_evidently_report(tmp_path / "report.json").result
    assert {column.column: column.drifted for column in found.columns} == {"x": True, "y": method == "psi", "c": False}
    assert (found.limit, found.drifted) == (0.3, True)
    assert found.share == pytest.approx(sum(column.drifted for column in found.columns) / 3)
    assert found.columns[0].method == ("PSI" if method else "K-S p_value")


def test_metrics_of_single_columns_are_read_with_evidentlys_limit(
    tmp_path: Path, frames: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    from evidently import Report
    from evidently.metrics import MeanValue, ValueDrift

    report = Report([ValueDrift(column="x"), ValueDrift(column="y", method="ks", threshold=1.0), MeanValue(column="x")])
    report.run(frames[1], frames[0]).save_json(str(tmp_path / "report.json"))
    found = read_evidently_report(tmp_path / "report.json").result
    assert [(one.column, one.method, one.drifted) for one in found.columns] == [
        ("x", "K-S p_value", True),
        ("y", "K-S p_value", True),
    ]
    assert (found.share, found.limit, found.drifted) == (1.0, 0.5, True)


def _metric(**changes: Any) -> dict[str, Any]:
    config = {"type": "evidently:metric_v2:ValueDrift", "column": "x", "method": "K-S p_value", "threshold": 0.05}
    return {"id": "1", "config": {**config, **changes.pop("config", {})}, "value": 0.01, **changes}


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        ({"metrics": []}, "is not a report of Evidently 0.7"),
        ({"metrics": [{"value": 1}]}, r"metrics\.0\.config"),
        ({"metrics": [_metric(config={"type": "evidently:metric_v2:MeanValue"})]}, "holds no drift metric"),
        ({"metrics": [_metric(config={"column": None})]}, "names no column"),
        ({"metrics": [_metric()], "tests": [{"status": "MAYBE"}]}, "is not a report"),
        ([], "is not a report"),
    ],
)
def test_what_is_no_drift_report_gets_a_sentence(tmp_path: Path, report: Any, sentence: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    with pytest.raises(InputError, match=sentence):
        read_evidently_report(path)


def test_a_score_without_a_number_or_a_method_that_is_not_known_has_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    metrics = [_metric(value=None), _metric(config={"column": "y", "method": "mine"}), _metric(config={"column": "z"})]
    path.write_text(json.dumps({"metrics": metrics}))
    found = read_evidently_report(path).result
    assert [column.reason is None for column in found.columns] == [False, False, True]
    assert found.share == 1.0


def test_a_file_that_is_missing_or_no_json_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no such file"):
        read_evidently_report(tmp_path / "report.json")
    (tmp_path / "report.json").write_text("<html>")
    with pytest.raises(InputError, match="is not a report of Evidently"):
        read_evidently_report(tmp_path / "report.json")
