"""Whether a promotion won back what had been lost, and what the loop makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from mesh_catalog.models.evaluate import row_losses
from mesh_catalog.retraining.facts import Facts, Training, WindowVerdict
from mesh_catalog.retraining.policy import decide
from mesh_catalog.retraining.recovery import Alarm, Recovery, recovery_of
from mesh_catalog.specs import RetrainSpec

START = datetime(2026, 3, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
POLICY = RetrainSpec(on=("performance",), patience=2)


def verdict(week: int, loss: float, *, failed: bool = True) -> WindowVerdict:
    return WindowVerdict(
        id=f"w{week}",
        trigger="performance",
        outcome="fail" if failed else "pass",
        start=START + (week - 1) * WEEK,
        end=START + week * WEEK,
        loss=loss,
        before=20.0,
    )


def training(week: int, **more: Any) -> Training:
    told: dict[str, Any] = {"outcome": "promote", "alarm": Alarm(loss=40.0, before=20.0), "gate": (40.0, 39.0), **more}
    return Training(id=f"t{week}", at=START + week * WEEK, **told)


@pytest.mark.parametrize(
    ("gate", "since", "share"),
    [
        ((40.0, 39.0), [40.0, 42.0], 0.05),
        ((60.0, 40.0), [40.0, 42.0], 0.5),  # more had been lost on the gate's rows than in the alarm's window
        ((15.0, 10.0), [40.0, 42.0], 0.25),  # nothing had: they were easy
        ((40.0, 45.0), [40.0, 42.0], -0.05),
        ((40.0, 45.0), [30.0, 28.0], 0.55),
    ],
)
def test_what_was_won_back_is_a_share_of_what_had_been_lost(gate: Any, since: list[float], share: float) -> None:
    windows = [verdict(4, 99.0), verdict(5, since[0]), verdict(6, since[1], failed=False)]
    found = recovery_of(training(4, gate=gate), windows)
    assert found is not None
    assert (found.windows, found.failed) == (2, 1)
    assert found.share == pytest.approx(share)


def test_nothing_is_said_of_a_training_that_no_alarm_by_losses_called_for_or_that_is_not_promoted() -> None:
    since = [verdict(5, 39.0)]
    for one in (
        training(4, alarm=None),
        training(4, outcome="reject"),
        replace(training(4), at=None),
        training(5),
        training(4, gate=None),
    ):
        assert recovery_of(one, since) is None
    assert recovery_of(training(4), [replace(since[0], loss=None)]) is None


def test_a_training_helped_where_the_alarm_ended_or_enough_was_won_back() -> None:
    assert Recovery(windows=4, failed=2, share=-1.0).helped(0.2)
    assert Recovery(windows=4, failed=4, share=0.2).helped(0.2)
    assert not Recovery(windows=4, failed=3, share=0.19).helped(0.2)


def test_where_the_alarm_goes_on_the_search_widens_and_then_a_person_is_asked_with_figures() -> None:
    trainings = [training(1)]
    windows = [verdict(week, 39.0) for week in (4, 3, 2, 1)]
    first = decide(Facts(clock=windows[0].end, windows=windows, trainings=trainings), POLICY)
    assert (first.train, first.search) == (True, ("parameters",))
    assert "the last training won back 5% of what was lost, and the alarm goes on: searches" in first.reasons[-1]
    assert first.triggers[0].evidence["loss"] == 39.0
    trainings = [training(4, gate=(40.0, 41.0)), replace(trainings[0], recovery=first.recovery)]
    windows = [*(verdict(week, 44.0) for week in (7, 6, 5)), *windows]
    second = decide(Facts(clock=windows[0].end, windows=windows, trainings=trainings), POLICY)
    assert (second.train, second.review) == (False, True)
    assert second.reasons[-1] == (
        "the last 2 trainings won back 0%, 5% of what was lost, and the alarm goes on: a person has to look"
    )
    assert [one.id for one in second.unhelpful] == ["t4", "t1"]
    rejected = [training(4, outcome="reject"), trainings[1]]
    mixed = decide(Facts(clock=windows[0].end, windows=windows, trainings=rejected), POLICY)
    assert "did not help (1 brought no better model, 1 won back 5% of what was lost)" in mixed.reasons[-1]


def test_where_it_helped_or_little_is_asked_for_the_loop_goes_on() -> None:
    windows = [verdict(4, 39.0), verdict(3, 21.0, failed=False), verdict(2, 21.0, failed=False)]
    for since, policy in ((windows, POLICY), ([verdict(2, 39.0)], replace(POLICY, wins_back=0.04))):
        trainings = [training(1), training(0, outcome="reject")]
        decision = decide(Facts(clock=since[0].end, windows=since, trainings=trainings), policy)
        assert (decision.train, decision.search, decision.unhelpful) == (True, (), ())


def test_losses_of_rows_are_those_of_the_test() -> None:
    labels, scores = np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.6, 0.5])
    assert row_losses(labels, scores, metric="accuracy").tolist() == [0, 1, 0]
    assert row_losses(labels, scores, metric="mae") == pytest.approx([0.1, 0.6, 0.5])
    assert row_losses(labels, scores, metric="average_precision") == pytest.approx(-np.log([0.9, 0.4, 0.5]))
