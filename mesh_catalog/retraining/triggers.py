"""What may call for a training: each a pure function of the facts and the policy.

A trigger that does not fire says why as well: that is what a user reads who asks why nothing happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mesh_catalog.catalog.verdicts import MonitorKind
from mesh_catalog.retraining.facts import Facts, WindowVerdict
from mesh_catalog.specs import RetrainSpec, TriggerKind

__all__ = ["TRIGGER_MONITORS", "Trigger", "all_triggers", "new_windows"]

TRIGGER_MONITORS: Mapping[TriggerKind, MonitorKind] = {
    "drift": "data_drift",
    "prediction_drift": "prediction_drift",
    "performance": "performance",
    "estimated_performance": "estimated_performance",
    "bias": "bias",
    "attribution": "attribution",
}
"""The triggers that are verdicts → the monitor that gives them."""
_WORDS: Mapping[TriggerKind, str] = {
    "drift": "drift",
    "prediction_drift": "prediction drift",
    "performance": "too low performance",
    "estimated_performance": "too low estimated performance",
    "bias": "bias",
    "attribution": "attribution drift",
}


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """Whether something calls for a training, and why."""

    kind: TriggerKind
    fired: bool
    reason: str
    """One sentence."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    answers: tuple[str, ...] = ()
    """Verdicts, requests and a KPI's period that a training would answer."""
    since: datetime | None = None
    """Where the alarm began: the start of the oldest window of the unbroken row of failures."""


def all_triggers(facts: Facts, policy: RetrainSpec) -> Iterator[Trigger]:
    """Those that the policy names; a request is always heard."""
    yield from by_request(facts)
    for kind in policy.on:
        if kind in TRIGGER_MONITORS:
            yield by_verdicts(facts, policy, kind)
        elif kind in _OTHERS:
            yield _OTHERS[kind](facts, policy)


def by_request(facts: Facts) -> Iterator[Trigger]:
    for kind in ("erasure", "hand"):
        asked = [one for one in facts.requests if one.trigger == kind]
        if asked:
            yield Trigger(
                kind=asked[0].trigger,
                fired=True,
                reason="; ".join(dict.fromkeys(one.reason for one in asked)),
                evidence={"requests": len(asked)},
                answers=tuple(one.id for one in asked),
            )


def by_verdicts(facts: Facts, policy: RetrainSpec, kind: TriggerKind) -> Trigger:
    """Debounce: `needed` of the newest `of` windows failed, the newest among them; none that a training has seen."""
    known = [one for one in facts.windows if one.trigger == kind]
    judged = new_windows(facts, kind)
    word = _WORDS[kind]
    if not known:
        return Trigger(kind=kind, fired=False, reason=f"{word}: no verdict yet; score and monitor first")
    if not judged:
        blind = known[0].outcome == "not_run"
        told = f"could not be judged: {known[0].reason}" if blind else "has been answered already"
        return Trigger(kind=kind, fired=False, reason=f"{word}: the newest verdict {told}")
    recent = judged[: policy.of]
    failed = [one for one in recent if one.outcome == "fail"]
    looked_at = "1 window" if len(recent) == 1 else f"the newest {len(recent)} windows"
    told = f"{word} in {len(failed)} of {looked_at}, {policy.needed} of {policy.of} needed"
    fired = recent[0].outcome == "fail" and len(failed) >= policy.needed
    since = None
    for one in judged:
        if one.outcome != "fail":
            break
        since = one.start or since
    return Trigger(
        kind=kind,
        fired=fired,
        reason=f"{told}: {recent[0].reason}" if fired and recent[0].reason else told,
        evidence={"verdicts": [one.id for one in recent], "failed": len(failed), **_losses(recent[0])},
        answers=tuple(one.id for one in failed) if fired else (),
        since=since if fired else None,
    )


def _losses(window: WindowVerdict) -> dict[str, float]:
    if window.loss is None or window.before is None:
        return {}
    return {"loss": window.loss, "before": window.before}


def new_windows(facts: Facts, kind: TriggerKind) -> list[WindowVerdict]:
    """The windows of a kind that could be judged and that no training has seen, newest first."""
    answered = {one for training in facts.trainings for one in training.answers}
    seen_until = max((one.seen_until for one in facts.trainings if one.seen_until is not None), default=None)
    return [
        one
        for one in facts.windows
        if one.trigger == kind
        and one.outcome != "not_run"
        and one.id not in answered
        and (seen_until is None or one.end is None or one.end > seen_until)
    ]


def by_schedule(facts: Facts, policy: RetrainSpec) -> Trigger:
    last = max((one.at for one in facts.trainings if one.at is not None), default=None)
    if policy.every is None or facts.clock is None:
        return Trigger(kind="schedule", fired=False, reason="schedule: no event time is known yet")
    if last is None:
        return Trigger(kind="schedule", fired=True, reason="schedule: no training is known")
    due = last + policy.every
    fired = facts.clock >= due
    told = "was due" if fired else "the next training is due"
    return Trigger(
        kind="schedule", fired=fired, reason=f"schedule: {told} at {due:%Y-%m-%d %H:%M} of event time", evidence={}
    )


def by_new_data(facts: Facts, policy: RetrainSpec) -> Trigger:
    found: list[str] = []
    fired = False
    for count, needed, word in (
        (facts.new_rows, policy.new_rows, "rows"),
        (facts.new_versions, policy.new_versions, "versions"),
    ):
        if needed is not None:
            fired = fired or count >= needed
            found.append(f"{count:,} new {word}, {needed:,} needed")
    return Trigger(
        kind="new_data",
        fired=fired,
        reason=" or ".join(found),
        evidence={"rows": facts.new_rows, "versions": facts.new_versions},
    )


def by_contract(facts: Facts, _policy: RetrainSpec) -> Trigger:
    told = "; ".join(facts.contracts) or "no contract has changed"
    return Trigger(kind="contract", fired=bool(facts.contracts), reason=told)


def by_kpi(facts: Facts, policy: RetrainSpec) -> Trigger:
    """The newest period against its target, or against the mean of the periods before."""
    rule = policy.kpi
    seen_until = max((one.at for one in facts.trainings if one.at is not None), default=None)
    values = [one for one in facts.kpi if one.value is not None]
    if rule is None or not values:
        return Trigger(kind="kpi", fired=False, reason=f"KPI {rule.name if rule else ''}: has no value yet")
    newest, before = values[-1], values[-1 - rule.periods : -1]
    period = f"{rule.name} to {newest.end.isoformat()}"
    answered = any(period in training.answers for training in facts.trainings)
    if answered or (seen_until is not None and newest.end <= seen_until):
        return Trigger(kind="kpi", fired=False, reason=f"KPI {rule.name}: the newest period has been answered already")
    value = float(newest.value or 0.0)
    evidence: dict[str, Any] = {"value": value, "period_end": newest.end.isoformat()}
    if rule.change is None:
        told = {True: "meets its target", False: "misses its target", None: "has no target"}[newest.meets_target]
        return Trigger(
            kind="kpi",
            fired=newest.meets_target is False,
            reason=f"KPI {rule.name}: {value:g} {told}",
            evidence=evidence,
            answers=(period,),
        )
    if len(before) < rule.periods:
        told = f"{len(before)} of {rule.periods} periods before are known"
        return Trigger(kind="kpi", fired=False, reason=f"KPI {rule.name}: {told}", evidence=evidence)
    mean = sum(float(one.value or 0.0) for one in before) / len(before)
    change = (value - mean) / abs(mean) if mean else 0.0
    fired = change <= rule.change if rule.change < 0 else change >= rule.change
    told = f"{value:g}, {change:+.1%} against the mean of {len(before)} periods before, {rule.change:+.1%} is the limit"
    return Trigger(
        kind="kpi",
        fired=fired,
        reason=f"KPI {rule.name}: {told}",
        evidence={**evidence, "mean": mean, "change": change},
        answers=(period,),
    )


_OTHERS: Mapping[TriggerKind, Callable[[Facts, RetrainSpec], Trigger]] = {
    "schedule": by_schedule,
    "new_data": by_new_data,
    "contract": by_contract,
    "kpi": by_kpi,
}
