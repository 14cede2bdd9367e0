"""A challenger takes over from a champion, step by step: begin, take stock, apply, and again until it is through.

Every function may be called again after a crash, by whomever, and in any order: a rollout is begun once, a step is left
once, and how it ends is decided once. The decision is written down before aliases move, so that a killed runner's
decision is carried out by the next one, and none is ever turned round half-way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from mesh_catalog.catalog.decisions import DecisionRecord, open_retraining, record_decision
from mesh_catalog.catalog.models import read_alias, set_alias, set_aliases
from mesh_catalog.catalog.rollouts import (
    RolloutRecord,
    advance_rollout,
    decide_rollout,
    finish_rollout,
    insert_rollout,
    open_rollout,
    read_rollout,
    read_rollout_steps,
    read_rollouts,
)
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.catalog.versions import newest_event
from mesh_catalog.errors import InputError
from mesh_catalog.models.mirror import Mirror, mirror_decisions
from mesh_catalog.retraining.judge import Observations, Stock, judge, step_name
from mesh_catalog.retraining.protection import require_protection

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ModelSpec

__all__ = [
    "Look",
    "StepwiseRollout",
    "apply_stock",
    "begin_rollout",
    "end_rollout",
    "take_stock",
]


Look = Callable[["Mesh", "ModelSpec", RolloutRecord], Observations]
"""Gives what was observed of the step that a rollout is in."""


@dataclass(frozen=True, kw_only=True)
class StepwiseRollout:
    """Brings a challenger into production by turns, for a loop that knows no more of it."""

    mirror: Mirror = mirror_decisions
    look: Look | None = None
    """As of `take_stock`."""

    def turn(self, mesh: Mesh, model: ModelSpec, *, champion: int, challenger: int, retraining_id: str) -> Stock:
        """Begin the rollout where it has not begun, take stock and act on it; returns what was done.

        Raises:
            As `begin_rollout`, `take_stock` and `apply_stock`.
        """
        record = begin_rollout(
            mesh,
            model,
            champion=champion,
            challenger=challenger,
            retraining_id=retraining_id,
            mirror=self.mirror,
        )
        stock = take_stock(mesh, model, record, look=self.look)
        applied = apply_stock(mesh, model, record, stock, mirror=self.mirror)
        if applied.action is None:
            return stock
        return replace(stock, evidence={**stock.evidence, "steps": _steps(mesh, applied)})


def _steps(mesh: Mesh, record: RolloutRecord) -> list[dict[str, Any]]:
    """What was found at the end of each step that was taken, in their order."""
    return [
        {"step": step_name(record.plan.steps[one.position]), "reasons": list(one.reasons)}
        for one in read_rollout_steps(mesh.catalog, record.id)
    ]


def begin_rollout(
    mesh: Mesh,
    model: ModelSpec,
    *,
    champion: int,
    challenger: int,
    retraining_id: str | None = None,
    mirror: Mirror = mirror_decisions,
) -> RolloutRecord:
    """Open the rollout of a challenger; the one that is open, or was ended, where it was begun already.

    Args:
        retraining_id: What made the challenger. The same challenger of the same retraining is one rollout.

    Raises:
        InputError: model.yaml has no `rollout`.
        GateRefusedError: It could not be protected; says what is missing.
        ConflictError: Another rollout of the model is open.
        NotFoundError: The catalog does not know the model.
    """
    plan = model.rollout
    if plan is None:
        raise InputError(f"{model.name}: model.yaml says no rollout. Add one, for example rollout: {{steps: [shadow]}}")
    told = f"mesh:rollout:{model.name}:{champion}:{challenger}:{retraining_id}"
    rollout_id = uuid5(NAMESPACE_URL, told).hex
    record = next((one for one in read_rollouts(mesh.catalog, model.name) if one.id == rollout_id), None)
    if record is None:
        require_protection(mesh, model, plan, champion=champion, challenger=challenger)
        record = insert_rollout(
            mesh.catalog,
            rollout_id,
            model.name,
            plan,
            champion=champion,
            challenger=challenger,
            retraining_id=retraining_id,
            event_from=newest_event(mesh.catalog, (model.predictions_name,)),
        )
    if record.action is None and read_alias(mesh.catalog, model.name, "challenger") != challenger:
        set_alias(mesh.catalog, model.name, "challenger", challenger, reason="rollout began", at=utc_now())
    mirror(mesh, model.name)
    return record


def take_stock(
    mesh: Mesh,
    model: ModelSpec,
    rollout: RolloutRecord,
    *,
    look: Look | None = None,
) -> Stock:
    """What is to be done with a rollout now, and why; changes nothing.

    Args:
        look: Gives what was observed of the step; from profiles, verdicts and KPIs where None.

    Raises:
        NotFoundError: A KPI or version that an alarm needs is gone.
        StorageError: A profile or table cannot be read.
    """
    from mesh_catalog.retraining.observing import observe

    known = read_rollout(mesh.catalog, rollout.id)
    if known.action is not None:
        return Stock(action=known.action, reasons=known.reasons, evidence=known.evidence)
    return judge(known.position, (look or observe)(mesh, model, known), known.plan)


def apply_stock(
    mesh: Mesh, model: ModelSpec, rollout: RolloutRecord, stock: Stock, *, mirror: Mirror = mirror_decisions
) -> RolloutRecord:
    """Do what the stock says; returns the rollout as it is now.

    A stock that was taken of a step which the rollout has left moves nothing on.

    Args:
        rollout: As it was when the stock was taken.

    Raises:
        StorageError: MLflow cannot be reached; what was decided is done, and the next call tells MLflow.
    """
    if stock.action == "advance":
        told = stock.evidence.get("event_to")
        return advance_rollout(
            mesh.catalog,
            rollout.id,
            from_position=rollout.position,
            event_from=datetime.fromisoformat(told) if told else rollout.event_from,
            reasons=stock.reasons,
            evidence=stock.evidence,
        )
    if stock.action == "wait":
        return read_rollout(mesh.catalog, rollout.id)
    decided = decide_rollout(
        mesh.catalog,
        rollout.id,
        stock.action,
        from_position=rollout.position,
        reasons=stock.reasons,
        evidence=stock.evidence,
    )
    return _carry_out(mesh, decided, mirror)


def end_rollout(mesh: Mesh, model: str, *, reason: str, mirror: Mirror = mirror_decisions) -> RolloutRecord | None:
    """Send all back by hand, or carry out what was decided already; None where no rollout is open."""
    record = open_rollout(mesh.catalog, model)
    if record is None:
        return None
    decided = decide_rollout(
        mesh.catalog, record.id, "back", from_position=record.position, reasons=(reason,), evidence={}
    )
    return _carry_out(mesh, decided, mirror, by_hand=True)


def _carry_out(mesh: Mesh, record: RolloutRecord, mirror: Mirror, *, by_hand: bool = False) -> RolloutRecord:
    """Decision and aliases in one, then the rollout's end, then MLflow; each may be done again.

    Of a retraining that is open the aliases alone: the decision is the retraining's, which is settled next and tells
    the rollout's steps. Who sends all back by hand makes a decision of their own.
    """
    if record.action is None:
        return record
    if record.finished_at is None:
        promoted = record.action == "promote"
        aliases = {"challenger": None, **({"champion": record.challenger} if promoted else {})}
        decision = DecisionRecord(
            id=record.id,
            model=record.model,
            action="promote" if promoted else "rollback",
            reasons=record.reasons,
            at=utc_now(),
            principal=mesh.principal,
            from_version=record.champion if promoted else record.challenger,
            to_version=record.challenger if promoted else record.champion,
            evidence=record.evidence,
        )
        retraining = open_retraining(mesh.catalog, record.model)
        if by_hand or retraining is None or retraining.id != record.retraining_id:
            record_decision(mesh.catalog, decision, aliases=aliases)
        else:
            set_aliases(mesh.catalog, record.model, aliases, reason="; ".join(record.reasons), at=utc_now())
        record = finish_rollout(mesh.catalog, record.id)
    mirror(mesh, record.model)
    return record
