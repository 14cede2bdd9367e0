"""What monitoring found, for people (pages), programs (JSON) and Prometheus: timelines, alerts, incidents, metrics."""

from __future__ import annotations

from typing import Any, get_args

from sqlalchemy import case, func, select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mesh_catalog.access.mesh import Mesh
from mesh_catalog.alerts.prometheus import CONTENT_TYPE, metrics_text
from mesh_catalog.catalog.alerts import read_alerts
from mesh_catalog.catalog.canonical import plain
from mesh_catalog.catalog.incidents import read_incidents
from mesh_catalog.catalog.outbox import read_deliveries
from mesh_catalog.catalog.store import Catalog
from mesh_catalog.catalog.tables import verdicts
from mesh_catalog.catalog.timeline import Timeline, read_timeline
from mesh_catalog.catalog.verdicts import MonitorKind
from mesh_catalog.errors import InputError
from mesh_catalog.retraining.rollout_status import RolloutStatus, read_rollout_status
from mesh_catalog.web.answers import page
from mesh_catalog.web.pages import render, timeline_page

__all__ = ["ROUTES"]

_LIMIT = 500
_WORST = ("not_run", "pass", "warn", "fail")


async def get_metrics(request: Request) -> Response:
    text = await run_in_threadpool(metrics_text, _catalog(request))
    return PlainTextResponse(text, media_type=CONTENT_TYPE)


async def get_timeline(request: Request) -> Response:
    """A timeline as JSON: `kind`, `slices`, `limit`."""
    return JSONResponse(plain(await run_in_threadpool(_timeline, request)))


async def timeline(request: Request) -> Response:
    found, rollout = await run_in_threadpool(lambda: (_timeline(request), _rollout(request)))
    return page(timeline_page(found, rollout=rollout))


async def get_rollout(request: Request) -> Response:
    """How a model's newest rollout stands; null where it never had one."""
    return JSONResponse(plain(await run_in_threadpool(_rollout, request)))


async def timelines(request: Request) -> Response:
    return page(render("timelines.html", subjects=await run_in_threadpool(_subjects, _catalog(request))))


async def get_alerts(request: Request) -> Response:
    """Alerts that are not over, with their messages; `subject`, `all=true`, `limit`."""
    found = await run_in_threadpool(_alerts, request)
    return JSONResponse([{**plain(alert), "deliveries": plain(deliveries)} for alert, deliveries in found])


async def alerts(request: Request) -> Response:
    found = await run_in_threadpool(_alerts, request)
    return page(render("alerts.html", alerts=found, everything=_all(request)))


async def get_incidents(request: Request) -> Response:
    """Incidents that are open; `subject`, `all=true`."""
    found = await run_in_threadpool(_incidents, request)
    return JSONResponse([{key: value for key, value in plain(one).items() if key != "tests"} for one in found])


async def incidents(request: Request) -> Response:
    found = await run_in_threadpool(_incidents, request)
    return page(render("incidents.html", incidents=found, everything=_all(request)))


ROUTES = [
    Route("/metrics", get_metrics, methods=["GET"]),
    Route("/alerts", alerts, methods=["GET"]),
    Route("/incidents", incidents, methods=["GET"]),
    Route("/timelines", timelines, methods=["GET"]),
    Route("/timeline/{name}", timeline, methods=["GET"]),
    Route("/api/v1/alerts", get_alerts, methods=["GET"]),
    Route("/api/v1/incidents", get_incidents, methods=["GET"]),
    Route("/api/v1/timeline/{name}", get_timeline, methods=["GET"]),
    Route("/api/v1/rollout/{name}", get_rollout, methods=["GET"]),
]


def _catalog(request: Request) -> Catalog:
    mesh: Mesh = request.app.state.mesh
    return mesh.catalog


def _timeline(request: Request) -> Timeline:
    asked = request.query_params
    kind = next((one for one in get_args(MonitorKind) if one == asked.get("kind")), None)
    if asked.get("kind") and kind is None:
        raise InputError(f"kind is none of {', '.join(get_args(MonitorKind))}.")
    slices = asked.get("slices", "false") == "true"
    name = request.path_params["name"]
    return read_timeline(_catalog(request), name, kind=kind, slices=slices, limit=_limit(request, 30))


def _rollout(request: Request) -> RolloutStatus | None:
    return read_rollout_status(_catalog(request), request.path_params["name"])


def _alerts(request: Request) -> list[tuple[Any, list[Any]]]:
    catalog = _catalog(request)
    subject, limit = request.query_params.get("subject"), _limit(request, 100)
    found = read_alerts(catalog, subject, unresolved=not _all(request), limit=limit)
    deliveries = read_deliveries(catalog, [alert.id for alert in found])
    return [(alert, [one for one in deliveries if one.alert_id == alert.id]) for alert in found]


def _incidents(request: Request) -> list[Any]:
    return read_incidents(_catalog(request), request.query_params.get("subject"), unclosed=not _all(request))


def _subjects(catalog: Catalog) -> list[dict[str, Any]]:
    """What was judged, the worst outcome of its newest window, by name."""
    v = verdicts.c
    newest = select(v.subject, func.max(v.window_to).label("window_to")).group_by(v.subject).subquery()
    rank = case({outcome: index for index, outcome in enumerate(_WORST)}, value=v.outcome, else_=0)
    same = (v.window_to == newest.c.window_to) | newest.c.window_to.is_(None)
    query = (
        select(v.subject, newest.c.window_to, func.max(rank).label("worst"))
        .join(newest, (newest.c.subject == v.subject) & same)
        .group_by(v.subject, newest.c.window_to)
        .order_by(v.subject)
    )
    with catalog.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [{**row, "worst": _WORST[row["worst"]]} for row in rows]


def _all(request: Request) -> bool:
    return request.query_params.get("all", "false") == "true"


def _limit(request: Request, default: int) -> int:
    text = request.query_params.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _LIMIT):
        raise InputError(f"limit is no number from 1 to {_LIMIT}.")
    return int(text)
