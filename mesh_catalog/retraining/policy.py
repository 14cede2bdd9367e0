"""Whether the verdicts call for a training. Pure: no clock but the data's own, no files, no Spark.

Time here is event time: a window ends where its newest row happened. A loop that is replayed over old data decides as
it would have decided then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mesh_catalog.catalog.verdicts import VerdictRecord
from mesh_catalog.specs import RetrainSpec

__all__ = ["Decision", "decide"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Train or not, and why, as sentences."""

    train: bool
    reasons: tuple[str, ...]


def decide(
    verdicts: Sequence[VerdictRecord],
    policy: RetrainSpec,
    *,
    last_trained_until: datetime | None,
    settled_verdict: str | None,
) -> Decision:
    """Decide from the newest verdicts.

    Args:
        verdicts: Newest window first.
        policy: Debounce (`needed` of the newest `of` windows) and cooldown.
        last_trained_until: End of the data that the last training saw.
        settled_verdict: The verdict that the last retraining answered; it is not answered twice.
    """
    if not verdicts:
        return Decision(train=False, reasons=("no verdict yet: score and monitor first",))
    newest = verdicts[0]
    if newest.id == settled_verdict:
        return Decision(train=False, reasons=("the newest verdict has been answered already",))
    recent = verdicts[: policy.of]
    drifted = sum(verdict.outcome == "fail" for verdict in recent)
    told = f"drift in {drifted} of the newest {len(recent)} windows, {policy.needed} of {policy.of} needed"
    if newest.outcome != "fail" or drifted < policy.needed:
        return Decision(train=False, reasons=(told,))
    if (
        last_trained_until is not None
        and newest.window_to is not None
        and newest.window_to - last_trained_until < policy.cooldown
    ):
        ends = last_trained_until + policy.cooldown
        return Decision(train=False, reasons=(told, f"cooldown until {ends:%Y-%m-%d %H:%M} of event time"))
    return Decision(train=True, reasons=(told, newest.reason, "cooldown is over"))
