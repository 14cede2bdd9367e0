"""When the loop trains, and when it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_catalog.retraining.facts import Facts, KpiValue, Request, Training, WindowVerdict
from mesh_catalog.retraining.policy import budget_left, decide, unhelpful_trainings
from mesh_catalog.specs import BudgetSpec, KpiTrigger, RetrainSpec, TriggerKind

END = datetime(2026, 3, 20, tzinfo=UTC)
DAY = timedelta(days=1)
Outcome = Literal["pass", "warn", "fail", "not_run"]


def windows(*outcomes: Outcome | bool, trigger: TriggerKind = "drift") -> tuple[WindowVerdict, ...]:
    """Newest first, a day apart."""
    return tuple(
        WindowVerdict(
            id=f"{trigger}{place}",
            trigger=trigger,
            outcome=outcome if isinstance(outcome, str) else "fail" if outcome else "pass",
            start=END - (place + 1) * DAY,
            end=END - place * DAY,
        )
        for place, outcome in enumerate(outcomes)
    )


def trained(days: float, outcome: Any = "reject", **more: Any) -> Training:
    return Training(id=f"t{days}", at=END - days * DAY, outcome=outcome, **more)


def facts(*outcomes: Outcome | bool, **more: Any) -> Facts:
    return Facts(clock=END, windows=windows(*outcomes), **more)


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
def test_debounce_counts_the_newest_windows_and_the_newest_must_have_failed(
    drifted: tuple[bool, ...], needed: int, of: int, train: bool
) -> None:
    decision = decide(facts(*drifted), RetrainSpec(needed=needed, of=of))
    assert decision.train is train
    looked_at = "1 window," if min(of, len(drifted)) == 1 else "the newest"
    assert f"drift in {sum(drifted[:of])} of {looked_at}" in decision.reasons[0]


@pytest.mark.parametrize(("days", "train"), [(6, False), (7, True), (8, True)])
def test_a_cooldown_is_counted_in_event_time_from_the_last_training(days: int, train: bool) -> None:
    decision = decide(facts(True, trainings=[trained(days)]), RetrainSpec(cooldown=7 * DAY))
    assert decision.train is train
    assert ("cooldown until" in decision.reasons[-1]) is not train


@pytest.mark.parametrize(
    ("learned", "days"),
    [(70 * DAY, 28), (40 * DAY, 21), (2 * DAY, 7), (None, 7)],  # 4.5 windows are 4, 2.6 are 3; never less than one
)
def test_a_cooldown_may_be_a_share_of_what_the_champion_learned_from_in_whole_windows(learned: Any, days: int) -> None:
    policy = RetrainSpec(cooldown_share=0.45)
    for since, train in ((days - 0.5, False), (days, True)):
        known = facts(True, trainings=[trained(since)], learned=learned, window=7 * DAY)
        assert decide(known, policy).train is train


def test_while_the_cooldown_lasts_a_refused_challenger_is_looked_at_again_once_a_window() -> None:
    policy = RetrainSpec(on=("drift", "contract"), cooldown=7 * DAY)
    refused = trained(3, refused=2)
    decision = decide(facts(True, trainings=[refused]), policy)
    assert (decision.train, decision.again) == (False, refused)
    assert "compares v2, which the gate refused" in decision.reasons[-1]
    for days, again in ((0.5, False), (1, True)):
        looked = replace(refused, looked_at=END - days * DAY)
        assert (decide(facts(True, trainings=[looked]), policy).again is not None) is again
    for known in (
        facts(False, trainings=[refused]),
        facts(True, trainings=[replace(refused, refused=None)]),
        facts(True, trainings=[trained(1, "by_hand"), refused]),
        facts(True, trainings=[refused], review="r1"),
        facts(True, trainings=[refused], contracts=["shop.orders 1.0.0 → 2.0.0"]),
    ):
        assert decide(known, policy).again is None
    after = decide(facts(True, trainings=[trained(7, refused=2)]), policy)
    assert (after.train, after.again) == (True, None)


def test_what_a_challenger_that_was_promoted_later_has_scored_begins_then() -> None:
    late = trained(3, "promote", looked_at=END - DAY)
    assert decide(facts(True, True, trainings=[late]), RetrainSpec()).train
    assert not decide(facts(True, True, trainings=[late]), RetrainSpec(needed=2, of=2)).train


def test_windows_that_a_training_has_seen_do_not_count_again() -> None:
    seen = facts(True, True, True, trainings=[trained(0.5, "promote")])
    assert not decide(seen, RetrainSpec(needed=2, of=2)).train
    assert decide(seen, RetrainSpec()).train
    answered = facts(True, trainings=[replace(trained(9), answers=frozenset({"drift0"}))])
    assert "answered already" in decide(answered, RetrainSpec()).reasons[0]


def test_a_window_that_could_not_be_judged_neither_fires_nor_breaks_the_row() -> None:
    assert decide(facts("not_run", True, "not_run", True), RetrainSpec(needed=2, of=2)).train
    blind = Facts(clock=END, windows=[replace(windows("not_run")[0], reason="no labels yet")])
    assert decide(blind, RetrainSpec()).reasons == ("drift: the newest verdict could not be judged: no labels yet",)


def test_without_a_verdict_nothing_is_trained() -> None:
    assert not decide(Facts(clock=END), RetrainSpec()).train


def test_each_monitor_is_heard_only_where_the_policy_names_it() -> None:
    known = Facts(clock=END, windows=windows(True, trigger="performance"))
    assert not decide(known, RetrainSpec(on=("drift",))).train
    decision = decide(known, RetrainSpec(on=("drift", "performance")))
    assert decision.train
    assert [one.kind for one in decision.triggers] == ["performance"]
    assert decision.answers == ("performance0",)


def test_the_alarm_begins_with_the_oldest_window_of_the_unbroken_row() -> None:
    decision = decide(facts(True, True, False, True), RetrainSpec(needed=2, of=3))
    assert decision.data_from == END - 2 * DAY


@pytest.mark.parametrize(("days", "train"), [(29, False), (30, True)])
def test_a_schedule_counts_from_the_last_training_whoever_began_it(days: int, train: bool) -> None:
    known = facts(trainings=[trained(days, "by_hand")])
    assert decide(known, RetrainSpec(on=("schedule",), every=30 * DAY)).train is train


def test_new_rows_or_new_versions_call_for_a_training() -> None:
    policy = RetrainSpec(on=("new_data",), new_rows=1000, new_versions=5)
    assert not decide(Facts(clock=END, new_rows=999, new_versions=4), policy).train
    assert decide(Facts(clock=END, new_rows=1000), policy).train
    assert decide(Facts(clock=END, new_versions=5), policy).train


def test_a_changed_contract_obliges() -> None:
    decision = decide(Facts(clock=END, contracts=["shop.orders 1.0.0 → 2.0.0"]), RetrainSpec(on=("contract",)))
    assert decision.train
    assert decision.obliged
    assert decision.reasons == ("shop.orders 1.0.0 → 2.0.0",)


@pytest.mark.parametrize(
    ("change", "values", "fired"),
    [
        (-0.1, [10, 10, 8.9], True),
        (-0.1, [10, 10, 9.1], False),
        (-0.1, [10, 10, 20], False),
        (0.1, [10, 10, 11.5], True),
        (0.1, [10, 10, 5], False),
        (-0.1, [10, 8], False),
    ],
)
def test_a_kpi_that_moved_the_wrong_way_calls_for_a_training(change: float, values: list[float], fired: bool) -> None:
    series = [KpiValue(end=END - place * DAY, value=value) for place, value in enumerate(reversed(values))][::-1]
    policy = RetrainSpec(on=("kpi",), kpi=KpiTrigger(name="shop.conversion", change=change, periods=2))
    assert decide(Facts(clock=END, kpi=series), policy).train is fired
    seen = Facts(clock=END, kpi=series, trainings=[trained(0)])
    assert not decide(seen, policy).train


def test_a_kpi_without_a_change_is_held_against_its_target() -> None:
    policy = RetrainSpec(on=("kpi",), kpi=KpiTrigger(name="shop.conversion"))
    for met, fired in ((False, True), (True, False), (None, False)):
        known = Facts(clock=END, kpi=[KpiValue(end=END, value=0.1, meets_target=met)])
        assert decide(known, policy).train is fired


@pytest.mark.parametrize("kind", ["hand", "erasure"])
def test_who_asks_and_an_erasure_wait_for_nothing(kind: Any) -> None:
    asked = Facts(
        clock=END,
        requests=[Request(id="r", trigger=kind, reason="a person was erased")],
        trainings=[trained(0), trained(1), trained(2)],
        review="abc",
    )
    policy = RetrainSpec(cooldown=30 * DAY, budget=BudgetSpec(trainings=1, per="month"))
    decision = decide(asked, policy)
    assert decision.train
    assert decision.answers == ("r",)
    assert decision.obliged is (kind == "erasure")


def test_a_budget_is_of_a_calendar_period_and_counts_the_fits_of_a_search() -> None:
    policy = RetrainSpec(budget=BudgetSpec(trainings=4, per="month"))
    spent = [trained(3, "promote", fits=3), trained(25, "promote", fits=9), trained(2, "by_hand", fits=9)]
    assert budget_left(Facts(clock=END, trainings=spent), policy) == 1
    assert decide(facts(True, trainings=spent), policy).train
    spent[0] = replace(spent[0], fits=4)
    decision = decide(facts(True, trainings=spent), policy)
    assert not decision.train
    assert "4 per month is used up" in decision.reasons[-1]


def test_the_search_widens_with_each_training_that_did_not_help_and_then_a_person_is_asked() -> None:
    policy = RetrainSpec(patience=3)
    seen = []
    trainings: list[Training] = []
    for days in (30, 20, 10, 5):
        decision = decide(facts(True, trainings=trainings), policy)
        seen.append((decision.train, len(decision.search), decision.review))
        trainings.insert(0, trained(days))
    assert seen == [(True, 0, False), (True, 1, False), (True, 3, False), (False, 0, True)]
    helped = [trained(3, "promote"), *trainings]
    assert decide(facts(True, trainings=helped), policy).search == ()
    taken_back = [trained(3, "rollback"), *helped[1:]]
    assert len(unhelpful_trainings(taken_back, wins_back=0.2)) == 5
    reviewed = [replace(one, reviewed=True) for one in trainings]
    assert decide(facts(True, trainings=reviewed), policy).train


def test_a_search_stays_within_the_budget() -> None:
    policy = RetrainSpec(budget=BudgetSpec(trainings=2, per="month"))
    decision = decide(facts(True, trainings=[trained(3)]), policy)
    assert (decision.train, decision.search, decision.fits) == (True, (), 1)
    decision = decide(facts(True, trainings=[trained(30)]), policy)
    assert (decision.search, decision.fits) == (("parameters",), 2)


def test_an_open_review_stops_the_loop() -> None:
    decision = decide(facts(True, review="abcdef0123"), RetrainSpec())
    assert not decision.train
    assert "mesh review close abcdef01" in decision.reasons[-1]


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(1, 4), st.integers(0, 4))
def test_one_more_drifted_window_never_turns_a_training_into_none(flags: list[bool], needed: int, more: int) -> None:
    policy = RetrainSpec(needed=needed, of=needed + more)
    if decide(facts(*flags), policy).train:
        assert decide(facts(*[True] * len(flags)), policy).train


@settings(deadline=None)
@given(st.integers(0, 6), st.integers(0, 40), st.integers(1, 5))
def test_more_trainings_of_late_never_call_for_one_more(count: int, days: int, budget: int) -> None:
    policy = RetrainSpec(cooldown=3 * DAY, budget=BudgetSpec(trainings=budget, per="month"))
    some = [trained(days + place) for place in range(count)]
    if not decide(facts(True, trainings=some), policy).train:
        assert not decide(facts(True, trainings=[trained(days), *some]), policy).train
