"""The test on losses: its share of false alarms, what it needs, what it says."""

from __future__ import annotations

import numpy as np

from mesh_catalog.monitoring.degradation import judge_losses


def test_where_nothing_has_changed_the_asked_share_of_windows_fails_however_small_the_reference() -> None:
    rng = np.random.default_rng(0)
    for before in (60, 2_000):
        failed = [
            judge_losses(rng.gamma(2, 10, 300), rng.gamma(2, 10, before), significance=0.05).outcome == "fail"
            for _ in range(400)
        ]
        assert 0.02 < np.mean(failed) < 0.08


def test_a_worse_window_fails_with_both_means_and_only_where_it_is_worse_by_the_share_asked_for() -> None:
    rng = np.random.default_rng(1)
    before, now = (rng.random(2_000) < 0.2).astype(float), (rng.random(2_000) < 0.26).astype(float)
    found = judge_losses(now, before)
    assert found.outcome == "fail"
    assert (found.current, found.reference) == (now.mean(), before.mean())
    assert judge_losses(now, before, loses=0.5).outcome == "pass"
    assert judge_losses(before, now).outcome == "pass"


def test_too_few_labels_are_not_judged_and_losses_without_spread_are() -> None:
    assert judge_losses(np.zeros(19), np.zeros(500)).reason == "19 and 500 labelled rows, 20 of each are needed"
    assert judge_losses(np.ones(50), np.zeros(50)).outcome == "fail"
    assert judge_losses(np.zeros(50), np.zeros(50)).outcome == "pass"
