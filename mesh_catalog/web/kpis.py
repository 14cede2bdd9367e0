"""KPIs over HTTP: the dictionary, a KPI's page with the history of its values, and both as JSON.

Values are computed by the same code as `mesh kpi`, so the audit trail has a read of the source by whoever runs the
service. They are kept until the source has a new version or contract, the KPI a new definition, or the day ends.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mesh_catalog.access.cards import kpi_card
from mesh_catalog.access.mesh import Mesh
from mesh_catalog.catalog.inventory import read_product
from mesh_catalog.catalog.kpis import KpiRecord, list_kpis, read_definitions, read_kpi
from mesh_catalog.catalog.store import utc_now
from mesh_catalog.catalog.versions import latest_version
from mesh_catalog.errors import MeshError
from mesh_catalog.lake.kpi_chart import kpi_chart
from mesh_catalog.web.answers import as_json, page
from mesh_catalog.web.pages import render

if TYPE_CHECKING:
    from mesh_catalog.lake.kpi import KpiValues

__all__ = ["ROUTES"]

_DRAWN = 400
"""Periods in the picture."""
_LISTED = 12
_KEPT = 64
"""So many KPIs' values are kept."""


class _Key(NamedTuple):
    kpi: str
    definitions: int
    source: str
    version: int | None
    contract: str
    day: date


async def get_kpis(request: Request) -> Response:
    """All KPIs, or those of a `domain`."""
    return await as_json(_kpis, request)


async def get_kpi(request: Request) -> Response:
    """A KPI: entry, definition, what it drives."""
    return await as_json(kpi_card, request.app.state.mesh.catalog, request.path_params["name"])


async def get_values(request: Request) -> Response:
    """A KPI's values, period by period."""
    return await as_json(_values, request, request.path_params["name"])


async def kpis(request: Request) -> Response:
    found = await run_in_threadpool(_kpis, request)
    return page(render("kpis.html", kpis=found, domain=request.query_params.get("domain")))


async def kpi(request: Request) -> Response:
    return page(await run_in_threadpool(_kpi, request))


ROUTES = [
    Route("/kpis", kpis, methods=["GET"]),
    Route("/kpis/{name}", kpi, methods=["GET"]),
    Route("/api/v1/kpis", get_kpis, methods=["GET"]),
    Route("/api/v1/kpis/{name}", get_kpi, methods=["GET"]),
    Route("/api/v1/kpis/{name}/values", get_values, methods=["GET"]),
]


def _kpis(request: Request) -> list[KpiRecord]:
    mesh: Mesh = request.app.state.mesh
    domain = request.query_params.get("domain")
    return [one for one in list_kpis(mesh.catalog) if domain in (None, "", one.domain)]


def _kpi(request: Request) -> str:
    name = request.path_params["name"]
    card = kpi_card(request.app.state.mesh.catalog, name)
    values, refused = None, None
    try:
        values = _values(request, name)
    except MeshError as error:
        refused = str(error)
    chart = Markup("")
    if values is not None:
        drawn = replace(values, points=values.points[-_DRAWN:])
        chart = Markup(kpi_chart(drawn))
    points: list[Any] = list(reversed(values.points[-_LISTED:])) if values is not None else []
    return render(
        "kpi.html", **card, values=values, refused=refused, chart=chart, points=points, drawn=_DRAWN, listed=_LISTED
    )


def _values(request: Request, name: str) -> KpiValues:
    from mesh_catalog.lake.kpi import compute_kpi  # late: Arrow comes with it

    mesh: Mesh = request.app.state.mesh
    known: dict[_Key, KpiValues] = request.app.state.kpi_values
    key = _key(mesh, name)
    found = known.get(key)
    if found is None:
        found = compute_kpi(mesh, name)
        while len(known) >= _KEPT:
            known.pop(next(iter(known)), None)
        known[key] = found
    return found


def _key(mesh: Mesh, name: str) -> _Key:
    """What a KPI's values depend on."""
    read_kpi(mesh.catalog, name)  # says so where there is none
    definitions = read_definitions(mesh.catalog, name)
    source = definitions[-1].source
    latest = latest_version(mesh.catalog, source)
    return _Key(
        kpi=name,
        definitions=len(definitions),
        source=source,
        version=latest.version if latest else None,
        contract=read_product(mesh.catalog, source).contract_digest,
        day=utc_now().date(),
    )
