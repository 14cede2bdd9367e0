"""Sending what waits in the outbox, by apprise: webhooks, mail, chats, a hundred more.

A channel's URL holds passwords and tokens. It is read when a message is sent, from where domain.yaml says, and goes
nowhere else: apprise's and urllib3's own log lines, which may name it, are dropped, and why a message failed is told in
our words.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mesh_catalog.alerts.channels import alert_spec
from mesh_catalog.alerts.wording import signed
from mesh_catalog.catalog.outbox import Delivery, claim_next, finish_delivery
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.specs import AlertChannel

if TYPE_CHECKING:
    from mesh_catalog.access.mesh import Mesh

__all__ = ["Sent", "send_waiting"]

_log = logging.getLogger(__name__)
_TALKERS = ("apprise", "urllib3.connectionpool", "urllib3.util.retry", "requests_oauthlib", "oauthlib")
_URL_BYTES = 8192
_sending: ContextVar[bool] = ContextVar("sending", default=False)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """How many messages went out, and how many failed and are tried again."""

    sent: int
    failed: int


def send_waiting(mesh: Mesh, *, now: datetime | None = None, environment: Mapping[str, str] | None = None) -> Sent:
    """Send each message that is due, until none is left. A failure is kept with its message, and is no error.

    Those to a domain whose domain.yaml is left out of the workspace wait.

    Args:
        now: Messages that are due by then; the clock's where None.
        environment: Where `url_env` is looked up; the process's own where None.

    Cost: 0.5 s to load apprise, where there is anything to send; at most some seconds a receiver that does not answer.
    """
    done: list[str | None] = []
    known = mesh.workspace.known_domains
    while (delivery := claim_next(mesh.catalog, now=now or utc_now(), domains=known)) is not None:
        error = _send(mesh, delivery, os.environ if environment is None else environment)
        finish_delivery(mesh.catalog, delivery, error=error, now=now or utc_now())
        if error is not None:
            _log.warning("alert %s: %s of %s: %s", delivery.alert_id, delivery.channel, delivery.domain, error)
        done.append(error)
    return Sent(sent=done.count(None), failed=len(done) - done.count(None))


def _send(mesh: Mesh, delivery: Delivery, environment: Mapping[str, str]) -> str | None:
    """Why it could not be sent; None where it was."""
    channel = alert_spec(mesh, delivery.domain).channel(delivery.channel)
    if channel is None:
        return f"domain.yaml of {delivery.domain} names no channel '{delivery.channel}' any more"
    url = _url(channel, environment)
    if url is None:
        return f"{channel.url_env or channel.url_file} is not set or cannot be read"
    with _silence():
        try:
            return _apprise(url, delivery)
        except Exception as error:  # noqa: BLE001 - anybody's plugin; no failure of it may reach whoever tells
            return f"the service's client failed ({type(error).__name__})"


def _apprise(url: str, delivery: Delivery) -> str | None:
    import apprise  # late: 0.5 s, and only where there is something to send

    kind = apprise.NotifyType.FAILURE if delivery.severity == "fail" else apprise.NotifyType.WARNING
    service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="mesh-catalog", plugin_paths=[]))
    if not service.add(url) or len(service) != 1:
        return "its URL is none that apprise knows; for a webhook write json://host/path or jsons://host/path"
    said = service.notify(
        title=delivery.title, body=signed(delivery), notify_type=kind, body_format=apprise.NotifyFormat.TEXT
    )
    return None if said else "the receiver is away, or refused it"


def _url(channel: AlertChannel, environment: Mapping[str, str]) -> str | None:
    if channel.url_env is not None:
        return environment.get(channel.url_env, "").strip() or None
    assert channel.url_file is not None
    try:
        with channel.url_file.open(encoding="utf-8") as file:
            return file.read(_URL_BYTES).strip() or None
    except (OSError, UnicodeDecodeError):
        return None


@contextmanager
def _silence() -> Iterator[None]:
    """Drop what the libraries log while we send; what others send through them meanwhile is theirs to log."""
    for name in _TALKERS:
        logger = logging.getLogger(name)
        if _is_ours not in logger.filters:
            logger.addFilter(_is_ours)
    token = _sending.set(True)
    try:
        yield
    finally:
        _sending.reset(token)


def _is_ours(_record: logging.LogRecord) -> bool:
    return not _sending.get()
