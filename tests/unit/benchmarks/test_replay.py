"""The replay keeps its promises: no label is seen early, a fit is a training, the loop decides as the product."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.continuous import loop_spec
from benchmarks.loop_policy import Loop
from benchmarks.replay import Every, Never, Past, Trainer, replay
from benchmarks.streams import WEEK, Stream, shuffled

CHANGE = 6


@pytest.fixture(scope="module")
def stream() -> Stream:
    """Twelve weeks of 300 rows; from the seventh on the label is turned round."""
    rng = np.random.default_rng(0)
    rows = 12 * 300
    features = rng.random((rows, 3))
    week = np.arange(rows) // 300
    ones = (features[:, 0] > 0.5) != (week >= CHANGE)
    return Stream(
        name="tiny",
        minutes=np.arange(rows, dtype=np.int64) * WEEK // 300,
        features=features,
        columns=("a", "b", "c"),
        labels=np.where(rng.random(rows) < 0.05, ~ones, ones).astype(float),
        metric="accuracy",
        first_weeks=3,
    )


def loop(stream: Stream) -> Loop:
    spec = loop_spec(stream)
    spec = replace(spec, retrain=replace(spec.retrain, cooldown_share=0.3))
    return Loop(stream, Trainer(stream), window=3 * WEEK, spec=spec)


@pytest.mark.parametrize("delay", [0, WEEK])
def test_no_score_depends_on_a_label_that_was_not_known_when_it_was_given(stream: Stream, delay: int) -> None:
    late = replace(stream, label_delay=delay)
    known = stream.rows(0, 8 * WEEK).stop
    turned = np.r_[late.labels[:known], 1 - late.labels[known:]]
    other = replace(late, labels=turned)
    safe = slice(late.rows(3 * WEEK, 4 * WEEK).start, late.rows(0, 9 * WEEK + delay - WEEK).stop)
    for policy in (loop, lambda one: Every(one, Trainer(one), window=3 * WEEK)):
        first, second = (replay(one, policy(one)).scores for one in (late, other))
        assert (first[safe] == second[safe]).all()
        assert (first[safe.stop :] != second[safe.stop :]).any()


def test_the_past_ends_where_labels_are_known(stream: Stream) -> None:
    past = Past(stream=replace(stream, label_delay=WEEK), scores=np.zeros(0), now=5 * WEEK)
    assert past.rows(0, 12 * WEEK) == stream.rows(0, 4 * WEEK)


def test_every_fit_is_counted_also_where_the_window_was_fitted_before(stream: Stream) -> None:
    trainer = Trainer(stream)
    played = [replay(stream, Every(stream, trainer, window=3 * WEEK)) for _ in range(2)]
    assert [one.trainings for one in played] == [9, 9]
    assert (played[0].scores[900:] == played[1].scores[900:]).all()
    assert replay(stream, Never(stream, trainer, window=3 * WEEK)).trainings == 1


def test_the_loop_trains_after_the_change_recovers_and_tells_why(stream: Stream) -> None:
    policy = loop(stream)
    played = replay(stream, policy)
    turns = [turn for turn in policy.memory.turns if turn.decision.train]
    assert turns[0].minute == (CHANGE + 1) * WEEK
    assert any("too low performance in 1 of 1 window" in reason for reason in turns[0].decision.reasons)
    assert played.trainings == 1 + len(turns)
    newest = stream.rows(11 * WEEK, 12 * WEEK)
    assert ((played.scores[newest] >= 0.5) == stream.labels[newest]).mean() > 0.85
    assert played.score > replay(stream, Never(stream, Trainer(stream), window=3 * WEEK)).score + 0.2


def test_shuffled_rows_are_the_same_rows_at_the_same_times(stream: Stream) -> None:
    same = shuffled(stream, seed=1)
    assert (same.minutes == stream.minutes).all()
    joined = [np.c_[one.features, one.labels] for one in (stream, same)]
    assert sorted(map(tuple, joined[0])) == sorted(map(tuple, joined[1]))
