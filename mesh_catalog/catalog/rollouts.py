"""Rollouts: the rows of the state machine by which a challenger takes over from a champion.

At most one rollout of a model is open; the database itself sees to that. What it ends with is decided once, is written
before it is carried out, and stays: whoever comes after a crash carries the same decision out. Every function here may
be called again and changes nothing then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, insert, select, update

from mesh_catalog.catalog.models import require_model
from mesh_catalog.catalog.store import Catalog, dialect_insert, retried, upsert, utc_now
from mesh_catalog.catalog.tables import rollout_runs, rollout_steps, rollouts
from mesh_catalog.errors import ConflictError, NotFoundError
from mesh_catalog.specs import RolloutAlarm, RolloutSpec

__all__ = [
    "RolloutAction",
    "RolloutRecord",
    "RolloutRun",
    "RolloutStep",
    "advance_rollout",
    "decide_rollout",
    "find_rollout_run",
    "finish_rollout",
    "insert_rollout",
    "note_rollout_run",
    "open_rollout",
    "read_rollout",
    "read_rollout_runs",
    "read_rollout_steps",
    "read_rollouts",
]

RolloutAction = Literal["promote", "back"]


@dataclass(frozen=True, kw_only=True)
class RolloutRecord:
    """A challenger on its way."""

    id: str
    """The salt of the entities' arms too."""
    model: str
    champion: int
    challenger: int
    retraining_id: str | None
    plan: RolloutSpec
    """As it was when the rollout began: what is written into model.yaml later is for the next one."""
    position: int
    """The step it is in, from 0."""
    event_from: datetime | None
    """Event time of the newest row that was scored before it began."""
    action: RolloutAction | None
    """What was decided; carried out where `finished_at` is there."""
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any]
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @property
    def share(self) -> float:
        """The challenger's share of the entities now, 0..1."""
        return self.plan.steps[self.position]

    @property
    def is_last(self) -> bool:
        return self.position == len(self.plan.steps) - 1


@dataclass(frozen=True, kw_only=True)
class RolloutStep:
    """A step that a rollout is in, or has left."""

    rollout_id: str
    position: int
    event_from: datetime | None
    """Event time of the newest row that was scored before it."""
    began_at: datetime
    ended_at: datetime | None
    reasons: tuple[str, ...]
    """What was found at its end."""
    evidence: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RolloutRun:
    """A run that scored in a rollout; kept before its rows are committed, so that no rows lack their step."""

    rollout_id: str
    run_id: str
    """Of the version of the predictions that it makes."""
    position: int
    failure: str | None = None
    """Why the challenger could not score at all; the champion then did."""
    champion_seconds: float | None = None
    challenger_seconds: float | None = None
    rows: int = 0
    """Rows that both were timed on."""
    at: datetime


def open_rollout(catalog: Catalog, model: str) -> RolloutRecord | None:
    """The rollout of a model that is under way."""
    found = _select(catalog, select(rollouts).where(rollouts.c.model == model, rollouts.c.finished_at.is_(None)))
    return found[0] if found else None


def read_rollout(catalog: Catalog, rollout_id: str) -> RolloutRecord:
    """One rollout.

    Raises:
        NotFoundError: There is none of this id.
    """
    found = _select(catalog, select(rollouts).where(rollouts.c.id == rollout_id))
    if not found:
        raise NotFoundError(f"rollout {rollout_id[:80]}: does not exist.")
    return found[0]


def read_rollouts(catalog: Catalog, model: str, limit: int | None = None) -> list[RolloutRecord]:
    """The rollouts of a model, newest first."""
    query = select(rollouts).where(rollouts.c.model == model)
    return _select(catalog, query.order_by(rollouts.c.started_at.desc(), rollouts.c.id).limit(limit))


def read_rollout_steps(catalog: Catalog, rollout_id: str) -> list[RolloutStep]:
    """The steps that a rollout has entered, in their order."""
    query = select(rollout_steps).where(rollout_steps.c.rollout_id == rollout_id).order_by(rollout_steps.c.position)
    with catalog.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [RolloutStep(**{**row, "reasons": tuple(row["reasons"])}) for row in rows]


@retried
def insert_rollout(
    catalog: Catalog,
    rollout_id: str,
    model: str,
    plan: RolloutSpec,
    *,
    champion: int,
    challenger: int,
    retraining_id: str | None,
    event_from: datetime | None,
) -> RolloutRecord:
    """Open a rollout in its first step; one whose id is known is given as it is.

    Raises:
        NotFoundError: No such model.
        ConflictError: Another one is open.
    """
    now = utc_now()
    row = {
        "id": rollout_id,
        "model": model,
        "champion": champion,
        "challenger": challenger,
        "retraining_id": retraining_id,
        "plan": _plan_to_json(plan),
        "position": 0,
        "event_from": event_from,
        "action": None,
        "reasons": [],
        "evidence": {},
        "started_at": now,
        "updated_at": now,
        "finished_at": None,
    }
    with catalog.write() as connection:
        require_model(connection, model)
        # on conflict do nothing: the unique index over open ones decides also between two PostgreSQL clients
        made = dialect_insert(connection, rollouts).values(row).on_conflict_do_nothing().returning(rollouts.c.id)
        if connection.execute(made).one_or_none() is not None:
            _enter(connection, rollout_id, 0, event_from)
        found = connection.execute(select(rollouts).where(rollouts.c.id == rollout_id)).mappings().one_or_none()
    if found is None:
        raise ConflictError(f"{model}: a rollout is under way already. End it first: mesh rollout {model} --abort")
    return _record(found)


@retried
def advance_rollout(
    catalog: Catalog,
    rollout_id: str,
    *,
    from_position: int,
    event_from: datetime | None,
    reasons: Sequence[str],
    evidence: Mapping[str, Any],
) -> RolloutRecord:
    """Leave a step for the next one; where the rollout has left it already, or is decided, nothing changes.

    Args:
        event_from: Event time of the newest row scored in the step that is left.
        reasons, evidence: What was found in the step that is left.
    """
    with catalog.write() as connection:
        known = _locked(connection, rollout_id)
        if known.action is None and known.position == from_position and not known.is_last:
            _leave(connection, rollout_id, from_position, reasons, evidence)
            _enter(connection, rollout_id, from_position + 1, event_from)
            values = {"position": from_position + 1, "updated_at": utc_now()}
            connection.execute(update(rollouts).where(rollouts.c.id == rollout_id).values(values))
        return _locked(connection, rollout_id)


@retried
def decide_rollout(
    catalog: Catalog,
    rollout_id: str,
    action: RolloutAction,
    *,
    from_position: int,
    reasons: Sequence[str],
    evidence: Mapping[str, Any],
) -> RolloutRecord:
    """Write down how a rollout ends; the first decision stays, whatever comes later. Returns what is decided.

    Args:
        from_position: The step that was looked at. All can go back from every step, but a promotion needs the last one.
    """
    with catalog.write() as connection:
        known = _locked(connection, rollout_id)
        if known.action is None and (action == "back" or (known.is_last and known.position == from_position)):
            _leave(connection, rollout_id, known.position, reasons, evidence)
            values = {"action": action, "reasons": list(reasons), "evidence": dict(evidence), "updated_at": utc_now()}
            connection.execute(update(rollouts).where(rollouts.c.id == rollout_id).values(values))
        return _locked(connection, rollout_id)


@retried
def finish_rollout(catalog: Catalog, rollout_id: str) -> RolloutRecord:
    """Write down that the decision is carried out.

    Raises:
        ConflictError: Nothing is decided yet.
    """
    with catalog.write() as connection:
        known = _locked(connection, rollout_id)
        if known.action is None:
            raise ConflictError(f"rollout {rollout_id}: nothing is decided, so it cannot end.")
        if known.finished_at is None:
            now = utc_now()
            connection.execute(
                update(rollouts).where(rollouts.c.id == rollout_id).values(finished_at=now, updated_at=now)
            )
        return _locked(connection, rollout_id)


@retried
def note_rollout_run(catalog: Catalog, run: RolloutRun) -> None:
    """Keep a scoring run; told again, what it found out is new, and its step stays."""
    with catalog.write() as connection:
        row = asdict(run)
        change = [name for name in row if name not in ("rollout_id", "run_id", "position", "at")]
        upsert(connection, rollout_runs, [row], change=change)


def read_rollout_runs(catalog: Catalog, rollout_id: str) -> list[RolloutRun]:
    """The runs that scored in a rollout, oldest first."""
    return _select_runs(catalog, rollout_runs.c.rollout_id == rollout_id)


def find_rollout_run(catalog: Catalog, run_id: str) -> RolloutRun | None:
    """The step that a run scored in, or None where there was no rollout."""
    found = _select_runs(catalog, rollout_runs.c.run_id == run_id)
    return found[0] if found else None


def _select_runs(catalog: Catalog, condition: ColumnElement[bool]) -> list[RolloutRun]:
    query = select(rollout_runs).where(condition).order_by(rollout_runs.c.at, rollout_runs.c.run_id)
    with catalog.read() as connection:
        return [RolloutRun(**row) for row in connection.execute(query).mappings()]


def _enter(connection: Connection, rollout_id: str, position: int, event_from: datetime | None) -> None:
    connection.execute(
        insert(rollout_steps).values(
            rollout_id=rollout_id,
            position=position,
            event_from=event_from,
            began_at=utc_now(),
            ended_at=None,
            reasons=[],
            evidence={},
        )
    )


def _leave(
    connection: Connection, rollout_id: str, position: int, reasons: Sequence[str], evidence: Mapping[str, Any]
) -> None:
    table = rollout_steps.c
    connection.execute(
        update(rollout_steps)
        .where(table.rollout_id == rollout_id, table.position == position)
        .values(ended_at=utc_now(), reasons=list(reasons), evidence=dict(evidence))
    )


def _locked(connection: Connection, rollout_id: str) -> RolloutRecord:
    query = select(rollouts).where(rollouts.c.id == rollout_id).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"rollout {rollout_id[:80]}: does not exist.")
    return _record(row)


def _select(catalog: Catalog, query: Any) -> list[RolloutRecord]:
    with catalog.read() as connection:
        return [_record(row) for row in connection.execute(query).mappings()]


def _record(row: RowMapping) -> RolloutRecord:
    return RolloutRecord(**{**row, "plan": _plan_from_json(row["plan"]), "reasons": tuple(row["reasons"])})


def _plan_to_json(plan: RolloutSpec) -> dict[str, Any]:
    return {
        "steps": list(plan.steps),
        "bake_rows": plan.bake_rows,
        "bake_seconds": plan.bake.total_seconds(),
        "give_up_seconds": None if plan.give_up_after is None else plan.give_up_after.total_seconds(),
        "alarms": [asdict(alarm) for alarm in plan.alarms],
    }


def _plan_from_json(data: Mapping[str, Any]) -> RolloutSpec:
    longest = data["give_up_seconds"]
    return RolloutSpec(
        steps=tuple(data["steps"]),
        bake_rows=data["bake_rows"],
        bake=timedelta(seconds=data["bake_seconds"]),
        give_up_after=None if longest is None else timedelta(seconds=longest),
        alarms=tuple(RolloutAlarm(**alarm) for alarm in data["alarms"]),
    )
