"""The facts of a decision, as they are in the catalog now. No Spark, no MLflow.

Only what the policy asks for is read, so that a turn that finds nothing costs milliseconds; a KPI is computed, which
opens its table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mesh_catalog.catalog.decisions import RetrainingRecord, read_decisions, read_retrainings
from mesh_catalog.catalog.models import ModelVersionRecord, read_alias, read_model_versions
from mesh_catalog.catalog.retrain_requests import open_requests
from mesh_catalog.catalog.reviews import list_reviews, open_review_of
from mesh_catalog.catalog.verdicts import read_verdicts
from mesh_catalog.catalog.versions import latest_version, newest_event, read_versions
from mesh_catalog.contracts.semantic_version import version_step
from mesh_catalog.retraining.facts import Facts, KpiValue, Request, Training, WindowVerdict
from mesh_catalog.retraining.recovery import Alarm, Recovery
from mesh_catalog.retraining.triggers import TRIGGER_MONITORS

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.verdicts import VerdictRecord
    from mesh_catalog.specs import KpiTrigger, ModelSpec, TriggerKind

__all__ = ["learned_all", "read_facts", "rows_since"]

_WINDOWS = 20
"""Verdicts of a monitor that are looked at, at least."""
_LOSS_WINDOWS = 100
"""Of performance: enough to see how it went on since the last training."""


def read_facts(mesh: Mesh, model: ModelSpec) -> Facts:
    """What is known of a model now.

    Raises:
        NotFoundError: The policy names a KPI that does not exist.
        StorageError: The catalog, or a KPI's table, cannot be read.
    """
    policy, catalog = model.retrain, mesh.catalog
    versions = read_model_versions(catalog, model.name)
    review = open_review_of(catalog, model.name)
    new_rows, new_versions = _new_data(mesh, model, versions) if "new_data" in policy.on else (0, 0)
    return Facts(
        clock=newest_event(catalog, (*model.input_products, model.predictions_name)),
        windows=[window for kind in policy.on if kind in TRIGGER_MONITORS for window in _windows(mesh, model, kind)],
        trainings=_trainings(mesh, model, versions),
        requests=[
            Request(id=one.id, trigger=one.kind, reason=one.reason) for one in open_requests(catalog, model.name)
        ],
        new_rows=new_rows,
        new_versions=new_versions,
        contracts=_changed_contracts(mesh, model, versions) if "contract" in policy.on else (),
        kpi=_kpi(mesh, policy.kpi) if policy.kpi is not None and "kpi" in policy.on else (),
        review=review.id if review else None,
        learned=_learned(mesh, model, versions) if policy.cooldown_share is not None else None,
        window=model.monitor.window,
    )


def learned_all(mesh: Mesh, model: ModelSpec) -> int | None:
    """The newest version of a model, where no product that it reads has a later version than it learned from."""
    versions = read_model_versions(mesh.catalog, model.name)
    if not versions or not versions[-1].inputs:
        return None
    _, later = _new_data(mesh, model, versions)
    return None if later else versions[-1].version


def rows_since(mesh: Mesh, model: ModelSpec, moment: datetime) -> int:
    """Labelled rows from a moment on that a training would learn from now: those before its test window.

    Raises:
        StorageError: The target's table cannot be read.

    Cost: one scan over two columns, without a JVM.
    """
    from mesh_catalog.access.gate import request_read  # late: DataFusion
    from mesh_catalog.lake.arrow import query_batches, quoted
    from mesh_catalog.monitoring.rows import between

    newest = newest_event(mesh.catalog, (model.target_product,))
    if newest is None:
        return 0
    end = newest - model.split.test - model.split.gap
    ticket = request_read(mesh, model.target_product, purpose="train", columns=(model.event_time, model.target))
    query = (
        f"select count({quoted(model.target)}) as n from rows "  # noqa: S608 - quoted names, and moments
        f"where {between(model.event_time, moment, end)}"
    )
    return int(query_batches({"rows": ticket}, query).read_all().column("n")[0].as_py())


def _learned(mesh: Mesh, model: ModelSpec, versions: Sequence[ModelVersionRecord]) -> timedelta | None:
    """Event time from the first row that the champion learned from to its last one, its test window left out."""
    champion = read_alias(mesh.catalog, model.name, "champion")
    made_of = next((one.training_version for one in versions if one.version == champion), None)
    frames = read_versions(mesh.catalog, model.training_name)
    frame = next((one for one in frames if one.version == made_of), None)
    if frame is None or frame.event_from is None or frame.event_to is None:
        return None
    return max(frame.event_to - frame.event_from - model.split.test - model.split.gap, timedelta(0))


def _windows(mesh: Mesh, model: ModelSpec, trigger: TriggerKind) -> list[WindowVerdict]:
    """Newest first; of a window that was judged again the newest verdict."""
    limit = max(_LOSS_WINDOWS if trigger == "performance" else _WINDOWS, 2 * model.retrain.of)
    found = []
    for one in read_verdicts(mesh.catalog, model.name, kind=TRIGGER_MONITORS[trigger], limit=limit):
        loss, before = _losses(one) if trigger == "performance" else (None, None)
        found.append(
            WindowVerdict(
                id=one.id,
                trigger=trigger,
                outcome=one.outcome,
                start=one.window_from,
                end=one.window_to,
                reason=one.reason,
                loss=loss,
                before=before,
            )
        )
    return found


def _losses(verdict: VerdictRecord) -> tuple[float | None, float | None]:
    from mesh_catalog.monitoring.losses import verdict_losses  # late: numpy

    return verdict_losses(verdict)


def _trainings(mesh: Mesh, model: ModelSpec, versions: Sequence[ModelVersionRecord]) -> list[Training]:
    """The loop's trainings and those by `mesh train`, newest first."""
    ends = {record.version: record.event_to for record in read_versions(mesh.catalog, model.training_name)}
    made = {one.retraining_id: ends.get(one.training_version or -1) for one in versions if one.retraining_id}
    looked_at = max((one.closed_at for one in list_reviews(mesh.catalog, model.name) if one.closed_at), default=None)
    taken_back = {
        one.from_version: one.at for one in read_decisions(mesh.catalog, model.name) if one.action == "rollback"
    }
    found = []
    later: RetrainingRecord | None = None
    looks: dict[str, RetrainingRecord] = {}
    for record in sorted(read_retrainings(mesh.catalog, model.name), key=lambda one: one.started_at, reverse=True):
        if "again" in record.state:
            looks.setdefault(record.state["again"], record)
            continue
        at = _clock(record) or made.get(record.id)
        recovery = later.state.get("recovery") if later else None
        look = looks.get(record.id)
        training = _training(record, at, taken_back, looked_at, look=look)
        if training.outcome == "reject":
            training = replace(training, refused=_refused(mesh, model, versions, look or record))
        found.append(
            (record.started_at, replace(training, recovery=Recovery.from_state(recovery)) if recovery else training)
        )
        later = record
    for one in versions:
        if one.retraining_id is None:
            at = ends.get(one.training_version or -1)
            found.append((one.created_at, Training(id=f"v{one.version}", at=at, outcome="by_hand")))
    return [training for _, training in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _training(
    record: RetrainingRecord,
    at: datetime | None,
    taken_back: Mapping[int | None, datetime],
    looked_at: datetime | None,
    *,
    look: RetrainingRecord | None,
) -> Training:
    """
    Args:
        taken_back: Versions and when they were rolled back.
        looked_at: When a person last closed a review.
        look: The newest time that its challenger was compared again.
    """
    decided = look if look is not None and look.outcome == "promote" else record
    outcome: Any = decided.outcome or "open"
    back = taken_back.get(decided.state.get("challenger"))
    if outcome == "promote" and back is not None and decided.finished_at is not None and back >= decided.finished_at:
        outcome = "rollback"
    answers = [*record.state.get("answers", ()), record.state.get("verdict")]
    return Training(
        id=record.id,
        at=at,
        outcome=outcome,
        fits=1 + len(record.state.get("searched", ())),
        answers=frozenset(one for one in answers if one),
        reviewed=looked_at is not None and record.started_at <= looked_at,
        alarm=_alarm(record),
        gate=_gate(decided),
        looked_at=_clock(look) if look else None,
    )


def _clock(record: RetrainingRecord) -> datetime | None:
    """Of the decision that began it; None of one from before it was kept."""
    told = record.state.get("clock")
    return datetime.fromisoformat(told) if told else None


def _refused(
    mesh: Mesh, model: ModelSpec, versions: Sequence[ModelVersionRecord], record: RetrainingRecord
) -> int | None:
    """The version that a retraining's gate refused for its score alone, or for want of rows that show anything.

    None where more than the score was missing, a person or a rollout said no, it is champion by now, or an input has
    another contract since.
    """
    told = record.state.get("comparison")
    number = record.state.get("challenger")
    if told is not None and (told.get("unmet") or told.get("better_share", 0) >= told.get("needed_share", 0)):
        return None
    made = [one for one in versions if one.version == number]
    if not made or number == read_alias(mesh.catalog, model.name, "champion") or _changed_contracts(mesh, model, made):
        return None
    return made[0].version


def _alarm(record: RetrainingRecord) -> Alarm | None:
    for trigger in record.state.get("triggers", ()):
        told = trigger.get("evidence") or {}
        if trigger.get("kind") == "performance" and "loss" in told:
            return Alarm(loss=float(told["loss"]), before=float(told["before"]))
    return None


def _gate(record: RetrainingRecord) -> tuple[float, float] | None:
    told = record.state.get("comparison") or {}
    champion, challenger = told.get("champion_loss"), told.get("challenger_loss")
    return None if champion is None or challenger is None else (float(champion), float(challenger))


def _new_data(mesh: Mesh, model: ModelSpec, versions: Sequence[ModelVersionRecord]) -> tuple[int, int]:
    """Rows of the target's product, and versions of all products, that the newest training did not see."""
    seen: Mapping[str, int] = versions[-1].inputs if versions else {}
    rows = count = 0
    for product in model.input_products:
        known = read_versions(mesh.catalog, product)
        later = [one for one in known if one.version > seen.get(product, -1)]
        count += len(later)
        if product == model.target_product and later:
            before = next((one.total_rows for one in known if one.version == seen.get(product)), 0)
            total = later[-1].total_rows
            known_totals = total is not None and before is not None
            rows = max(0, total - before) if known_totals else sum(one.rows for one in later)  # type: ignore[operator]
    return rows, count


def _changed_contracts(mesh: Mesh, model: ModelSpec, versions: Sequence[ModelVersionRecord]) -> list[str]:
    """Products whose newest version was published under another contract than the newest training learned by."""
    learned: Mapping[str, str] = versions[-1].contract_versions if versions else {}
    found = []
    for product in model.input_products:
        newest = latest_version(mesh.catalog, product)
        before = learned.get(product)
        if newest is not None and before and version_step(before, newest.contract_version) not in ("none", "patch"):
            found.append(f"contract of {product}: {before} → {newest.contract_version}")
    return found


def _kpi(mesh: Mesh, rule: KpiTrigger) -> list[KpiValue]:
    """The KPI's periods that are over, oldest first: a later period has rows, or the source says newer event times."""
    from mesh_catalog.lake.kpi import compute_kpi, period_end  # late: DataFusion

    found = compute_kpi(mesh, rule.name)
    starts = [point.period for point in found.points if point.period is not None]
    known = newest_event(mesh.catalog, (found.definition.source,))
    newest = max([*starts, *([known] if known is not None else [])], default=None)
    values = []
    for point in found.points:
        if point.period is None:
            return []
        end = period_end(point.period, found.definition.grain)
        if newest is not None and end <= newest:
            value = None if point.value is None else float(point.value)
            values.append(KpiValue(end=end, value=value, meets_target=point.meets_target))
    return values[-rule.periods - 1 :]
