"""A verdict as a notice: what failed, what it leads to, and what it may have come from. A pass closes the alert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mesh_catalog.alerts.affected import Affected, affected_models, upstream_drift
from mesh_catalog.alerts.notify import Concerned, Notice, notify, resolve, wants_warnings
from mesh_catalog.catalog.verdicts import Measure, VerdictRecord
from mesh_catalog.errors import MeshError

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.alerts import AlertRecord

__all__ = ["tell_verdict", "tell_verdicts"]

_MEASURES = 10
_BAD = ("warn", "fail")


def tell_verdicts(mesh: Mesh, verdicts: Sequence[VerdictRecord]) -> list[AlertRecord]:
    """Tell of a run's verdicts on one subject; a slice that is no worse than all rows together is no alert besides."""
    whole = {verdict.kind: _badness(verdict) for verdict in verdicts if not verdict.slice}
    told = [one for one in verdicts if not (one.slice and 0 < _badness(one) <= whole.get(one.kind, 0))]
    return [alert for verdict in told if (alert := tell_verdict(mesh, verdict)) is not None]


def tell_verdict(mesh: Mesh, verdict: VerdictRecord) -> AlertRecord | None:
    """Alert of a verdict that fails, and close the alert of one that passes; `not_run` changes nothing.

    One that warns becomes an alert where a channel of those who would be told asks for warnings; elsewhere it is kept
    as a verdict and no more, and leaves an alert of before as it is.

    Call it whenever a verdict was recorded, also for one that was known: the same verdict is told of once. Drift of a
    product's columns is told to the owners of the models that use them too.

    Returns:
        The alert, or None where there is none.
    """
    key = f"{verdict.kind}:{verdict.subject}" + (f":{verdict.slice}" if verdict.slice else "")
    if verdict.outcome == "not_run":
        return None
    if verdict.outcome == "pass":
        return resolve(mesh, verdict.subject, verdict.kind, dedup_key=key)
    lines = [verdict.reason, *_measures(verdict)]
    concerned: tuple[Concerned, ...] = ()
    if verdict.subject_kind == "product":
        affected = _affected(mesh, verdict)
        lines += _downstream_lines(affected)
        concerned = tuple(Concerned(domain=one.domain, why=one.sentence) for one in affected.models)
    domains = [verdict.subject.partition(".")[0], *(one.domain for one in concerned)]
    if verdict.outcome == "warn" and not wants_warnings(mesh, domains):
        return None
    if verdict.subject_kind == "model":
        lines += _upstream_lines(mesh, verdict.subject)
    what = f"{verdict.kind.replace('_', ' ')} of {verdict.slice}" if verdict.slice else verdict.kind.replace("_", " ")
    notice = Notice(
        subject=verdict.subject,
        subject_kind=verdict.subject_kind,
        kind=verdict.kind,
        severity=verdict.outcome,
        title=f"{verdict.subject}: {what}",
        text="\n".join(lines),
        verdict_id=verdict.id,
        dedup_key=key,
        concerned=concerned,
    )
    return notify(mesh, notice).alert


def _badness(verdict: VerdictRecord) -> int:
    return {"warn": 1, "fail": 2}.get(verdict.outcome, 0)


def _measures(verdict: VerdictRecord) -> list[str]:
    bad = [one for one in verdict.measures if one.outcome in _BAD]
    more = [f"and {len(bad) - _MEASURES} more"] if len(bad) > _MEASURES else []
    return [_measure(one) for one in bad[:_MEASURES]] + more + [f"{verdict.current} against {verdict.reference}"]


def _measure(one: Measure) -> str:
    name = f"{one.column} " if one.column else ""
    score = f"{one.score:.4g}" if one.score is not None else one.reason or "not computed"
    limit = f", limit {one.threshold:g}" if one.threshold is not None else ""
    return f"{name}{score} ({one.method}{limit})"


def _affected(mesh: Mesh, verdict: VerdictRecord) -> Affected:
    columns = [one.column for one in verdict.measures if one.outcome in _BAD and one.column]
    return affected_models(mesh, verdict.subject, columns)


def _downstream_lines(affected: Affected) -> list[str]:
    lines = [f"downstream: {one.sentence}" for one in affected.models]
    return lines + [f"downstream is not known whole: {gap}" for gap in affected.unknown]


def _upstream_lines(mesh: Mesh, model: str) -> list[str]:
    try:
        upstream = upstream_drift(mesh, model)
    except MeshError as error:  # the alert goes out also where lineage cannot say where it came from
        return [f"upstream is not known: {error}"]
    return [f"upstream: {one.sentence}" for one in upstream.drifted] + [
        f"upstream is not known whole: {gap}" for gap in upstream.unknown
    ]
