"""What becomes of a step: laws of the judge, and what each alarm rings at."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_catalog.catalog.verdicts import Outcome, VerdictRecord
from mesh_catalog.retraining.alarms import (
    Signal,
    drift_signal,
    errors_signal,
    kpi_signal,
    latency_signal,
    ratio_signal,
    verdict_signal,
)
from mesh_catalog.retraining.judge import Observations, judge
from mesh_catalog.serving.arms import CHALLENGER, arm_of
from mesh_catalog.specs import KpiTarget, RolloutSpec

START = datetime(2026, 3, 1, tzinfo=UTC)
PLAN = RolloutSpec(steps=(0.0, 0.1, 0.5), bake_rows=100, bake=timedelta(days=1), give_up_after=timedelta(days=9))
STATES = st.sampled_from(["quiet", "rings", "unheard"])
SIGNALS = st.lists(st.builds(Signal, alarm=st.just("a"), state=STATES, reason=st.just("r")), min_size=1, max_size=5)
SEEN = st.builds(
    Observations,
    rows=st.integers(0, 300),
    baked=st.timedeltas(timedelta(0), timedelta(days=3)),
    running=st.timedeltas(timedelta(0), timedelta(days=12)),
    signals=SIGNALS.map(tuple),
)


def seen(**changes: Any) -> Observations:
    quiet = (Signal(alarm="errors", state="quiet", reason="none"),)
    known = Observations(rows=100, baked=timedelta(days=1), running=timedelta(days=2), signals=quiet)
    return replace(known, **changes)


@given(st.integers(0, 2), SEEN)
def test_nothing_goes_on_with_an_alarm_or_before_it_is_baked_and_heard(position: int, found: Observations) -> None:
    stock = judge(position, found, PLAN)
    rings = any(one.state == "rings" for one in found.signals)
    baked = found.rows >= PLAN.bake_rows and found.baked >= PLAN.bake
    heard = all(one.state == "quiet" for one in found.signals)
    late = PLAN.give_up_after is not None and found.running > PLAN.give_up_after
    if stock.action in ("advance", "promote"):
        assert baked and heard and not late
        assert (stock.action == "promote") == (position == 2)
    if rings:
        assert stock.action == "back"
    assert (stock.action == "back") == (rings or late)
    assert stock.reasons


@given(st.integers(0, 2), SEEN, st.integers(0, 100))
def test_more_rows_never_turn_going_on_into_waiting(position: int, found: Observations, more: int) -> None:
    if judge(position, found, PLAN).action in ("advance", "promote"):
        assert judge(position, replace(found, rows=found.rows + more), PLAN).action in ("advance", "promote")


@pytest.mark.parametrize(
    ("changes", "action", "reason"),
    [
        ({}, "advance", "100 rows baked, no alarm of 1"),
        ({"rows": 99}, "wait", "99 of 100 rows baked"),
        ({"baked": timedelta(hours=23)}, "wait", "23 h of 1 d baked"),
        ({"rows": 0, "signals": (Signal(alarm="errors", state="rings", reason="x"),)}, "back", "alarm errors: x"),
        ({"signals": (Signal(alarm="kpi a", state="unheard", reason="x"),)}, "wait", "alarm kpi a: x"),
        ({"rows": 3, "running": timedelta(days=10)}, "back", "given up: not through after 9 d"),
    ],
)
def test_each_way_a_step_ends_says_why(changes: dict[str, Any], action: str, reason: str) -> None:
    stock = judge(1, seen(**changes), PLAN)
    assert stock.action == action
    assert reason in stock.reasons[0]


@pytest.mark.parametrize(
    ("champion", "challenger", "share", "state"),
    [
        (9_500, 500, 0.05, "quiet"),
        (9_400, 600, 0.05, "rings"),
        (9_600, 400, 0.05, "rings"),
        (5_050, 4_950, 0.5, "quiet"),
        (1_000, 0, 0.05, "rings"),
        (60, 3, 0.05, "unheard"),
        (0, 0, 0.5, "unheard"),
    ],
)
def test_the_ratio_rings_where_the_arms_are_no_fair_samples(
    champion: int, challenger: int, share: float, state: str
) -> None:
    signal = ratio_signal(champion=champion, challenger=challenger, share=share)
    assert signal.state == state
    if state != "unheard":
        from scipy.stats import chisquare

        total = champion + challenger
        expected = [total * (1 - share), total * share]
        assert signal.evidence["p_value"] == pytest.approx(chisquare([champion, challenger], expected).pvalue)


def test_errors_ring_at_the_first_failed_row_or_above_their_share_of_a_whole_bake() -> None:
    assert errors_signal(failed=0, rows=0, bake_rows=100).state == "unheard"
    assert errors_signal(failed=0, rows=5, bake_rows=100).state == "quiet"
    assert errors_signal(failed=1, rows=5, bake_rows=100).state == "rings"
    assert errors_signal(failed=1, rows=5, bake_rows=100, limit=0.01).state == "quiet"
    assert errors_signal(failed=2, rows=5, bake_rows=100, limit=0.01).state == "rings"
    assert errors_signal(failed=0, rows=0, bake_rows=100, failures=["gone"]).state == "rings"


def test_latency_is_the_median_over_runs_and_drift_a_share_of_columns() -> None:
    assert latency_signal([]).state == "unheard"
    assert latency_signal([(1.0, 1.1), (1.0, 9.0), (1.0, 1.2)]).state == "quiet"
    assert latency_signal([(1.0, 1.6)], limit=1.5).state == "rings"
    assert drift_signal(share=0.5, limit=0.5, drifted=["a"], compared=2).state == "rings"
    assert drift_signal(share=0.4, limit=0.5, drifted=["a"], compared=2).state == "quiet"
    assert drift_signal(share=0.0, limit=0.5, drifted=[], compared=0).state == "unheard"


@pytest.mark.parametrize(
    ("values", "before", "state"),
    [
        ([0.95, 0.91], 0.95, "quiet"),
        ([0.95, 0.89], 0.95, "rings"),
        ([0.85], 0.80, "quiet"),
        ([0.79], 0.80, "rings"),
        ([0.95], None, "quiet"),
        ([0.85], None, "rings"),
        ([], 0.95, "unheard"),
    ],
)
def test_a_kpi_rings_where_it_misses_its_target_and_was_better_before(
    values: list[float], before: float | None, state: str
) -> None:
    assert kpi_signal("payments.rate", values, target=KpiTarget(at_least=0.9), before=before).state == state
    negative = kpi_signal(
        "payments.loss",
        [-value for value in values],
        target=KpiTarget(at_most=-0.9),
        before=None if before is None else -before,
    )
    assert negative.state == state


def verdict(days: int, outcome: Outcome, version: int | None = 1) -> VerdictRecord:
    return VerdictRecord(
        id=f"{days}",
        subject="payments.fraud",
        subject_kind="model",
        kind="estimated_performance",
        window_from=None,
        window_to=START + timedelta(days=days),
        reference="a@0",
        current="b@0",
        model_version=version,
        outcome=outcome,
        reason=f"outcome of day {days}",
        code_version="0",
        created_at=START,
    )


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        ([], "unheard"),
        ([verdict(-1, "pass")], "unheard"),
        ([verdict(1, "not_run"), verdict(-1, "pass")], "unheard"),
        ([verdict(1, "pass")], "quiet"),
        ([verdict(1, "warn"), verdict(-1, "pass")], "quiet"),
        ([verdict(1, "fail"), verdict(-1, "pass")], "rings"),
        ([verdict(2, "pass"), verdict(1, "fail"), verdict(-1, "pass")], "rings"),
        ([verdict(1, "fail"), verdict(-1, "fail")], "quiet"),
        ([verdict(1, "fail", 2), verdict(-1, "fail")], "rings"),
    ],
)
def test_a_monitor_rings_where_it_fails_since_the_rollout_or_judges_the_challenger(
    verdicts: list[VerdictRecord], state: str
) -> None:
    assert verdict_signal("estimate", verdicts, challenger=2, began=START, step=START).state == state


def test_a_champion_against_itself_is_sent_back_no_more_often_than_the_level_says() -> None:
    """Rollouts of a model against itself, by the real hash; a look at each of two steps, at a level of 0.001."""
    rng, entities, rollouts, shares = random.Random(7), 200, 500, (0.05, 0.5)
    ends: Counter[str] = Counter()
    for number in range(rollouts):
        salt = f"{rng.getrandbits(64):x}-{number}"
        for share in shares:
            arms = Counter(arm_of({"id": one}, salt=salt, share=share) for one in range(entities))
            challenger = arms[CHALLENGER]
            signal = ratio_signal(champion=entities - challenger, challenger=challenger, share=share)
            ends[judge(1, seen(signals=(signal,)), PLAN).action] += 1
    looks = rollouts * len(shares)
    # 1 of 1,000 looks expected, 3 where chi-square is as coarse as at 10 expected entities; 9 has p < 0.004 even then
    assert ends["back"] <= 9
    assert ends["back"] + ends["advance"] == looks
