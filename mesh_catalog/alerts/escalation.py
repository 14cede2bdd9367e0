"""Telling the next one where nobody acknowledged in time, and opening an incident. Run by a scheduler, or `--watch`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mesh_catalog.alerts.channels import alert_spec
from mesh_catalog.alerts.incidents import look_around
from mesh_catalog.alerts.notify import messages_of
from mesh_catalog.alerts.sending import Sent, send_waiting
from mesh_catalog.catalog.alerts import AlertRecord, due_alerts, step_alert
from mesh_catalog.catalog.incidents import open_incident
from mesh_catalog.catalog.store import utc_now

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["Escalated", "escalate"]


@dataclass(frozen=True, kw_only=True)
class Escalated:
    """One pass: which alerts went a step further, and what was sent, messages that had failed before among it."""

    alerts: tuple[AlertRecord, ...]
    sent: Sent
    held: tuple[AlertRecord, ...] = ()
    """Due, of domains whose domain.yaml cannot be read: whom they tell is not known."""


def escalate(mesh: Mesh, *, now: datetime | None = None) -> Escalated:
    """Take each alert that nobody acknowledged in time one step further, then send all that waits.

    The first step opens the alert's incident. After the last of the chain it stays with them; a chain without anybody
    tells those who were told at first once more. Two processes at once take a step once. A domain whose domain.yaml is
    left out of the workspace waits, and loses nothing.
    """
    at = now or utc_now()
    known = mesh.workspace.known_domains
    due = due_alerts(mesh.catalog, at)
    held = tuple(alert for alert in due if known is not None and alert.domain not in known)
    stepped = tuple(alert for alert in due if alert not in held and _step(mesh, alert, at))
    return Escalated(alerts=stepped, sent=send_waiting(mesh, now=now), held=held)


def _step(mesh: Mesh, alert: AlertRecord, now: datetime) -> bool:
    spec = alert_spec(mesh, alert.domain)
    chain = [[channel.name] for channel in spec.escalate] or [[channel.name for channel in spec.tell]]
    names = chain[min(alert.step, len(chain) - 1)]
    due_at = now + spec.acknowledge if alert.step + 1 < len(chain) else None
    around = look_around(mesh, alert)
    return step_alert(
        mesh.catalog,
        alert,
        due_at=due_at,
        messages=messages_of(alert, alert.domain, names, "escalation"),
        also=lambda connection: open_incident(connection, alert, around, now=now),
        now=now,
    )
