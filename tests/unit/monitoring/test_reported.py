"""A report that a domain made with Evidently itself becomes a verdict, which the loop acts on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.verdicts import read_verdicts
from mesh_catalog.cli.main import run_command
from mesh_catalog.errors import InputError
from mesh_catalog.monitoring.run import record_report, replay_verdict
from mesh_catalog.retraining.loop import plan_retraining
from mesh_catalog.settings import load_settings
from tests.unit.monitoring.samples import MODEL, rows, score_champion, train

NAME = "payments.fraud"
WHOLE = "evidently:metric_v2:DriftedColumnsCount"


@pytest.fixture
def watched(mesh: Mesh) -> Mesh:
    path = mesh.settings.workspace / "domains" / "payments" / "fraud" / "model.yaml"
    path.write_text(f"{MODEL}retrain: {{on: [drift], debounce: 1 of 1}}\n")
    with open_mesh(load_settings()) as opened:
        train(opened)
        frame = rows(1, 25)
        score_champion(opened, 0, frame, np.linspace(0, 1, len(frame)))
        return opened


def evidently_report(path: Path, *, shift: float) -> Path:
    """Made by Evidently, on rows that the mesh never saw."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    rng = np.random.default_rng(0)
    reference, current = (
        pd.DataFrame({"amount": rng.lognormal(3 + side, 1, 400), "country": rng.choice(["DE", "FR"], 400)})
        for side in (0.0, shift)
    )
    Report([DataDriftPreset(drift_share=0.4)]).run(current, reference).save_json(str(path))
    return path


def test_a_report_of_drift_is_kept_as_a_verdict_with_its_columns_and_calls_for_a_training(
    watched: Mesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = watched.workspace.model(NAME)
    assert not plan_retraining(watched, model).train
    report = evidently_report(tmp_path / "drift.json", shift=1.0)
    assert run_command(["monitor", NAME, "--report", str(report), "--fail-on", "fail"]) == 3
    told = capsys.readouterr()
    assert "Evidently report drift.json: drift in 1 of 2 columns (share 0.50, limit 0.40)" in told.out
    assert f"next: mesh retrain {NAME}" in told.err
    verdict = read_verdicts(watched.catalog, NAME, kind="data_drift")[0]
    assert (verdict.outcome, verdict.share, verdict.limit) == ("fail", 0.5, 0.4)
    assert (verdict.current, verdict.model_version) == (f"{NAME}__predictions@0..0", 1)
    measures = {one.column: one for one in verdict.measures}
    said = {m["config"]["column"]: m for m in json.loads(report.read_text())["metrics"] if m["config"].get("column")}
    assert measures["amount"].score == pytest.approx(said["amount"]["value"])
    assert measures["amount"].method == said["amount"]["config"]["method"] == "K-S p_value"
    assert (measures["amount"].threshold, measures["amount"].outcome) == (0.05, "fail")
    assert measures["country"].outcome == "pass"
    decision = plan_retraining(watched, model)
    assert decision.train and decision.triggers[0].answers == (verdict.id,)
    assert "Evidently report drift.json" in decision.reasons[0]


def test_the_same_file_is_one_verdict_and_a_newer_one_of_the_window_is_what_counts(
    watched: Mesh, tmp_path: Path
) -> None:
    model = watched.workspace.model(NAME)
    bad, good = (evidently_report(tmp_path / f"{shift}.json", shift=shift) for shift in (1.0, 0.0))
    first = record_report(watched, model, bad).verdicts[0]
    other_name = bad.rename(tmp_path / "again.json")
    assert record_report(watched, model, other_name).verdicts[0] == first
    assert record_report(watched, model, good).verdicts[0].outcome == "pass"
    assert [one.outcome for one in read_verdicts(watched.catalog, NAME, kind="data_drift")] == ["pass"]
    assert not plan_retraining(watched, model).train
    with pytest.raises(InputError, match="was read from a file.*mesh monitor payments.fraud --kind data_drift"):
        replay_verdict(watched, model, first.id)


def test_names_in_the_file_that_are_markup_or_control_characters_go_nowhere(watched: Mesh, tmp_path: Path) -> None:
    path = tmp_path / "<b>.json"
    config = {"type": "evidently:metric_v2:ValueDrift", "column": "<script>\x00", "method": "ks", "threshold": 0.05}
    path.write_text(json.dumps({"metrics": [{"id": "1", "config": config, "value": 0.01}]}))
    verdict = record_report(watched, watched.workspace.model(NAME), path).verdicts[0]
    assert [one.column for one in verdict.measures] == ["‹script›?"]
    page = Path(str(verdict.report_html)).read_text()
    assert "<script>?" not in page
    assert "<b>.json" not in page
    assert "script\\u203a?" in page  # as JSON writes it


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        (None, 4, "there is no such file"),
        ("{}", 2, "is not a report of Evidently 0.7"),
        ('{"metrics": [' + "[" * 100_000, 2, "is not a report of Evidently 0.7"),
        ("\\ud800", 2, "is not a report of Evidently 0.7"),
        (
            json.dumps({"metrics": [{"config": {"type": WHOLE}, "value": {"count": 2, "share": 1}}]}),
            2,
            "says of no column whether it drifted",
        ),
    ],
)
def test_a_bad_file_is_one_sentence_and_no_verdict(
    watched: Mesh, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, code: int, sentence: str
) -> None:
    path = tmp_path / "drift.json"
    if text is not None:
        path.write_text(text)
    assert run_command(["monitor", NAME, "--report", str(path)]) == code
    told = capsys.readouterr().err
    assert sentence in told and "Traceback" not in told and len(told.strip().splitlines()) == 1
    assert read_verdicts(watched.catalog, NAME) == []


def test_a_report_goes_with_no_other_choice(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["monitor", NAME, "--report", "x.json", "--kind", "bias"]) == 2
    assert "leave --kind, --slice and --replay out" in capsys.readouterr().err
