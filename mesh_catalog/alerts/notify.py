"""Telling people that something is wrong, or that it is over.

`notify` writes the alert and its messages into the catalog first and sends them after: a receiver that is away, or a
process that dies, loses nothing and fails nobody. What waits is sent by the next command that tells or escalates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from mesh_catalog.alerts.sending import send_waiting
from mesh_catalog.alerts.wording import message_body, message_title
from mesh_catalog.catalog.alerts import AlertRecord, NewAlert, Raised, Severity, raise_alert, resolve_alert
from mesh_catalog.catalog.outbox import Message, MessageReason
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.specs import AlertSpec

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["Concerned", "Notice", "messages_of", "notify", "resolve", "wants_warnings"]

_QUIET = AlertSpec(tell=())
"""Of a domain that names no channel."""


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
    spec = _spec(mesh, notice.domain)
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
        messages=lambda alert, reason: _first_messages(mesh, spec, alert, reason, notice.concerned),
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


def wants_warnings(mesh: Mesh, domains: Iterable[str]) -> bool:
    """Whether any of the domains has a channel that hears of warnings."""
    return any(channel.warnings for domain in domains for channel in _spec(mesh, domain).tell)


def _spec(mesh: Mesh, domain: str) -> AlertSpec:
    found = mesh.workspace.domains.get(domain)
    return found.alerts if found is not None and found.alerts is not None else _QUIET


def _first_messages(
    mesh: Mesh, spec: AlertSpec, alert: AlertRecord, reason: MessageReason, concerned: Sequence[Concerned]
) -> list[Message]:
    names = [channel.name for channel in spec.tell if alert.severity == "fail" or channel.warnings]
    found = messages_of(alert, alert.domain, names, reason)
    for other in {one.domain: one for one in concerned if one.domain != alert.domain}.values():
        why = [one.why for one in concerned if one.domain == other.domain]
        told = [c.name for c in _spec(mesh, other.domain).tell if alert.severity == "fail" or c.warnings]
        found += messages_of(alert, other.domain, told, reason, why=why)
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
