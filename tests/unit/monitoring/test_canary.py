"""In a canary the rows that the challenger decided are judged by themselves, and its alarms hear that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from mesh_catalog.access.mesh import Mesh, open_mesh
from mesh_catalog.catalog.models import read_model_versions, record_model_version, set_alias
from mesh_catalog.catalog.rollouts import advance_rollout, insert_rollout, open_rollout
from mesh_catalog.catalog.verdicts import VerdictRecord, read_verdicts
from mesh_catalog.models.frame import plan_frame
from mesh_catalog.monitoring.run import replay_verdict, run_monitors
from mesh_catalog.retraining.alarms import verdict_signal
from mesh_catalog.retraining.paired import paired_signal
from mesh_catalog.retraining.reading import read_facts
from mesh_catalog.serving.traffic import shadow_contract
from mesh_catalog.settings import load_settings
from mesh_catalog.specs import RolloutSpec
from tests.unit.monitoring.samples import MODEL, land, publish, rows, score_champion, train

NAME = "payments.fraud"
OWN = "model_version = 2"
ROLLOUT = "c" * 32


@pytest.fixture
def canary(mesh: Mesh) -> Iterator[Mesh]:
    """A day of which the champion scored one half well, and the challenger the other half badly."""
    path = mesh.settings.workspace / "domains" / "payments" / "fraud" / "model.yaml"
    path.write_text(f"{MODEL}retrain: {{on: [performance]}}\n")
    with open_mesh(load_settings()) as opened:
        train(opened, roc_auc=0.95)
        record = read_model_versions(opened.catalog, NAME)[0]
        record_model_version(opened.catalog, replace(record, version=2, metrics={"roc_auc": 0.97}))
        set_alias(opened.catalog, NAME, "challenger", 2, reason="trained", at=datetime.now(UTC))
        yield opened


def roll_out(mesh: Mesh) -> None:
    insert_rollout(
        mesh.catalog,
        ROLLOUT,
        NAME,
        RolloutSpec(steps=(0.0, 0.5), bake_rows=10),
        champion=1,
        challenger=2,
        retraining_id=None,
        event_from=None,
    )


def let_decide(mesh: Mesh) -> None:
    """Out of the shadow."""
    advance_rollout(mesh.catalog, ROLLOUT, from_position=0, event_from=None, reasons=("baked",), evidence={})


def score_day(mesh: Mesh, day: int, version: int) -> None:
    frame = rows(1, day, rows=1000)
    rng = np.random.default_rng(day)
    labels = rng.integers(0, 2, 1000).astype(float)
    good, bad = np.clip(labels * 0.7 + rng.uniform(size=1000) * 0.3, 0, 1), rng.uniform(size=1000)
    arm = np.arange(1000) % 2 == 1
    score_champion(mesh, version, frame, np.where(arm, bad, good), model_version=np.where(arm, 2, 1))  # type: ignore[arg-type]
    land(mesh, version, frame, labels)


def judged(mesh: Mesh, **options: Any) -> dict[str, VerdictRecord]:
    run = run_monitors(mesh, mesh.workspace.model(NAME), kinds=["performance"], **options)
    assert not run.errors
    return {one.slice: one for one in run.verdicts}


def test_the_challengers_rows_are_judged_as_a_slice_while_it_decides_and_call_for_no_training(canary: Mesh) -> None:
    score_day(canary, 20, 0)
    assert set(judged(canary)) == {""}
    roll_out(canary)
    score_day(canary, 22, 1)
    assert set(judged(canary)) == {""}  # in shadow it decides nothing
    let_decide(canary)
    score_day(canary, 24, 2)
    found = judged(canary)
    assert {key: one.outcome for key, one in found.items()} == {"": "pass", OWN: "fail"}
    own = found[OWN]
    assert own.model_version == 2 and "at least 0.873 wanted" in own.reason  # of its own 0.97
    assert sum(one.details.get("rows", 0) for one in own.measures) == 500
    assert replay_verdict(canary, canary.workspace.model(NAME), own.id).equal
    windows = read_facts(canary, canary.workspace.model(NAME)).windows
    assert {one.outcome for one in windows} == {"pass"}
    verdicts = [one for part in (OWN, "") for one in read_verdicts(canary.catalog, NAME, slice=part)]
    signal = verdict_signal("performance", verdicts, challenger=2, began=None, step=None)
    assert (signal.state, signal.evidence["verdict"]) == ("rings", own.id)
    asked = ["", OWN, "score in [0.5, 1)"]
    drift = run_monitors(canary, canary.workspace.model(NAME), kinds=["data_drift"], slices=asked)
    assert not drift.errors
    whole, half, scored = drift.verdicts
    assert half.reference == whole.reference == f"{NAME}__training@0"  # held against all that it learned from
    assert {one.column for one in half.measures} == {one.column for one in whole.measures}
    assert scored.outcome == "not_run" and "the training rows have no score" in scored.reason


def test_a_champion_that_fails_does_not_ring_for_a_challenger_that_does_well(canary: Mesh) -> None:
    roll_out(canary)
    let_decide(canary)
    score_day(canary, 24, 0)
    verdicts = list(judged(canary).values())
    turned = [replace(one, outcome="pass" if one.slice else "fail") for one in verdicts]
    assert verdict_signal("performance", turned, challenger=2, began=None, step=None).state == "quiet"
    alone = [one for one in turned if not one.slice]
    assert verdict_signal("performance", alone, challenger=2, began=None, step=None).state == "rings"


@pytest.mark.parametrize(("worse", "state"), [(0.0, "quiet"), (0.25, "rings")])
def test_both_versions_are_compared_on_the_same_rows_when_their_labels_come(
    canary: Mesh, worse: float, state: str
) -> None:
    roll_out(canary)
    model = canary.workspace.model(NAME)
    frame = rows(1, 24, rows=400)
    labels = np.random.default_rng(3).integers(0, 2, 400).astype(float)
    noise = np.random.default_rng(4).uniform(0, 0.4, 400)
    champion = np.abs(labels - noise)
    challenger = np.abs(labels - noise - worse)
    shown = frame[["id", "at"]].assign(
        champion_score=champion, challenger_score=challenger, arm="champion", rollout=ROLLOUT, step=0
    )
    contract = shadow_contract(model, plan_frame(canary, model))
    for version in (0, 1):  # a scorer that died wrote its rows twice
        publish(canary, contract, shown, version=version, kept_from=0)
    rollout = open_rollout(canary.catalog, NAME)
    assert rollout is not None
    land(canary, 0, frame, [None] * 400)
    assert paired_signal(canary, model, rollout) is None
    land(canary, 1, frame, labels)
    signal = paired_signal(canary, model, rollout)
    assert signal is not None and signal.state == state and signal.evidence["rows"] == 400
    lost = -np.log(np.where(labels == 1, champion, 1 - champion)).mean()
    assert signal.evidence["champion"] == pytest.approx(lost)
