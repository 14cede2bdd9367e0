"""What becomes of a rollout: wait, go on, promote, or all back. Pure: what was observed goes in, a stock comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from mesh_catalog.retraining.alarms import Signal
from mesh_catalog.specs import RolloutSpec

__all__ = ["Observations", "Stock", "judge", "step_name"]


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What is known of a step."""

    rows: int
    """That the challenger scored in it; in a canary, those that it decided."""
    baked: timedelta
    """Event time that it has covered."""
    running: timedelta
    """Time since the rollout began: of events or by the clock, whichever is longer."""
    event_to: datetime | None = None
    """Of the newest row of the step."""
    signals: tuple[Signal, ...]
    """One for each alarm of the plan."""


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What is to be done, and why."""

    action: Literal["wait", "advance", "promote", "back"]
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any]


def judge(position: int, seen: Observations, plan: RolloutSpec) -> Stock:
    """Decide over one step.

    Any alarm that rings sends all back, however little has baked. Nothing goes on before the step has its rows and its
    time and every alarm was heard.

    Args:
        position: The step, from 0.
    """
    if ringing := [one for one in seen.signals if one.state == "rings"]:
        return _stock("back", (f"alarm {one.alarm}: {one.reason}" for one in ringing), position, seen)
    if plan.give_up_after is not None and seen.running > plan.give_up_after:
        return _stock(
            "back", [f"given up: not through after {_days(plan.give_up_after)}", *_missing(seen, plan)], position, seen
        )
    if missing := _missing(seen, plan):
        return _stock("wait", missing, position, seen)
    name = step_name(plan.steps[position])
    done = f"{name}: {seen.rows:,} rows baked, no alarm of {len(seen.signals)}"
    return _stock("promote" if position == len(plan.steps) - 1 else "advance", [done], position, seen)


def step_name(share: float) -> str:
    """`shadow` or `5 %`."""
    return "shadow" if share == 0 else f"{share * 100:g} %"


def _missing(seen: Observations, plan: RolloutSpec) -> list[str]:
    """What the step still needs."""
    found = []
    if seen.rows < plan.bake_rows:
        found.append(f"{seen.rows:,} of {plan.bake_rows:,} rows baked")
    if seen.baked < plan.bake:
        found.append(f"{_days(seen.baked)} of {_days(plan.bake)} baked")
    if not found:
        found += [f"alarm {one.alarm}: {one.reason}" for one in seen.signals if one.state == "unheard"]
    return found


def _stock(
    action: Literal["wait", "advance", "promote", "back"], reasons: Any, position: int, seen: Observations
) -> Stock:
    evidence = {
        "position": position,
        "rows": seen.rows,
        "baked_seconds": seen.baked.total_seconds(),
        "event_to": seen.event_to.isoformat() if seen.event_to else None,
        "alarms": _told(seen.signals),
    }
    return Stock(action=action, reasons=tuple(reasons), evidence=evidence)


def _told(signals: Sequence[Signal]) -> list[dict[str, Any]]:
    return [{"alarm": o.alarm, "state": o.state, "reason": o.reason, "evidence": dict(o.evidence)} for o in signals]


def _days(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:.3g} d" if hours >= 24 else f"{hours:.3g} h"
