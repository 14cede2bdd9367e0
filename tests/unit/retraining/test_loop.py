"""One turn after another on a local trainer: what is decided, what is given up, what MLflow is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.catalog.decisions import open_retraining, read_decisions, read_retrainings
from mesh_catalog.catalog.models import read_alias, set_alias
from mesh_catalog.catalog.retrain_requests import request_retraining
from mesh_catalog.catalog.reviews import close_review, open_review_of
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.errors import GateRefusedError, StorageError
from mesh_catalog.models.registry import open_registry
from mesh_catalog.retraining.judge import Stock
from mesh_catalog.retraining.loop import RetrainResult, plan_retraining, retrain_model
from mesh_catalog.retraining.search import RANGES, Variant, draw_variants, plain_variant
from mesh_catalog.retraining.status import read_status
from mesh_catalog.retraining.steps import TRIES
from mesh_catalog.retraining.watch import until_stopped
from mesh_catalog.specs import BudgetSpec, FeatureRef, ModelSpec, RetrainSpec
from tests.unit.catalog.samples import NOON, publish
from tests.unit.retraining.local import MODEL, OWNER, LocalTrainer, opened


def turn(mesh: Mesh, trainer: LocalTrainer, **options: Any) -> RetrainResult:
    model = options.pop("model", replace(mesh.workspace.model(MODEL), approval="automatic"))
    return retrain_model(_no_session, mesh, model, trainer=trainer, **options)


def _no_session() -> Any:
    raise AssertionError("nothing of this needs Spark")


def failing(error: Exception) -> Callable[[str], None]:
    def point(name: str) -> None:
        if name == "before the fit":
            raise error

    return point


def test_labels_that_are_missing_keep_the_row_and_after_some_turns_a_person_is_asked(root: Path) -> None:
    with opened(root) as mesh:
        broken = LocalTrainer(root, point=failing(GateRefusedError("the test window has 0 labelled rows")))
        for number in range(TRIES):
            with pytest.raises(GateRefusedError, match="0 labelled rows"):
                turn(mesh, broken, force=number == 0)
            assert len(read_retrainings(mesh.catalog, MODEL)) == 1
        status = read_status(mesh, MODEL, mesh.workspace.model(MODEL))
        assert (status.step, status.error) == ("decided", "the test window has 0 labelled rows")
        given_up = turn(mesh, broken)
        assert given_up.action == "failed"
        assert "after 5 tries, the last time: the test window" in given_up.reasons[-1]
        review = open_review_of(mesh.catalog, MODEL)
        assert review is not None
        assert read_alias(mesh.catalog, MODEL, "champion") == 1


def test_a_storage_that_is_away_does_not_count_as_a_try(root: Path) -> None:
    with opened(root) as mesh:
        away = LocalTrainer(root, point=failing(StorageError("MLflow: could not be used")))
        told: list[str] = []
        for number in range(TRIES + 2):
            with pytest.raises(StorageError):
                turn(mesh, away, force=number == 0, tell=told.append)
        assert told[-1] == "stays at step 'decided', where the next turn goes on"
        assert turn(mesh, LocalTrainer(root)).action == "promote"


def test_mlflow_is_told_who_decided_and_why_and_later_where_it_was_away(root: Path) -> None:
    with opened(root) as mesh:
        lost = replace(mesh.settings, mlflow_uri="sqlite:////proc/none/mlflow.db")
        assert turn(mesh, LocalTrainer(root), force=True, stop=lambda: bool(_at(mesh) == "rolling")).action == "wait"
        told: list[str] = []
        result = turn(replace(mesh, settings=lost), LocalTrainer(root), tell=told.append)
        assert result.action == "promote"
        assert "the next turn of mesh retrain tells MLflow" in told[-1]
        assert read_status(mesh, MODEL, None).untold
        registry = open_registry(mesh.settings)
        assert registry.read_alias(MODEL, "champion") == 1
        assert turn(mesh, LocalTrainer(root)).action == "keep"
        assert registry.read_alias(MODEL, "champion") == 2
        tags = registry.read_tags(MODEL, 2)
        assert tags["mesh.decision"] == "promote"
        assert tags["mesh.decided_by"] == OWNER
        assert "asked for by hand" in tags["mesh.decision_reasons"]
        assert not read_status(mesh, MODEL, None).untold


def _at(mesh: Mesh) -> str | None:
    record = open_retraining(mesh.catalog, MODEL)
    return record.step if record else None


def test_a_challenger_that_beat_a_champion_of_before_is_not_promoted(root: Path) -> None:
    with opened(root) as mesh:
        turn(mesh, LocalTrainer(root), force=True)
        turn(mesh, LocalTrainer(root), force=True, stop=lambda: _at(mesh) == "rolling")
        set_alias(mesh.catalog, MODEL, "champion", 1, reason="rolled back by hand", at=utc_now())
        result = turn(mesh, LocalTrainer(root))
        assert (result.action, result.champion) == ("reject", 1)
        assert "the champion is v1 by now, and v2 was compared with" in result.reasons[-1]


def test_after_an_erasure_the_champion_goes_unless_the_challenger_is_surely_worse(root: Path) -> None:
    with opened(root) as mesh:
        model = replace(mesh.workspace.model(MODEL), approval="automatic")
        request_retraining(mesh.catalog, MODEL, kind="erasure", reason="a person was erased", principal="dpo")
        result = turn(mesh, LocalTrainer(root, better=False), model=model)
        assert result.action == "reject"
        assert result.evidence is not None
        assert result.evidence["needed_share"] == pytest.approx(0.05)
        review = open_review_of(mesh.catalog, MODEL)
        assert review is not None
        assert "the champion must not stay" in review.reason


def test_trainings_that_do_not_help_search_wider_within_the_budget_and_end_in_a_review(root: Path) -> None:
    with opened(root) as mesh:
        policy = RetrainSpec(on=("new_data",), new_versions=0, patience=2, budget=BudgetSpec(trainings=4, per="month"))
        model = replace(mesh.workspace.model(MODEL), approval="automatic", retrain=policy)
        worse = LocalTrainer(root, better=False)
        assert [turn(mesh, worse, model=model).action for _ in range(3)] == ["reject", "reject", "keep"]
        second, first = read_retrainings(mesh.catalog, MODEL)
        assert "searched" not in first.state
        assert len(second.state["searched"]) == 3
        review = open_review_of(mesh.catalog, MODEL)
        assert review is not None
        assert {one["id"] for one in review.evidence["trainings"]} == {first.id, second.id}
        assert "waits for the review" in turn(mesh, worse, model=model).reasons[-1]
        close_review(mesh.catalog, review.id, resolution="looked", principal=OWNER)
        assert turn(mesh, worse, model=model).action == "reject"


def test_a_refused_challenger_is_compared_again_while_the_cooldown_lasts_and_no_training_is_made_for_it(
    root: Path,
) -> None:
    with opened(root) as mesh:
        policy = RetrainSpec(on=("new_data",), new_versions=0, cooldown=timedelta(days=7))
        model = replace(mesh.workspace.model(MODEL), approval="automatic", retrain=policy)
        worse = LocalTrainer(root, better=False)
        arrived(mesh, 0)
        assert turn(mesh, worse, model=model).action == "reject"
        assert turn(mesh, worse, model=model).action == "keep"  # nothing came since
        for day, trainer, action in (
            (1, worse, "reject"),
            (2, replace(worse, point=nothing_to_compare), "reject"),
            (3, replace(worse, better_later=True), "promote"),
        ):
            arrived(mesh, day)
            assert plan_retraining(mesh, model).again is not None
            assert turn(mesh, trainer, model=model, stop=lambda: True).step == "trained"
            result = turn(mesh, trainer, model=model)
            assert (result.action, result.challenger) == (action, 2)
            assert any("compares v2, which the gate refused" in reason for reason in result.reasons)
        assert read_alias(mesh.catalog, MODEL, "champion") == 2
        assert len((root / "fits").read_text().split()) == 1
        assert len(read_retrainings(mesh.catalog, MODEL)) == 4
        arrived(mesh, 4)
        assert turn(mesh, worse, model=model).reasons[-1].startswith("cooldown until")


def nothing_to_compare(name: str) -> None:
    if name == "compare":
        raise GateRefusedError("the rows hold one class only")


def arrived(mesh: Mesh, days: int) -> None:
    """Rows of the model's input, so many days after the first."""
    changes = {"event_to": NOON + timedelta(days=days), "contract_version": "1.0.0"}
    publish(mesh.catalog, "payments.transactions", days, changes=changes)


@dataclass
class SlowRollout:
    """Waits once, then ends as it is told."""

    ends: Any
    rolled_back: bool = False
    turns: int = 0

    def turn(self, mesh: Mesh, model: ModelSpec, *, champion: int, challenger: int, retraining_id: str) -> Stock:
        self.turns += 1
        action: Any = "wait" if self.turns == 1 else self.ends
        if action == "promote":
            standing = champion if self.rolled_back else challenger
            set_alias(mesh.catalog, model.name, "champion", standing, reason="took over", at=utc_now())
        return Stock(action=action, reasons=(f"{action} at 5 %",), evidence={"turns": self.turns})


@pytest.mark.parametrize(("ends", "action", "champion"), [("promote", "promote", 2), ("back", "reject", 1)])
def test_a_rollout_is_waited_for_and_ends_in_a_decision(root: Path, ends: str, action: str, champion: int) -> None:
    with opened(root) as mesh:
        rollout = SlowRollout(ends)
        assert turn(mesh, LocalTrainer(root), force=True, rollout=rollout).step == "rolling"
        assert read_status(mesh, MODEL, None).waits == ("wait at 5 %",)
        assert turn(mesh, LocalTrainer(root), rollout=rollout).action == action
        assert read_alias(mesh.catalog, MODEL, "champion") == champion
        (decision,) = read_decisions(mesh.catalog, MODEL)
        assert decision.evidence["rollout"] == {"turns": 2}


def test_a_rollout_that_was_rolled_back_since_it_ended_is_not_promoted_again(root: Path) -> None:
    with opened(root) as mesh:
        rollout = SlowRollout("promote", rolled_back=True)
        turn(mesh, LocalTrainer(root), force=True, rollout=rollout)
        ended = turn(mesh, LocalTrainer(root), rollout=rollout)
        assert (ended.action, ended.champion) == ("reject", 1)
        assert ended.reasons[-1] == "it took over, and was rolled back to v1 since"


def test_a_search_draws_the_same_again_and_stays_in_its_ranges(root: Path) -> None:
    with opened(root) as mesh:
        model = replace(
            mesh.workspace.model(MODEL),
            features=tuple(FeatureRef(product="payments.transactions", column=name) for name in "abcd"),
        )
    plain = plain_variant(model, data_from=None)
    drawn = draw_variants(model, ("parameters", "window", "features"), count=40, seed="s", plain=plain)
    assert drawn == draw_variants(model, ("parameters", "window", "features"), count=40, seed="s", plain=plain)
    assert drawn != draw_variants(model, ("parameters", "window", "features"), count=40, seed="t", plain=plain)
    for one in drawn:
        assert all(
            RANGES["xgboost"][name][0] <= value <= RANGES["xgboost"][name][1] for name, value in one.parameters.items()
        )
        assert len(one.left_out) <= 2
        assert one.applied(model).left_out == one.left_out
    assert {one.whole for one in drawn} == {True, False}
    assert plain == Variant()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_watching_ends_after_the_turn_under_way(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    seen = []

    def once(stop: Callable[[], bool]) -> None:
        seen.append(stop())
        if len(seen) == 3:
            os.kill(os.getpid(), number)
            seen.append(stop())

    assert until_stopped(once, seconds=0.001) == 3
    assert seen == [False, False, False, True]
    assert signal.getsignal(number) is before
