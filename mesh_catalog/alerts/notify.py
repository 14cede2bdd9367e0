"""Telling people that something is wrong, or that it is over.

`notify` writes the alert and its messages into the catalog first and sends them after: a receiver that is away, or a
process that dies, loses nothing and fails nobody. What waits is sent by the next command that tells or escalates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from mesh_catalog.alerts.channels import alert_spec, told_at_once
from mesh_catalog.alerts.sending import send_waiting
from mesh_catalog.alerts.wording import message_body, message_title
from mesh_catalog.catalog.alerts import AlertRecord, NewAlert, Raised, Severity, raise_alert, resolve_alert
from mesh_catalog.catalog.outbox import Message, MessageReason
from mesh_catalog.catalog.store import utc_now

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["Concerned", "Notice", "messages_of", "notify", "resolve"]


@dataclass(frozen=True, kw_only=True)
class Concerned:
    """Another domain that should know, and why."""

    domain: str
    why: str
    """For example `payments.fraud (owner payments@example.org) learned from shop.orders.amount`."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What went wrong. Title and text go out of the mesh: never a value of a row, never a secret."""

    subject: str
    """`domain.name` of a product or a model."""
    subject_kind: Literal["product", "model"] = "model"
    kind: str
    """For example `data_drift`, `performance`, `publish`."""
    severity: Severity = "fail"
    title: str
    text: str
    verdict_id: str | None = None
    dedup_key: str | None = None
    """`<kind>:<subject>` where None."""
    concerned: tuple[Concerned, ...] = ()

    @property
    def key(self) -> str:
        return self.dedup_key or f"{self.kind}:{self.subject}"

    @property
    def domain(self) -> str:
        return self.subject.partition(".")[0]


def notify(mesh: Mesh, notice: Notice, *, now: datetime | None = None) -> Raised:
    """Tell the owner and the on-call of the subject's domain, and the domains it concerns.

    The same trouble again (`dedup_key`) is counted, and told again after `repeat` of the domain's `alerts:`. The same
    verdict told of again is nothing new. That a message cannot be delivered is no error: it is tried again, and `mesh
    alert list` shows it.

    Raises:
        StorageError: The catalog cannot be written.
    """
    at = now or utc_now()
    spec = alert_spec(mesh, notice.domain)
    new = NewAlert(
        dedup_key=notice.key,
        subject=notice.subject,
        subject_kind=notice.subject_kind,
        domain=notice.domain,
        kind=notice.kind,
        severity=notice.severity,
        title=notice.title,
        text=notice.text,
        verdict_id=notice.verdict_id,
    )
    raised = raise_alert(
        mesh.catalog,
        new,
        messages=lambda alert, reason: _first_messages(mesh, alert, reason, notice.concerned),
        acknowledge=spec.acknowledge if notice.severity == "fail" and spec.tell else None,
        repeat=spec.repeat,
        now=at,
    )
    if raised.what in ("first", "again"):
        send_waiting(mesh, now=now)
    return raised


def resolve(
    mesh: Mesh, subject: str, kind: str, *, dedup_key: str | None = None, now: datetime | None = None
) -> AlertRecord | None:
    """It is over: the alert closes by itself, and is not escalated; None where there was none."""
    return resolve_alert(mesh.catalog, dedup_key or f"{kind}:{subject}", now=now or utc_now())


def _first_messages(
    mesh: Mesh, alert: AlertRecord, reason: MessageReason, concerned: Sequence[Concerned]
) -> list[Message]:
    """To the alert's own domain, then to the others, each once."""
    found: list[Message] = []
    for domain in dict.fromkeys([alert.domain, *(one.domain for one in concerned)]):
        names = told_at_once(alert_spec(mesh, domain), alert.severity)
        why = [one.why for one in concerned if one.domain == domain != alert.domain]
        found += messages_of(alert, domain, names, reason, why=why)
    return found


def messages_of(
    alert: AlertRecord, domain: str, channels: Sequence[str], reason: MessageReason, *, why: Sequence[str] = ()
) -> list[Message]:
    """The alert as a message to each of a domain's channels."""
    return [
        Message(
            domain=domain,
            channel=channel,
            severity=alert.severity,
            title=message_title(alert, reason),
            body=message_body(alert, reason, why=why),
        )
        for channel in channels
    ]
