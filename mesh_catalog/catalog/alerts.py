"""Alerts: what went wrong and is not over, once each, and whether somebody has it in hand.

One unresolved alert a `dedup_key`: what comes again is counted. A message is a row of the outbox, written in the same
transaction, so that no alert is without its messages, and none is told of twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import Connection, RowMapping, select, text, update

from mesh_catalog.catalog.outbox import Message, MessageReason, put_messages
from mesh_catalog.catalog.store import Catalog, ClashError, dialect_insert, retried, unique_row
from mesh_catalog.catalog.tables import alerts
from mesh_catalog.errors import RefusedError

__all__ = [
    "AlertRecord",
    "AlertState",
    "NewAlert",
    "Raised",
    "Severity",
    "acknowledge_alert",
    "due_alerts",
    "raise_alert",
    "read_alert",
    "read_alerts",
    "resolve_alert",
    "step_alert",
]

Severity = Literal["warn", "fail"]
AlertState = Literal["open", "acknowledged", "resolved"]


@dataclass(frozen=True, kw_only=True)
class NewAlert:
    """What went wrong, as whoever found it says it."""

    dedup_key: str
    """Equal for what is the same trouble."""
    subject: str
    subject_kind: Literal["product", "model"]
    domain: str
    kind: str
    severity: Severity
    title: str
    text: str
    """Never a value of a row, never a secret."""
    verdict_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class AlertRecord:
    id: str
    dedup_key: str
    subject: str
    subject_kind: Literal["product", "model"]
    domain: str
    kind: str
    severity: Severity
    title: str
    text: str
    verdict_id: str | None
    state: AlertState
    count: int
    """How often it came, the first time included."""
    first_at: datetime
    last_at: datetime
    told_at: datetime | None
    step: int
    """How many of the chain were told after the first ones."""
    due_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    resolved_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Raised:
    """What became of a notice."""

    alert: AlertRecord
    what: Literal["first", "again", "counted", "known"]
    """first, again: messages wait in the outbox; counted: a repeat; known: this verdict was told of before."""


@retried
def raise_alert(
    catalog: Catalog,
    new: NewAlert,
    *,
    messages: Callable[[AlertRecord, MessageReason], Sequence[Message]],
    acknowledge: timedelta | None,
    repeat: timedelta,
    now: datetime,
) -> Raised:
    """Keep an alert, or count it where it is there; what is to be said goes into the outbox with it.

    Args:
        messages: What to say of the alert, and to whom.
        acknowledge: How long somebody has to acknowledge it; None where it is never escalated.
        repeat: What goes on so long after it was told last, or acknowledged, is told again, as if it were new.
    """
    due = now + acknowledge if acknowledge is not None else None
    row = {
        **asdict(new),
        "id": uuid4().hex[:12],
        "state": "open",
        "count": 1,
        "first_at": now,
        "last_at": now,
        "told_at": now,
        "step": 0,
        "due_at": due,
    }
    with catalog.write() as connection:
        statement = dialect_insert(connection, alerts).values(row)
        statement = statement.on_conflict_do_nothing(
            index_elements=["dedup_key"], index_where=text("resolved_at IS NULL")
        )
        inserted = connection.execute(statement.returning(alerts.c.id)).scalar() is not None
        known = _unresolved(connection, new.dedup_key)
        if known is None:  # it was there, and was resolved just now
            raise ClashError(f"{new.subject}: its alert was resolved at the same time. Try again.")
        if inserted:
            return _told(connection, known, "first", messages, now)
        if new.verdict_id is not None and known.verdict_id == new.verdict_id:
            return Raised(alert=known, what="known")
        changes = _repeated(known, new, now)
        if not _is_told_again(known, new, repeat, now):
            return Raised(alert=_changed(connection, known.id, changes), what="counted")
        changes |= {
            "state": "open",
            "told_at": now,
            "step": 0,
            "due_at": due,
            "acknowledged_at": None,
            "acknowledged_by": None,
            "note": None,
        }
        return _told(connection, _changed(connection, known.id, changes), "again", messages, now)


def _repeated(known: AlertRecord, new: NewAlert, now: datetime) -> dict[str, Any]:
    said = {key: getattr(new, key) for key in ("severity", "title", "text", "verdict_id")}
    return {**said, "count": known.count + 1, "last_at": now}


def _is_told_again(known: AlertRecord, new: NewAlert, repeat: timedelta, now: datetime) -> bool:
    quiet_since = max(at for at in (known.told_at, known.acknowledged_at, known.first_at) if at is not None)
    return now - quiet_since >= repeat or (known.severity, new.severity) == ("warn", "fail")


def _told(
    connection: Connection,
    alert: AlertRecord,
    what: Literal["first", "again"],
    messages: Callable[[AlertRecord, MessageReason], Sequence[Message]],
    now: datetime,
) -> Raised:
    put_messages(connection, alert.id, messages(alert, what), reason=what, now=now)
    return Raised(alert=alert, what=what)


def _unresolved(connection: Connection, dedup_key: str) -> AlertRecord | None:
    a = alerts.c
    query = select(alerts).where(a.dedup_key == dedup_key, a.resolved_at.is_(None)).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _record(row)


def _changed(connection: Connection, alert_id: str, values: dict[str, Any]) -> AlertRecord:
    statement = update(alerts).where(alerts.c.id == alert_id).values(values).returning(alerts)
    return _record(connection.execute(statement).mappings().one())


def _record(row: RowMapping) -> AlertRecord:
    return AlertRecord(**{name: row[name] for name in AlertRecord.__dataclass_fields__})


@retried
def acknowledge_alert(catalog: Catalog, alert_id: str, *, by: str, note: str | None, now: datetime) -> AlertRecord:
    """Somebody has it in hand: nobody else is told. Acknowledged before, it stays as it is.

    Raises:
        NotFoundError: No such alert.
        RefusedError: It is over.
    """
    known = read_alert(catalog, alert_id)
    if known.state == "resolved":
        raise RefusedError(f"alert {known.id}: is over since {known.resolved_at:%Y-%m-%d %H:%M} UTC.")
    values = {"state": "acknowledged", "acknowledged_at": now, "acknowledged_by": by, "note": note, "due_at": None}
    with catalog.write() as connection:
        connection.execute(update(alerts).where(alerts.c.id == known.id, alerts.c.state == "open").values(values))
    return read_alert(catalog, known.id)


@retried
def resolve_alert(catalog: Catalog, dedup_key: str, *, now: datetime) -> AlertRecord | None:
    """It is over; None where there was no such alert."""
    with catalog.write() as connection:
        known = _unresolved(connection, dedup_key)
        if known is None:
            return None
        return _changed(connection, known.id, {"state": "resolved", "resolved_at": now, "due_at": None})


@retried
def step_alert(
    catalog: Catalog,
    alert: AlertRecord,
    *,
    due_at: datetime | None,
    messages: Sequence[Message],
    also: Callable[[Connection], None],
    now: datetime,
) -> bool:
    """Take an open alert one step of its chain further; False where another did, or it was acknowledged meanwhile.

    Args:
        also: What is written in the same transaction.
    """
    a = alerts.c
    statement = (
        update(alerts)
        .where(a.id == alert.id, a.state == "open", a.step == alert.step, a.due_at == alert.due_at)
        .values(step=alert.step + 1, due_at=due_at, told_at=now)
    )
    with catalog.write() as connection:
        if connection.execute(statement).rowcount != 1:
            return False
        put_messages(connection, alert.id, messages, reason="escalation", now=now)
        also(connection)
    return True


def due_alerts(catalog: Catalog, now: datetime) -> list[AlertRecord]:
    """Open alerts that nobody acknowledged in time, the longest overdue first."""
    a = alerts.c
    query = select(alerts).where(a.state == "open", a.due_at <= now).order_by(a.due_at, a.id)
    with catalog.read() as connection:
        return [_record(row) for row in connection.execute(query).mappings()]


def read_alerts(
    catalog: Catalog, subject: str | None = None, *, unresolved: bool = True, limit: int | None = 50
) -> list[AlertRecord]:
    """Alerts, those that came last first.

    Args:
        subject: Of this product or model; of all where None.
        unresolved: Leave out what is over.
    """
    a = alerts.c
    query = select(alerts).order_by(a.last_at.desc(), a.id).limit(limit)
    if subject is not None:
        query = query.where(a.subject == subject)
    if unresolved:
        query = query.where(a.resolved_at.is_(None))
    with catalog.read() as connection:
        return [_record(row) for row in connection.execute(query).mappings()]


def read_alert(catalog: Catalog, alert_id: str) -> AlertRecord:
    """An alert by its id, or by the beginning of it.

    Raises:
        NotFoundError: There is none, or more than one begins so.
    """
    none = "alert {}: there is none. List them: mesh alert list"
    several = "alert {}: more than one begins so. Write more of it."
    with catalog.read() as connection:
        return _record(unique_row(connection, alerts, alert_id, none=none, several=several))
