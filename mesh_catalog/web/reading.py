"""What the catalog knows, as JSON: products, domains, terms, tags, requests for data."""

from __future__ import annotations

from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mesh_catalog.access.cards import domain_card, product_card
from mesh_catalog.access.mesh import Mesh
from mesh_catalog.access.requests import DataRequest, RequestState, read_requests
from mesh_catalog.catalog.domains import list_domains
from mesh_catalog.catalog.glossary import read_term, read_terms
from mesh_catalog.catalog.tags import read_tags
from mesh_catalog.errors import InputError
from mesh_catalog.web.answers import as_json, number

__all__ = ["ROUTES"]

_LIMIT = 500


async def get_product(request: Request) -> Response:
    """A product: contract, columns, people, ports, use, newest versions, last checks."""
    return await as_json(_product, _mesh(request), request.path_params["name"])


async def get_tags(request: Request) -> Response:
    """The personal columns of a product, each with the path along which it came; 409 where the lineage has gaps."""
    return await as_json(read_tags, _mesh(request).catalog, request.path_params["name"])


async def get_domains(request: Request) -> Response:
    return await as_json(_domains, _mesh(request))


async def get_domain(request: Request) -> Response:
    """A domain: its people, and all that it offers."""
    return await as_json(domain_card, _mesh(request).catalog, request.path_params["name"])


async def get_terms(request: Request) -> Response:
    return await as_json(read_terms, _mesh(request).catalog)


async def get_term(request: Request) -> Response:
    return await as_json(read_term, _mesh(request).catalog, request.path_params["name"])


async def get_requests(request: Request) -> Response:
    """The log of requests for data, newest first: `product`, `state`, `limit`."""
    return await as_json(_requests, request)


ROUTES = [
    Route("/api/v1/products/{name}", get_product, methods=["GET"]),
    Route("/api/v1/products/{name}/tags", get_tags, methods=["GET"]),
    Route("/api/v1/domains", get_domains, methods=["GET"]),
    Route("/api/v1/domains/{name}", get_domain, methods=["GET"]),
    Route("/api/v1/terms", get_terms, methods=["GET"]),
    Route("/api/v1/terms/{name}", get_term, methods=["GET"]),
    Route("/api/v1/requests", get_requests, methods=["GET"]),
]


def _product(mesh: Mesh, name: str) -> dict[str, Any]:
    card = product_card(mesh.catalog, name)
    return {**card, "version": card["versions"][0] if card["versions"] else None}


def _domains(mesh: Mesh) -> list[dict[str, Any]]:
    return [{**domain.__dict__, "products": count} for domain, count in list_domains(mesh.catalog)]


def _requests(request: Request) -> list[DataRequest]:
    asked = request.query_params
    state = next((one for one in get_args(RequestState) if one == asked.get("state")), None)
    if asked.get("state") and state is None:
        raise InputError(f"state is none of {', '.join(get_args(RequestState))}.")
    limit = number(asked.get("limit"), 50, name="limit", most=_LIMIT)
    return read_requests(_mesh(request).catalog, asked.get("product") or None, state=state, limit=limit)


def _mesh(request: Request) -> Mesh:
    mesh: Mesh = request.app.state.mesh
    return mesh
