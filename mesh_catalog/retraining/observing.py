"""What is known of a rollout's step: rows, times and signals, from profiles, verdicts and KPIs. Starts no JVM.

A run counts where its predictions and its rows of `<model>__shadow` are both committed, in the step that the catalog
says it scored in. How many entities an arm has is the one thing that is counted in the table itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from mesh_catalog.catalog.models import read_model_versions
from mesh_catalog.catalog.rollouts import RolloutRun, RolloutStep, read_rollout_runs, read_rollout_steps
from mesh_catalog.catalog.runs import VersionRecord, read_versions
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.catalog.verdicts import read_verdicts
from mesh_catalog.errors import NotFoundError, StorageError
from mesh_catalog.lake.profile import Profile, merge_profiles
from mesh_catalog.lake.profiles import load_profile
from mesh_catalog.models.frame import MODEL_VERSION
from mesh_catalog.retraining.alarms import (
    ALARM_MONITORS,
    Signal,
    drift_signal,
    errors_signal,
    kpi_signal,
    latency_signal,
    prediction_drift_signal,
    ratio_signal,
    verdict_signal,
)
from mesh_catalog.retraining.judge import Observations
from mesh_catalog.retraining.paired import paired_signal
from mesh_catalog.serving.arms import CHALLENGER, CHAMPION
from mesh_catalog.serving.traffic import ARM, CHALLENGER_SCORE, CHAMPION_SCORE, ROLLOUT, STEP, shadow_run

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.rollouts import RolloutRecord
    from mesh_catalog.specs import ModelSpec, RolloutAlarm

__all__ = ["observe"]


@dataclass(frozen=True, kw_only=True)
class _Step:
    """What was scored in a step."""

    record: RolloutStep
    runs: Sequence[RolloutRun]
    predictions: Sequence[VersionRecord]
    shadows: Sequence[VersionRecord]
    profile: Profile
    """Of the shadows' rows."""
    rows: int
    """That the challenger scored; where it decides over some, those."""

    @property
    def event_from(self) -> datetime | None:
        starts = (one.event_from for one in self.predictions if one.event_from is not None)
        return self.record.event_from or min(starts, default=None)

    @property
    def event_to(self) -> datetime | None:
        return max((one.event_to for one in self.predictions if one.event_to is not None), default=None)


def observe(mesh: Mesh, model: ModelSpec, rollout: RolloutRecord) -> Observations:
    """Look at the step that a rollout is in.

    Raises:
        NotFoundError: A KPI or version that an alarm needs is gone.
        StorageError: A profile or table cannot be read.
    """
    step = _look(mesh, model, rollout)
    ends = step.event_to
    events = ends - rollout.event_from if ends is not None and rollout.event_from is not None else timedelta(0)
    return Observations(
        rows=step.rows,
        baked=ends - step.event_from if ends is not None and step.event_from is not None else timedelta(0),
        running=max(events, utc_now() - rollout.started_at),
        event_to=ends,
        signals=tuple(_signal(mesh, model, rollout, alarm, step) for alarm in rollout.plan.alarms),
    )


def _look(mesh: Mesh, model: ModelSpec, rollout: RolloutRecord) -> _Step:
    record = next(one for one in read_rollout_steps(mesh.catalog, rollout.id) if one.position == rollout.position)
    runs = [one for one in read_rollout_runs(mesh.catalog, rollout.id) if one.position == rollout.position]
    beside = {one.run_id: one for one in read_versions(mesh.catalog, model.shadow_name)}
    ids = {one.run_id for one in runs}
    predictions = [
        one
        for one in read_versions(mesh.catalog, model.predictions_name)
        if one.run_id in ids and shadow_run(one.run_id) in beside
    ]
    shadows = [beside[shadow_run(one.run_id)] for one in predictions]
    profiles = [load_profile(mesh, model.shadow_name, one.version) for one in shadows]
    profile = merge_profiles(profiles) if profiles else Profile(rows=0)
    arms = (profile.columns[ARM].values or {}) if profiles else {}
    return _Step(
        record=record,
        runs=runs,
        predictions=predictions,
        shadows=shadows,
        profile=profile,
        rows=profile.rows if rollout.share == 0 else arms.get(CHALLENGER, 0),
    )


def _signal(mesh: Mesh, model: ModelSpec, rollout: RolloutRecord, alarm: RolloutAlarm, step: _Step) -> Signal:
    if alarm.name == "errors":
        return _errors(rollout, alarm, step)
    if alarm.name == "latency":
        timings = [(one.champion_seconds, one.challenger_seconds) for one in step.runs]
        return latency_signal([(a, b) for a, b in timings if a is not None and b is not None], limit=alarm.limit)
    if alarm.name in ALARM_MONITORS:
        kind, own = ALARM_MONITORS[alarm.name], f"{MODEL_VERSION} = {rollout.challenger}"
        parts = (read_verdicts(mesh.catalog, model.name, kind=kind, slice=part) for part in (own, ""))
        verdicts = [one for part in parts for one in part]
        heard = verdict_signal(
            alarm.name,
            verdicts,
            challenger=rollout.challenger,
            began=rollout.event_from,
            step=step.record.event_from,
        )
        full = alarm.name == "performance" and step.rows >= rollout.plan.bake_rows
        if heard.state == "rings" or not full:
            return heard
        return paired_signal(mesh, model, rollout) or heard
    if step.rows < rollout.plan.bake_rows:  # looked at once, when the bake is full: each look may ring by chance
        return Signal(alarm=str(alarm), state="unheard", reason="is looked at when the bake is full")
    if alarm.name == "ratio":
        return _ratio(mesh, model, rollout, alarm)
    if alarm.name == "kpi":
        return _kpi(mesh, rollout, str(alarm.kpi), step)
    return _drift(mesh, model, rollout, alarm, step) if alarm.name == "drift" else _prediction_drift(mesh, model, step)


def _errors(rollout: RolloutRecord, alarm: RolloutAlarm, step: _Step) -> Signal:
    scores = step.profile.columns.get(CHALLENGER_SCORE)
    return errors_signal(
        failed=0 if scores is None else scores.count - scores.valid_count,
        rows=step.profile.rows,
        bake_rows=rollout.plan.bake_rows,
        limit=alarm.limit,
        failures=[one.failure for one in step.runs if one.failure is not None],
    )


def _ratio(mesh: Mesh, model: ModelSpec, rollout: RolloutRecord, alarm: RolloutAlarm) -> Signal:
    if not 0 < rollout.share < 1:
        return Signal(alarm="ratio", state="quiet", reason="this step has one arm")
    arms = _entities(mesh, model, rollout)
    return ratio_signal(
        champion=arms.get(CHAMPION, 0), challenger=arms.get(CHALLENGER, 0), share=rollout.share, level=alarm.limit
    )


def _entities(mesh: Mesh, model: ModelSpec, rollout: RolloutRecord) -> dict[str, int]:
    """How many entities each arm of the step has, counted in the table: profiles do not say."""
    from mesh_catalog.access.gate import request_read
    from mesh_catalog.lake.arrow import query_batches, quoted

    ticket = request_read(mesh, model.shadow_name, purpose="monitor", columns=[ROLLOUT, STEP, ARM, *model.entity])
    entity = ", ".join(map(quoted, model.entity))
    query = (
        f'select "{ARM}", count(*) from (select distinct "{ARM}", {entity} from rows '  # noqa: S608
        f'where "{ROLLOUT}" = \'{rollout.id}\' and "{STEP}" = {rollout.position} and "{ARM}" is not null) '
        f'group by "{ARM}"'
    )
    table = query_batches({"rows": ticket}, query).read_all()
    return dict(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _drift(mesh: Mesh, model: ModelSpec, rollout: RolloutRecord, alarm: RolloutAlarm, step: _Step) -> Signal:
    from mesh_catalog.models.frame import plan_frame
    from mesh_catalog.monitoring.datasets import compare_datasets

    versions = {one.version: one.training_version for one in read_model_versions(mesh.catalog, model.name)}
    first, last = step.predictions[0].version, step.predictions[-1].version
    limit = model.monitor.drift_share if alarm.limit is None else alarm.limit
    found = compare_datasets(
        mesh,
        f"{model.training_name}@{versions[rollout.challenger]}",
        f"{model.predictions_name}@{first}..{last}",
        columns=plan_frame(mesh, model).features,
        limit=limit,
    ).result
    return drift_signal(
        share=found.share,
        limit=limit,
        drifted=[column.column for column in found.columns if column.drifted],
        compared=sum(column.reason is None for column in found.columns),
    )


def _prediction_drift(mesh: Mesh, model: ModelSpec, step: _Step) -> Signal:
    from mesh_catalog.access.gate import request_read
    from mesh_catalog.lake.arrow import count_values
    from mesh_catalog.monitoring.drift import compare_profiles

    names = {"reference": CHAMPION_SCORE, "current": CHALLENGER_SCORE}
    first, last = step.shadows[0].version, step.shadows[-1].version
    sides = [Profile(rows=step.profile.rows, columns={"score": step.profile.columns[name]}) for name in names.values()]

    def exact(which: Literal["reference", "current"], _name: str) -> dict[object, int]:
        ticket = request_read(mesh, model.shadow_name, purpose="monitor", version=last, columns=[names[which]])
        return count_values(ticket, names[which], first_version=first)

    found = compare_profiles(*sides, exact=exact).columns[0]
    if found.reason is not None or found.score is None or found.threshold is None:
        return Signal(alarm="prediction_drift", state="unheard", reason=found.reason or "the scores have no distance")
    return prediction_drift_signal(
        drifted=found.drifted, method=str(found.method), score=found.score, threshold=found.threshold
    )


def _kpi(mesh: Mesh, rollout: RolloutRecord, name: str, step: _Step) -> Signal:
    from mesh_catalog.catalog.kpis import read_kpi
    from mesh_catalog.lake.kpi import compute_kpi

    target = read_kpi(mesh.catalog, name).target
    if target is None:
        raise NotFoundError(f"{name}: has no target any more, so it protects no rollout. Add one in kpis.yaml.")
    began, ends = step.event_from, step.event_to
    if began is None or ends is None:
        raise StorageError(f"{name}: the rows of this step have no event time. Score again.")
    points = compute_kpi(mesh, name, end=ends + timedelta(seconds=1)).points
    known = [(one.period, float(one.value)) for one in points if one.period is not None and one.value is not None]
    earlier = [value for _, value in known[: _period(known, rollout.event_from or began)]]
    return kpi_signal(
        name,
        [value for _, value in known[_period(known, began) :]],
        target=target,
        before=earlier[-1] if earlier else None,
    )


def _period(known: Sequence[tuple[datetime, float]], moment: datetime) -> int:
    """The place of the period that a moment lies in."""
    return max((place for place, (period, _) in enumerate(known) if period <= moment), default=0)
