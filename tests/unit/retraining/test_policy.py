"""When the loop trains, and when it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_catalog.catalog.verdicts import VerdictRecord
from mesh_catalog.retraining.policy import decide
from mesh_catalog.specs import RetrainSpec

END = datetime(2026, 3, 1, tzinfo=UTC)


def verdicts(*drifted: bool) -> list[VerdictRecord]:
    """Newest first, a day apart."""
    return [
        VerdictRecord(
            id=f"v{place}",
            subject="shop.churn",
            subject_kind="model",
            kind="data_drift",
            window_from=END - timedelta(days=place + 1),
            window_to=END - timedelta(days=place),
            reference="shop.churn__training@0",
            current=f"shop.churn__predictions@{place}..{place}",
            outcome="fail" if flag else "pass",
            reason="drift in some columns",
            code_version="0",
            created_at=END,
        )
        for place, flag in enumerate(drifted)
    ]


@pytest.mark.parametrize(
    ("drifted", "needed", "of", "train"),
    [
        ((True,), 1, 1, True),
        ((False,), 1, 1, False),
        ((True, False), 2, 2, False),
        ((True, True), 2, 2, True),
        ((True, False, True), 2, 3, True),
        ((False, True, True), 2, 3, False),
        ((True,), 2, 3, False),
    ],
)
def test_debounce_counts_the_newest_windows_and_the_newest_must_have_drifted(
    drifted: tuple[bool, ...], needed: int, of: int, train: bool
) -> None:
    policy = RetrainSpec(needed=needed, of=of)
    decision = decide(verdicts(*drifted), policy, last_trained_until=None, settled_verdict=None)
    assert decision.train is train
    assert f"{sum(drifted[:of])} of the newest" in decision.reasons[0]


@pytest.mark.parametrize(("days", "train"), [(6, False), (7, True), (8, True)])
def test_a_cooldown_is_counted_in_event_time_from_the_last_training(days: int, train: bool) -> None:
    policy = RetrainSpec(cooldown=timedelta(days=7))
    last = END - timedelta(days=days)
    decision = decide(verdicts(True), policy, last_trained_until=last, settled_verdict=None)
    assert decision.train is train
    assert ("cooldown until" in decision.reasons[-1]) is not train


def test_a_verdict_is_answered_once() -> None:
    decision = decide(verdicts(True), RetrainSpec(), last_trained_until=None, settled_verdict="v0")
    assert not decision.train
    assert "answered already" in decision.reasons[0]


def test_without_a_verdict_nothing_is_trained() -> None:
    assert not decide([], RetrainSpec(), last_trained_until=None, settled_verdict=None).train


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(1, 4), st.integers(0, 4))
def test_one_more_drifted_window_never_turns_a_training_into_none(flags: list[bool], needed: int, more: int) -> None:
    policy = RetrainSpec(needed=needed, of=needed + more)
    if decide(verdicts(*flags), policy, last_trained_until=None, settled_verdict=None).train:
        everywhere = [True] * len(flags)
        assert decide(verdicts(*everywhere), policy, last_trained_until=None, settled_verdict=None).train
