"""A verdict as a notice: what failed, what it leads to, and what it may have come from. A pass closes the alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING

from mesh_catalog.alerts.affected import Affected, Upstream, affected_models, upstream_drift
from mesh_catalog.alerts.channels import wants_warnings
from mesh_catalog.alerts.notify import Concerned, Notice, notify, resolve
from mesh_catalog.catalog.verdicts import Measure, VerdictRecord, read_verdicts
from mesh_catalog.errors import MeshError

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.alerts import AlertRecord

__all__ = ["Told", "tell_verdict", "tell_verdicts"]

_MEASURES = 10
_BAD = ("warn", "fail")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What became of a run's verdicts, and what stands around their subject."""

    alerts: tuple[AlertRecord, ...] = ()
    """Raised, counted once more, or closed."""
    upstream: Upstream | None = None
    """Of a model."""
    downstream: Affected | None = None
    """Of a product: the models that use the columns that drifted."""

    @property
    def lines(self) -> list[str]:
        """`upstream: payments.terminal_risk drifted on 2026-06-13, owner risk-data`, and so on, alerts last."""
        around = [*(self.upstream.lines if self.upstream else ()), *(self.downstream.lines if self.downstream else ())]
        return around + [f"alert: {one.id} {one.title}, {one.state}" for one in self.alerts]


class _Neighbours:
    """What stands around a subject: looked up when it is asked for, the same once."""

    def __init__(self, mesh: Mesh, until: datetime | None = None) -> None:
        self.upstream = cache(partial(upstream_drift, mesh, until=until))
        self._affected = cache(partial(affected_models, mesh))

    def downstream(self, product: str, verdicts: Sequence[VerdictRecord]) -> Affected:
        """The models that use the columns that these verdicts found bad."""
        bad = (one for verdict in verdicts for one in verdict.measures if one.outcome in _BAD)
        return self._affected(product, tuple(dict.fromkeys(one.column for one in bad if one.column)))


def tell_verdicts(mesh: Mesh, verdicts: Sequence[VerdictRecord], *, past: bool = False) -> Told:
    """Tell of a run's verdicts on one subject; a slice that is no worse than all rows together is no alert besides.

    Args:
        past: The window was chosen by its times: what is said of the products upstream is of then, not of now.
    """
    if not verdicts:
        return Told()
    around, subject = _Neighbours(mesh, verdicts[0].window_to if past else None), verdicts[0].subject
    whole = {(verdict.kind, verdict.current): _badness(verdict) for verdict in verdicts if not verdict.slice}
    worth = [one for one in verdicts if not (one.slice and 0 < _badness(one) <= whole.get((one.kind, one.current), 0))]
    alerts = tuple(alert for verdict in worth if (alert := _tell(mesh, verdict, around)) is not None)
    if verdicts[0].subject_kind == "model":
        return Told(alerts=alerts, upstream=around.upstream(subject))
    drift = [verdict for verdict in verdicts if verdict.kind == "data_drift"]
    return Told(alerts=alerts, downstream=around.downstream(subject, drift))


def tell_verdict(mesh: Mesh, verdict: VerdictRecord) -> AlertRecord | None:
    """Alert of a verdict that fails, and close the alert of one that passes; `not_run` changes nothing, nor does one on
    a window of before, where a newer one could be judged.

    One that warns becomes an alert where a channel of those who would be told asks for warnings; elsewhere it is kept
    as a verdict and no more, and leaves an alert of before as it is.

    Call it whenever a verdict was recorded, also for one that was known: the same verdict is told of once. Drift of a
    product's columns is told to the owners of the models that use them too.

    Returns:
        The alert, or None where there is none.
    """
    return _tell(mesh, verdict, _Neighbours(mesh))


def _tell(mesh: Mesh, verdict: VerdictRecord, around: _Neighbours) -> AlertRecord | None:
    key = f"{verdict.kind}:{verdict.subject}" + (f":{verdict.slice}" if verdict.slice else "")
    if verdict.outcome == "not_run" or _overtaken(mesh, verdict):
        return None
    if verdict.outcome == "pass":
        return resolve(mesh, verdict.subject, verdict.kind, dedup_key=key)
    lines = [verdict.reason, *_measures(verdict)]
    concerned: tuple[Concerned, ...] = ()
    if verdict.subject_kind == "product":
        affected = around.downstream(verdict.subject, [verdict])
        lines += affected.lines
        concerned = tuple(Concerned(domain=one.domain, why=one.sentence) for one in affected.models)
    domains = [verdict.subject.partition(".")[0], *(one.domain for one in concerned)]
    if verdict.outcome == "warn" and not wants_warnings(mesh, domains):
        return None
    if verdict.subject_kind == "model":
        lines += _upstream_lines(verdict.subject, around)
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


def _overtaken(mesh: Mesh, verdict: VerdictRecord) -> bool:
    """Whether a newer window has been judged by the same monitor, so that this one is history."""
    ends = verdict.window_to
    known = read_verdicts(mesh.catalog, verdict.subject, kind=verdict.kind, slice=verdict.slice)
    later = (one for one in known if ends is not None and one.window_to is not None and one.window_to > ends)
    return any(one.outcome != "not_run" for one in later)


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


def _upstream_lines(model: str, around: _Neighbours) -> list[str]:
    try:
        return around.upstream(model).alarming
    except MeshError as error:  # the alert goes out also where lineage cannot say where it came from
        return [f"upstream is not known: {error}"]
