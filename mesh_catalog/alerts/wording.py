"""What a message says: plain text, short, ending with what to do."""

from __future__ import annotations

from collections.abc import Sequence

from mesh_catalog.catalog.alerts import AlertRecord
from mesh_catalog.catalog.outbox import Delivery, MessageReason

__all__ = ["message_body", "message_title", "signed"]

_WORDS = {"warn": "warning", "fail": "failed"}


def message_title(alert: AlertRecord, reason: MessageReason) -> str:
    """`[failed] payments.fraud: drift in 3 of 11 columns`."""
    more = {"first": "", "again": ", still", "escalation": ", nobody answered"}[reason]
    return f"[{_WORDS[alert.severity]}{more}] {alert.title}"


def message_body(alert: AlertRecord, reason: MessageReason, *, why: Sequence[str] = ()) -> str:
    lines = [alert.text]
    if why:
        lines += ["", "It concerns you:", *(f"  {line}" for line in why)]
    times = "once" if alert.count == 1 else f"{alert.count} times"
    lines += ["", f"{alert.kind} of {alert.subject}, seen {times} since {alert.first_at:%Y-%m-%d %H:%M} UTC"]
    if reason == "escalation":
        lines.append("Nobody acknowledged it in time; an incident is open.")
    lines.append(f"mesh alert show {alert.id}    mesh alert ack {alert.id}")
    return "\n".join(lines)


def signed(delivery: Delivery) -> str:
    """The body with the message's id: whoever gets it twice can tell."""
    return f"{delivery.body}\nmessage {delivery.id}"
