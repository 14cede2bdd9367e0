"""Data quality: the contract's checks over the window's versions, and the six checks of SageMaker Model Monitor.

The checks were made when each version was published, and so were those of batches that were refused. The six hold the
window's profile against what the reference's profile says of type, completeness, sign, values, drift and columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mesh_catalog.catalog.inventory import read_version_columns
from mesh_catalog.catalog.runs import CheckRecord, VersionRecord, read_checks, read_runs, read_versions
from mesh_catalog.catalog.verdicts import Measure, Outcome
from mesh_catalog.errors import MeshError
from mesh_catalog.lake.profile import Profile
from mesh_catalog.monitoring.constraints import check_constraints, distributions, suggest_constraints
from mesh_catalog.monitoring.finding import Finding, Monitor, worst
from mesh_catalog.monitoring.window import own_names

if TYPE_CHECKING:
    from mesh_catalog.catalog.store import Catalog
    from mesh_catalog.monitoring.window import Window

__all__ = ["DATA_QUALITY", "judge_quality"]

_RUNS = 200
_OUTCOMES: dict[str, Outcome] = {
    "pass": "pass", "warn": "warn", "fail": "fail", "quarantine": "warn", "not_run": "not_run",
}  # fmt: skip


def judge_quality(window: Window) -> Finding:
    """Every rule over the window, the refused batches, and the broken constraints.

    Raises:
        StorageError: A profile is damaged.
    """
    catalog, part = window.mesh.catalog, window.current
    made = [one for one in read_versions(catalog, part.product) if part.first <= one.version <= part.last]
    measures = (*_rules(catalog, made), *_refused(window, since=made[0].committed_at), *_constraints(window))
    judged = [one.outcome for one in measures if one.outcome != "not_run"]
    bad = [one for one in measures if one.outcome in ("fail", "warn")]
    if not judged:
        return Finding(outcome="not_run", reason="the window's versions had no check", measures=measures)
    reason = "; ".join(
        f"{one.column + ': ' if one.column else ''}{(one.reason or one.method).rstrip('.')}" for one in bad[:3]
    )
    more = f"; and {len(bad) - 3} more" if len(bad) > 3 else ""
    return Finding(
        outcome=worst(judged), reason=reason + more if bad else f"{len(judged)} checks hold", measures=measures
    )


def _rules(catalog: Catalog, made: Sequence[VersionRecord]) -> Iterator[Measure]:
    """One measure a rule of the contract: the share of rows that broke it in the window's versions."""
    found: dict[str, list[CheckRecord]] = {}
    for record in made:
        for check in read_checks(catalog, record.run_id):
            found.setdefault(check.rule, []).append(check)
    for checks in found.values():
        newest = checks[-1]
        broken, rows = sum(check.broken_count or 0 for check in checks), sum(check.rows or 0 for check in checks)
        outcome = worst([_OUTCOMES[check.verdict] for check in checks])
        reason = f"{newest.text}: {broken:,} rows break it" if broken else newest.reason
        yield Measure(
            column=newest.column,
            method=newest.text,
            score=broken / rows if rows else None,
            outcome=outcome,
            reason=reason,
            details={"broken": broken, "rows": rows, "versions": len(checks)},
        )


def _refused(window: Window, *, since: datetime) -> Iterator[Measure]:
    """Batches that were refused after the window's first version: nobody reads them, but somebody sends them."""
    runs = read_runs(window.mesh.catalog, window.current.product, kind="publish", limit=_RUNS)
    ended = [run for run in runs if since <= run.started_at <= window.at and run.outcome is not None]
    refused = [run for run in ended if run.outcome == "refused"]
    if refused:
        yield Measure(
            method="refused batches",
            score=len(refused) / len(ended),
            threshold=0.0,
            outcome="warn",
            reason=f"{len(refused)} of {len(ended)} batches were refused",
            details={"refused": len(refused), "batches": len(ended)},
        )


def _constraints(window: Window) -> Iterator[Measure]:
    from mesh_catalog.lake.profiles import load_window

    part = window.current
    reference = _reference(window)
    if reference is None:
        reason = "nothing before this window to hold it against"
        yield Measure(method="baseline constraints", outcome="not_run", reason=reason)
        return
    try:
        current = load_window(window.mesh, part.product, part.first, part.last)
    except MeshError as error:
        yield Measure(method="baseline constraints", outcome="not_run", reason=str(error))
        return
    names = _compared(window, reference, current)
    reference = Profile(rows=reference.rows, columns={n: c for n, c in reference.columns.items() if n in names})
    current = Profile(rows=current.rows, columns={n: c for n, c in current.columns.items() if n in names})
    broken = check_constraints(suggest_constraints(reference), current, baseline=distributions(reference))
    for one in broken:
        yield Measure(
            column=one.column, method=one.check, score=one.score, threshold=one.threshold, outcome="warn",
            reason=one.description,
        )  # fmt: skip
    if not broken:
        yield Measure(method="baseline constraints", score=0.0, outcome="pass", details={"columns": len(names)})


def _compared(window: Window, reference: Profile, current: Profile) -> set[str]:
    """The columns to hold: those of a model on both sides, those of a product on either; no keys, no event time."""
    columns = read_version_columns(window.mesh.catalog, window.current.product, window.current.last)
    left, right = set(reference.columns), set(current.columns)
    return (left & right if window.model is not None else left | right) - own_names(window, columns)


def _reference(window: Window) -> Profile | None:
    from mesh_catalog.lake.profiles import load_profile, load_window

    if window.model is not None and window.champion is not None and window.champion.training_version is not None:
        return load_profile(window.mesh, window.model.training_name, window.champion.training_version)
    if window.baseline is None:
        return None
    return load_window(window.mesh, window.baseline.product, window.baseline.first, window.baseline.last)


DATA_QUALITY = Monitor(
    kind="data_quality",
    title="data quality",
    applies=lambda _window: True,
    reference=lambda window: (window.training or window.baseline_text, window.moment_text),
    judge=judge_quality,
    sliced=False,
)
