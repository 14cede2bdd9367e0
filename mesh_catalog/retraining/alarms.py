"""What sends a challenger back: each alarm as a function from what was measured to a signal.

Pure: no clock, no catalog, no Spark. A signal is quiet, rings, or was not heard yet; an alarm that was not heard
protects from nothing, so that a step does not end before it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any, Final, Literal

from mesh_catalog.catalog.verdicts import MonitorKind, VerdictRecord
from mesh_catalog.specs import KpiTarget

__all__ = [
    "ALARM_MONITORS",
    "Signal",
    "drift_signal",
    "errors_signal",
    "kpi_signal",
    "latency_signal",
    "prediction_drift_signal",
    "ratio_signal",
    "verdict_signal",
]

ALARM_MONITORS: Final[Mapping[str, MonitorKind]] = {
    "estimate": "estimated_performance",
    "performance": "performance",
    "bias": "bias",
    "attribution": "attribution",
    "quality": "data_quality",
    "operations": "operations",
}
"""Alarms that are other monitors' verdicts → whose."""
_RATIO_LEVEL, _LATENCY_LIMIT = 0.001, 2.0
_LEAST_EXPECTED = 5.0
"""Entities that the smaller arm must be expected to have for chi-square to hold (Cochran's rule)."""


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What one alarm says now."""

    alarm: str
    state: Literal["quiet", "rings", "unheard"]
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def ratio_signal(*, champion: int, challenger: int, share: float, level: float | None = None) -> Signal:
    """Sample-ratio mismatch: whether the arms have as many entities as they should, by chi-square.

    A mismatch says that the arms are no fair samples: something loses or doubles entities on the way.

    Args:
        champion, challenger: Distinct entities of each arm; rows of one entity are not independent.
        share: The challenger's, strictly between 0 and 1.
        level: The p-value below which it rings; 0.001 where None.
    """
    total = champion + challenger
    expected = total * share
    if min(expected, total - expected) < _LEAST_EXPECTED:
        return Signal(alarm="ratio", state="unheard", reason=f"{total:,} entities are too few to compare the arms")
    statistic = (challenger - expected) ** 2 / expected + (challenger - expected) ** 2 / (total - expected)
    p_value = math.erfc(math.sqrt(statistic / 2))
    least = _RATIO_LEVEL if level is None else level
    rings = p_value < least
    told = f"{challenger:,} of {total:,} entities are the challenger's, {share:.4g} expected (p {p_value:.2g})"
    return Signal(
        alarm="ratio",
        state="rings" if rings else "quiet",
        reason=f"the arms are no fair samples: {told}" if rings else told,
        evidence={"champion": champion, "challenger": challenger, "share": share, "p_value": p_value, "level": least},
    )


def errors_signal(
    *, failed: int, rows: int, bake_rows: int, limit: float | None = None, failures: Sequence[str] = ()
) -> Signal:
    """Rows that the challenger gave no score, and runs in which it could not score at all.

    Args:
        failed: Rows without a score, of the `rows` that it was given.
        bake_rows: Rows of a whole bake: one failed row of the first ten is not yet a tenth of it.
        limit: The share of failed rows above which it rings; none may fail where None.
        failures: Why runs failed.
    """
    allowed = (limit or 0.0) * max(rows, bake_rows)
    told = f"{failed:,} of {rows:,} rows got no score" if rows else "nothing is scored in this step yet"
    rings = bool(failures) or failed > allowed
    reason = f"the challenger could not score: {failures[0]}" if failures else told
    return Signal(
        alarm="errors",
        state="rings" if rings else "quiet" if rows else "unheard",
        reason=reason,
        evidence={"failed": failed, "rows": rows, "limit": limit or 0.0, "failures": list(failures[:5])},
    )


def latency_signal(timings: Sequence[tuple[float, float]], *, limit: float | None = None) -> Signal:
    """How long the challenger takes for the rows that the champion scores beside it, the median over runs.

    Args:
        timings: Seconds of champion and challenger, on the same rows.
        limit: The ratio above which it rings; 2 where None.
    """
    ratios = [challenger / champion for champion, challenger in timings if champion > 0]
    if not ratios:
        return Signal(alarm="latency", state="unheard", reason="no run timed the two versions yet")
    ratio, most = median(ratios), _LATENCY_LIMIT if limit is None else limit
    return Signal(
        alarm="latency",
        state="rings" if ratio > most else "quiet",
        reason=f"the challenger takes {ratio:.2f} times as long as the champion, {most:g} allowed",
        evidence={"ratio": ratio, "limit": most, "runs": len(ratios)},
    )


def drift_signal(*, share: float, limit: float, drifted: Sequence[str], compared: int) -> Signal:
    """Whether the rows of this step are other rows than those that the challenger learned from.

    Args:
        share, limit: Drifted columns of those compared, and the share from which it rings.
    """
    if not compared:
        return Signal(alarm="drift", state="unheard", reason="no column could be compared")
    told = f"{len(drifted)} of {compared} columns drifted since the challenger's training"
    return Signal(
        alarm="drift",
        state="rings" if share >= limit else "quiet",
        reason=f"{told} (share {share:.2f}, limit {limit:.2f})",
        evidence={"share": share, "limit": limit, "drifted": list(drifted[:20]), "compared": compared},
    )


def prediction_drift_signal(*, drifted: bool, method: str, score: float, threshold: float) -> Signal:
    """Whether the challenger's scores are distributed otherwise than the champion's on the same rows."""
    return Signal(
        alarm="prediction_drift",
        state="rings" if drifted else "quiet",
        reason=f"its scores against the champion's on the same rows: {method} {score:.3g}, threshold {threshold:g}",
        evidence={"method": method, "score": score, "threshold": threshold},
    )


def verdict_signal(
    alarm: str, verdicts: Sequence[VerdictRecord], *, challenger: int, began: datetime | None, step: datetime | None
) -> Signal:
    """What a monitor's verdicts say of this step.

    Where the challenger's own rows were judged in this step, that is what counts. Else all rows' verdict does, unless
    the monitor failed before the rollout: a model is often replaced because its monitor fails.

    Args:
        verdicts: Of the alarm's kind; of the challenger's rows and of all rows, each newest window first.
        began, step: Event time of the newest row before the rollout, and before this step.
    """
    known = [one for one in verdicts if one.outcome != "not_run" and one.window_to is not None]
    touched = [one for one in known if _after(one.window_to, step)]
    here = [one for one in touched if one.model_version == challenger] or touched
    before = next((one for one in known if not _after(one.window_to, began)), None)
    failing = before is not None and before.outcome == "fail"
    for one in here:
        if one.outcome == "fail" and (one.model_version == challenger or not failing):
            return Signal(alarm=alarm, state="rings", reason=one.reason, evidence={"verdict": one.id})
    if not here:
        return Signal(alarm=alarm, state="unheard", reason=f"no {alarm} verdict on the rows of this step yet")
    reason = "failed before the rollout began" if here[0].outcome == "fail" else here[0].reason
    return Signal(alarm=alarm, state="quiet", reason=reason, evidence={"verdict": here[0].id})


def kpi_signal(kpi: str, values: Sequence[float], *, target: KpiTarget, before: float | None) -> Signal:
    """Whether a KPI missed its target in a period of this step, and is worse than before the rollout.

    Args:
        values: Of the periods that this step has touched.
        before: Of the last period before the rollout; None where there is none.
    """
    name = f"kpi {kpi}"
    if not values:
        return Signal(alarm=name, state="unheard", reason=f"{kpi} has no value for this step yet")
    least = _bar(target.at_least, before, min)
    most = _bar(target.at_most, before, max)
    bar = KpiTarget(at_least=least, at_most=most)
    missed = [value for value in values if not bar.is_met(value)]
    told = f"{kpi} is {(missed or list(values))[-1]:.4g}, {bar} needed"
    return Signal(
        alarm=name,
        state="rings" if missed else "quiet",
        reason=told,
        evidence={"values": list(values[-20:]), "before": before, "at_least": least, "at_most": most},
    )


def _bar(bound: float | None, before: float | None, weaker: Any) -> float | None:
    """The bound; where it was missed before the rollout already, what was reached then."""
    if bound is None:
        return None
    return bound if before is None else float(weaker(bound, before))


def _after(moment: datetime | None, start: datetime | None) -> bool:
    return moment is not None and (start is None or moment > start)
