"""The test on losses: its share of false alarms, what it needs, what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mesh_catalog.monitoring.degradation import Degradation, Losses, PastLosses, choose_reference, judge_losses


def judged(now: Any, before: Any, **options: float) -> Degradation:
    return judge_losses(Losses.of(now), Losses.of(before), **options)


def test_where_nothing_has_changed_the_asked_share_of_windows_fails_however_small_the_reference() -> None:
    rng = np.random.default_rng(0)
    for before in (60, 2_000):
        failed = [
            judged(rng.gamma(2, 10, 300), rng.gamma(2, 10, before), significance=0.05).outcome == "fail"
            for _ in range(400)
        ]
        assert 0.02 < np.mean(failed) < 0.08


@pytest.mark.parametrize("lost", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("significance", [0.02, 0.002])
def test_an_easy_day_as_the_reference_raises_no_more_false_alarms_than_asked_for(
    lost: float, significance: float
) -> None:
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(1500):
        week, day = (Losses.of((rng.random(rows) < lost).astype(float)) for rows in (1008, 144))
        alarms += judge_losses(week, day, significance=significance).outcome == "fail"
    assert alarms <= 1500 * significance + 3 * np.sqrt(1500 * significance)


def test_a_worse_window_fails_with_both_means_and_only_where_it_is_worse_by_the_share_asked_for() -> None:
    rng = np.random.default_rng(1)
    before, now = (rng.random(2_000) < 0.2).astype(float), (rng.random(2_000) < 0.26).astype(float)
    found = judged(now, before)
    assert found.outcome == "fail"
    assert (found.current, found.reference) == (now.mean(), before.mean())
    assert judged(now, before, loses=0.5).outcome == "pass"
    assert judged(before, now).outcome == "pass"


def test_too_few_labels_are_not_judged_and_losses_without_spread_are() -> None:
    assert judged(np.zeros(19), np.zeros(500)).reason == "19 and 500 labelled rows, 20 of each are needed"
    assert judged(np.ones(50), np.zeros(50)).outcome == "fail"
    assert judged(np.zeros(50), np.zeros(50)).outcome == "pass"


def test_it_is_the_more_careful_of_two_t_tests_from_three_numbers_a_side_and_parts_join_to_the_whole() -> None:
    rng = np.random.default_rng(2)
    now, before = rng.gamma(2, 10, 90), rng.gamma(2, 9, 400)
    for one, other in ((now, before), (now[:30], before), (now, before[:30] / 2)):
        wanted = [stats.ttest_ind(one, other, equal_var=same, alternative="greater").pvalue for same in (True, False)]
        assert judged(one, other).p_value == pytest.approx(max(wanted), rel=1e-9)
    parts = [Losses.of(before[:100]), Losses.of(before[100:]), Losses.of(before[:0])]
    whole, joined = Losses.of(before), Losses.joined(parts)
    assert joined.rows == 400
    assert joined.mean == pytest.approx(whole.mean)
    assert joined.variance == pytest.approx(whole.variance)
    values, weights = np.unique(np.round(before), return_counts=True)
    assert Losses.of(values, weights.astype(float)).variance == pytest.approx(Losses.of(np.round(before)).variance)


def test_the_reference_is_the_newest_windows_before_none_with_rows_of_another() -> None:
    day = datetime(2026, 5, 1, tzinfo=UTC)

    def past(name: str, begins: int | None, ends: int) -> PastLosses:
        start = None if begins is None else day + timedelta(days=begins)
        return PastLosses(name=name, losses=Losses.of(np.ones(5)), begins=start, ends=day + timedelta(days=ends))

    known = [past("v1", None, 0), past("a", 0, 7), past("b", 1, 8), past("c", 7, 14), past("now", 13, 20)]
    names = [one.name for one in choose_reference(known, before=day + timedelta(days=15), windows=4)]
    assert names == ["v1", "a", "c"]
    newest = choose_reference(known, before=day + timedelta(days=15), windows=2)
    assert [one.name for one in newest] == ["a", "c"]
