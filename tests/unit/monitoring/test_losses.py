"""`performance: {by: losses}`: the window's losses against what the catalog keeps of before, and what the loop asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.decisions import advance_retraining, begin_retraining
from mesh_catalog.catalog.models import read_model_versions, record_model_version, set_alias
from mesh_catalog.catalog.runs import latest_version
from mesh_catalog.catalog.verdicts import VerdictRecord
from mesh_catalog.monitoring.run import replay_verdict, run_monitors
from mesh_catalog.retraining.reading import read_facts, rows_since
from mesh_catalog.settings import load_settings
from tests.unit.monitoring.samples import MODEL, START, land, rows, score_champion, train

NAME = "payments.fraud"
BY_LOSSES = "performance: {by: losses, loses: 0.1, significance: 0.02, labels: {share: 0.5, rows: 50}}"
RETRAIN = "retrain: {on: [performance], cooldown: 50%, window: since_drift, since_rows: 100}\n"


@pytest.fixture
def watched(mesh: Mesh) -> Iterator[Mesh]:
    path = mesh.settings.workspace / "domains" / "payments" / "fraud" / "model.yaml"
    text = MODEL.replace("metric: roc_auc", "metric: accuracy")
    path.write_text(text.replace("drift_share: 0.5}", f"{BY_LOSSES}}}").replace("window: 2d", "window: 1d") + RETRAIN)
    with open_mesh(load_settings()) as opened:
        train(opened, accuracy=0.8)
        yield opened


def scored_day(mesh: Mesh, day: int, *, wrong: float, champion: int = 1) -> pd.DataFrame:
    """A day whose labels are there at once, and of whose rows so many are called wrongly."""
    newest = latest_version(mesh.catalog, f"{NAME}__predictions")
    version = newest.version + 1 if newest else 0
    frame = rows(1, day, rows=600)
    labels = (np.arange(600) % 2).astype(float)
    called = np.where(np.arange(600) < wrong * 600, 1 - labels, labels)
    score_champion(mesh, version, frame, called * 0.8 + 0.1, model_version=champion)
    land(mesh, version, frame, labels)
    return frame


def judged(mesh: Mesh) -> VerdictRecord:
    run = run_monitors(mesh, mesh.workspace.model(NAME), kinds=["performance"], slices=[""])
    assert not run.errors
    return run.verdicts[0]


def loss_of(verdict: VerdictRecord) -> Any:
    return next(one for one in verdict.measures if one.method == "loss")


def test_a_window_is_held_against_the_test_window_and_the_windows_that_passed(watched: Mesh) -> None:
    scored_day(watched, 20, wrong=0.2)
    first = judged(watched)
    assert first.outcome == "pass" and first.reference.endswith(", losses of v1")
    test_rows = loss_of(first).details["reference_rows"]
    assert (loss_of(first).score, loss_of(first).details["reference_mean"]) == (pytest.approx(0.2), pytest.approx(0.2))
    assert 100 < test_rows < 200  # the newest of ten days of 1,500 rows
    scored_day(watched, 22, wrong=0.3)
    second = judged(watched)
    assert second.outcome == "fail"
    assert second.reference.endswith(f"losses of v1 {first.id[:12]}")
    assert loss_of(second).details["reference_rows"] == test_rows + 600
    assert second.reason.startswith("loss 0.3, 0.2 before (p ")
    scored_day(watched, 24, wrong=0.21)
    third = judged(watched)
    assert third.outcome == "pass"
    assert third.reference.endswith(f"losses of v1 {first.id[:12]}")  # what failed is no reference
    for verdict in (first, second, third):
        assert replay_verdict(watched, watched.workspace.model(NAME), verdict.id).equal


def test_a_slice_is_held_against_its_own_windows_whatever_is_usual_on_the_whole(watched: Mesh) -> None:
    model = watched.workspace.model(NAME)

    def sliced() -> VerdictRecord:
        return run_monitors(watched, model, kinds=["performance"], slices=["country = FR"]).verdicts[0]

    scored_day(watched, 20, wrong=0.4)  # far below the 0.8 of the test window
    first = sliced()
    assert first.outcome == "not_run" and "later windows are held against these" in first.reason
    scored_day(watched, 22, wrong=0.4)
    second = sliced()
    assert second.outcome == "pass" and second.reference.endswith(f"losses of {first.id[:12]}")
    assert 250 < loss_of(second).details["reference_rows"] < 350  # the slice's own
    scored_day(watched, 24, wrong=0.7)
    third = sliced()
    assert third.outcome == "fail"
    for verdict in (first, second, third):
        assert replay_verdict(watched, model, verdict.id).equal


def test_little_worse_passes_however_sure_and_a_promise_of_at_least_still_holds(watched: Mesh) -> None:
    scored_day(watched, 20, wrong=0.215)
    assert judged(watched).outcome == "pass"
    model = watched.workspace.model(NAME)
    spec = replace(model.monitor.performance, at_least={"accuracy": 0.95})
    strict = replace(model, monitor=replace(model.monitor, performance=spec))
    scored_day(watched, 22, wrong=0.2)
    assert run_monitors(watched, strict, kinds=["performance"], slices=[""]).verdicts[0].outcome == "fail"


def test_a_champion_of_before_has_no_test_losses_so_its_first_window_is_what_later_ones_are_held_against(
    watched: Mesh,
) -> None:
    model = replace(
        watched.workspace.model(NAME), metric="roc_auc"
    )  # by the logarithmic loss, whose spread is not kept

    def told() -> VerdictRecord:
        return run_monitors(watched, model, kinds=["performance"], slices=[""]).verdicts[0]

    scored_day(watched, 20, wrong=0.2)
    first = told()
    assert (first.outcome, first.reference) == ("not_run", f"{NAME}__training@0, payments.cards@0, losses of none")
    assert first.reason.startswith("no losses of before are known: later windows are held against these 600 labelled")
    scored_day(watched, 22, wrong=0.4)
    assert told().outcome == "fail"


@pytest.mark.parametrize("since", [None, "2026-05-20T00:00:00+00:00"])
def test_the_reference_outlives_a_promotion_unless_the_new_champion_learned_since_a_drift(
    watched: Mesh, since: str | None
) -> None:
    scored_day(watched, 20, wrong=0.2)
    first = judged(watched)
    begun = begin_retraining(watched.catalog, NAME, {"reasons": []})
    advance_retraining(watched.catalog, begun.id, "trained", {"variant": {"since": since}}, after="decided")
    record = read_model_versions(watched.catalog, NAME)[0]
    record_model_version(watched.catalog, replace(record, version=2, retraining_id=begun.id))
    set_alias(watched.catalog, NAME, "champion", 2, reason="better", at=datetime.now(UTC))
    scored_day(watched, 24, wrong=0.2, champion=2)
    names = judged(watched).reference.partition("losses of ")[2].split()
    assert set(names) == ({"v2"} if since else {"v1", "v2", first.id[:12]})


def test_the_loop_knows_how_long_the_champion_learned_and_how_many_rows_came_since(watched: Mesh) -> None:
    frame = scored_day(watched, 20, wrong=0.2)
    model = watched.workspace.model(NAME)
    facts = read_facts(watched, model)
    assert facts.window == timedelta(days=1)
    assert facts.learned is not None and timedelta(days=8.9) < facts.learned < timedelta(days=9)
    newer = rows(1, 22, rows=600)
    land(watched, 1, pd.concat([frame, newer]), [*([1.0] * 600), *([np.nan] * 600)])
    newest = newer["at"].max()
    day = START + timedelta(days=20, hours=12)
    wanted = int(((frame["at"] >= day) & (frame["at"] <= newest - timedelta(days=1))).sum())
    assert 0 < wanted < 600 and rows_since(watched, model, day) == wanted


def test_the_words_of_model_yaml_say_a_share_and_least_rows(watched: Mesh) -> None:
    policy = watched.workspace.model(NAME).retrain
    assert (policy.cooldown_share, policy.cooldown, policy.since_rows) == (0.5, timedelta(0), 100)
