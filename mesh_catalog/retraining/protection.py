"""Whether a rollout can be protected. One that cannot is refused: nothing is deployed without its alarms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from mesh_catalog.catalog.kpis import read_definition, read_kpi
from mesh_catalog.catalog.models import read_model_versions
from mesh_catalog.catalog.runs import VersionRecord, read_versions
from mesh_catalog.catalog.verdicts import read_verdicts
from mesh_catalog.errors import GateRefusedError, NotFoundError
from mesh_catalog.retraining.alarms import ALARM_MONITORS
from mesh_catalog.serving.arms import can_be_hashed

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ModelSpec, RolloutAlarm, RolloutSpec

__all__ = ["find_unprotected", "require_protection"]


def require_protection(mesh: Mesh, model: ModelSpec, plan: RolloutSpec, *, champion: int, challenger: int) -> None:
    """Refuse a rollout whose alarms could not ring.

    Raises:
        GateRefusedError: Says everything that is missing.
    """
    missing = find_unprotected(mesh, model, plan, champion=champion, challenger=challenger)
    if missing:
        lines = "\n".join(f"  {one}" for one in missing)
        raise GateRefusedError(f"{model.name}: the rollout of v{challenger} could not be protected\n{lines}")


def find_unprotected(
    mesh: Mesh, model: ModelSpec, plan: RolloutSpec, *, champion: int, challenger: int
) -> tuple[str, ...]:
    """What a rollout lacks, a sentence each."""
    return (
        *_versions(mesh, model, champion=champion, challenger=challenger),
        *_entity(mesh, model, plan),
        *(sentence for alarm in plan.alarms for sentence in _alarm(mesh, model, alarm)),
        *_traffic(mesh, model, plan),
    )


def _versions(mesh: Mesh, model: ModelSpec, *, champion: int, challenger: int) -> Iterator[str]:
    if champion == challenger:
        yield f"v{champion} is the champion already, so there is nothing to roll out."
    known = {record.version: record for record in read_model_versions(mesh.catalog, model.name)}
    for version in {champion, challenger} - set(known):
        yield f"v{version} is not in the catalog. Train it anew: mesh train {model.name}"
    if challenger in known and known[challenger].training_version is None:
        yield f"the catalog does not say what v{challenger} learned from. Train it anew: mesh train {model.name}"


def _entity(mesh: Mesh, model: ModelSpec, plan: RolloutSpec) -> Iterator[str]:
    if not plan.splits:
        return
    if not model.entity:
        yield "model.yaml names no entity, so nothing can be hashed into arms. Name it, or roll out by [shadow, 100%]."
    contract = mesh.workspace.product(model.target_product).contract
    for name in model.entity:
        column = contract.column(name)
        if column is not None and not can_be_hashed(column.spark_type):
            yield (
                f"entity '{name}' is {column.spark_type}, which has no one text to hash. "
                "Use a column of text, whole numbers, dates or decimals."
            )


def _alarm(mesh: Mesh, model: ModelSpec, alarm: RolloutAlarm) -> Iterator[str]:
    if alarm.kpi is not None:
        yield from _kpi(mesh, alarm.kpi)
    kind = ALARM_MONITORS.get(alarm.name)
    if kind is not None and not any(
        one.outcome != "not_run" for one in read_verdicts(mesh.catalog, model.name, kind=kind)
    ):
        yield (
            f"alarm {alarm.name}: no such monitor has ever run for {model.name}, so nothing would ring. "
            f"Configure it under monitor, and run mesh monitor {model.name}"
        )


def _kpi(mesh: Mesh, name: str) -> Iterator[str]:
    try:
        record, definition = read_kpi(mesh.catalog, name), read_definition(mesh.catalog, name)
    except NotFoundError as error:
        yield f"alarm kpi: {error}"
        return
    if record.retired_at is not None:
        yield f"alarm kpi: {name} is retired. Name another one."
    if record.target is None:
        yield f"alarm kpi: {name} has no target, so nothing says when it falls. Add one in kpis.yaml."
    if definition.time is None:
        yield f"alarm kpi: {name} has no time, so nobody sees it fall. Name a column under time in kpis.yaml."


def _traffic(mesh: Mesh, model: ModelSpec, plan: RolloutSpec) -> Iterator[str]:
    """Whether the bakes can ever be full, by the rows that were ever scored, or else that there are to score."""
    scored = read_versions(mesh.catalog, model.predictions_name)
    seen = scored or read_versions(mesh.catalog, model.target_product)
    rows = sum(one.rows for one in seen)
    smallest = min(share or 1.0 for share in plan.steps)
    needed = round(plan.bake_rows / smallest)
    if needed > rows:
        yield (
            f"a bake of {plan.bake_rows:,} rows at a share of {smallest:.4g} needs {needed:,} rows, and {rows:,} were "
            "ever seen. Lower bake_rows, or begin with a larger share."
        )
        return
    span = _span(seen)
    if plan.give_up_after is None or not span:
        return
    lasts = sum((max(span * (plan.bake_rows / (share or 1.0) / rows), plan.bake) for share in plan.steps), timedelta(0))
    if lasts > plan.give_up_after:
        yield (
            f"at the pace seen so far the steps need {lasts / timedelta(days=1):.3g} d, and give_up_after is "
            f"{plan.give_up_after / timedelta(days=1):.3g} d. Lower bake_rows, or wait longer."
        )


def _span(versions: list[VersionRecord]) -> timedelta:
    starts = [one.event_from for one in versions if one.event_from is not None]
    ends = [one.event_to for one in versions if one.event_to is not None]
    return max(ends) - min(starts) if starts and ends else timedelta(0)
