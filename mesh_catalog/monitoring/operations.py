"""Operations: how long the runs take, how many fail, how old the newest rows are, and how many they are.

All from the catalog: the runs that made the window's versions, and those that were tried meanwhile.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from mesh_catalog.catalog.runs import RunKind, RunRecord, VersionRecord, read_runs, read_versions
from mesh_catalog.catalog.verdicts import Measure, Outcome
from mesh_catalog.monitoring.finding import Finding, Monitor, worst
from mesh_catalog.monitoring.intervals import wilson

if TYPE_CHECKING:
    from mesh_catalog.monitoring.window import Window

__all__ = ["OPERATIONS", "judge_operations"]

_RUNS = 200
_EARLIER = 3


def judge_operations(window: Window) -> Finding:
    """Latency, failures, freshness and volume, as of the window's moment."""
    records = read_versions(window.mesh.catalog, window.current.product)
    made = [record for record in records if window.current.first <= record.version <= window.current.last]
    runs = _runs(window, made)
    measures = (*_latency(window, runs), *_failures(runs), *_freshness(window, made), _volume(window, records, made))
    bad = [one for one in measures if one.outcome in ("fail", "warn")]
    shown = bad or [one for one in measures if one.outcome != "not_run"]
    reason = "; ".join(_sentence(one) for one in shown) or "no run to judge"
    return Finding(outcome=worst([one.outcome for one in measures]), reason=reason, measures=measures)


def _runs(window: Window, made: list[VersionRecord]) -> list[RunRecord]:
    """Runs of the window: from the first one that made a version of it to the moment."""
    kind: RunKind = "score" if window.model is not None else "publish"
    found = read_runs(window.mesh.catalog, window.subject, kind=kind, limit=_RUNS)
    begun = made[0].committed_at
    return [run for run in found if run.started_at <= window.at and (run.finished_at or window.at) >= begun]


def _latency(window: Window, runs: list[RunRecord]) -> list[Measure]:
    seconds = sorted(
        (run.finished_at - run.started_at).total_seconds()
        for run in runs
        if run.finished_at is not None and run.outcome not in ("failed", "refused") and run.finished_at <= window.at
    )
    if not seconds:
        return [Measure(method="latency (s)", outcome="not_run", reason="no run of the window has ended")]
    slowest = seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))]
    limit = window.spec.operations.latency
    return [_held("latency (s)", slowest, limit.total_seconds() if limit else None, details={"runs": len(seconds)})]


def _failures(runs: list[RunRecord]) -> list[Measure]:
    ended = [run for run in runs if run.outcome is not None]
    if not ended:
        return []
    bad = sum(run.outcome in ("failed", "refused") for run in ended)
    low, high = wilson(bad, len(ended))
    newest_failed = ended[0].outcome in ("failed", "refused")
    outcome: Outcome = "fail" if newest_failed else "warn" if bad else "pass"
    details = {"runs": len(ended), "failed": bad}
    return [
        Measure(
            method="failed runs", score=bad / len(ended), threshold=0.0, low=low, high=high, outcome=outcome,
            reason="the newest run failed" if newest_failed else None, details=details,
        )
    ]  # fmt: skip


def _freshness(window: Window, made: list[VersionRecord]) -> list[Measure]:
    age = (window.at - made[-1].committed_at).total_seconds()
    limit = window.spec.operations.freshness
    found = [_held("freshness (s)", max(age, 0.0), limit.total_seconds() if limit else None)]
    if window.current.ends is not None:
        lag = (made[-1].committed_at - window.current.ends).total_seconds()
        found.append(_held("event time to commit (s)", lag, None))
    return found


def _volume(window: Window, records: list[VersionRecord], made: list[VersionRecord]) -> Measure:
    """Rows a version, against the versions before."""
    spec = window.spec.operations
    rows = median(record.rows for record in made)
    earlier = [record.rows for record in records if record.version < made[0].version]
    details = {"rows": window.current.rows, "versions": len(made)}
    if len(earlier) < _EARLIER or not median(earlier):
        reason = f"{len(earlier)} earlier versions, {_EARLIER} are needed"
        return Measure(method="volume", outcome="not_run", reason=reason, details=details)
    times = rows / median(earlier)
    outcome: Outcome = "pass" if spec.volume_least <= times <= spec.volume_most else "fail"
    threshold = spec.volume_least if times < 1 else spec.volume_most
    return Measure(method="volume", score=times, threshold=threshold, outcome=outcome, details=details)


def _held(name: str, value: float, limit: float | None, *, details: dict[str, int] | None = None) -> Measure:
    outcome: Outcome = "fail" if limit is not None and value > limit else "pass"
    return Measure(method=name, score=value, threshold=limit, outcome=outcome, details=details or {})


def _sentence(measure: Measure) -> str:
    limit = f", limit {measure.threshold:g}" if measure.threshold is not None else ""
    return measure.reason or f"{measure.method} {measure.score:.3g}{limit}"


OPERATIONS = Monitor(
    kind="operations",
    title="operations",
    applies=lambda _window: True,
    reference=lambda window: (window.moment_text,),
    judge=judge_operations,
    sliced=False,
)
