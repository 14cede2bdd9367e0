"""Telling a collector of the mesh's own runs: queued in a folder when a run ends, sent when the mesh is closed.

A collector that is away costs nobody a publish: what was not sent waits in `<state>/openlineage/outbox`, and the next
command sends it. One that does not answer in time is left alone for a minute. Transports are openlineage-python's own.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mesh_catalog.access.locations import table_location
from mesh_catalog.catalog.openlineage.emitting import ParentRun, default_namespace, run_events
from mesh_catalog.errors import MeshError, SettingsError
from mesh_catalog.settings import Settings

if TYPE_CHECKING:
    from mesh_catalog.catalog.store import Catalog

__all__ = ["Emission", "transport_config"]

_log = logging.getLogger(__name__)
_SLOW_SECONDS = 2.0
_PAUSE_SECONDS = 60.0
_LIMIT = 10_000
"""Runs that wait at most."""
_PASSING = (401, 403, 404, 408, 409, 425, 429)
"""Answers that another try may change; any other 4xx says that the event itself is wrong."""


def transport_config(settings: Settings, environment: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """The transport's configuration, as openlineage-python takes it; None where nobody is to be told.

    `openlineage` of conf/, else OPENLINEAGE_URL and OPENLINEAGE_ENDPOINT; the key is in OPENLINEAGE_API_KEY. Its own
    addition is `namespace`, of the mesh's jobs and of its products' names.
    """
    env = os.environ if environment is None else environment
    if env.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return None
    config: dict[str, Any] = dict(settings.openlineage)
    if not config and env.get("OPENLINEAGE_URL"):
        config = {"type": "http", "url": env["OPENLINEAGE_URL"]}
        if env.get("OPENLINEAGE_ENDPOINT"):
            config["endpoint"] = env["OPENLINEAGE_ENDPOINT"]
    if not config or config.get("type") == "none":
        return None
    if config["type"] == "file" and "://" not in str(config.get("log_file_path", "://")):
        config["log_file_path"] = str(settings.workspace / config["log_file_path"])
    if config["type"] == "http":
        config.setdefault("retry", {"total": 1, "backoff_factor": 0.1})
        if env.get("OPENLINEAGE_API_KEY"):
            config.setdefault("auth", {"type": "api_key", "apiKey": env["OPENLINEAGE_API_KEY"]})
    return config


class Emission:
    """The queue of one mesh's runs, and the way out of it."""

    def __init__(self, settings: Settings, catalog: Catalog, config: Mapping[str, Any]) -> None:
        self.settings = settings
        self.catalog = catalog
        self.config = dict(config)
        self.namespace: str = self.config.pop("namespace", None) or default_namespace(settings.lake)
        self.outbox = settings.state / "openlineage" / "outbox"

    def queue(self, run_ids: Sequence[str]) -> None:
        """Keep the events of runs that ended; never an error, a run is not to fail by it."""
        for run_id in run_ids:
            try:
                events = run_events(
                    self.catalog,
                    run_id,
                    namespace=self.namespace,
                    locate=lambda product: table_location(self.settings, product),
                    parent=_parent(os.environ),
                )
                if events:
                    self._store(events)
            except (MeshError, OSError, ValueError) as error:
                _log.warning("openlineage: run %s cannot be told of (%s)", run_id, type(error).__name__)

    def _store(self, events: Sequence[dict[str, Any]]) -> None:
        self.outbox.mkdir(parents=True, exist_ok=True)
        if sum(1 for _ in self.outbox.glob("*.json")) >= _LIMIT:
            _log.warning("openlineage: %s runs wait for the collector already; a newer one is not told of", _LIMIT)
            return
        path = self.outbox / f"{time.time_ns():020d}-{uuid4().hex[:8]}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(events), encoding="utf-8")
        part.replace(path)

    def send(self) -> int:
        """Send what waits, oldest first, until the collector fails; returns how many runs wait on."""
        waiting = sorted(self.outbox.glob("*.json"))
        if not waiting or self._pauses():
            return len(waiting)
        logging.getLogger("openlineage").setLevel(logging.CRITICAL)  # it would print each failure with its stack
        started = time.monotonic()
        sent = 0
        try:
            transport = _transport(self.config)
            for path in waiting:
                self._send_one(transport, path)
                sent += 1
            transport.close()
        except Exception as error:  # noqa: BLE001 - a transport may be anybody's; no failure of it may reach a run
            self._warn(error, len(waiting) - sent, time.monotonic() - started)
        return len(waiting) - sent

    def _send_one(self, transport: Any, path: Path) -> None:
        for event in json.loads(path.read_text(encoding="utf-8")):
            try:
                transport.emit(event)
            except Exception as error:
                status = getattr(getattr(error, "response", None), "status_code", 0)
                if not 400 <= status < 500 or status in _PASSING:
                    raise
                _log.warning("openlineage: the collector refused an event (HTTP %s); it is not sent again", status)
        path.unlink(missing_ok=True)

    def _warn(self, error: Exception, waiting: int, seconds: float) -> None:
        if seconds > _SLOW_SECONDS:
            (self.outbox / "pause").touch()
        _log.warning(
            "openlineage: the collector cannot be told (%s); %s %s in %s, the next command tries again",
            type(error).__name__,
            waiting,
            "run waits" if waiting == 1 else "runs wait",
            self.outbox,
        )

    def _pauses(self) -> bool:
        try:
            return time.time() - (self.outbox / "pause").stat().st_mtime < _PAUSE_SECONDS
        except OSError:
            return False


def _transport(config: Mapping[str, Any]) -> Any:
    from openlineage.client.transport import get_default_factory  # late: 0.3 s, and only where somebody is told

    try:
        return get_default_factory().create(dict(config))
    except (ImportError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise SettingsError(
            f"openlineage: its transport '{str(config.get('type'))[:40]}' cannot be made ({type(error).__name__}). "
            "Write type http with url, or type file with log_file_path."
        ) from None


def _parent(environment: Mapping[str, str]) -> ParentRun | None:
    """The run that started this process, from OPENLINEAGE_PARENT_ID: namespace/job/run, as Airflow gives it."""
    parts = environment.get("OPENLINEAGE_PARENT_ID", "").split("/")
    if len(parts) < 3 or not all(parts):
        return None
    return ParentRun(namespace="/".join(parts[:-2]), job=parts[-2], run_id=parts[-1])
