"""Retrainings and decisions: the rows of the continuous-training loop's state machine.

At most one retraining of a model is open; the database itself sees to that. Every step is written before the next
begins, so whoever comes after a crash goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import Connection, RowMapping, select, update

from mesh_catalog.catalog.models import move_alias, require_model
from mesh_catalog.catalog.store import Catalog, among, dialect_insert, retried, upsert, utc_now
from mesh_catalog.catalog.tables import decisions, retrain_requests, retrainings
from mesh_catalog.errors import ConflictError, NotFoundError

__all__ = [
    "DecisionAction",
    "DecisionRecord",
    "RetrainingRecord",
    "advance_retraining",
    "begin_retraining",
    "decision_record",
    "finish_retraining",
    "open_retraining",
    "read_decisions",
    "read_retraining",
    "read_retrainings",
    "record_decision",
    "settle_retraining",
]

DecisionAction = Literal["promote", "reject", "rollback", "keep", "failed"]
"""failed: the training could not be carried out."""


@dataclass(frozen=True, kw_only=True)
class RetrainingRecord:
    """One pass of the loop."""

    id: str
    model: str
    step: str
    state: Mapping[str, Any]
    outcome: str | None
    """None while it is open."""
    reasons: tuple[str, ...]
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class DecisionRecord:
    """Why an alias was moved, or was not."""

    id: str
    model: str
    action: DecisionAction
    reasons: tuple[str, ...]
    at: datetime
    principal: str
    from_version: int | None
    to_version: int | None
    evidence: Mapping[str, Any]


def open_retraining(catalog: Catalog, model: str) -> RetrainingRecord | None:
    """The retraining that is under way, or was cut off."""
    query = select(retrainings).where(retrainings.c.model == model, retrainings.c.outcome.is_(None))
    with catalog.read() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return _retraining(row) if row else None


@retried
def begin_retraining(
    catalog: Catalog,
    model: str,
    state: Mapping[str, Any],
    *,
    step: str = "decided",
    retraining_id: str | None = None,
    requests: Sequence[str] = (),
) -> RetrainingRecord:
    """Open a retraining.

    Args:
        requests: Ids of the requests that it takes up.

    Raises:
        NotFoundError: No such model.
        ConflictError: One is open already.
    """
    now = utc_now()
    record = RetrainingRecord(
        id=retraining_id or uuid4().hex,
        model=model,
        step=step,
        state=dict(state),
        outcome=None,
        reasons=(),
        started_at=now,
        updated_at=now,
        finished_at=None,
    )
    with catalog.write() as connection:
        require_model(connection, model)
        # on conflict do nothing: the unique index over open ones decides also between two PostgreSQL clients
        if connection.execute(_insert_if_none_is_open(connection, record)).one_or_none() is None:
            raise ConflictError(f"{model}: a retraining is under way already. Go on with it: mesh retrain {model}")
        if requests:
            taken = update(retrain_requests).where(among(connection, retrain_requests.c.id, requests))
            connection.execute(taken.values(answered_by=record.id))
    return record


@retried
def advance_retraining(
    catalog: Catalog, retraining_id: str, step: str, state: Mapping[str, Any], *, after: str | None = None
) -> RetrainingRecord:
    """Write that a step is reached; returns the row as it is now.

    Args:
        after: The step that it must be at; any where None.

    Raises:
        NotFoundError: No such retraining.
        ConflictError: It is finished, or at another step: somebody else went on with it.
    """
    with catalog.write() as connection:
        outcome = _outcome(connection, retraining_id)
        if outcome is not None:
            raise ConflictError(f"retraining {retraining_id}: is finished ({outcome}); somebody else went on with it.")
        at = connection.execute(select(retrainings.c.step).where(retrainings.c.id == retraining_id)).scalar()
        if after is not None and at != after:
            raise ConflictError(f"retraining {retraining_id}: is at '{at}', not '{after}'; somebody else went on.")
        values = {"step": step, "state": dict(state), "updated_at": utc_now()}
        connection.execute(update(retrainings).where(retrainings.c.id == retraining_id).values(values))
        query = select(retrainings).where(retrainings.c.id == retraining_id)
        return _retraining(connection.execute(query).mappings().one())


@retried
def finish_retraining(catalog: Catalog, retraining_id: str, outcome: str, reasons: Sequence[str]) -> None:
    """Close a retraining; closing it again with the same outcome changes nothing.

    Raises:
        NotFoundError: No such retraining.
        ConflictError: It is finished with another outcome.
    """
    now = utc_now()
    with catalog.write() as connection:
        known = _outcome(connection, retraining_id)
        if known == outcome:
            return
        if known is not None:
            raise ConflictError(f"retraining {retraining_id}: is finished as {known}, not {outcome}.")
        values = {"outcome": outcome, "reasons": list(reasons), "updated_at": now, "finished_at": now}
        connection.execute(update(retrainings).where(retrainings.c.id == retraining_id).values(values))


@retried
def settle_retraining(catalog: Catalog, record: DecisionRecord, *, aliases: Mapping[str, int | None]) -> bool:
    """Keep the decision that ends a retraining, move the aliases and close its row: all of it or nothing.

    The decision has the retraining's id and its action is the outcome. False where the retraining was closed already
    with this outcome.

    Raises:
        NotFoundError: No such retraining, or no such version.
        ConflictError: It is finished with another outcome.
    """
    with catalog.write() as connection:
        known = _outcome(connection, record.id)
        if known == record.action:
            return False
        if known is not None:
            raise ConflictError(f"retraining {record.id}: is finished as {known}, not {record.action}.")
        upsert(connection, decisions, [asdict(record)])
        for alias, version in aliases.items():
            move_alias(connection, record.model, alias, version, reason="; ".join(record.reasons), at=record.at)
        values = {"outcome": record.action, "reasons": list(record.reasons), "updated_at": record.at}
        ended = update(retrainings).where(retrainings.c.id == record.id)
        connection.execute(ended.values(step="settled", finished_at=record.at, **values))
    return True


def read_retraining(catalog: Catalog, retraining_id: str) -> RetrainingRecord:
    """One retraining.

    Raises:
        NotFoundError: There is none of this id.
    """
    with catalog.read() as connection:
        query = select(retrainings).where(retrainings.c.id == retraining_id)
        row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"retraining {retraining_id}: does not exist.")
    return _retraining(row)


def read_retrainings(catalog: Catalog, model: str, limit: int | None = None) -> list[RetrainingRecord]:
    """The retrainings of a model, newest first."""
    query = (
        select(retrainings)
        .where(retrainings.c.model == model)
        .order_by(retrainings.c.started_at.desc(), retrainings.c.id)
        .limit(limit)
    )
    with catalog.read() as connection:
        return [_retraining(row) for row in connection.execute(query).mappings()]


@retried
def record_decision(
    catalog: Catalog, record: DecisionRecord, *, aliases: Mapping[str, int | None] | None = None
) -> None:
    """Keep a decision and move aliases by it, in one transaction; one whose id is known stays as it is.

    Raises:
        NotFoundError: No such model.
    """
    with catalog.write() as connection:
        require_model(connection, record.model)
        upsert(connection, decisions, [asdict(record)])
        for alias, version in (aliases or {}).items():
            move_alias(connection, record.model, alias, version, reason="; ".join(record.reasons), at=record.at)


def read_decisions(catalog: Catalog, model: str, limit: int | None = None) -> list[DecisionRecord]:
    """The decisions on a model, newest first."""
    query = (
        select(decisions).where(decisions.c.model == model).order_by(decisions.c.at.desc(), decisions.c.id).limit(limit)
    )
    with catalog.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [decision_record(row) for row in rows]


def decision_record(row: RowMapping) -> DecisionRecord:
    """A row of `decisions` as a record."""
    kept = {name: row[name] for name in DecisionRecord.__dataclass_fields__}
    return DecisionRecord(**{**kept, "reasons": tuple(row["reasons"])})


def _insert_if_none_is_open(connection: Connection, record: RetrainingRecord) -> Any:
    return (
        dialect_insert(connection, retrainings)
        .values(asdict(record))
        .on_conflict_do_nothing()
        .returning(retrainings.c.id)
    )


def _outcome(connection: Connection, retraining_id: str) -> str | None:
    query = select(retrainings.c.outcome).where(retrainings.c.id == retraining_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"retraining {retraining_id}: does not exist.")
    return row[0]


def _retraining(row: RowMapping) -> RetrainingRecord:
    return RetrainingRecord(**{**row, "reasons": tuple(row["reasons"])})
