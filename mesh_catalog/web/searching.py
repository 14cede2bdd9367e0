"""GET /api/v1/search: products, models, dashboards, datasets… by words, narrowed by facets, with the counts."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mesh_catalog.catalog.canonical import plain
from mesh_catalog.catalog.search import FACETS, find
from mesh_catalog.errors import InputError

__all__ = ["get_search"]

_LIMIT = 200
_WORDS = 500


async def get_search(request: Request) -> Response:
    """`q` the words, `limit`, and any facet, also several times: `?q=orders&domain=sales&domain=crm`."""
    asked = request.query_params
    unknown = sorted(set(asked) - {"q", "limit", *FACETS})
    if unknown:
        raise InputError(f"{unknown[0][:40]}: no such parameter. There are q, limit, {', '.join(FACETS)}.")
    text, limit = asked.get("q", ""), asked.get("limit", "20")
    if len(text) > _WORDS:
        raise InputError(f"q is longer than {_WORDS} letters.")
    if not (limit.isascii() and limit.isdigit() and 0 < int(limit) <= _LIMIT):
        raise InputError(f"limit is no number from 1 to {_LIMIT}.")
    where = {facet: asked.getlist(facet) for facet in FACETS if facet in asked}
    found = await run_in_threadpool(
        find, request.app.state.mesh.catalog, text, limit=int(limit), where=where, counts=True
    )
    return JSONResponse(plain(found))
