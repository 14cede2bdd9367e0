"""Windows of before: judged by name, again when their labels come late, and told of only where none is newer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.alerts.verdicts import tell_verdicts
from mesh_catalog.catalog.alerts import read_alerts
from mesh_catalog.catalog.verdicts import read_verdicts, record_verdict
from mesh_catalog.cli.main import run_command
from mesh_catalog.monitoring.run import MonitorRun, record_report, run_monitors
from mesh_catalog.settings import load_settings
from mesh_catalog.specs import Span
from tests.unit.monitoring.samples import MODEL, land, rows, score_champion, train

NAME = "payments.fraud"
PERFORMANCE = "performance: {at_least: {accuracy: 0.7}, labels: {share: 0.5, rows: 50}}"


@pytest.fixture
def weekly(mesh: Mesh) -> Iterator[Mesh]:
    """Three scored windows, of 2026-05-21, 05-26 and 05-31, without a label."""
    path = mesh.settings.workspace / "domains" / "payments" / "fraud" / "model.yaml"
    path.write_text(MODEL.replace("drift_share: 0.5}", f"drift_share: 0.5, slices: [country], {PERFORMANCE}}}"))
    with open_mesh(load_settings()) as opened:
        train(opened, roc_auc=0.8)
        for version, frame in enumerate(scored()):
            score_champion(opened, version, frame, truth(frame) * 0.8 + 0.1)
        land(opened, 0, pd.concat(scored()), [None] * 1800)
        yield opened


def scored() -> list[pd.DataFrame]:
    return [rows(1, day, rows=600) for day in (20, 25, 30)]


def truth(frame: pd.DataFrame) -> Any:
    return (frame["id"].to_numpy() % 2).astype(float)


def labels_come(mesh: Mesh, version: int, *, days: int, wrong: bool = False) -> None:
    """Of the oldest so many days; where wrong, the model has called them all the wrong way."""
    known = [1 - truth(frame) if wrong else truth(frame) for frame in scored()]
    told = [labels if place < days else np.full(600, np.nan) for place, labels in enumerate(known)]
    land(mesh, version, pd.concat(scored()), np.concatenate(told))


def monitored(mesh: Mesh, window: str | None = None) -> MonitorRun:
    span = Span.parse(window) if window else None
    run = run_monitors(mesh, mesh.workspace.model(NAME), kinds=["performance"], slices=[""], span=span)
    assert not run.errors
    return run


def test_windows_that_waited_are_judged_when_their_labels_come_and_the_newest_judged_one_is_told(
    weekly: Mesh,
) -> None:
    for window in ("2026-05-21..2026-05-21", "2026-05-26..2026-05-26"):
        assert [one.outcome for one in monitored(weekly, window).verdicts] == ["not_run"]
    assert monitored(weekly).late == ()
    labels_come(weekly, 1, days=2, wrong=True)
    run = monitored(weekly)
    assert [one.outcome for one in run.verdicts] == ["not_run"]  # its own labels have not come
    assert [(one.current[-4:], one.outcome) for one in run.late] == [("1..1", "fail"), ("0..0", "fail")]
    assert run.outcome == "fail"
    assert [one.verdict_id for one in tell_verdicts(weekly, (*run.verdicts, *run.late)).alerts] == [run.late[0].id]
    assert monitored(weekly).late == ()  # no more labels, no more verdicts
    labels_come(weekly, 2, days=3)
    run = monitored(weekly)
    assert [one.outcome for one in run.verdicts] == ["pass"]
    tell_verdicts(weekly, run.verdicts)
    assert [one.state for one in read_alerts(weekly.catalog, unresolved=False)] == ["resolved"]
    old = read_verdicts(weekly.catalog, NAME, kind="performance")[1]
    assert old.outcome == "fail" and tell_verdicts(weekly, [old]).alerts == ()
    assert [one.state for one in read_alerts(weekly.catalog, unresolved=False)] == ["resolved"]


def test_a_late_window_is_found_behind_many_verdicts_on_slices_and_its_own_slices_with_it(weekly: Mesh) -> None:
    model = weekly.workspace.model(NAME)
    for window in ("2026-05-21..2026-05-21", None):
        span = Span.parse(window) if window else None
        assert run_monitors(weekly, model, kinds=["performance"], span=span).late == ()
    (newest, *_) = read_verdicts(weekly.catalog, NAME, kind="performance")
    for number in range(60):
        record_verdict(weekly.catalog, replace(newest, id=f"{number:064d}", slice=f"country = {number}"))
    labels_come(weekly, 1, days=1)
    run = run_monitors(weekly, model, kinds=["performance"])
    countries = {verdict.slice for verdict in run.late if verdict.slice}
    assert len(countries) > 1 and all(one.startswith("country = ") for one in countries)
    assert [verdict.slice for verdict in run.late].count("") == 1
    assert {verdict.current for verdict in run.late} == {f"{NAME}__predictions@0..0"}


def test_a_window_is_named_by_its_days_and_a_report_is_kept_for_it(
    weekly: Mesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"type": "evidently:metric_v2:ValueDrift", "column": "amount", "method": "ks", "threshold": 0.05}
    path = tmp_path / "drift.json"
    path.write_text(json.dumps({"metrics": [{"id": "1", "config": config, "value": 0.01}]}))
    model, span = weekly.workspace.model(NAME), Span.parse("2026-05-26..2026-05-26")
    verdict = record_report(weekly, model, path, span=span).verdicts[0]
    assert (verdict.current, verdict.outcome) == (f"{NAME}__predictions@1..1", "fail")
    both = monitored(weekly, "2026-05-21..2026-05-26T23:59:59.999999").verdicts[0]
    assert both.current == f"{NAME}__predictions@0..1"
    assert run_command(["monitor", NAME, "--report", str(path), "--window", "2026-06-01..2026-06-03"]) == 4
    told = capsys.readouterr().err
    assert "no version has all its rows within 2026-06-01..2026-06-03. The newest are v2 (2026-05-31 " in told
    assert run_command(["monitor", NAME, "--replay", "abc", "--window", "2026-06-01..2026-06-03"]) == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2026-05-26", "Write FROM..TO, for example"),
        ("yesterday..today", "Write FROM..TO, for example"),
        ("2026-05-26..2026-05-21", "ends before it begins"),
    ],
)
def test_a_window_that_is_none_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Span.parse(text)


def test_a_products_window_of_before_is_held_against_what_came_before_it(weekly: Mesh) -> None:
    product = weekly.workspace.product("payments.cards")
    for version in (1, 2):
        labels_come(weekly, version, days=1)
    span = Span.parse("2026-05-01..2026-06-30")
    run = run_monitors(weekly, product, kinds=["data_drift"], span=span)
    assert run.verdicts[0].current == "payments.cards@2..2"  # each version replaces the rows
    assert run.verdicts[0].reference == "payments.cards@1..1"


def test_a_reference_that_is_named_stays_what_a_products_rows_are_held_against(
    weekly: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = weekly.workspace.product("payments.cards").folder
    (folder / "monitor.yaml").write_text("reference: 2026-05-21..2026-05-26\n")
    late = rows(1, 40, rows=600)
    for version, frame in ((1, scored()[0]), (2, late), (3, late)):
        land(weekly, version, frame, [0.0] * 600)
    with open_mesh(load_settings()) as opened:
        run = run_monitors(opened, opened.workspace.product("payments.cards"), kinds=["data_drift"])
    assert run.verdicts[0].reference == "payments.cards@1..1"
    (folder / "monitor.yaml").write_text("window: 1d\nreference: last week\n")
    assert run_command(["monitor", "payments.cards"]) == 2
    assert "monitor.yaml:2: reference: 'last week' cannot be read. Write FROM..TO" in capsys.readouterr().err
