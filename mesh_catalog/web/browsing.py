"""Pages of what the catalog knows: a product, a domain, a model, a dashboard, a term. No page shows rows or values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mesh_catalog.access.cards import domain_card, product_card
from mesh_catalog.access.mesh import Mesh
from mesh_catalog.access.requests import read_requests
from mesh_catalog.catalog.decisions import read_decisions
from mesh_catalog.catalog.domains import list_domains, read_unowned
from mesh_catalog.catalog.glossary import read_term, read_terms
from mesh_catalog.catalog.inventory import read_dashboard, read_model
from mesh_catalog.catalog.kpis import list_kpis
from mesh_catalog.catalog.models import read_aliases, read_model_versions
from mesh_catalog.catalog.runs import RunRecord, VersionRecord, read_runs
from mesh_catalog.catalog.store import Catalog, utc_now
from mesh_catalog.catalog.verdicts import read_verdicts
from mesh_catalog.errors import MeshError
from mesh_catalog.web.answers import page
from mesh_catalog.web.pages import render
from mesh_catalog.web.tracing import read_near

__all__ = ["ROUTES"]

_VERSIONS = 10
_VERDICTS = 8
_DEPTH = 2
_LISTED = 500


@dataclass(frozen=True, kw_only=True)
class _Publish:
    """One publish, and the version that it committed."""

    run: RunRecord
    version: VersionRecord | None


@dataclass(frozen=True, kw_only=True)
class _Nulls:
    """How much of each column is null in the newest version's rows, by its profile."""

    shares: Mapping[str, float]
    version: int
    appended: bool
    """Whether it speaks of the rows that the version added, not of the table."""


def _product(mesh: Mesh, name: str) -> str:
    catalog = mesh.catalog
    card = product_card(catalog, name, versions=_VERSIONS)
    of_run = {version.run_id: version for version in card["versions"]}
    runs = read_runs(catalog, name, limit=_VERSIONS, kind="publish")
    return render(
        "product.html",
        **card,
        today=utc_now().date(),
        publishes=[_Publish(run=run, version=of_run.get(run.id)) for run in runs],
        nulls=_nulls(mesh, card["versions"][0]) if card["versions"] else None,
        verdicts_found=read_verdicts(catalog, name, limit=_VERDICTS),
        requests=read_requests(catalog, name, state="open", limit=_VERSIONS),
        near=read_near(catalog, name, depth=_DEPTH),
    )


def _nulls(mesh: Mesh, newest: VersionRecord) -> _Nulls | None:
    """None where the version has no profile, or it cannot be read: the page is as good without it."""
    from mesh_catalog.lake.profiles import load_profile  # late: filesystems of object stores come with it

    try:
        profile = load_profile(mesh, newest.product, newest.version)
    except MeshError:
        return None
    shares = {name: one.null_count / one.count for name, one in profile.columns.items() if one.count}
    return _Nulls(shares=shares, version=newest.version, appended=newest.mode == "append")


def _domain(mesh: Mesh, name: str) -> str:
    card = domain_card(mesh.catalog, name)
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for asset in card["assets"]:
        kinds.setdefault(asset["kind"], []).append(asset)
    return render("domain.html", domain=card["domain"], kinds=kinds, listed=_LISTED)


def _domains(mesh: Mesh, _name: str) -> str:
    return render(
        "domains.html", domains=list_domains(mesh.catalog), unowned=read_unowned(mesh.catalog), listed=_LISTED
    )


def _model(mesh: Mesh, name: str) -> str:
    catalog = mesh.catalog
    return render(
        "model.html",
        model=read_model(catalog, name),
        aliases=read_aliases(catalog, name),
        versions=read_model_versions(catalog, name)[: -_VERSIONS - 1 : -1],
        verdicts_found=read_verdicts(catalog, name, limit=_VERDICTS),
        decisions=read_decisions(catalog, name, _VERSIONS),
        near=read_near(catalog, name, depth=_DEPTH + 1),  # its frames stand between it and the products
    )


def _dashboard(mesh: Mesh, name: str) -> str:
    found = read_dashboard(mesh.catalog, name)
    return render("dashboard.html", dashboard=found, near=read_near(mesh.catalog, name, depth=_DEPTH))


def _term(mesh: Mesh, name: str) -> str:
    return render("term.html", term=read_term(mesh.catalog, name), kpis=_kpi_names(mesh.catalog))


def _terms(mesh: Mesh, _name: str) -> str:
    return render("terms.html", terms=read_terms(mesh.catalog), listed=_LISTED)


def _kpi_names(catalog: Catalog) -> set[str]:
    return {one.name for one in list_kpis(catalog)}


def _route(path: str, tell: Callable[[Mesh, str], str]) -> Route:
    async def answer(request: Request) -> Response:
        name = request.path_params.get("name", "")
        return page(await run_in_threadpool(tell, request.app.state.mesh, name))

    return Route(path, answer, methods=["GET"], name=tell.__name__)


ROUTES = [
    _route("/products/{name}", _product),
    _route("/domains", _domains),
    _route("/domains/{name}", _domain),
    _route("/models/{name}", _model),
    _route("/dashboards/{name}", _dashboard),
    _route("/terms", _terms),
    _route("/terms/{name}", _term),
]
