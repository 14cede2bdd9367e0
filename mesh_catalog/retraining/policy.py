"""Whether the facts call for a training. Pure: `decide` reads no clock, no file and no table.

    triggers → an open review → cooldown → patience → budget → train

While the cooldown lasts, a challenger that the gate refused is looked at again: that costs no training.

Whoever asks by hand, and an erasure, are heard at once: neither waits for windows, cooldown, budget or a review.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from mesh_catalog.retraining.facts import Facts, Training
from mesh_catalog.retraining.recovery import Recovery, recovery_of
from mesh_catalog.retraining.triggers import Trigger, all_triggers
from mesh_catalog.specs import BudgetSpec, RetrainSpec

__all__ = ["Decision", "SearchPart", "budget_left", "decide", "unhelpful_trainings"]

SearchPart = Literal["parameters", "window", "features"]
_LADDER: tuple[tuple[SearchPart, ...], ...] = ((), ("parameters",), ("parameters", "window", "features"))
"""What is searched over after none, one, two or more trainings in a row that did not help."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Train or not, and why."""

    train: bool
    reasons: tuple[str, ...]
    """Sentences."""
    triggers: tuple[Trigger, ...] = ()
    """Those that fired."""
    search: tuple[SearchPart, ...] = ()
    """What to search over before training: empty the first time, wider each time that it did not help."""
    fits: int | None = None
    """How many models may be fitted, a search's included; None: no budget is set."""
    review: bool = False
    """Not to train but to ask a person: the last trainings did not help."""
    again: Training | None = None
    """Not to train but to compare the challenger of this training again, on the rows that came since."""
    data_from: datetime | None = None
    """Where the alarm began, for the window policy `since_drift`."""
    unhelpful: tuple[Training, ...] = ()
    """The newest trainings, in a row, that did not help."""
    recovery: Recovery | None = None
    """How it went on after the training before, for whoever decides next."""

    @property
    def answers(self) -> tuple[str, ...]:
        """Verdicts, requests and a KPI's period that the training answers."""
        return tuple(dict.fromkeys(one for trigger in self.triggers for one in trigger.answers))

    @property
    def obliged(self) -> bool:
        """The champion must not stay: it learned from data, or by a contract, that are no more."""
        return any(trigger.kind in ("erasure", "contract") for trigger in self.triggers)


def decide(facts: Facts, policy: RetrainSpec) -> Decision:
    """Decide from what is known."""
    found = list(all_triggers(facts, policy))
    fired = tuple(trigger for trigger in found if trigger.fired)
    reasons = tuple(trigger.reason for trigger in (fired or found))
    if not fired:
        return Decision(train=False, reasons=reasons or ("nothing is set to retrain on",))
    left = budget_left(facts, policy)
    since = min((trigger.since for trigger in fired if trigger.since is not None), default=None)
    trainings = _with_recovery(facts)
    recovery = trainings[0].recovery if trainings else None
    if any(trigger.kind in ("hand", "erasure") for trigger in fired):
        return Decision(train=True, reasons=reasons, triggers=fired, fits=left, data_from=since, recovery=recovery)
    unhelpful = tuple(unhelpful_trainings(trainings, wins_back=policy.wins_back))

    def kept(why: str, *, review: bool = False) -> Decision:
        return Decision(train=False, reasons=(*reasons, why), triggers=fired, review=review, unhelpful=unhelpful)

    if facts.review is not None:
        return kept(f"waits for the review {facts.review[:8]}; close it: mesh review close {facts.review[:8]}")
    ends = _cooldown_ends(facts, policy)
    if ends is not None:
        waits = kept(f"cooldown until {ends:%Y-%m-%d %H:%M} of event time")
        again = None if waits.obliged else _refused(facts)
        if again is None:
            return waits
        why = f"compares v{again.refused}, which the gate refused, on the rows that came since"
        return replace(waits, reasons=(*waits.reasons, why), again=again)
    if len(unhelpful) >= policy.patience:
        return kept(f"{_told(unhelpful)}: a person has to look", review=True)
    if left == 0:
        return kept(f"the budget of {policy.budget} is used up")
    search = _LADDER[min(len(unhelpful), len(_LADDER) - 1)]
    told = [f"{left} of {policy.budget} trainings left"] if policy.budget else []
    if search and (left is None or left >= 2):
        told.append(f"{_told(unhelpful[:1])}: searches over {', '.join(search)}")
    else:
        search = ()
    return Decision(
        train=True,
        reasons=(*reasons, *told),
        triggers=fired,
        search=search,
        fits=left,
        data_from=since,
        unhelpful=unhelpful,
        recovery=recovery,
    )


def _refused(facts: Facts) -> Training | None:
    """The newest training, where its challenger may be looked at again: once a window."""
    newest = next(iter(facts.trainings), None)
    if newest is None or newest.refused is None or facts.clock is None:
        return None
    since = newest.looked_at or newest.at
    return newest if since is not None and facts.clock >= since + facts.window else None


def unhelpful_trainings(trainings: Sequence[Training], *, wins_back: float) -> list[Training]:
    """The newest trainings of the loop, in a row, that nobody has reviewed and that did not help.

    They brought no better model, or one after which the alarm went on.

    Args:
        wins_back: Least share of what had been lost that such a model must win back.
    """
    found: list[Training] = []
    for one in trainings:
        if one.outcome in ("by_hand", "open"):
            continue
        kept = one.outcome == "promote" and (one.recovery is None or one.recovery.helped(wins_back))
        if kept or one.reviewed:
            break
        found.append(one)
    return found


def _with_recovery(facts: Facts) -> list[Training]:
    """The trainings; the newest with how it has gone on since."""
    if not facts.trainings:
        return []
    newest = facts.trainings[0]
    return [replace(newest, recovery=recovery_of(newest, facts.windows)), *facts.trainings[1:]]


def _told(unhelpful: Sequence[Training]) -> str:
    """What the trainings that did not help came to, newest first."""
    rejected = [one for one in unhelpful if one.recovery is None or one.outcome != "promote"]
    many = len(unhelpful) > 1
    which = f"the last {len(unhelpful)} trainings" if many else "the last training"
    if len(rejected) == len(unhelpful):
        return f"{which} brought no better model"
    shares = [f"{max(0.0, one.recovery.share):.0%}" for one in unhelpful if one not in rejected and one.recovery]
    each = f"{shares[0]} of what was lost" if len(shares) == 1 else f"{', '.join(shares)} of what was lost"
    alarm = "the alarm goes on"
    if not rejected:
        return f"{which} won back {each}, and {alarm}"
    return f"{which} did not help ({len(rejected)} brought no better model, {len(shares)} won back {each}), and {alarm}"


def budget_left(facts: Facts, policy: RetrainSpec) -> int | None:
    """Trainings left in this calendar period of event time; None where there is no budget."""
    budget = policy.budget
    if budget is None or facts.clock is None:
        return budget.trainings if budget else None
    period = _period(facts.clock, budget)
    used = sum(
        one.fits
        for one in facts.trainings
        if one.outcome != "by_hand" and one.at is not None and _period(one.at, budget) == period
    )
    return max(0, budget.trainings - used)


def _cooldown_ends(facts: Facts, policy: RetrainSpec) -> datetime | None:
    last = max((one.at for one in facts.trainings if one.at is not None), default=None)
    length = _cooldown(facts, policy)
    if last is None or facts.clock is None or not length:
        return None
    ends = last + length
    return ends if facts.clock < ends else None


def _cooldown(facts: Facts, policy: RetrainSpec) -> timedelta:
    if policy.cooldown_share is None:
        return policy.cooldown
    return max(1, round(policy.cooldown_share * (facts.learned or timedelta(0)) / facts.window)) * facts.window


def _period(moment: datetime, budget: BudgetSpec) -> tuple[int, ...]:
    if budget.per == "week":
        return tuple(moment.isocalendar()[:2])
    return (moment.year, moment.month, moment.day)[: {"year": 1, "month": 2, "day": 3}[budget.per]]
