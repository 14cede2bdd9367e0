"""The outbox of alerts: messages that wait, are being sent, or were sent.

A message is claimed before it is sent and marked after it; a sender that dies in between loses its claim when that runs
out, and another sends the message once more: at least once, under the same id.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import uuid4

from sqlalchemy import Connection, func, or_, select, update

from mesh_catalog.catalog.store import Catalog, insert_rows, retried
from mesh_catalog.catalog.tables import alert_deliveries

__all__ = [
    "Delivery",
    "Message",
    "MessageReason",
    "claim_next",
    "finish_delivery",
    "put_messages",
    "read_deliveries",
    "waiting_count",
]

MessageReason = Literal["first", "again", "escalation"]
_CLAIM = timedelta(minutes=2)
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Message:
    """What to say in a channel."""

    domain: str
    channel: str
    severity: str
    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message on its way."""

    id: str
    """In the message too: a receiver that got it twice can tell."""
    alert_id: str
    domain: str
    channel: str
    reason: MessageReason
    title: str
    body: str
    severity: str
    state: Literal["waiting", "sent"]
    attempts: int
    next_at: datetime
    error: str | None
    """Why it could not be sent last; never a URL."""
    created_at: datetime
    sent_at: datetime | None


def put_messages(
    connection: Connection, alert_id: str, messages: Sequence[Message], *, reason: MessageReason, now: datetime
) -> None:
    """Put messages into the outbox, in the transaction of what they tell of."""
    rows = [
        {
            **asdict(message),
            "id": uuid4().hex[:12],
            "alert_id": alert_id,
            "reason": reason,
            "state": "waiting",
            "attempts": 0,
            "next_at": now,
            "created_at": now,
        }
        for message in messages
    ]
    insert_rows(connection, alert_deliveries, rows)


@retried
def claim_next(catalog: Catalog, *, now: datetime, domains: Collection[str] | None = None) -> Delivery | None:
    """Take the oldest message that is due and that nobody else is sending; None where there is none.

    Args:
        domains: Only to these; those to others wait. To all where None.
    """
    d = alert_deliveries.c
    free = or_(d.claimed_until.is_(None), d.claimed_until <= now)
    due = select(d.id).where(d.state == "waiting", d.next_at <= now, free).order_by(d.next_at, d.id).limit(1)
    if domains is not None:
        due = due.where(d.domain.in_(domains))
    with catalog.write() as connection:
        chosen = connection.execute(due.with_for_update(skip_locked=True)).scalar()
        if chosen is None:
            return None
        statement = update(alert_deliveries).where(d.id == chosen)
        statement = statement.values(claimed_until=now + _CLAIM, attempts=d.attempts + 1)
        row = connection.execute(statement.returning(alert_deliveries)).mappings().one()
    return Delivery(**{name: row[name] for name in Delivery.__dataclass_fields__})


@retried
def finish_delivery(catalog: Catalog, delivery: Delivery, *, error: str | None, now: datetime) -> None:
    """It was sent, or failed and is tried again: after a minute, then two, up to an hour."""
    if error is None:
        values = {"state": "sent", "sent_at": now, "claimed_until": None, "error": None}
    else:
        pause = min(_FIRST_PAUSE * 2 ** min(delivery.attempts - 1, 10), _LONGEST_PAUSE)
        values = {"next_at": now + pause, "claimed_until": None, "error": error}
    d = alert_deliveries.c
    with catalog.write() as connection:
        connection.execute(update(alert_deliveries).where(d.id == delivery.id, d.state == "waiting").values(values))


def read_deliveries(catalog: Catalog, alert_ids: Sequence[str]) -> list[Delivery]:
    """All messages of alerts, oldest first."""
    d = alert_deliveries.c
    query = select(alert_deliveries).where(d.alert_id.in_(alert_ids)).order_by(d.created_at, d.domain, d.channel)
    with catalog.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [Delivery(**{name: row[name] for name in Delivery.__dataclass_fields__}) for row in rows]


def waiting_count(catalog: Catalog) -> tuple[int, int]:
    """How many messages wait, and how many of these failed before."""
    d = alert_deliveries.c
    query = select(func.count(), func.count(d.error)).where(d.state == "waiting")
    with catalog.read() as connection:
        waiting, failed = connection.execute(query).one()
    return waiting, failed
